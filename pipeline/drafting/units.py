"""Amounts in thousands or millions, by what a column, a file's name or the lines above its header say."""

import re
import unicodedata

import msgspec

from features.tables import LINES, TABLES

_MONEY = r"(?:EUR|€|USD|US\$|\$|GBP|£|CHF|CNY|RMB|¥|PLN|CZK|KRW|₩|JPY)"
# The longer words first: 百万元 holds 万元.
_HINTS = tuple((factor, re.compile(rf"(?<![^\W\d_])(?:{words})(?![^\W\d_])", re.IGNORECASE)) for factor, words in (
    (10**9, rf"mrd\.?|milliarden|billions?|{_MONEY}[ _]?bn|bn[ _]?{_MONEY}"),
    (10**6, rf"mio\.?|mill\.|millionen|millions?|mln|m[ _.]?{_MONEY}|{_MONEY}[ _]?(?:mn?|mm)"),
    (10**3, rf"[tk][ _.]?{_MONEY}|{_MONEY}[ _]?(?:k|['’]?000s?)|['’]000s?|(?<!\d)000s|in[ _]000|tsd\.?|tausend|thousands?|tys\.?|milliers"),
)) + tuple((factor, re.compile(words)) for factor, words in (
    (10**9, "十亿|十億|십억"), (10**6, "百万|百萬|백만"), (10**8, "[亿億][元欧歐円美]|억원"),
    (10**4, "[万萬][元欧歐円美]|만원"), (10**3, "[千仟][元欧歐円美]|천원"),
))


class Unit(msgspec.Struct, frozen=True):
    """What one unit of a column of amounts is worth in currency units, and the word that says so."""

    factor: int
    word: str


def unit_in(text):
    """The Unit a text speaks of (TEUR, in thousands, 万元, Mio), None where it speaks of none."""
    text = unicodedata.normalize("NFC", text)
    found = ((factor, pattern.search(text)) for factor, pattern in _HINTS)
    return next((Unit(factor, match[0].strip()) for factor, match in found if match), None)


def with_units(mapped):
    """The mapping with the unit of each amount that is not in whole currency units, and what is unsure about it."""
    opened, table = mapped.opened, TABLES[mapped.table]
    amounts = {column.name: mapped.columns[column.name] for column in table.columns
               if column.name in mapped.columns and (column.kind == "money" or column.name in LINES)}
    own = {column: unit for column, name in amounts.items() if (unit := unit_in(name))}
    whole, where = _of_file(opened)
    units = {column: own.get(column) or whole for column in amounts if column in own or whole}
    named = {unit: [amounts[column] for column in own if own[column] == unit] for unit in own.values()}
    doubts = [f"{opened.file}: {', '.join(names)} {'is' if len(names) == 1 else 'are'} taken as {unit.word} and multiplied by {unit.factor:,}"
              for unit, names in named.items()]
    if set(units) - set(own):
        doubts.append(f"{opened.file}: {where} {whole.word}: its amounts are multiplied by {whole.factor:,}")
    return msgspec.structs.replace(mapped, units=units, unsure=(*mapped.unsure, *doubts))


def _of_file(opened):
    named = unit_in(f"{opened.file} {opened.label}")
    return (named, "its name says") if named else (unit_in(opened.title), "the lines above its header say")
