"""Where each dataset lies, and how it is written: beside its place first, then moved there whole."""

import contextlib
import json
import os
import shutil
from pathlib import Path

from features.errors import RiskError

DATA = Path("data")
TABLES = DATA / "tables"
REJECTS = DATA / "rejects"
FINDINGS = DATA / "findings"
TRUTH = DATA / "truth"
INGEST = DATA / "ingest.json"


def case_path(use_case, *parts):
    """Path of a dataset of one use case: `data/<use_case>/…`."""
    return DATA.joinpath(use_case, *parts)


@contextlib.contextmanager
def replacing(path):
    """Give a sibling path to write to, and move it to `path` when the block ends well.

    A file or a folder; what stood at `path` is replaced whole. After a failure `path` is as it was; what a killed
    process left beside it is removed by the next writer.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.partial")
    remove(beside)
    try:
        yield beside
    except BaseException:
        remove(beside)
        raise
    if path.is_dir():
        shutil.rmtree(path)
    os.replace(beside, path)


def remove(path):
    """Remove a file or a folder if it is there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def write_json(path, content):
    """Write a dict as sorted, indented UTF-8 JSON."""
    with replacing(path) as beside:
        beside.write_text(json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def read_json(path, *, remedy="delete it and run `risk run`"):
    """Read a JSON file that a stage wrote; RiskError when it is missing or damaged, with the remedy for the latter."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RiskError(f"{path} is missing: run `risk run`.") from None
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise RiskError(f"{path} is damaged: {remedy}.") from None
