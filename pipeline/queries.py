"""What can be read off a source's SQL without running it: the words it uses, and the files it names with the options of the call."""

import re

import msgspec

from features.errors import RiskError

# Comments first: an apostrophe in one opens no text.
_TOKEN = re.compile(r"""--[^\n]*|/\*.*?\*/|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$|[eE]?'(?:[^']|'')*'|"(?:[^"]|"")*"|\w+(?:\.\w+)*|:=|\S""", re.DOTALL)
_FILE_CALLS = ("read_", "parquet_", "sniff_csv", "glob")
_END_OF_FROM = {"where", "group", "order", "select", "on", "using", "having", "limit", "union", "except", "intersect", "window", "qualify", "with"}


class NamedFile(msgspec.Struct, frozen=True):
    """A file or pattern as the SQL writes it.

    `call` is the function that reads it, empty after FROM; `options` are the call's, values as written.
    """

    text: str
    call: str
    options: dict


class _Level:
    """What stands between a pair of parentheses."""

    def __init__(self, call=""):
        self.call, self.options, self.texts, self.in_from = call, {}, [], False


def words(file):
    """Every name in an SQL file in lower case, comments and texts aside; quoted names without their quotes."""
    found = set()
    for token in _tokens(file):
        if token[0] == '"':
            found.add(token[1:-1].lower())
        elif not _is_text(token):
            found.update(token.lower().split("."))
    return found


def named_files(file):
    """The files and patterns that an SQL file reads: after FROM or JOIN, and as the first argument of a function that reads files."""
    levels, found, before = [_Level()], [], ["", ""]
    for token in _tokens(file):
        level = levels[-1]
        if token == "(":
            levels.append(_Level(before[-1].lower() if before[-1].isidentifier() else ""))
        elif token == ")":
            found += _named(level)
            levels = levels[:-1] or [_Level()]
        else:
            _take(level, token, before)
        before = [before[-1], token]
    return found + [file for level in levels for file in _named(level)]


def _tokens(file):
    try:
        sql = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise RiskError(f"{file} is not UTF-8 at byte {error.start:,}: save it as UTF-8.") from None
    for match in _TOKEN.finditer(sql):
        if not match.group().startswith(("--", "/*")):
            yield match.group()


def _is_text(token):
    return token[-1] == "'" or (token[0] == "$" and len(token) > 1)


def _take(level, token, before):
    if before[-1] in ("=", ":=") and before[-2].isidentifier():
        level.options[before[-2].lower()] = token
    elif _reads_files(level) and _is_text(token) and before[-1] in ("(", "[", ","):
        level.texts.append(_content(token))
    elif before[-1].lower() in ("from", "join") or (level.in_from and before[-1] == ","):
        level.in_from = True
        if _is_text(token) or token[0] == '"' or "." in token:
            level.texts.append(_content(token))
    elif token.lower() in _END_OF_FROM:
        level.in_from = False


def _reads_files(level):
    return level.call.startswith(_FILE_CALLS)


def _content(token):
    if token[0] == '"':
        return token[1:-1].replace('""', '"')
    if token[0] == "$":
        return token.split("$", 2)[2].rsplit("$", 2)[0]
    return token[token.index("'") + 1:-1].replace("''", "'") if _is_text(token) else token


def _named(level):
    call = level.call if _reads_files(level) else ""
    return [NamedFile(text, call, level.options if call else {}) for text in level.texts]
