"""The words for what the machine found: messages by id in English and Chinese, values with their units, and one sentence per reason.

The catalogues are serving/messages/<language>.json. A feature is named from the parts of its name, <group>_<measure>_<window>: words for <group>_<measure>,
or for the parts of it, and words for the window.
"""

import json
import math
import re
from functools import cache
from importlib.resources import files

from features.errors import RiskError

LANGUAGES = ("en", "zh")
WINDOW = re.compile(r"(.+)_(\d+)([hdm])")
YEAR_DAYS = 365
# Units whose values are written as a percentage of one.
SHARES = frozenset({"share", "quantile", "difference of shares"})
# Units whose values are logarithms of money: by how much to divide what they stand for.
LOGS = {"log currency units": 1, "log minor units": 100}
SIGNED_LOGS = {"signed log": 1, "signed log minor units": 100}


def language_of(accepted, *, default="en"):
    """The first language of an Accept-Language header (such as "zh-CN,zh;q=0.9") that there are words in, or the default."""
    for part in (accepted or "").split(","):
        tag = part.split(";")[0].strip().lower().split("-")[0]
        if tag in LANGUAGES:
            return tag
    return default


def text(message_id, *, language, **values):
    """The message with this id, its {placeholders} filled; a "feature." id is named as by feature_name.

    Raises RiskError for a language or an id there are no words for.
    """
    if message_id.startswith("feature."):
        return feature_name(message_id.removeprefix("feature."), language=language)
    words = _catalogue(language)["messages"].get(message_id)
    if words is None:
        raise RiskError(f"The message '{message_id}' has no wording in serving/messages/{language}.json; add one.")
    return words.format(**values)


def has_text(message_id, *, language):
    """Whether the catalogue has words for this message, or of its own for this feature ("feature.<name>")."""
    catalogue = _catalogue(language)
    stem, _ = _split_window(message_id.removeprefix("feature."), catalogue)
    return message_id in catalogue["messages"] or (message_id.startswith("feature.") and stem in catalogue["stems"])


def label(kind, name, *, language):
    """The words for a factor, route, grade or other named thing, message id "<kind>.<name>"; a user's own name is shown with spaces."""
    message_id = f"{kind}.{name}"
    return text(message_id, language=language) if has_text(message_id, language=language) else str(name).replace("_", " ")


def policy_reason(code, *, language):
    """A policy's reason in words: codes are <kind>.<name>; a hard stop that the catalogue does not know is named as the policy's author named it."""
    if has_text(f"policy.{code}", language=language):
        return text(f"policy.{code}", language=language)
    kind, _, name = code.partition(".")
    return text(f"policy.{kind}", language=language, name=name.replace("_", " "))


@cache
def feature_name(name, *, language):
    """What a feature is called, beginning with a capital: the words of its name without the window, then the window; a user's own column keeps its word."""
    catalogue = _catalogue(language)
    stem, when = (name, "") if name in catalogue["stems"] else _split_window(name, catalogue)
    words = catalogue["named"].format(measure=_stem_words(stem, catalogue), when=when)
    return words[0].upper() + words[1:]


def format_value(value, unit, *, language):
    """A feature's value as read by a person: None and NaN as not known, categories as they are, numbers with their unit.

    unit: of the feature's declaration. Shares are written in per cent, money in whole currency units, logarithms as the amounts they stand for.
    """
    messages = _catalogue(language)["messages"]
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return messages["value.missing"]
    if isinstance(value, str):
        return messages["value.unseen"] if value == "unseen" else value
    if unit == "flag":
        return messages["value.yes" if value else "value.no"]
    if unit.startswith("weekday"):
        return messages[f"weekday.{int(value) % 7}"]
    if unit in SHARES:
        return f"{value * 100:,.1f}%"
    return messages.get(f"unit.{unit}", "{value}").format(value=_number(_amount(value, unit)))


def reason_sentence(name, value, *, unit, contribution, language):
    """One sentence that names a feature, its value and whether it raises (contribution > 0, log-odds of the bad outcome) or lowers the risk."""
    before, after = _around_value(name, contribution > 0, language)
    return f"{before}{format_value(value, unit, language=language)}{after}"


@cache
def _around_value(name, adverse, language):
    """What stands before and after the value in a reason's sentence: the same for every row, and a batch asks for it thousands of times."""
    message_id, value = "reason.adverse" if adverse else "reason.favourable", "\0"
    return text(message_id, language=language, name=feature_name(name, language=language), value=value).split(value)


def _amount(value, unit):
    if unit == "minor units":
        return value / 100
    if unit in LOGS:
        return _exp(value) / LOGS[unit]
    if unit in SIGNED_LOGS:
        return math.copysign(_exp(abs(value)) - 1, value) / SIGNED_LOGS[unit]
    return value


def _exp(value):
    # A logarithm beyond this is no amount of money; exp would overflow.
    return math.exp(min(value, 700.0))


def _number(value):
    if 0 < abs(value) < 0.1:
        # two digits that say something: a change of 0.004 is not none
        return f"{float(f'{value:.2g}'):.6f}".rstrip("0").rstrip(".") if abs(value) >= 1e-6 else "0"
    rounded = round(float(value), 2)
    return f"{rounded:,.0f}" if rounded == int(rounded) or abs(rounded) >= 1000 else f"{rounded:,.2f}"


@cache
def _catalogue(language):
    if language not in LANGUAGES:
        raise RiskError(f"There are no words in language '{language}'; use one of {', '.join(LANGUAGES)}.")
    return json.loads((files("serving") / "messages" / f"{language}.json").read_text(encoding="utf-8"))


def _split_window(name, catalogue):
    found = WINDOW.fullmatch(name)
    if not found:
        return name, ""
    stem, count, unit = found[1], int(found[2]), found[3]
    if stem in catalogue["without_window"]:
        return stem, ""
    if unit == "d" and count > YEAR_DAYS and count % YEAR_DAYS == 0:
        count, unit = count // YEAR_DAYS, "y"
    words = catalogue["one_window"].get(unit) if count == 1 else None
    return stem, words or catalogue["windows"][unit].format(n=count)


def _stem_words(stem, catalogue):
    """Words for a name without its window: its own, else by a suffix around another's, else of its group around its parts."""
    if stem in catalogue["stems"]:
        return catalogue["stems"][stem]
    for suffix, words in catalogue["suffixes"].items():
        if stem.endswith(suffix):
            return words.format(base=_stem_words(stem.removesuffix(suffix), catalogue))
    group = next(group for group in catalogue["groups"] if not group or stem.startswith(group + "_"))
    rest = stem.removeprefix(group).strip("_") or stem
    return catalogue["groups"][group].format(measure=_phrases(rest.split("_"), catalogue))


def _phrases(parts, catalogue):
    """Words for the parts of a name, the longest run of parts that has a phrase first; a part without one is shown as the user wrote it."""
    words, start = [], 0
    while start < len(parts):
        end = next((end for end in range(len(parts), start, -1) if "_".join(parts[start:end]) in catalogue["phrases"]), None)
        words.append(catalogue["phrases"]["_".join(parts[start:end])] if end else catalogue["unknown"].format(word=parts[start]))
        start = end or start + 1
    return catalogue["between"].join(words)
