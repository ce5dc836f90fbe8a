"""Translations by message id from the gettext catalogues serving/messages/<locale>/LC_MESSAGES/<domain>.mo, each read once."""

import gettext
from functools import cache
from importlib.resources import files

from features.errors import RiskError

# Language of a caller, and the locale its catalogue and its numbers are of.
LOCALES = {"en": "en", "zh": "zh_CN"}
LANGUAGES = tuple(LOCALES)
# Reasons, their facts and units; and the sentences that stages write (pipeline.reports.stage_sentences).
DOMAIN, STAGES = "reasons", "stages"
DOMAINS = (DOMAIN, STAGES)


def _(message_id):
    """Marks a message id for extraction (`python -m pipeline.words`)."""
    return message_id


def _n(message_id):
    """Marks one that has plural forms."""
    return message_id


def told(message_id, *, language, domain=DOMAIN):
    """The message with this id. Raises RiskError for a language or an id there are no words for."""
    return _or_refused(find(message_id, language=language, domain=domain), message_id, language, domain)


def counted(message_id, count, *, language):
    """The message with this id in the plural form of that language for a whole count. Raises RiskError as `told`."""
    words = _catalogue(language, DOMAIN).ngettext(message_id, message_id, count)
    return _or_refused(None if words == message_id else words, message_id, language, DOMAIN)


def find(message_id, *, language, domain=DOMAIN):
    """The message with this id, or None."""
    words = _catalogue(language, domain).gettext(message_id)
    return None if words == message_id else words


def _or_refused(words, message_id, language, domain):
    if words is None:
        raise RiskError(f"The message '{message_id}' has no wording in serving/messages/{LOCALES[language]}/LC_MESSAGES/{domain}.po; add one.")
    return words


@cache
def _catalogue(language, domain):
    if language not in LOCALES:
        raise RiskError(f"There are no words in language '{language}'; use one of {', '.join(LANGUAGES)}.")
    place = files("serving") / "messages" / LOCALES[language] / "LC_MESSAGES" / f"{domain}.mo"
    with place.open("rb") as file:
        return gettext.GNUTranslations(file)
