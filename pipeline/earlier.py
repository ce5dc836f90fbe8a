"""What the model in force would have said of the book's customers some time ago, on what was known then: the other side of the migration matrix.

The development branch has features of earlier dates already, and one model on both dates shows what moved of the customers, not of the model.
"""

from datetime import timedelta

import pyarrow as pa
import pyarrow.parquet as pq

from models.scoring import encode
from models.scoring import score as score_rows
from pipeline.columns import read_columns
from pipeline.datasets import case_path, replacing
from pipeline.frames import read_frame
from pipeline.outcomes import known_outcomes

# Less apart the two dates share nearly all that is known; a quarter is the usual grid, so that everybody of one date is found, and nobody of the one before.
LEAST, SPAN = timedelta(days=27), timedelta(days=92)
FIELDS = (("customer_id", pa.string()), ("as_of", pa.timestamp("us")), ("raw_score", pa.float64()), ("probability", pa.float64()), ("grade", pa.string()),
          ("defaulted", pa.bool_()))


def write_earlier(use_case, rows, *, bundle, rules, threads):
    """Write `earlier.parquet`, each customer's row of the latest earlier date: FIELDS, defaulted says whether a default followed before the book; returns the
    grades, {customer_id: grade}.

    rows: the book's observations; rules: the observation rules of the use case. Empty where nobody was observed a month before the book, where the model reads
    columns that development has no more, and for transactions, which are judged once.
    """
    features = case_path(use_case, "development", "features.parquet")
    comparable = use_case == "default" and len(rows) and set(bundle.names) <= set(pq.read_schema(features).names)
    found = _earlier(use_case, rows["as_of"].max()) if comparable else None
    columns = [] if found is None or found.empty else _scored(use_case, found, rows["as_of"].max(), bundle, rules, threads)
    table = pa.table(columns or [pa.array([], kind) for _, kind in FIELDS], schema=pa.schema(FIELDS))
    with replacing(case_path(use_case, "earlier.parquet")) as path:
        pq.write_table(table, path, compression="zstd")
    return dict(zip(table["customer_id"].to_pylist(), table["grade"].to_pylist(), strict=True))


def _earlier(use_case, book_as_of):
    """The observations to compare with, at their places in the feature file: each customer's last in the quarter that ends with the latest earlier date."""
    rows = read_frame(case_path(use_case, "development", "observations.parquet"), ["customer_id", "as_of"])
    rows = rows[rows["as_of"] <= book_as_of - LEAST]
    near = rows[rows["as_of"] > rows["as_of"].max() - SPAN]
    return near.reset_index().sort_values(["customer_id", "as_of", "index"]).drop_duplicates("customer_id", keep="last").set_index("index")


def _scored(use_case, found, book_as_of, bundle, rules, threads):
    columns = read_columns(case_path(use_case, "development", "features.parquet"), bundle.names, rows=found.index.to_numpy())
    scores = score_rows(bundle, encode(columns, bundle), threads=threads)
    outcomes = known_outcomes(use_case, rules, known_by=book_as_of)
    after = outcomes.merge(found[["customer_id", "as_of"]], on="customer_id")
    later = after[(after["occurred_at"] > after["as_of"]) & (after["occurred_at"] <= book_as_of)]
    return [found["customer_id"].tolist(), found["as_of"].tolist(), scores.raw_score, scores.probability, scores.grade_names().tolist(),
            found["customer_id"].isin(set(later["customer_id"])).tolist()]
