"""Sub-scores and reasons as the score file and a publication keep them; of a row that was kept without, they are worked out when it is read.

A row without has null in every one of these columns, and an empty list where nothing raises (or lowers) its risk.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features.errors import RiskError
from models.bundle import load_bundle
from models.reasons import reasons, sub_scores
from models.scoring import contributions, encode
from pipeline.columns import read_columns
from pipeline.datasets import case_path
from pipeline.state import bundle_folder

SIDES = (("adverse", 1), ("favourable", -1))
# Rows explained at a time.
PART = 5000
COMPARISON = pa.struct([("kind", pa.string()), ("name", pa.string()), *((name, kind) for each in ("value", "reference")
                                                                        for name, kind in ((each, pa.float64()), (f"{each}_text", pa.string())))])
REASON = pa.struct([("message_id", pa.string()), ("factor", pa.string()), ("contribution", pa.float64()), ("comparison", COMPARISON),
                    ("features", pa.list_(pa.struct([("name", pa.string()), ("value", pa.float64()), ("text", pa.string())])))])


def explained(bundle, matrix, *, chosen=None, threads=1):
    """Sub-scores and reasons of an encoded matrix as Arrow columns, a place for each row, null where `chosen`, (n,) bool, is False (all unless given).

    Some rows at a time: as Python objects those of a million rows at once would want 40 GB.
    """
    wanted = matrix if chosen is None else matrix[chosen]
    starts = range(0, len(wanted), PART) or (0,)
    parts = [_part(bundle, wanted[start : start + PART], threads=threads) for start in starts]
    found = {name: pa.chunked_array([part[name] for part in parts]) for name in parts[0]}
    return found if chosen is None else {name: column.take(_places(chosen)) for name, column in found.items()}


def with_reasons(rows, use_case):
    """The rows of the score file, dicts by column, those without reasons with what `explained` says of them, by the bundle that scored them.

    Neither bundle nor features are read while no row lacks reasons. Raises: RiskError for an observation that the book's features do not have.
    """
    lacking = [row for row in rows if lacks_reasons(row)]
    if not lacking:
        return rows
    bundle, observations = load_bundle(bundle_folder(use_case, lacking[0]["bundle"])), [row["observation_id"] for row in lacking]
    matrix = matrix_of(case_path(use_case, "book", "features.parquet"), observations, bundle)
    found = dict(zip(observations, explained_rows(bundle, matrix), strict=True))
    return [row | found.get(row["observation_id"], {}) for row in rows]


def explained_rows(bundle, matrix):
    """The same as `explained`, a dict for each row."""
    return pa.table(explained(bundle, matrix)).to_pylist()


def lacks_reasons(row):
    """Whether a row of the score file or of a publication was kept without reasons; one of a publication of old that has no such column was not."""
    return row.get("adverse", ()) is None


def matrix_of(path, observations, bundle):
    """The encoded features of some observations, in their order. Raises: RiskError where one is not there."""
    there = pq.read_table(path, columns=["observation_id"])["observation_id"].combine_chunks()
    places = pc.index_in(pa.array(observations, there.type), there)
    if places.null_count:
        first = next(name for name, place in zip(observations, places.to_pylist(), strict=True) if place is None)
        raise RiskError(f"{first} is not in {path}: run `risk run`, which writes the features and the scores of one book.")
    places = places.to_numpy()
    return encode(read_columns(path, bundle.names, rows=places), bundle)


def _places(chosen):
    """Of each row its place among the chosen ones, null for another."""
    return pa.array(np.cumsum(chosen) - 1, pa.int64(), mask=~chosen)


def _part(bundle, matrix, *, threads):
    values = contributions(bundle, matrix, threads=threads)
    return {f"sub_{name}": pa.array(total, pa.float64()) for name, total in sub_scores(bundle, values).items()} | _reasons(bundle, values, matrix)


def _reasons(bundle, values, matrix):
    found = reasons(bundle, values, matrix)
    return {side: pa.array([[_plain(reason) for reason in row if reason.contribution * sign > 0] for row in found], pa.list_(REASON)) for side, sign in SIDES}


def _plain(reason):
    shown = [{"name": name, **_apart("value", value, text="text")} for name, value, _ in reason.columns]
    return {"message_id": reason.message_id, "factor": reason.factor, "contribution": reason.contribution, "features": shown,
            "comparison": _plain_comparison(reason.comparison)}


def _plain_comparison(found):
    return {"kind": found.kind, "name": found.name, **_apart("value", found.value), **_apart("reference", found.reference)}


def _apart(name, value, *, text=""):
    """A value in the column of numbers or in that of words."""
    return {name: None if isinstance(value, str) else value, text or f"{name}_text": value if isinstance(value, str) else None}
