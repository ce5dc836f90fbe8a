"""From views to HTML: the templates, the addresses of the pages, and the language switch between them."""

import hashlib
from functools import cache
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined

from pipeline.reports.text import LANGUAGES, Words

# Longer file names do not fit every file system once they are percent-encoded.
_LONGEST = 120


class Site:
    """Renders the pages of one book in every language."""

    def __init__(self, book, *, more=()):
        """more: names of files of words that these pages need beside their own, as `Words` takes them."""
        self.book = book
        self.words = {language: Words(language, horizon=book.horizon or (12, "m"), more=more) for language in LANGUAGES}

    def page(self, template, view, *, language, addresses, home):
        """One page as text; addresses: {language: address of this page}, home: the address of the portfolio page, or None on it."""
        return _templates().get_template(template).render(
            **view, t=self.words[language], language=language, book=self.book, addresses=addresses, home=home, languages=LANGUAGES)


@cache
def _templates():
    return Environment(loader=PackageLoader("pipeline.reports"), autoescape=True, undefined=StrictUndefined, auto_reload=False,
                       trim_blocks=True, lstrip_blocks=True)


def index_name(language):
    """File name of the portfolio page."""
    return "index.html" if language == LANGUAGES[0] else f"index.{language}.html"


def report_name(customer_id, language):
    """File name of a customer's report: the id, percent-encoded, so that any id is a file in the folder and no two share one."""
    safe = quote(customer_id, safe="")
    if len(safe) > _LONGEST:
        safe = safe[: _LONGEST - 17] + "~" + hashlib.sha256(customer_id.encode()).hexdigest()[:16]
    return f"{safe}.{language}.html"


def report_link(customer_id, language, *, folder="customers/"):
    """Address of a customer's report, relative to the page that links to it."""
    return folder + quote(report_name(customer_id, language))
