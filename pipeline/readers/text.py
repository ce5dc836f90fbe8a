"""A delimited text in any encoding that Python knows, as Arrow: decoded strictly, streamed, every column text."""

import codecs
import io

import pyarrow as pa
from pyarrow import csv

from features.errors import RiskError
from pipeline.readers.place import existing

CHUNK = 1 << 20
# A row longer than this, a quote left open as a rule, is an error.
BLOCK = 1 << 22


def read(spec, folder):
    """The file's rows as a stream of record batches; an empty field is null, and a column without a name is called after its place.

    The first line holds the names. Raises RiskError for an unknown encoding, bytes that do not decode (with the line), a name used twice, and a
    row with more or fewer fields than the first line.
    """
    path = existing(spec.file, folder)
    encoding = known_encoding(spec.encoding, path)
    parse = csv.ParseOptions(delimiter=_delimiter(spec.delimiter, path), newlines_in_values=True)
    names = _names(path, encoding, parse)
    convert = csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True, null_values=[""])
    batches = _batches(path, _open(path, encoding, parse, convert), names)
    return pa.RecordBatchReader.from_batches(pa.schema([(name or f"column{place}", pa.string()) for place, name in enumerate(names)]), batches)


def known_encoding(name, path):
    """Python's own name of an encoding; RiskError when it knows none by that name."""
    try:
        codec = codecs.lookup(name)
        codec.incrementaldecoder("strict").decode(b"")
    except (LookupError, TypeError):
        raise RiskError(f"{path}: there is no text encoding {name}: common ones are cp1252, cp1250, gb18030, big5, cp932, cp949, utf-16.") from None
    return codec.name


def _delimiter(delimiter, path):
    if len(delimiter) != 1 or not delimiter.isascii():
        raise RiskError(f"{path}: the delimiter {delimiter!r} is not one ASCII character: change the delimiter of the input in source.yaml.")
    return delimiter


class _Decoded(io.RawIOBase):
    """The file's bytes as UTF-8, without a byte-order mark; line ends are \\n."""

    def __init__(self, path, encoding):
        self._path, self._encoding = path, encoding
        self._file = path.open("rb")
        self._decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder(encoding)("strict"), translate=True)
        self._lines, self._first, self._left = 0, True, b""

    def readable(self):
        return True

    def readinto(self, buffer):
        while not self._left:
            raw = self._file.read(CHUNK)
            self._left = self._text(raw).encode("utf-8")
            if not raw:
                break
        taken, self._left = self._left[:len(buffer)], self._left[len(buffer):]
        buffer[:len(taken)] = taken
        return len(taken)

    def close(self):
        self._file.close()
        super().close()

    def _text(self, raw):
        try:
            text = self._decoder.decode(raw, final=not raw)
        except UnicodeDecodeError as error:
            self._refuse(error)
        self._lines += text.count("\n")
        if self._first and text:
            text, self._first = text.removeprefix("\ufeff"), False
        if "\0" in text:
            raise RiskError(f"{self._path} holds a NUL character when read as {self._encoding}: the encoding is another (utf-16?), or the file is no text.")
        return text

    def _refuse(self, error):
        bad, before = error.object[error.start], error.object[:error.start]
        line = self._lines + 1 + before.decode(self._encoding, "ignore").replace("\r\n", "\n").replace("\r", "\n").count("\n")
        remedy = "correct the encoding of the input in source.yaml, or the file"
        raise RiskError(f"{self._path}, line {line:,}: the byte 0x{bad:02x} is no {self._encoding}: {remedy}.") from None


def _open(path, encoding, parse, convert=None):
    stream = io.BufferedReader(_Decoded(path, encoding), CHUNK)
    try:
        return csv.open_csv(stream, read_options=csv.ReadOptions(block_size=BLOCK, use_threads=False), parse_options=parse, convert_options=convert)
    except pa.ArrowInvalid as error:
        raise _broken(path, error) from None


def _broken(path, error):
    reason = str(error).splitlines()[0].removeprefix("CSV parse error: ")[:200]
    return RiskError(f"{path} cannot be read as delimited text ({reason}): correct that row, or the delimiter of the input in source.yaml.")


def _names(path, encoding, parse):
    names = _open(path, encoding, parse).schema.names
    lowered = [name.strip().lower() for name in names]
    twice = next((name for place, name in enumerate(names) if lowered[place] and lowered[place] in lowered[:place]), None)
    if twice is not None:
        raise RiskError(f"{path}: the column {twice.strip()} is there twice (capitals do not count): rename one of them in the file.")
    return names


def _batches(path, reader, names):
    try:
        for batch in reader:
            yield batch.rename_columns([name or f"column{place}" for place, name in enumerate(names)])
    except pa.ArrowInvalid as error:
        raise _broken(path, error) from None
