"""The README in both languages: the same commands, code, figures and links in the same places, and nothing that leads nowhere."""

import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
NAMES = ("README.md", "README.zh-CN.md")
FENCED = re.compile(r"^```\n(.*?)^```$", re.M | re.S)
CODE = re.compile(r"`[^`\n]+`")
LINK = re.compile(r"\]\(([^)]+)\)|<(https?://[^>]+)>")
# English counts in millions, Chinese in ten thousands and hundred millions.
FIGURE = re.compile(r"(?<![A-Za-z0-9_.])[+−]?\d+(?:,\d{3})*(?:\.\d+)?(?:e-\d+)?(?:\s*(million|万|亿))?")
TIMES = {"": 1, "million": 1e6, "万": 1e4, "亿": 1e8}


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


def parts(text):
    """The parts of a page that say the same in both languages: each list item and table row, each paragraph and each heading, without code blocks."""
    prose = re.sub(r"\n(?=- |\| |#)", "\n\n", FENCED.sub("\n\n", text))
    return [part for part in re.split(r"\n\s*\n", prose.strip()) if part.strip() and not re.fullmatch(r"(?:English|\[English\]).*(?:简体中文).*", part)]


def figures(part):
    """The figures of a part outside code and links: of a table's row by cell in their order, elsewhere each as often as it stands there."""
    apart = LINK.sub("]", CODE.sub("", part))
    if part.startswith("|"):
        return {place: [written(each) for each in FIGURE.finditer(cell)] for place, cell in enumerate(apart.split("|"))}
    return Counter(written(each) for each in FIGURE.finditer(apart))


def written(match):
    scale = match.group(1) or ""
    digits = match.group(0).removesuffix(scale).strip()
    return digits if not scale else f"{float(digits.replace(',', '')) * TIMES[scale]:.0f}"


def links(part):
    return Counter(one or other for one, other in LINK.findall(part))


def code(part):
    return Counter(CODE.findall(part))


def shape(part):
    """What kind of part it is: heading of a level, list item, row of so many cells, picture or paragraph."""
    cells = len(re.findall(r"(?<!\\)\|", part)) if part.startswith("|") else 0
    return re.match(r"#+|- |!|\|?", part).group(0), cells


PAIRS = list(zip(*(parts(read(name)) for name in NAMES), strict=False))


def test_both_have_the_same_parts_in_the_same_order():
    english, chinese = ([shape(part) for part in parts(read(name))] for name in NAMES)
    assert english == chinese
    assert len(english) > 100


@pytest.mark.parametrize("taken", [figures, links, code])
def test_every_part_holds_the_same(taken):
    differing = [(english[:80], taken(english), taken(chinese)) for english, chinese in PAIRS if taken(english) != taken(chinese)]
    assert differing == []


def test_code_blocks_differ_in_their_remarks_only():
    blocks = [FENCED.findall(read(name)) for name in NAMES]
    commands, printed, own_data, layers = range(4)
    assert [len(found) for found in blocks] == [4, 4]
    assert blocks[0][printed] == blocks[1][printed]
    for place, remark in ((commands, r"\s+# .*"), (own_data, r"\s+# .*"), (layers, r"(?<=\w)\s{2,}.*")):
        english, chinese = (re.sub(remark, "", found[place]) for found in blocks)
        assert english == chinese
        assert blocks[0][place] != blocks[1][place]


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_to_files_that_are_there(name):
    files = [target.partition("#")[0] for target in links(read(name)) if not target.startswith("http")]
    assert len(files) > 20
    assert [target for target in files if not (ROOT / target).exists()] == []


def test_each_leads_to_the_other():
    assert [f"]({other})" in read(name) for name, other in zip(NAMES, NAMES[::-1], strict=True)] == [True, True]


@pytest.mark.parametrize("name", NAMES)
def test_make_targets_and_modules_it_names_are_there(name):
    text = read(name)
    targets = set(re.findall(r"^([a-z-]+):", read("Makefile"), re.M))
    assert set(re.findall(r"`make ([a-z-]+)", text)) <= targets
    modules = set(re.findall(r"python -m ((?:pipeline|benchmarks)\.\w+)", text))
    assert [module for module in modules if not (ROOT / module.replace(".", "/")).with_suffix(".py").exists()] == []


def test_the_figures_of_both_counting_systems_are_one():
    assert figures("10 million and 1.75 million of 5,000") == figures("1000 万和 175 万，共 5,000")
    assert figures("100 million") == figures("1 亿")
    assert figures("3.5 s (+0.019)") != figures("3.6 秒（+0.019）")
