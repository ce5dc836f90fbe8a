"""The gettext catalogues: in step with the code, complete in both languages, and numbers as each locale writes them."""

import gettext
import random
import subprocess
import sys

import pytest

from serving import amounts
from serving.amounts import format_value, percent
from serving.translations import DOMAINS, LANGUAGES, LOCALES, counted, told

pytest.importorskip("babel", reason="Babel (extra test) is not installed")

from babel.numbers import format_decimal, format_percent  # noqa: E402

from pipeline import words  # noqa: E402


@pytest.fixture(params=LANGUAGES)
def language(request):
    return request.param


@pytest.fixture(params=DOMAINS)
def domain(request):
    return request.param


def test_no_message_lacks_words(language, domain):
    assert words.without_words(words.updated(LOCALES[language], domain)) == []


def test_the_source_has_the_messages_that_the_code_asks_for_and_no_others(language, domain):
    place = words.folder(LOCALES[language]) / f"{domain}.po"
    assert place.read_bytes() == words.source(words.updated(LOCALES[language], domain)), "run python -m pipeline.words"


def test_the_compiled_catalogue_says_what_its_source_says(language, domain):
    with open(words.folder(LOCALES[language]) / f"{domain}.mo", "rb") as file:
        compiled = gettext.GNUTranslations(file)
    for message in words.updated(LOCALES[language], domain):
        if message.pluralizable:
            forms = {compiled.ngettext(message.id[0], message.id[1], count) for count in range(5)}
            assert forms == set(message.string)
        elif message.id:
            assert compiled.gettext(message.id) == message.string


def test_placeholders_are_the_same_in_every_language(domain):
    catalogues = [words.updated(locale, domain) for locale in LOCALES.values()]
    for message in catalogues[0]:
        found = [sorted(_placeholders(catalogue[message.id])) for catalogue in catalogues if message.id]
        assert len({tuple(each) for each in found}) <= 1, message.id


def _placeholders(message):
    first = message.string[0] if isinstance(message.string, tuple) else message.string
    return [part.partition("}")[0] for part in first.split("{")[1:]]


def test_plural_forms_follow_the_language():
    assert [counted("unit.days", count, language="en") for count in (0, 1, 2)] == ["{value} days", "{value} day", "{value} days"]
    assert {counted("unit.days", count, language="zh") for count in (0, 1, 2)} == {"{value}天"}
    assert format_value(1.0, "days", language="en") == "1 day"
    assert format_value(1.5, "days", language="en") == "1.5 days"


def test_numbers_are_written_as_babel_writes_them(language):
    rng, locale = random.Random(7), LOCALES[language]
    for _case in range(500):
        value = rng.choice((-1, 1)) * 10 ** rng.uniform(-1, 12)
        rounded = round(value, 2)
        whole = rounded == int(rounded) or abs(rounded) >= 1000
        assert format_value(value, "ratio", language=language) == format_decimal(_even(rounded, 0 if whole else 2), "#,##0" if whole else "#,##0.00", locale)
        share = rng.uniform(-3, 3)
        # Babel is given the share to the digits that are shown, since it rounds decimals and Python binary fractions
        assert percent(share, language=language) == format_percent(round(share * 100, 1) / 100, "#,##0.0%", locale, decimal_quantization=True)


def _even(value, digits):
    return float(f"{value:.{digits}f}")


def test_a_locale_with_other_symbols_is_written_with_them(monkeypatch):
    monkeypatch.setattr(amounts, "_symbols", lambda _language: {ord("."): ",", ord(","): ".", ord("-"): "−", ord("%"): "\u00a0%"})
    assert format_value(-1234.5, "minor units", language="en") == "−12,35"
    assert format_value(123456789.0, "count", language="en") == "123.456.789"
    assert percent(0.125, language="en") == "12,5\u00a0%"


def test_the_symbols_on_file_are_those_of_cldr():
    assert (words.FOLDER / "numbers.json").read_text(encoding="utf-8") == words.symbols()


def test_serving_wants_no_babel():
    code = "import sys, serving.messages; from serving.messages import format_value; format_value(1.0, 'days', language='zh'); sys.exit('babel' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_small_numbers_say_something(language):
    assert format_value(0.00412, "ratio", language=language) == "0.0041"
    assert told("value.missing", language=language) == format_value(float("nan"), "ratio", language=language)
