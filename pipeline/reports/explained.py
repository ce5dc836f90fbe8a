"""What the scores on a page are made of: contributions by factor, how they moved since the customer was looked at before, and what is missing.

Everything is scored by the bundle that scored the book, so a difference is one of facts and never one of models.
"""

from dataclasses import dataclass
from datetime import date, datetime

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from features.catalogue import Catalogue
from models.bundle import load_bundle
from models.calibration import sigmoid
from models.reasons import reason_totals, shown_value
from models.scoring import contributions, from_raw, raw_scores
from pipeline.datasets import case_path, read_json
from pipeline.kept_reasons import matrix_of
from pipeline.state import bundle_folder

# Tables that there is something to know of for every customer; without contracts, events or exposure there may be just none.
TOLD = ("statements", "invoices", "transactions")
DONORS = 40
# Of the donors' scores these quantiles stand for the interval, whose level is near 90 %.
OUTER = (0.05, 0.95)


@dataclass(frozen=True)
class Change:
    """A business reason's part in a difference of scores: log-odds (positive: riskier now), and with both values its column that moved most in
    that direction."""

    factor: str
    column: str
    contribution: float
    value: object
    old: object


@dataclass(frozen=True)
class Before:
    """The customer as the same model saw it at an earlier moment, and the changes since, strongest first; they add up to the difference of the raw scores.

    reviewed: the day of the last review where that chose the moment, else None.
    """

    as_of: datetime
    raw_score: float
    probability: float
    points: float
    grade: str
    changes: tuple
    reviewed: date | None = None


@dataclass(frozen=True)
class Missing:
    """How far the probability would lie apart if what the tables lack were like other customers': ends low and high, joined to the interval's own ends."""

    tables: tuple
    low: float
    high: float
    wider: float | None


@dataclass(frozen=True)
class Explained:
    """factors: {factor: log-odds against the average customer}; known: columns of the model with a value, of `columns`; before: None without an earlier
    observation; missing: None where nothing is."""

    factors: dict
    known: int
    columns: int
    before: Before | None
    missing: Missing | None


def read_explained(book, rows, *, reviewed=None, tables_of=None):
    """{customer_id: Explained} of rows of the score file, one a customer.

    reviewed: {customer_id: day of the last review}, by which the earlier moment is the last observation up to that day, else the last one before the book's;
    tables_of: {customer_id: names of tables with rows} of the whole book, None where that is not to be judged.
    """
    bundle, reviewed = load_bundle(bundle_folder(book.use_case, book.bundle)), reviewed or {}
    matrix = matrix_of(case_path(book.use_case, "book", "features.parquet"), [row["observation_id"] for row in rows], bundle)
    values = contributions(bundle, matrix)
    before = _before(book, rows, bundle, (matrix, values), reviewed)
    missing = _missing(book, rows, bundle, matrix, tables_of) if tables_of is not None else {}
    factors = _factors(bundle, values)
    known = (~np.isnan(matrix)).sum(axis=1).tolist()
    return {row["customer_id"]: Explained(factors[place], known[place], matrix.shape[1], before.get(row["customer_id"]), missing.get(row["customer_id"]))
            for place, row in enumerate(rows)}


def _factors(bundle, values):
    """Contributions summed by factor, a dict a row in the catalogue's order."""
    named = [column.factor for column in bundle.manifest.columns]
    sums = {factor: values[:, [place for place, each in enumerate(named) if each == factor]].sum(axis=1).tolist() for factor in dict.fromkeys(named)}
    return [dict(zip(sums, row, strict=True)) for row in zip(*sums.values(), strict=True)]


def _before(book, rows, bundle, now, reviewed):
    """{customer_id: Before} of the customers that were observed earlier; empty where the model reads columns that development has no more."""
    earlier, path = _earlier(book.use_case, rows, reviewed), case_path(book.use_case, "development", "features.parquet")
    if not earlier or not set(bundle.names) <= set(pq.read_schema(path).names):
        return {}
    place = {row["customer_id"]: number for number, row in enumerate(rows)}
    matrix = matrix_of(path, [observation for _, observation, _ in earlier], bundle)
    values = contributions(bundle, matrix)
    scores, found = from_raw(bundle, raw_scores(bundle, matrix)), {}
    for number, (customer, _, as_of) in enumerate(earlier):
        at = place[customer]
        changes = _changes(bundle, (now[0][at], now[1][at]), (matrix[number], values[number]))
        found[customer] = Before(as_of, float(scores.raw_score[number]), float(scores.probability[number]), float(scores.points[number]),
                                 str(scores.grades[scores.grade[number]]), changes, reviewed.get(customer))
    return found


