"""What is in a text file, byte by byte: whether it is UTF-8, where not, and what it may be instead."""

import codecs
import re

import msgspec
import numpy as np
import pyarrow as pa

CHUNK = 1 << 22
MARK = codecs.BOM_UTF8
LOST = "\ufffd".encode()
# The encodings that exports of business software really use; charset-normalizer left alone names Macintosh ones as readily.
LIKELY = ["utf_8", "cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1257", "gb18030", "big5", "cp932", "cp949"]
MULTIBYTE = {"gb18030", "big5", "cp932", "cp949"}
SAMPLE_BYTES = 1 << 16
# Beginnings of files that are no delimited text whatever their name.
BEGINNINGS = (
    (b"PK\x03\x04", "an Excel workbook or another zip archive"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook (.xls) or another Office document"),
    (b"\x1f\x8b", "compressed with gzip"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd"),
    (b"PAR1", "a Parquet file"),
    (b"%PDF", "a PDF"),
    (b"<", "HTML or XML"),
)


class Scan(msgspec.Struct, frozen=True):
    """What a pass over the bytes found.

    `marks` counts the byte-order marks at the start, `inner_mark` is the line of the first one that begins a later line, `lost` counts U+FFFD (a
    character that an earlier conversion lost), `nul` is the line of the first NUL, `broken` that of the first byte that is not UTF-8; None where
    there is none. Lines count from 1.
    """

    empty: bool
    marks: int = 0
    inner_mark: int | None = None
    lost: int = 0
    nul: int | None = None
    broken: int | None = None


class Mixture(msgspec.Struct, frozen=True):
    """Lines beyond ASCII: `other` are not UTF-8 (the first is number `first_other`, `sample` its text), `utf8` evidently are (the first: `first_utf8`)."""

    other: int
    utf8: int
    first_other: int | None
    first_utf8: int | None
    likely: tuple
    sample: bytes


def beginning(path):
    """What the file is, in words, when its first bytes say that it is no delimited text; None otherwise."""
    with path.open("rb") as stream:
        head = stream.read(8)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "UTF-16 text"
    return next((words for start, words in BEGINNINGS if head.startswith(start)), None)


def scan(path):
    """One pass over the bytes, in chunks; it ends at the first NUL and at the first byte that is not UTF-8."""
    marks, lost, inner, blank, before = _marks(path), 0, None, True, b""
    for start, chunk in _whole_characters(path):
        if b"\0" in chunk:
            return Scan(False, marks, inner, lost, nul=_line(path, start + chunk.index(b"\0")))
        if not chunk.isascii() and not _is_utf8(chunk):
            return Scan(False, marks, inner, lost, broken=_line(path, start + _first_broken(chunk)))
        blank = blank and not chunk.replace(MARK, b"").strip()
        # Both signs begin with this byte, which most texts do not have: looking for it first is ten times faster.
        if b"\xef" in chunk:
            lost += chunk.count(LOST)
            inner = inner or _inner_mark(path, start, before, chunk)
        before = chunk[-1:]
    return Scan(blank, marks, inner, lost)


def mixture(path):
    """How many lines beyond ASCII are UTF-8 and how many are not, and the likely encodings of the latter, best first."""
    counts, first, sample = {"other": 0, "two": 0, "more": 0}, {}, b""
    with path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            if line.isascii():
                continue
            kind = _kind(line)
            counts[kind] += 1
            first.setdefault(kind, number)
            if kind == "other":
                sample = sample if len(sample) > SAMPLE_BYTES else sample + line
    likely = guess(sample)
    # Two-byte UTF-8 also arises by chance from two bytes of a Chinese, Japanese or Korean encoding (0xC5AE is a woman), three-byte hardly.
    chance = bool(set(likely[:1]) & MULTIBYTE)
    utf8 = counts["more"] + (0 if chance else counts["two"])
    firsts = [first[kind] for kind in ("more", *(() if chance else ("two",))) if kind in first]
    return Mixture(counts["other"], utf8, first.get("other"), min(firsts, default=None), likely, sample.split(b"\n")[0].strip(b"\r"))


def guess(sample):
    """Likely encodings of some bytes, as Python names them, best first; empty when nothing fits."""
    from charset_normalizer import from_bytes

    # Letters beyond ASCII that stand alone, as in Müller, are no Chinese, Japanese or Korean, whatever two bytes of a short text happen to give.
    alone = all(len(run) == 1 and run >= b"\xc0" for run in re.findall(rb"[\x80-\xff]+", sample))
    best = from_bytes(sample, cp_isolation=[name for name in LIKELY if not (alone and name in MULTIBYTE)]).best()
    return () if best is None else tuple(dict.fromkeys([best.encoding, *best.could_be_from_charset]))


def _chunks(path):
    start = 0
    with path.open("rb", buffering=0) as stream:
        while chunk := stream.read(CHUNK):
            yield start, chunk
            start += len(chunk)


def _whole_characters(path):
    """Chunks that end where a character ends, so that none is torn in two."""
    rest = b""
    for start, chunk in _chunks(path):
        joined = rest + chunk
        end = _last_start(joined)
        if end:
            yield start - len(rest), joined[:end]
        rest = joined[end:]
    if rest:
        yield path.stat().st_size - len(rest), rest


def _last_start(chunk):
    """Where the last character begins if it may be unfinished; the chunk's length if it ends in ASCII or in what is no UTF-8 anyway."""
    for back in range(1, min(4, len(chunk)) + 1):
        byte = chunk[-back]
        if byte >= 0xC0:
            return len(chunk) - back
        if byte < 0x80:
            break
    return len(chunk)


def _is_utf8(chunk):
    """Arrow checks at 2 to 5 GB/s, Python decodes at half a GB/s."""
    ends = np.array([0, len(chunk)], dtype=np.int32)
    text = pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(ends), pa.py_buffer(chunk)])
    try:
        text.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _first_broken(chunk):
    try:
        chunk.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start
    return len(chunk)


def _marks(path):
    with path.open("rb") as stream:
        head = stream.read(16 * len(MARK))
    return (len(head) - len(re.sub(rb"^(?:" + MARK + rb")+", b"", head))) // len(MARK)


def _inner_mark(path, start, before, chunk):
    """Line of the first mark that begins a later line; `before` is the byte before the chunk."""
    found = re.search(rb"[\r\n]" + MARK, before + chunk)
    return None if found is None else _line(path, start + found.end() - len(before) - 1)


def _line(path, offset):
    """Number of the line that the byte at the offset stands in."""
    lines = 1
    for start, chunk in _chunks(path):
        lines += chunk.count(b"\n", 0, max(0, offset - start))
        if start + len(chunk) >= offset:
            break
    return lines


def _kind(line):
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        return "other"
    return "more" if any(character > "\u07ff" for character in text) else "two"
