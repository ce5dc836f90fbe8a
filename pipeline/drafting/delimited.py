"""How a delimited text is written: encoding, delimiter, where its header stands."""

import codecs
import csv
import gzip
import itertools
import re
import zlib
from collections import Counter

import msgspec

from features.errors import RiskError
from pipeline.drafting import words

DELIMITERS = (",", ";", "\t", "|")
NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
LINES = 200
HEADER_WITHIN = 10
SAMPLE_BYTES = 200_000
# Letters that make each encoding's text look written: the first that fits best is taken, so the commoner one stands first.
LETTERS = {
    "cp1252": "äöüÄÖÜßéèêëàâáçñóòôíìîïúùûåøæÅØÆÉÀÇœŒ€°²³–—’‘“”„«»§",
    "cp1250": "äöüÄÖÜßáéíóúýčďěňřšťůžÁÉÍÓÚÝČĎĚŇŘŠŤŮŽąćęłńśźżĄĆĘŁŃŚŹŻőűŐŰăâîşţĂÂÎŞŢ€°–—’„”“§",
    "cp1251": "абвгдежзийклмнопрстуфхцчшщъыьэюяАБВГДЕЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯёЁіїєґІЇЄҐ№«»–—",
}
# Of double-byte encodings the everyday part: what a stray byte rarely lands in.
EVERYDAY = {"cp949": "euc_kr", "gb18030": "gb2312", "big5": "big5", "shift_jis": "shift_jis"}
# Chinese bytes are valid Korean and Japanese ones and the other way round: Korean text is nearly all Hangul, Japanese has kana,
# and a word in Cyrillic is so from end to end.
PROOF = {"cp949": (re.compile("[\uac00-\ud7a3]"), 0.9), "shift_jis": (re.compile("[\u3040-\u30ff]"), 0.1)}
CYRILLIC_WORD = re.compile(r"\b[^\W\d_]*[\u0400-\u04ff][^\W\d_]*\b")
DATA_LIKE = re.compile(r"[-+]?[\d.,'  ]*\d[\d.,'  ]*%?|\d{1,4}[-./]\d{1,2}[-./]\d{1,4}.*")


class Delimited(msgspec.Struct, frozen=True):
    """A delimited text: `skip` lines stand before the header, `title` is what they say; `names` are the header's, empty without one; `unsure` are
    sentences."""

    encoding: str
    delimiter: str
    skip: int
    names: tuple
    unsure: tuple
    title: str = ""


def look_at_text(path, *, encoding=None, delimiter=None):
    """Find out how a delimited text is written; what is given is taken as given.

    Raises RiskError for an empty or damaged file, an encoding that does not fit, or a header that names a column twice.
    """
    try:
        return _look(path, encoding, delimiter)
    except (OSError, EOFError, zlib.error, csv.Error) as error:
        raise RiskError(f"{path.name} cannot be read ({error}): it is damaged, cut off, or not what its name says; get it anew.") from None


def _look(path, encoding, delimiter):
    found, unsure = (_given(path, encoding), ()) if encoding else _encoding(path)
    lines = _lines(path, found)
    if not lines:
        raise RiskError(f"{path.name} is empty: there is nothing to read in it.")
    delimiter = delimiter or _delimiter(lines)
    skip, names = _header(_rows(lines, delimiter))
    _refuse_twice(path, names)
    return Delimited(found, delimiter, skip, names, (*unsure, *_doubts(path, skip, names)), " ".join(lines[:skip]))


def _rows(lines, delimiter):
    """The cells of each line; of each row where a quote of the first line is closed in a later one, as wrapped names of columns are written."""
    if lines[0].count('"') % 2:
        return list(csv.reader((f"{line}\n" for line in lines), delimiter=delimiter))
    return [next(csv.reader([line], delimiter=delimiter), []) for line in lines]


def open_text(path, encoding):
    """The file as text, unpacked where it is gzipped; line ends stay as they are."""
    opener = gzip.open if path.suffix == ".gz" else open
    return opener(path, "rt", encoding="utf-8-sig" if encoding == "utf-8" else encoding, newline="")


def _bytes(path, count=-1):
    with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
        return file.read(count)


def _given(path, encoding):
    try:
        with open_text(path, encoding) as file:
            for _ in iter(lambda: file.read(1 << 20), ""):
                pass
    except LookupError:
        raise RiskError(f"{path.name}: {encoding} is no encoding: name one as Python does, such as cp1252 or gb18030.") from None
    except (UnicodeDecodeError, UnicodeError):
        raise RiskError(f"{path.name} is not {encoding} throughout: leave --encoding away to have it guessed, or name another.") from None
    name = codecs.lookup(encoding).name.replace("-", "_")
    return "utf-8" if name in ("utf_8", "utf_8_sig", "ascii") else encoding


