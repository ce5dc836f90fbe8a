"""The words for what the machine found: messages by id in English and Chinese, values with their units, and one sentence per reason.

Reasons, their facts and units have gettext catalogues (serving.translations); names of features and of what is decided stand in
serving/messages/<language>.json. A feature is named from the parts of its name, <group>_<measure>_<window>: words for <group>_<measure>,
or for the parts of it, and words for the window.
"""

import json
import re
from functools import cache, lru_cache
from importlib.resources import files

import msgspec

from features.errors import RiskError
from serving.amounts import format_value, percent
from serving.translations import LANGUAGES, _, find, told

WINDOW = re.compile(r"(.+)_(\d+)([hdm])")
YEAR_DAYS = 365
# Sentences by whether they tell of a risk that rises and by what there is to say of the figure.
SENTENCES = {
    (True, "number"): _("sentence.adverse.number"),
    (True, "level"): _("sentence.adverse.level"),
    (True, "missing"): _("sentence.adverse.missing"),
    (False, "number"): _("sentence.favourable.number"),
    (False, "level"): _("sentence.favourable.level"),
    (False, "missing"): _("sentence.favourable.missing"),
}
# What a figure is held against, and how that is said where both are written alike.
AGAINST = {
    "year_before": _("against.year_before"),
    "year_before.same": _("against.year_before.same"),
    "quarter_before": _("against.quarter_before"),
    "quarter_before.same": _("against.quarter_before.same"),
    "own_average": _("against.own_average"),
    "own_average.same": _("against.own_average.same"),
    "typical": _("against.typical"),
    "typical.same": _("against.typical.same"),
}
# A quantile by what it is in and whether it is above the middle.
PLACES = {
    ("industry", True): _("against.industry.above"),
    ("industry", False): _("against.industry.below"),
    ("book", True): _("against.book.above"),
    ("book", False): _("against.book.below"),
}
WINDOWED = _("name.windowed")


def language_of(accepted, *, default="en"):
    """The first language of an Accept-Language header (such as "zh-CN,zh;q=0.9") that there are words in, or the default."""
    for part in (accepted or "").split(","):
        tag = part.split(";")[0].strip().lower().split("-")[0]
        if tag in LANGUAGES:
            return tag
    return default


def text(message_id, *, language, **values):
    """The message with this id, its {placeholders} filled; a "feature." id is named as by feature_name, a "reason." id by its business fact.

    Raises RiskError for a language or an id there are no words for.
    """
    if message_id.startswith("feature."):
        return feature_name(message_id.removeprefix("feature."), language=language)
    if message_id.startswith("reason."):
        fact = told(message_id, language=language)
        return fact[0].upper() + fact[1:]
    words = _catalogue(language)["messages"].get(message_id)
    if words is None:
        raise RiskError(f"The message '{message_id}' has no wording in serving/messages/{language}.json; add one.")
    return words.format(**values)


def has_text(message_id, *, language):
    """Whether the catalogue has words for this message, or of its own for this feature ("feature.<name>")."""
    if message_id.startswith("reason."):
        return find(message_id, language=language) is not None
    catalogue = _catalogue(language)
    stem, _when = _split_window(message_id.removeprefix("feature."), catalogue)
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


class Said(msgspec.Struct, frozen=True):
    """What a reason's sentence says: its message id and factor, whether it raises the risk, and its comparison (kind, name, value and reference as in
    models.reasons.Comparison) with the unit of the figure."""

    message_id: str
    factor: str
    adverse: bool
    kind: str
    name: str
    value: object
    reference: object
    unit: str


def reason_sentence(said, *, language):
    """One whole sentence: what raises or lowers the risk, the customer's figure, and what it is held against."""
    value, form = said.value, "number"
    if value is None or value != value:
        form = "missing"
    elif isinstance(value, str) or said.unit == "flag":
        form = "level"
    before, middle, after = _sentence(said.message_id, said.factor, said.adverse, said.name, form, language)
    written = "" if form == "missing" else format_value(value, said.unit, language=language)
    return f"{before}{written}{middle}{_against(said, written, language)}{after}"


def _against(said, written, language):
    """What the figure is held against."""
    if (said.kind, True) in PLACES:
        return _place(said.kind, round(said.reference * 100), language)
    if said.kind == "none":
        return ""
    # what is typical is the same for every row
    reference = (_typical if said.kind == "typical" else format_value)(said.reference, said.unit, language=language)
    before, after, same = _compared(said.kind, language)
    return same if reference == written else f"{before}{reference}{after}"


_typical = lru_cache(maxsize=4096)(format_value)


@lru_cache(maxsize=256)
def _place(kind, hundredths, language):
    """A quantile in its industry or in the whole book in words. The quantiles are estimates, so that nobody is above or below all."""
    above = hundredths >= 50
    share = percent(min(hundredths if above else 100 - hundredths, 99) / 100, language=language, digits=0)
    return told(PLACES[kind, above], language=language).format(share=share)


@cache
def _compared(kind, language):
    """What stands before and after a reference, and what is said where it is written like the figure."""
    before, _reference, after = told(AGAINST[kind], language=language).partition("{reference}")
    return before, after, told(AGAINST[f"{kind}.same"], language=language)


@lru_cache(maxsize=16384)
def _sentence(message_id, factor, adverse, name, form, language):
    """What stands before the value, before the comparison and at the end: the same for every row, and a batch asks for it thousands of times."""
    # A figure that belongs to no fact is named in the sentence already: what it tells of is its factor.
    fact = _spoken(text(f"factor.{factor}", language=language)) if message_id.startswith("feature.") else told(message_id, language=language)
    mark, words = "\0", told(SENTENCES[adverse, form], language=language)
    parts = words.format(fact=fact, name=_name_within(name, language), value=mark, comparison=mark).split(mark)
    return parts if len(parts) == 3 else (parts[0], "", parts[1])


def _spoken(words):
    """Words that stand alone as they are within a sentence."""
    return words[0].lower() + words[1:]


def _name_within(name, language):
    """What a feature is called within a sentence, its window in brackets where the language does so."""
    catalogue = _catalogue(language)
    stem, when = (name, "") if name in catalogue["stems"] else _split_window(name, catalogue)
    words = _stem_words(stem, catalogue)
    return told(WINDOWED, language=language).format(measure=words, when=when.removeprefix(",").strip()) if when else words


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
