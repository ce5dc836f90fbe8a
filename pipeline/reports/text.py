"""How the pages speak: headings and labels by id, and numbers, money and dates as a reader of that language writes them."""

import json
import math
import re
from importlib.resources import files

from serving.amounts import format_apart
from serving.messages import Said, feature_name, format_value, has_text, policy_reason, reason_sentence, text

LANGUAGES = ("en", "zh")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
# The steps in which large numbers are said: thousands in English, ten-thousands in Chinese.
_STEPS = {"en": ((1e12, " tn"), (1e9, " bn"), (1e6, " m"), (1e3, " k")), "zh": ((1e12, "万亿"), (1e8, "亿"), (1e4, "万"))}

# A sign and no part of a date or a name: only Latin letters are looked at, since Chinese text stands close to its numbers.
_HYPHEN = re.compile(r"(?<![0-9A-Za-z_.-])-(?=\d)")
# Kinds of words that a category of the model may hold.
_LEVELS = ("transaction", "channel", "industry", "region", "ownership", "kind", "event", "status")


class Words:
    """The words of one language; templates call it with an id."""

    def __init__(self, language, *, horizon=(12, "m"), more=()):
        """horizon: how far probabilities look ahead, (count, "m" or "d"), said wherever a text asks for {horizon}; more: names of further files of words."""
        self.language = language
        self.html_language = {"en": "en", "zh": "zh-CN"}[language]
        self._own = {key: text for name in ("", *(f"{each}." for each in more)) for key, text in _texts(f"{name}{language}.json").items()}
        count, unit = horizon
        self.horizon = self._own[f"horizon.{unit}{'.one' if count == 1 else ''}"].format(count=count)

    def __call__(self, message_id, **values):
        """The text with this id, its {placeholders} filled. Raises KeyError for an id without words: the tests find it, not the reader."""
        words = self._own[message_id].replace("{horizon}", self.horizon)
        return words.format(**values) if values else words

    def caption(self, name, *, description, note=None, legend=(), **values):
        """The caption of a figure, as `svg.drawing` takes it: title "figure.<name>", and "figure.<name>.note" where there is one."""
        note = f"figure.{name}.note" if note is None else note
        return {"key": name.replace(".", "-"), "title": self(f"figure.{name}", **values), "description": description, "legend": legend,
                "note": self(note, **values) if note in self._own else ""}

    def points(self, value):
        """A change of points with its sign; one that rounds to none has neither sign nor decimals."""
        written = f"{value:+,.{0 if abs(value) >= 10 else 1}f}".replace("-", "−")
        return self("points", value="0" if written in ("+0.0", "−0.0") else written)

    def days(self, value):
        """A number of days."""
        return self("day") if round(value) == 1 else self("days", days=self.count(value))

    def expected(self, value):
        """An expected count: whole, with one decimal where it is small, with two where it is less than a tenth."""
        return self.number(value, 0 if value >= 10 else 1 if value >= 0.1 else 2)

    def named(self, kind, name):
        """The words for a named thing, id "<kind>.<name>"; what a source named itself is shown as it is, with spaces for underscores."""
        if name is None:
            return self("none")
        message_id = f"{kind}.{name}"
        if message_id in self._own:
            return self._own[message_id]
        if has_text(message_id, language=self.language):
            return text(message_id, language=self.language)
        return str(name).replace("_", " ")

    def feature(self, name):
        """What a column of the model is called."""
        return feature_name(name, language=self.language)

    def reason(self, reason, columns):
        """One reason as a sentence, with the value and what is typical; `columns`: the bundle's description of its columns by name."""
        about = reason.get("comparison") or _uncompared(reason, columns)
        value, reference = (self._level(about[name], about[f"{name}_text"]) for name in ("value", "reference"))
        unit = columns.get(about["name"], {}).get("unit", "")
        said = Said(reason["message_id"], reason["factor"], reason["contribution"] > 0, about["kind"], about["name"], value, reference, unit)
        return _minus(reason_sentence(said, language=self.language))

    def _level(self, number, level):
        return number if level is None else self.level(level)

    def value(self, value, unit):
        """A feature's value in its unit; a category in words, a missing one as having no value."""
        if isinstance(value, str):
            return format_value(self.level(value), unit, language=self.language)
        return _minus(format_value(value, unit, language=self.language))

    def apart(self, value, other, unit):
        """Two values of one feature, as `value` writes them, with digits enough to see that they differ."""
        if isinstance(value, str) or isinstance(other, str):
            return self.value(value, unit), self.value(other, unit)
        return tuple(_minus(written) for written in format_apart(value, other, unit, language=self.language))

    def level(self, level):
        """The words for a level of a category, whatever column it stands in; a level without words is shown as it is."""
        return next((self._own[f"{kind}.{level}"] for kind in _LEVELS if f"{kind}.{level}" in self._own), level)

    def cause(self, code):
        """The words for one reason of a decision, such as limit.ceiling or stop.open_lawsuit."""
        return policy_reason(code, language=self.language)

    def count(self, value):
        """A whole number with thousands separators."""
        return f"{round(value):,}"

    def number(self, value, decimals=1):
        """A number, or a dash where it is missing."""
        # Adding zero turns the −0 that a small loss rounds to into 0.
        return "–" if _missing(value) else f"{round(value, decimals) + 0.0:,.{decimals}f}".replace("-", "−")

    def signed(self, value, decimals=3):
        """A difference with its sign."""
        return f"{value:+.{decimals}f}".replace("-", "−")

    def percent(self, value, decimals=1):
        """A share in per cent."""
        return "–" if _missing(value) else f"{self.number(value * 100, decimals)}%"

    def probability(self, value):
        """A probability in per cent, with more digits where it is small."""
        if _missing(value):
            return "–"
        if value < 0.0001:
            return "<0.01%"
        return self.percent(value, 2 if value < 0.01 else 1 if value < 0.995 else 2)

    def tick(self, value):
        """A probability on an axis, in as few digits as it has."""
        return f"{value * 100:g}%"

    def money(self, minor, currency=None):
        """An amount in minor units, shortened: CNY 1.2 m, 120万 CNY."""
        return "–" if _missing(minor) else self.amount(minor / 100, currency)

    def amount(self, value, currency=None):
        """An amount in currency units, shortened."""
        if _missing(value):
            return "–"
        step, unit = next((each for each in _STEPS[self.language] if abs(value) >= each[0]), (1, ""))
        scaled = value / step
        digits = 0 if step == 1 or abs(scaled) >= 100 else 1 if abs(scaled) >= 10 else 2
        written = f"{scaled:,.{digits}f}".replace("-", "−")
        written = (written.rstrip("0").rstrip(".") if "." in written else written) + unit
        return self("money", amount=written, currency=currency).strip() if currency else written

    def date(self, moment):
        """A day."""
        if moment is None:
            return "–"
        if self.language == "zh":
            return f"{moment.year}年{moment.month}月{moment.day}日"
        return f"{moment.day} {_MONTHS[moment.month - 1]} {moment.year}"

    def month_name(self, moment):
        """A month in words."""
        return f"{moment.year}年{moment.month}月" if self.language == "zh" else f"{_MONTHS[moment.month - 1]} {moment.year}"

    def month(self, moment):
        """A month of a chart's axis."""
        return f"{moment.year}-{moment.month:02d}" if self.language == "zh" else f"{_MONTHS[moment.month - 1]} {moment.year % 100:02d}"

    def measure(self, value, unit):
        """A ratio in its unit: share, times or days."""
        if unit == "share":
            return self.percent(value)
        if unit == "days":
            return self.number(value, 0)
        return self.number(value, 2 if not _missing(value) and abs(value) < 10 else 1)


def _uncompared(reason, columns):
    """What a reason of scores without comparisons is held against: what is typical of its strongest column."""
    strongest = reason["features"][0]
    typical = columns.get(strongest["name"], {}).get("typical")
    number, level = (None, typical) if isinstance(typical, str) else (typical, None)
    return {"kind": "none" if typical is None else "typical", "name": strongest["name"], "value": strongest["value"], "value_text": strongest["text"],
            "reference": number, "reference_text": level}


def _minus(written):
    """A text whose negative numbers have the sign that all others on the pages have."""
    return _HYPHEN.sub("−", written)


def _texts(name):
    return json.loads((files("pipeline.reports") / "templates" / name).read_text(encoding="utf-8"))


def tone_of(grade):
    """The colour class of a grade: its letter's."""
    return f"g{grade[:1].lower()}"


def _missing(value):
    return value is None or (isinstance(value, float) and not math.isfinite(value))
