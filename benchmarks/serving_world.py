"""The fixed model and world of `benchmarks.serving`: 500 trees of 31 leaves over 120 columns of the catalogue, customers with records, one publication.

The trees learn from drawn numbers, not from customers: what is measured is how long they take, and whatever they say takes as long.
"""

from datetime import timedelta
from pathlib import Path

import lightgbm as lgb
import numpy as np

from benchmarks.feature_one import AS_OF, Maker, catalogue_of, context_of
from features.compute import compute
from features.feeders.records import from_rows, observations_of
from features.tables import TABLES
from models.bundle import Column, Manifest, load_bundle, make_bundle, save_bundle
from models.calibration import Points, apply, fit, points_knots
from models.grades import Grade
from serving.published import BookRow, publish

SOURCE, USE_CASE = "bench", "default"
TREES, LEAVES, COLUMNS, ROWS, SEED = 500, 31, 120, 20_000, 7
CUSTOMERS = 200
# What a request from raw records carries, by the issue: 300 transactions, 50 invoices with their payments, 12 statements.
TABLES_SENT = ("customers", "statements", "invoices", "payments", "transactions")
PUBLISHED_AT = AS_OF + timedelta(seconds=1)
POLICY = Path(__file__).parent.parent / "policy.yaml"


def customers():
    """[(customer id, records)] as an interface sends them."""
    made = [Maker(number) for number in range(1, CUSTOMERS + 1)]
    return [(one.id, {name: rows for name, rows in one.tables().items() if name in TABLES_SENT}) for one in made]


def build(var):
    """Publish the world under `var`, its model the champion, and return (customers, {customer id: features by name})."""
    people, catalogue = customers(), catalogue_of(TABLES_SENT)
    context = context_of(catalogue, people)
    asked = observations_of([{"as_of": AS_OF.isoformat()}])
    found = [compute(catalogue, from_rows(rows, customer_id=name), asked, context=context) for name, rows in people]
    names = _usable(catalogue, found)
    values = {person: {name: _plain(columns[name][0]) for name in names} for (person, _), columns in zip(people, found, strict=True)}
    bundle = _bundle([catalogue[name] for name in names], np.array([list(each.values()) for each in values.values()], dtype=np.float64))
    save_bundle(bundle, var / "bundles" / bundle.hash)
    rows = (BookRow(person, values[person], {"as_of": AS_OF.isoformat()}, records) for person, records in people)
    columns = {name: {column.name: column.kind for column in TABLES[name].columns} for name in TABLES_SENT}
    parts = {"catalogue": catalogue.to_dict(), "context": context.to_rows(), "policy": POLICY.read_text(encoding="utf-8"), "extra": {"columns": columns}}
    publish(var, rows, source=SOURCE, use_case=USE_CASE, as_of=AS_OF.isoformat(), bundle=bundle.hash, **parts)
    return people, values


def model_of(var):
    """The bundle that was published under `var`."""
    return load_bundle(next((var / "bundles").iterdir()))


def _usable(catalogue, found):
    """The first COLUMNS numbers that are mostly known and vary, spread over the catalogue so that every table has its share."""
    known = [name for name in catalogue.names if isinstance(found[0][name], np.ndarray) and _varies([columns[name][0] for columns in found])]
    return [known[place] for place in np.linspace(0, len(known) - 1, COLUMNS).astype(int)]


def _varies(values):
    known = np.array(values, dtype=np.float64)
    known = known[np.isfinite(known)]
    return len(known) > CUSTOMERS / 2 and len(np.unique(known)) > 10


def _bundle(features, seen):
    """A bundle whose trees have all their leaves, on rows drawn column by column from what was seen."""
    draw = np.random.default_rng(SEED)
    matrix = np.stack([draw.choice(column, ROWS) for column in seen.T], axis=1)
    ranked = np.argsort(np.argsort(np.nan_to_num(matrix), axis=0), axis=0) / ROWS - 0.5
    target = (draw.uniform(size=ROWS) < 1 / (1 + np.exp(2.5 - ranked @ draw.normal(size=COLUMNS) - 4 * ranked[:, 0] * ranked[:, 1]))).astype(float)
    settings = {"objective": "binary", "num_leaves": LEAVES, "learning_rate": 0.02, "min_data_in_leaf": 20, "feature_fraction": 0.3, "verbosity": -1,
                "num_threads": 2, "deterministic": True, "seed": SEED}
    names = [each.name for each in features]
    booster = lgb.train(settings, lgb.Dataset(matrix, target, feature_name=names, params={"verbosity": -1}), TREES)
    raw = booster.predict(matrix, raw_score=True)
    knots = fit(raw, target, method="logistic")
    cuts = [*np.quantile(apply(knots, raw), (0.4, 0.7, 0.85, 0.95)).tolist(), 1.0]
    grades = tuple(Grade(letter, upper, upper / 2) for letter, upper in zip("ABCDE", cuts, strict=True))
    described = tuple(_described(each, column) for each, column in zip(features, seen.T, strict=True))
    manifest = Manifest(use_case=USE_CASE, probability_name="pd_12m", columns=described, base_raw_score=0.0, knots=knots, points=Points(),
                        points_knots=points_knots(knots, Points()), grades=grades, training={"rows": ROWS})
    return make_bundle(booster.model_to_string(), manifest)


def _described(feature, seen):
    about = {"unit": feature.unit, "scope": feature.scope, "direction": feature.direction, "message_id": feature.message_id}
    return Column(name=feature.name, factor=feature.factor, typical=float(np.nanmedian(seen)), **about)


def _plain(value):
    return float(value) if np.isfinite(value) else None
