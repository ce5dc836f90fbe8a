"""What was last said of a customer: by the publication before this one, or by a decision recorded since; and how much of the difference is the customer's.

Only publishing asks here: what DVC's stages write must follow from files alone, and what was said before is kept under `var/` and in the database.
"""

from dataclasses import dataclass
from datetime import datetime

import pyarrow.parquet as pq

from features.errors import RiskError
from models.bundle import load_bundle
from models.horizon import horizon_of
from models.scoring import score
from pipeline.datasets import case_path
from pipeline.kept_reasons import matrix_of
from pipeline.places import VAR, bundle_path
from serving.published import Published
from serving.values import parse_moment

USE_CASE = "default"
# Decisions of a customer that are looked through, the newest first: most of a busy one are look-ups of the same book.
LOOKED_THROUGH = 100
PUBLISHED, DECIDED = "published", "decided"
# Why the model of then cannot say anything today.
GONE, COLUMNS, HORIZON = "gone", "columns", "horizon"


@dataclass(frozen=True)
class LastSaid:
    """how: PUBLISHED or DECIDED; as_of: up to when what was known counted; made_at: when it was decided, None of what was published; probability, grade and
    bundle (hash) of then; same: whether that bundle scored today too; then_today: what it says today, None where `why_not` says why it cannot be asked."""

    how: str
    as_of: datetime
    made_at: datetime | None
    probability: float
    grade: str
    bundle: str
    same: bool = True
    then_today: float | None = None
    why_not: str | None = None


class Previously:
    """The publication in force before the one that is being written. One that is damaged says nothing: publishing anew is what mends it."""

    def __init__(self, source):
        """source: whose customers."""
        try:
            self._published = Published.open(VAR, source, USE_CASE)
        except RiskError:
            self._published = None
        self.told = 0

    def of(self, row):
        """What it said of the customer of a row of the scores: as_of, bundle, name and value of the probability, grade; None where it said nothing.

        Of the same day by the same bundle it says what it was told itself, so that publishing a book again changes nothing.
        """
        said = self._score(row["customer_id"])
        moment = None if said is None else parse_moment(said["as_of"])
        if moment is None or moment > row["as_of"]:
            return None
        found = said.get("last_published") if moment == row["as_of"] and said["bundle"] == row["bundle"] else _kept(said)
        self.told += found is not None
        return found

    def close(self):
        """Close the publication."""
        if self._published is not None:
            self._published.close()

    def _score(self, customer):
        try:
            return None if self._published is None else self._published.score(customer)
        except RiskError:
            return None


def _kept(said):
    name = next(name for name in said if horizon_of(name))
    return {"as_of": said["as_of"], "bundle": said["bundle"], "probability_name": name, "probability": said[name], "grade": said["grade"]}


def any_decided(store, source):
    """Whether any decision on a customer of a source is recorded."""
    return bool(store.history(use_case=USE_CASE, source=source, limit=1))


def last_said(store, source, published):
    """A function of a Book and rows of its score file that gives {customer_id: LastSaid}, without those of whom nothing was said.

    published: serving.published.Published, which says what was published before it.
    """
    def of_rows(book, rows):
        found = {row["customer_id"]: _latest(store, source, published, row) for row in rows}
        return _compared(book, rows, {customer: said for customer, said in found.items() if said is not None})

    return of_rows


def _latest(store, source, published, row):
    """The later of what was published and what was decided before a row, with the key how; None where there is neither."""
    before = (published.score(row["customer_id"]) or {}).get("last_published")
    said = [] if before is None else [{**before, "as_of": parse_moment(before["as_of"]), "how": PUBLISHED, "made_at": None}]
    said += [each for each in _decided(store, source, row["customer_id"])
             if each["as_of"] < row["as_of"] or (each["as_of"] == row["as_of"] and each["bundle"] != row["bundle"])]
    return max(said, key=lambda each: each["as_of"], default=None)


def _decided(store, source, customer):
    """What the recorded decisions on a customer said, the newest first."""
    for decision in store.history(customer_id=customer, use_case=USE_CASE, source=source, limit=LOOKED_THROUGH):
        answer = decision.payload["answer"]
        kept = {name: answer[name] for name in ("probability_name", "probability", "grade")}
        yield {**kept, "as_of": parse_moment(answer["as_of"]), "bundle": decision.bundle, "how": DECIDED, "made_at": decision.made_at}


def _compared(book, rows, found):
    """{customer_id: LastSaid} of what was said, with what other models than the book's say today."""
    today, others = {}, {}
    for row in rows:
        said = found.get(row["customer_id"])
        if said is not None and said["bundle"] != book.bundle:
            others.setdefault((said["bundle"], said["probability_name"]), []).append(row)
    for (bundle, name), asked in others.items():
        today |= _today(book, asked, bundle, name)
    return {customer: _said(said, same=said["bundle"] == book.bundle, **today.get(customer, {})) for customer, said in found.items()}


def _said(said, **more):
    return LastSaid(**{name: value for name, value in said.items() if name != "probability_name"}, **more)


def _today(book, rows, bundle, name):
    """What another bundle says of rows of today's book: {customer_id: then_today or why_not}."""
    values, why = _scored(rows, bundle) if name == book.model["probability_name"] else ([None] * len(rows), HORIZON)
    return {row["customer_id"]: {"then_today": value, "why_not": why} for row, value in zip(rows, values, strict=True)}


def _scored(rows, bundle):
    """The probabilities that a bundle gives rows of the book now, or Nones, and why not."""
    features, nothing = case_path(USE_CASE, "book", "features.parquet"), [None] * len(rows)
    try:
        loaded = load_bundle(bundle_path(bundle))
    except RiskError:
        return nothing, GONE
    if not set(loaded.names) <= set(pq.read_schema(features).names):
        return nothing, COLUMNS
    try:
        return score(loaded, matrix_of(features, [row["observation_id"] for row in rows], loaded)).probability.tolist(), None
    except RiskError:
        return nothing, COLUMNS
