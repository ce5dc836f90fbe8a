"""The gettext catalogues, kept in step with the code: `python -m pipeline.words` (Babel, of the extra `test`).

Message ids are extracted from the code (marked `_` or `_n`) that asks for a domain's messages, for reasons also from the business facts of features/facts.py.
Every catalogue gets the new ones, empty, and loses those that nobody asks for; the .mo files are compiled of the .po files, and numbers.json gets each
locale's symbols from CLDR.
"""

import io
import json
import sys
from datetime import UTC, datetime
from itertools import product
from pathlib import Path

from babel import Locale
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_file
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from features.facts import FACTS
from serving.translations import DOMAIN, DOMAINS, LOCALES, STAGES

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "serving" / "messages"
# Where the code is that asks for a domain's messages.
CODE = {DOMAIN: "serving/*.py", STAGES: "pipeline/reports/stage_sentences.py"}
# Of a .po file's header, what is read; the rest is dates and placeholders.
HEADER = (b'"Language:', b'"Plural-Forms', b'"MIME-Version', b'"Content-')
KEYWORDS = {"_": None, "_n": (1, 1)}
EPOCH = datetime.fromtimestamp(0, UTC)
SYMBOLS = {"decimal": "decimal", "group": "group", "minus": "minusSign", "percent": "percentSign"}


def refresh():
    """Write the catalogues, compiled ones too, and the numbers' symbols; the ids without words as "<locale>, <domain>: <id>"."""
    (FOLDER / "numbers.json").write_text(symbols(), encoding="utf-8")
    lacking = []
    for locale, domain in product(LOCALES.values(), DOMAINS):
        catalogue = updated(locale, domain)
        place = folder(locale)
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{domain}.po").write_bytes(source(catalogue))
        (place / f"{domain}.mo").write_bytes(compiled(catalogue))
        lacking += [f"{locale}, {domain}: {message_id}" for message_id in without_words(catalogue)]
    return lacking


def template(domain):
    """A Catalog of every message id that the code, and for reasons the facts, ask for."""
    found = Catalog(domain=domain)
    for file in sorted(ROOT.glob(CODE[domain])):
        for line, message_id, _comments, _context in extract_from_file("python", file, keywords=KEYWORDS):
            found.add(message_id, locations=[(file.relative_to(ROOT).as_posix(), line)])
    for fact in sorted({fact for facts in FACTS.values() for fact in facts}) if domain == DOMAIN else ():
        found.add(f"reason.{fact}", locations=[("features/facts.py", 1)])
    return found


def updated(locale, domain=DOMAIN):
    """The catalogue of a locale as it is on disk, with the template's ids."""
    place = folder(locale) / f"{domain}.po"
    catalogue = read_po(io.BytesIO(place.read_bytes()), locale=locale) if place.exists() else Catalog(locale=locale, fuzzy=False)
    catalogue.update(template(domain), no_fuzzy_matching=True, update_creation_date=False)
    return catalogue


def source(catalogue):
    """The .po file's bytes, without the places in the code, which move with every edit."""
    written = io.BytesIO()
    write_po(written, catalogue, width=160, no_location=True, omit_header=False, ignore_obsolete=True, sort_output=True)
    header, messages = written.getvalue().lstrip().split(b"\n\n", 1)
    kept = [line for line in header.splitlines() if line.startswith((b"msg", *HEADER))]
    return b"\n".join([*kept, b"", messages])


def compiled(catalogue):
    """The .mo file's bytes, which follow from the messages alone: when it was written is left out of its header."""
    written = io.BytesIO()
    catalogue.creation_date = catalogue.revision_date = EPOCH
    write_mo(written, catalogue)
    return written.getvalue()


def without_words(catalogue):
    """Ids that have no words, or not all of their plural forms."""
    forms = [(message.id, message.string if isinstance(message.string, tuple) else (message.string,)) for message in catalogue if message.id]
    return [name if isinstance(name, str) else name[0] for name, words in forms if not all(words)]


def symbols():
    """The numbers' symbols of every locale, as JSON."""
    found = {}
    for locale in LOCALES.values():
        known = Locale.parse(locale).number_symbols["latn"]
        found[locale] = {name: known[symbol] for name, symbol in SYMBOLS.items()}
    return json.dumps(found, indent=2, ensure_ascii=False) + "\n"


def folder(locale):
    """Where the catalogues of a locale are."""
    return FOLDER / locale / "LC_MESSAGES"


if __name__ == "__main__":
    missing = refresh()
    sys.exit("These messages have no words yet; add them to the .po files and run this again: " + ", ".join(missing) if missing else 0)
