"""What the stages before left about one use case: the scored book, the model that scored it, its evaluation and importance, the policy."""

from dataclasses import dataclass
from functools import cached_property

import duckdb
import numpy as np

from features.errors import RiskError
from features.feeders.sql import quoted
from models.horizon import horizon_of
from pipeline.datasets import INGEST, case_path, read_json
from pipeline.kept_reasons import with_reasons
from pipeline.state import bundle_folder

# Features that are columns of the source's own observations (features/background.py).
OWN_PREFIX = "obs_"
# What a transaction says of itself, where the source has it.
_OWN = "^(occurred_at|amount|currency|kind|channel|counterparty_id)$"


@dataclass(frozen=True)
class Book:
    """One use case as the pages see it.

    arrays: {column: array}, one place per row of the book, with customer_id, as_of, raw_score, probability, grade, route (for fraud the action), and exposure
    with limit, or amount, in minor units (NaN missing); earlier: {column: array} of earlier.parquet (pipeline/earlier.py), a place per customer, none where
    nobody was scored before; about: ingest.json; model: model.json of the bundle that scored; evaluation: full.json; importance: importance.json; challengers:
    challengers.json.
    """

    use_case: str
    arrays: dict
    earlier: dict
    as_of: object
    bundle: str
    policy_hash: str
    about: dict
    model: dict
    evaluation: dict
    importance: dict
    challengers: dict

    def __len__(self):
        return len(self.arrays["probability"])

    @property
    def horizon(self):
        """How far the probability looks ahead, (count, "m" or "d"); None for a transaction's."""
        return horizon_of(self.model["probability_name"])

    @property
    def grades(self):
        """The master scale, safest first: dicts of name, upper and probability."""
        return self.model["grades"]

    @property
    def validated(self):
        """Hash of the bundle whose figures describe the one that scored: its own, or where it was refitted the one before."""
        return self.model["training"].get("validated", self.bundle)

    @property
    def tables(self):
        """Names of the tables that the source gives."""
        return frozenset(self.about["tables"])

    @cached_property
    def curves(self):
        """The bundle's curves as arrays on raw scores: (x, probabilities, points)."""
        knots, points = self.model["knots"], self.model["points_knots"]
        return np.array(knots["x"]), np.array(knots["y"]), np.array(points["y"])

    @cached_property
    def columns(self):
        """What the bundle says of each column: {name: dict with factor, unit, typical, message_id}."""
        return {column["name"]: column for column in self.model["columns"]}


def read_book(use_case):
    """Read everything but the records. Raises: RiskError when a file is missing, damaged or without rows."""
    scores = case_path(use_case, "scores.parquet")
    own = case_path(use_case, "book", "observations.parquet")
    first = _first(scores)
    model = read_json(bundle_folder(use_case, first["bundle"]) / "model.json")
    return Book(
        use_case=use_case, arrays=_arrays(scores, own, use_case, model["probability_name"]), earlier=_earlier(use_case),
        as_of=first["as_of"], bundle=first["bundle"], policy_hash=first["policy"], about=read_json(INGEST), model=model,
        evaluation=read_json(case_path(use_case, "evaluation", "full.json")),
        importance=read_json(case_path(use_case, "explanation", "importance.json")),
        challengers=read_json(case_path(use_case, "challengers", "challengers.json")))


def riskiest(book, limit, *, size=1000, one_each=False):
    """Yield the book's `limit` riskiest rows from the top down, in lists of up to `size`; with `one_each` only the latest row of a customer.

    A row is a dict of the score file's columns, with probability, route (for fraud the action), rank (0 is the riskiest) and for fraud the
    transaction's own columns; sub-scores and reasons that the file was not given are worked out. Equal probabilities stand in order of observation_id.
    """
    fraud, scores = book.use_case == "fraud", case_path(book.use_case, "scores.parquet")
    own = f"(SELECT observation_id, COLUMNS('{_OWN}') FROM read_parquet('{case_path(book.use_case, 'book', 'observations.parquet')}'))"
    probability = book.model["probability_name"]
    latest = "QUALIFY row_number() OVER (PARTITION BY customer_id ORDER BY as_of DESC, observation_id DESC) = 1" if one_each else ""
    connection = duckdb.connect()
    found = connection.execute(f"""
        SELECT *, "{probability}" AS probability {", action AS route" if fraud else ""}
        FROM read_parquet('{scores}') {f"LEFT JOIN {own} USING (observation_id)" if fraud else ""} {latest}
        ORDER BY probability DESC, observation_id LIMIT {int(limit)}""")
    names, rank = [column[0] for column in found.description], 0
    while rows := found.fetchmany(size):
        yield with_reasons([dict(zip(names, row, strict=True)) | {"rank": rank + place} for place, row in enumerate(rows)], book.use_case)
        rank += len(rows)
    connection.close()