def _earlier(use_case, rows, reviewed):
    """(customer_id, observation_id, as_of) of each customer's last observation before its row's moment, and not after the day of its review."""
    path = case_path(use_case, "development", "observations.parquet")
    if not path.exists():
        return []
    until = [min(row["as_of"], datetime.combine(reviewed[row["customer_id"]], datetime.max.time())) if row["customer_id"] in reviewed else row["as_of"]
             for row in rows]
    asked = pa.table({"customer_id": [row["customer_id"] for row in rows], "now": pa.array([row["as_of"] for row in rows], pa.timestamp("us")),
                      "until": pa.array(until, pa.timestamp("us"))})
    connection = duckdb.connect()
    connection.register("asked", asked)
    found = connection.execute(f"""
        SELECT customer_id, observation_id, as_of FROM read_parquet('{path}') JOIN asked USING (customer_id) WHERE as_of < now AND as_of <= until
        QUALIFY row_number() OVER (PARTITION BY customer_id ORDER BY as_of DESC, observation_id DESC) = 1 ORDER BY customer_id""").fetchall()
    connection.close()
    return found


def _changes(bundle, now, before):
    """A Change of each business reason that moved, strongest first."""
    (values, parts), (old_values, old_parts) = now, before
    moved, columns = parts - old_parts, bundle.manifest.columns
    names, sums = reason_totals(bundle, moved[None])
    totals, strongest = dict(zip(names, sums[0].tolist(), strict=True)), {}
    for place, column in enumerate(columns):
        push = moved[place] * np.sign(totals[column.message_id])
        if push > strongest.get(column.message_id, (0.0, None))[0]:
            strongest[column.message_id] = push, place
    found = [Change(columns[place].factor, columns[place].name, totals[name], shown_value(columns[place], values[place]),
                    shown_value(columns[place], old_values[place])) for name, (_, place) in strongest.items()]
    return tuple(sorted(found, key=lambda change: -abs(change.contribution)))


def _missing(book, rows, bundle, matrix, tables_of):
    """{customer_id: Missing}: each customer who lacks a table is scored again with the columns of other customers, evenly taken from the book.

    A hot deck (Andridge and Little 2010) without matching: the donors' figures are as unlike as customers are, so the ends are on the careful side.
    """
    catalogue = Catalogue.from_dict(read_json(case_path(book.use_case, "book", "catalogue.json")))
    needs = {each.name: set(each.needs) for each in catalogue.features if each.name in set(bundle.names)}
    told = [table for table in TOLD if table in book.tables and any(table in tables for tables in needs.values())]
    lacking = {}
    for place, row in enumerate(rows):
        tables = tuple(table for table in told if table not in tables_of.get(row["customer_id"], ()))
        if tables:
            lacking.setdefault(tables, []).append(place)
    found = {}
    for tables, places in lacking.items():
        own = [place for place, name in enumerate(bundle.names) if needs.get(name, set()) & set(tables)]
        donors = _donors(book, tables_of, tables, bundle)
        if own and len(donors):
            found |= _spread(bundle, [rows[place] for place in places], matrix[places], (own, donors), tables)
    return found


def _donors(book, tables_of, tables, bundle):
    """Encoded rows of up to DONORS customers of the book who have all these tables."""
    path = case_path(book.use_case, "book", "observations.parquet")
    known = pq.read_table(path, columns=["observation_id", "customer_id"]).to_pydict()
    having = [observation for observation, customer in zip(known["observation_id"], known["customer_id"], strict=True)
              if set(tables) <= set(tables_of.get(customer, ()))]
    taken = [having[place] for place in np.linspace(0, len(having) - 1, min(DONORS, len(having))).astype(int)] if having else []
    return matrix_of(case_path(book.use_case, "book", "features.parquet"), taken, bundle) if taken else np.empty((0, len(bundle.names)))


def _spread(bundle, rows, matrix, filling, tables):
    own, donors = filling
    filled = np.repeat(matrix, len(donors), axis=0)
    filled[:, own] = np.tile(donors[:, own], (len(matrix), 1))
    raw = raw_scores(bundle, filled).reshape(len(matrix), len(donors))
    ends = [from_raw(bundle, np.quantile(raw, share, axis=1)).probability for share in OUTER]
    return {row["customer_id"]: _joined(row, float(low), float(high), tables) for row, low, high in zip(rows, *ends, strict=True)}


def _joined(row, low, high, tables):
    """The two uncertainties joined as independent ones are, by squares, in log-odds and on either side apart."""
    middle, own = _logit(row["probability"]), (row.get("pd_low"), row.get("pd_high"))
    reach = [(0.0 if end is None else middle - _logit(end)) for end in own]
    more = [max(middle - _logit(low), 0.0), min(middle - _logit(high), 0.0)]
    both = np.hypot(reach, more)
    width = abs(reach[0]) + abs(reach[1])
    return Missing(tables, float(sigmoid(middle - both[0])), float(sigmoid(middle + both[1])), float(both.sum() / width) if width else None)


def _logit(probability):
    return float(np.log(probability) - np.log1p(-probability))
