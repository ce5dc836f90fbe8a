"""What the dossier is made of: sections of paragraphs, facts, lists, tables, tests and figures. What is empty is left out, never shown empty."""

from dataclasses import dataclass

from markupsafe import Markup

from pipeline.reports.stage_sentences import SENTENCES, message_of, retold


@dataclass(frozen=True)
class Block:
    """One part of a section: `kind` names the macro of dossier.html that draws it; head: (words, whether numbers stand in it) by column of a table,
    folded: its rows that are read only when asked for."""

    kind: str
    content: tuple
    title: str = ""
    note: str = ""
    head: tuple = ()
    folded: tuple = ()

    @property
    def narrow(self):
        """Whether a table is so small that across the page its cells would stand too far apart."""
        return len(self.head) < 4 and all(sum(map(len, row)) < 60 for row in self.content)


@dataclass(frozen=True)
class Section:
    """A numbered part of the dossier; `key` is its address on the page."""

    key: str
    title: str
    lead: str
    blocks: tuple

    @property
    def tests(self):
        """All tests of the section."""
        return [test for block in self.blocks if block.kind == "tests" for test in block.content]


@dataclass(frozen=True)
class Test:
    """One test: the question it answers, its figure and interval, what they say in a sentence, and whether that is as it should be (None: no opinion)."""

    name: str
    question: str
    figure: str
    interval: str
    reading: str
    good: bool | None = None

    __test__ = False


def section(words, key, *blocks, **values):
    """The section of the blocks that are there, titled "section.<key>" and led by "lead.<key>"; None where there is none."""
    kept = tuple(block for block in blocks if block is not None)
    return Section(key, words(f"section.{key}"), words(f"lead.{key}", **values), kept) if kept else None


def prose(*sentences, title=""):
    """A paragraph of the sentences that are there."""
    said = tuple(sentence for sentence in sentences if sentence)
    return Block("prose", said, title) if said else None


def stated(words, sentence, ids=SENTENCES):
    """A sentence that an earlier stage wrote in English, in the page's language; what no stage wrote stands as it is, marked as English."""
    if words.language == "en":
        return sentence
    found = message_of(sentence, ids)
    return quoted(sentence) if found is None else retold(found, words)


def quoted(sentence):
    """A text that its author wrote in English, marked as such on a page in any other language: screen readers and translators go by that."""
    return Markup('<span lang="en">{}</span>').format(sentence)


def listed(items, *, title="", note=""):
    """A list of sentences."""
    return Block("listed", tuple(items), title, note) if items else None


def links(items, *, title="", note=""):
    """A list of (label, address beside the page)."""
    return Block("links", tuple(items), title, note) if items else None


def facts(pairs, *, title=""):
    """Labels with their values; a pair without a value is left out."""
    known = tuple(pair for pair in pairs if pair[1] not in (None, ""))
    return Block("facts", known, title) if known else None


def table(head, rows, *, title="", note="", shown=None):
    """A table of written cells; head: column labels, a label that begins with "#" being of a column of numbers; rows beyond the first `shown` are folded."""
    columns = tuple((label.removeprefix("#"), label.startswith("#")) for label in head)
    cells = tuple(tuple(row) for row in rows)
    return Block("table", cells[:shown], title, note, columns, cells[len(cells[:shown]):]) if rows else None


def numbers(words, *names):
    """Labels "column.<name>" of columns of numbers, as `table` takes them."""
    return tuple(f"#{words(f'column.{name}')}" for name in names)


def counted(words, line, *names):
    """Counts of a mapping as they are written."""
    return tuple(words.count(line[name]) for name in names)


def readings(rows, *, title="", note=""):
    """Tests with their readings, those that could be done."""
    done = tuple(row for row in rows if row is not None)
    return Block("tests", done, title, note) if done else None


def figures(*drawn):
    """Figures side by side."""
    shown = tuple(figure for figure in drawn if figure is not None)
    return Block("figures", shown) if shown else None


def side(compared):
    """Which of two a difference with its interval says is better: better, worse, or level where the interval holds 0."""
    return "better" if compared["low"] > 0 else "worse" if compared["high"] < 0 else "level"


def good_of(compared):
    """Whether that is as it should be: no opinion where it is level."""
    return {"better": True, "level": None, "worse": False}[side(compared)]


def proven(compared):
    """Whether it is better beyond chance, where anything less is a finding: what has to earn its place must show that it does."""
    return side(compared) == "better"


def span(words, low, high, decimals=3):
    """An interval as it is written in a table."""
    return "" if low is None or high is None else f"{words.number(low, decimals)} – {words.number(high, decimals)}"


def span_percent(words, low, high, decimals=1):
    """An interval of shares."""
    return "" if low is None or high is None else f"{words.percent(low, decimals)} – {words.percent(high, decimals)}"


def rate(words, value):
    """A rate in per cent, with more digits where it is small."""
    return words.percent(value, 4 if 0 < value < 0.001 else 2)


def p_value(words, p):
    """A p-value; very small ones by their bound."""
    return "p < 0.001" if p < 0.001 else f"p = {words.number(p, 3)}"