def _encoding(path):
    """The encoding, and what is unsure about it."""
    if _bytes(path, 2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return "utf-16", ()
    try:
        return _given(path, "utf-8"), ()
    except RiskError:
        return _guessed(path)


def _guessed(path):
    sample = _strange_lines(path)
    fits = {name: fit for name in (*EVERYDAY, *LETTERS) if (fit := _encoding_fit(sample, name)) is not None}
    if not fits:
        raise RiskError(f"{path.name} is text in no encoding that is recognised: name it with --encoding, or convert the file to UTF-8.")
    # Short Chinese and Korean texts can be each other's: then the words that columns are called by decide.
    close = [name for name in fits if fits[name] > max(fits.values()) - 0.05]
    best = max(close, key=lambda name: (_known_words(sample.decode(name)), fits[name]))
    rivals = [name for name, fit in fits.items() if fit > fits[best] - 0.05 and sample.decode(name) != sample.decode(best)]
    other = f"; {', '.join(rivals)} would fit as well" if rivals else ""
    return best, (f"{path.name} is not UTF-8: read as {best}, judged by its letters{other}",)


def _known_words(text):
    """How many words of the first line are what columns are called by."""
    every = " ".join(words.COLUMNS.values())
    return sum(words.likeness(cell, every) == 3 for cell in re.split("[,;\t|]", text.splitlines()[0]))


def _strange_lines(path):
    """Up to SAMPLE_BYTES of whole lines that hold other than ASCII."""
    kept, size = [], 0
    with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
        for line in file:
            if not line.isascii():
                kept.append(line)
                size += len(line)
            if size > SAMPLE_BYTES:
                break
    return b"".join(kept)


def _encoding_fit(sample, name):
    """Share of the other than ASCII letters that a text in this encoding is expected to hold; None where it does not decode."""
    try:
        text = sample.decode(name)
    except UnicodeDecodeError:
        return None
    letters = [letter for letter in text if ord(letter) > 127]
    if name in LETTERS:
        return _share(letters, lambda letter: letter in LETTERS[name]) * (name != "cp1251" or _is_cyrillic(text))
    pattern, least = PROOF.get(name, (None, 0))
    proven = pattern is None or _share(letters, pattern.match) >= least
    return _share(letters, lambda letter: _is_everyday(letter, EVERYDAY[name])) * proven


def _share(letters, test):
    return sum(bool(test(letter)) for letter in letters) / max(len(letters), 1)


def _is_cyrillic(text):
    words = "".join(CYRILLIC_WORD.findall(text))
    return _share(words, lambda letter: ord(letter) > 127) > 0.8


def _is_everyday(letter, encoding):
    try:
        coded = letter.encode(encoding)
    except UnicodeEncodeError:
        return False
    # Level one of Big5 (lead bytes A1 to C6) and of GB 2312 (to D7) are the everyday characters; EUC-KR spells rare syllables in eight bytes.
    last = {"big5": 0xC6, "gb2312": 0xD7}.get(encoding, 0xFF)
    return len(coded) <= 2 and coded[0] <= last


def _lines(path, encoding):
    with open_text(path, encoding) as file:
        return [line.rstrip("\r\n") for line in itertools.islice(file, LINES) if line.strip()]


def _delimiter(lines):
    def fit(delimiter):
        widths = Counter(len(row) for row in csv.reader(lines, delimiter=delimiter))
        width, rows = max(widths.items(), key=lambda item: (item[1], item[0]))
        return (0.0, 0) if width == 1 else (round(rows / sum(widths.values()), 2), width)

    return max(DELIMITERS, key=fit)


def _header(rows):
    """Lines before the header, and its names: the last row of nothing but words before the first that looks like values."""
    width = Counter(len(row) for row in rows).most_common(1)[0][0]
    full = [place for place, row in enumerate(rows[:HEADER_WITHIN]) if len(row) == width]
    wordy = [place for place in full if not any(DATA_LIKE.fullmatch(cell.strip()) for cell in rows[place])]
    if not wordy:
        return 0, ()
    place = wordy[0]
    while place + 1 in wordy and len(rows) > place + 2 and _valued(rows[place + 2:place + 7]) and not _valued(rows[place + 1:place + 2]):
        place += 1
    return place, tuple(cell.strip() for cell in rows[place])


def _valued(rows):
    return any(DATA_LIKE.fullmatch(cell.strip()) for row in rows for cell in row)


def _refuse_twice(path, names):
    twice = [name for name, times in Counter(name.lower() for name in names if name).items() if times > 1]
    if twice:
        places = ", ".join(str(place + 1) for place, name in enumerate(names) if name.lower() == twice[0])
        raise RiskError(f"{path.name}: the header names the column {twice[0]} more than once (columns {places}): rename it in the file.")


def _doubts(path, skip, names):
    if not names:
        yield f"{path.name} has no header: its columns are called column0, column1, … as DuckDB does"
    if skip:
        yield f"{path.name}: the header is taken from line {skip + 1}, the {'line' if skip == 1 else 'lines'} before it left out"
