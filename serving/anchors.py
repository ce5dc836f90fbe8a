"""The heads of all chains noted down in a file outside the database, a JSON line each time: who rewrites the database cannot rewrite what stands there."""

import json
import os
from pathlib import Path

import msgspec

from features.errors import RiskError
from serving.chain import Head
from serving.schema import CHAINS


class Anchor(msgspec.Struct, frozen=True):
    """One line of the file: `at`, the naive UTC moment by the store's clock in ISO 8601, and the heads of all chains at that moment."""

    at: str
    heads: tuple[Head, ...]


def append_anchor(store, path):
    """Append the heads of a store's chains to the file, on the disk when this returns, and return the Anchor.

    Raises: RiskError when the file cannot be written.
    """
    anchor = Anchor(store.now().isoformat(), tuple(store.heads()))
    try:
        file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            # One write: a line of another process that appends at the same moment cannot come in between.
            os.write(file, _line_break(file) + msgspec.json.encode(anchor) + b"\n")
            os.fsync(file)
        finally:
            os.close(file)
    except OSError as error:
        raise RiskError(f"{path} cannot be written ({error.strerror}); name a file outside the database that may be appended to.") from error
    return anchor


def read_anchors(path):
    """Every Anchor of a file, oldest first. Raises: RiskError naming the line that is none."""
    try:
        lines = Path(path).read_bytes().splitlines()
    except OSError as error:
        raise RiskError(f"{path} cannot be read ({error.strerror}); name the file that `risk ledger anchor` writes.") from error
    return [_anchor(line, f"{path}, line {number}") for number, line in enumerate(lines, 1) if line.strip()]


def _anchor(line, where):
    try:
        anchor = msgspec.json.decode(line, type=Anchor)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RiskError(f"{where} is no anchor ({error}); restore the file from a copy.") from None
    unknown = [head.chain for head in anchor.heads if head.chain not in CHAINS]
    if unknown:
        raise RiskError(f"{where} names the ledger {json.dumps(unknown[0])}, which this program does not know; use the newer program.")
    return anchor


def _line_break(file):
    """What a line cut short by a crash still lacks, so that the next one is whole."""
    size = os.fstat(file).st_size
    return b"" if not size or os.pread(file, 1, size - 1) == b"\n" else b"\n"