def rows_of(book, customers):
    """The latest row of some customers, {customer_id: dict}, columns as in `riskiest` without the rank."""
    scores, connection = case_path(book.use_case, "scores.parquet"), duckdb.connect()
    found = connection.execute(f"""
        SELECT *, "{book.model['probability_name']}" AS probability FROM read_parquet('{scores}') WHERE list_contains(?, customer_id)
        QUALIFY row_number() OVER (PARTITION BY customer_id ORDER BY as_of DESC, observation_id DESC) = 1""", [list(customers)])
    names = [column[0] for column in found.description]
    rows = with_reasons([dict(zip(names, values, strict=True)) for values in found.fetchall()], book.use_case)
    connection.close()
    return {row["customer_id"]: row for row in rows}


def rank_of(book, customer):
    """The place of a customer's latest row among those of all, as `riskiest` with `one_each` ranks them."""
    arrays, place = book.arrays, np.arange(len(book))
    order = np.lexsort((place, arrays["as_of"]))
    latest = dict(zip(arrays["customer_id"][order].tolist(), order.tolist(), strict=True))
    rows, own, probability = np.array(list(latest.values())), latest[customer], arrays["probability"]
    return int(((probability[rows] > probability[own]) | ((probability[rows] == probability[own]) & (rows < own))).sum())


def given_values(book, rows):
    """What the source said of some rows in columns of its own, as far as the model reads them: {observation_id: {feature: number or text or None}}."""
    names = [name for name in book.columns if name.startswith(OWN_PREFIX)]
    if not names:
        return {}
    listed = ", ".join(map(quoted, names))
    file = case_path(book.use_case, "book", "features.parquet")
    connection = duckdb.connect()
    found = connection.execute(f"SELECT observation_id, {listed} FROM read_parquet('{file}') WHERE list_contains(?, observation_id)",
                               [[row["observation_id"] for row in rows]]).fetchall()
    connection.close()
    return {first: dict(zip(names, values, strict=True)) for first, *values in found}


def _first(scores):
    """The book's as_of (the latest of all), bundle and policy."""
    if not scores.exists():
        raise RiskError(f"{scores} is missing: run `risk run`.")
    *first, rows = _asked(scores, f"SELECT max(as_of), min(bundle), min(policy), count(*) FROM read_parquet('{scores}')").fetchone()
    if not rows:
        raise RiskError(f"{scores} has no row: nobody is in the book, so there is nothing to report; check book.as_of.")
    return dict(zip(("as_of", "bundle", "policy"), first, strict=True))


def _asked(scores, query):
    connection = duckdb.connect()
    connection.execute("SET threads = 1; SET TimeZone = 'UTC'")
    try:
        return connection.execute(query)
    except duckdb.Error as error:
        raise RiskError(f"{scores} cannot be read ({str(error).splitlines()[0]}): delete it and run `risk run`.") from None


def _arrays(scores, own, use_case, probability):
    """The columns that the portfolio is summed over, in order of observation_id; an exposure and an amount are floats, in minor units."""
    fraud = use_case == "fraud"
    credit = 's.route, s.exposure::DOUBLE AS exposure, s."limit"::DOUBLE AS "limit"'
    own_columns = "s.action AS route, abs(amount)::DOUBLE AS amount, channel" if fraud else credit
    # A source may lack the channel: the empty row set gives every column a name.
    lacking = "SELECT NULL::VARCHAR AS observation_id, NULL::BIGINT AS amount, NULL::VARCHAR AS channel WHERE false"
    joined = f"LEFT JOIN (FROM read_parquet('{own}') UNION ALL BY NAME {lacking}) o USING (observation_id)" if fraud else ""
    found = _asked(scores, f"""SELECT s.customer_id, s.as_of, s.raw_score, s."{probability}" AS probability, s.grade, {own_columns}
                                   FROM read_parquet('{scores}') s {joined} ORDER BY observation_id""").fetchnumpy()
    return {name: _filled(values) for name, values in found.items()}


def _earlier(use_case):
    file = case_path(use_case, "earlier.parquet")
    if not file.exists():
        raise RiskError(f"{file} is missing: run `risk run`.")
    return {name: _filled(values) for name, values in _asked(file, f"FROM read_parquet('{file}') ORDER BY customer_id").fetchnumpy().items()}


def _filled(values):
    """Masked numbers as floats with NaN, masked texts as objects with None."""
    if not isinstance(values, np.ma.MaskedArray):
        return values
    return values.astype(np.float64).filled(np.nan) if values.dtype.kind in "iuf" else values.astype(object).filled(None)
