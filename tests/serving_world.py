"""A small world for the tests of serving: a bundle trained on 300 rows of real catalogue features, a customer with records, and a publication of them."""

import functools
import json
from datetime import datetime
from pathlib import Path

import numpy as np
from fastapi.testclient import TestClient

from features.arrays import categorize
from features.catalogue import build_catalogue
from features.compute import compute
from features.context import Context
from features.feeders.records import from_rows, observations_of
from features.tables import TABLES
from models.bundle import Column, Manifest, make_bundle, save_bundle
from models.calibration import Points, apply, fit, points_knots
from models.classifier import Settings, booster_text, fit_trees
from models.grades import Grade
from models.scoring import lay_out
from serving.published import BookRow, folder_of, publish
from serving.published_reports import write_reports

SOURCE = "simulated"
NOW = datetime(2026, 3, 31, 12, 0, 0, 250)
AS_OF = datetime(2026, 3, 31, 12)
BOOK_AS_OF = "2026-02-28T00:00:00"
POLICY = (Path(__file__).parent.parent / "policy.yaml").read_text(encoding="utf-8")
COLUMNS = {name: {column.name: column.kind for column in table.columns} for name, table in TABLES.items()} | {"series": {}}
NAMES = {
    "default": ("stmt_current_ratio", "inv_days_late_mean_90d", "inv_overdue_amount", "evt_lawsuit_count_365d", "peer_current_ratio_quantile", "bg_industry"),
    "fraud": ("txn_amount_log", "txn_count_1d", "txn_channel", "cpty_fraud_rate_90d"),
}
LEVELS = {"bg_industry": ("纺织", "machinery"), "txn_channel": ("web", "card")}
ROWS = 300
DAY = 86_400


@functools.cache
def catalogue(use_case="default"):
    return build_catalogue(use_case, COLUMNS)


@functools.cache
def context():
    dates = np.array([int((datetime(2025, 12, 31) - datetime(1970, 1, 1)).total_seconds())])
    return Context({("stmt_current_ratio", None): (dates, np.linspace(0.0, 4.0, 21)[None, :])})


@functools.cache
def bundle(use_case="default", *, seed=0):
    """A bundle of 20 small trees that learned that the first numbers are risky, whatever they are called."""
    names, rng = NAMES[use_case], np.random.default_rng(seed)
    levels = [LEVELS.get(name) for name in names]
    columns = {name: categorize(rng.choice([*frozen, None], ROWS).tolist()) if frozen else _numbers(rng) for name, frozen in zip(names, levels, strict=True)}
    matrix = lay_out(columns, names, levels)
    target = (rng.uniform(size=ROWS) < 1 / (1 + np.exp(2.0 - np.nan_to_num(matrix[:, 1])))).astype(float)
    settings = Settings(num_leaves=5, min_child_samples=10, colsample=1.0, monotone=False, learning_rate=0.1)
    categorical = [name for name in names if name in LEVELS]
    booster = fit_trees(matrix, target, rounds=20, columns=names, categorical=categorical, directions={}, settings=settings)
    knots = fit(booster.predict(matrix, raw_score=True), target, method="logistic")
    probability = np.sort(apply(knots, booster.predict(matrix, raw_score=True)))
    cuts = [*(float(probability[int(ROWS * share)]) for share in (0.2, 0.4, 0.6, 0.8)), 1.0]
    grades = tuple(Grade(letter, upper, upper / 2) for letter, upper in zip("ABCDE", cuts, strict=True))
    described = tuple(_described(catalogue(use_case)[name]) for name in names)
    manifest = {"use_case": use_case, "probability_name": {"default": "pd_12m", "fraud": "p_fraud"}[use_case], "columns": described, "base_raw_score": 0.0}
    curves = {"knots": knots, "points": Points(), "points_knots": points_knots(knots, Points()), "grades": grades}
    return make_bundle(booster_text(booster), Manifest(**manifest, **curves, training={"rows": ROWS}))


def _numbers(rng):
    return np.where(rng.uniform(size=ROWS) < 0.2, np.nan, rng.gamma(2.0, 1.0, ROWS))


def _described(feature):
    about = {"unit": feature.unit, "scope": feature.scope, "direction": feature.direction, "message_id": feature.message_id}
    return Column(name=feature.name, factor=feature.factor, levels=LEVELS.get(feature.name), typical=1.0 if feature.name not in LEVELS else None, **about)


def records(**changes):
    """Raw records of one customer: a statement, a late and an overdue invoice, a lawsuit, an exposure."""
    statement = {"period_end": "2025-12-31", "period_months": 12, "basis": "separate", "source": "filing", "known_at": "2026-02-20"}
    return {
        "customers": [{"known_at": "2024-01-05", "name": "海州纺织", "kind": "company", "industry": "纺织", "region": "江苏", "founded_on": "2011-05-01"}],
        "statements": [statement | {"current_assets": 300.0, "current_liabilities": 200.0, "revenue": 900000.0, "total_assets": 1000.0}],
        "invoices": [invoice("I1", "2026-01-05", "2026-01-20"), invoice("I2", "2026-01-15", "2026-02-14", amount=50_000)],
        "payments": [{"payment_id": "P1", "known_at": "2026-02-01", "invoice_id": "I1", "occurred_at": "2026-01-30", "amount": 10_000, "kind": "payment"}],
        "events": [{"event_id": "E1", "known_at": "2026-01-10", "occurred_at": "2026-01-09", "kind": "lawsuit", "amount": 40_000_000}],
        "exposures": [{"known_at": "2026-01-31", "limit": 20_000_000, "exposure": 6_000_000, "currency": "CNY"}],
    } | changes


def invoice(invoice_id, issued_at, due_at, *, amount=10_000):
    return {"invoice_id": invoice_id, "known_at": issued_at, "issued_at": issued_at, "due_at": due_at, "amount": amount, "currency": "CNY"}


def transaction(**changes):
    return {"transaction_id": "T9", "occurred_at": "2026-03-30T23:30:00", "amount": -12_345, "kind": "purchase", "channel": "web"} | changes


def features_of(tables, *, as_of=AS_OF):
    """Features of the default bundle as the kernel computes them from raw records, plain values by name."""
    found = compute(catalogue().only(NAMES["default"]), from_rows(tables, customer_id="C1"), observations_of([{"as_of": as_of}]), context=context())
    return {name: _first(column) for name, column in found.items()}


def _first(column):
    value = column.strings()[0] if hasattr(column, "codes") else column[0]
    return None if value is None or value != value else value if isinstance(value, str) else float(value)


def published(var, *, use_case="default", model=None, rows=None, promote=True, life_cycle=None, stale_days=None, text=None, reports=None, **parts):
    """A publication of two customers (of two transactions of one for fraud) under `var`, with its bundle there and, unless told otherwise, champion;
    text: that of its life_cycle.yaml; reports: finished pages; parts: as_of, policy, catalogue and context (rows) in the place of this world's."""
    model = model or bundle(use_case)
    save_bundle(model, var / "bundles" / model.hash)
    parts = {"as_of": BOOK_AS_OF, "catalogue": catalogue(use_case).to_dict(), "context": context().to_rows(), "policy": POLICY} | parts
    extra = {"columns": COLUMNS, "stale_days": stale_days}
    extra |= {} if life_cycle is None else {"life_cycle": {"hash": life_cycle.hash, "new_credit": life_cycle.new_credit}}
    manifest = publish(var, rows or book(use_case), source=SOURCE, use_case=use_case, bundle=model.hash, extra=extra, life_cycle=text, **parts)
    if reports is not None:
        write_reports(folder_of(var, SOURCE, use_case) / manifest["hash"], reports)
    if promote:
        point_to(var, model.hash, use_case=use_case)
    return manifest


def book(use_case):
    if use_case == "fraud":
        values = {"txn_amount_log": 4.0, "txn_count_1d": 3.0, "txn_channel": "web", "cpty_fraud_rate_90d": None}
        return [BookRow("C1", values, {"as_of": "2026-02-27T10:00:00"}, {}, "T1"), BookRow("C1", values, {"as_of": "2026-02-27T11:00:00"}, None, "T2")]
    values = features_of(records(), as_of=datetime(2026, 2, 28))
    return [BookRow("C1", values, {"as_of": BOOK_AS_OF}, records()), BookRow("C2", dict.fromkeys(values), {"as_of": BOOK_AS_OF}, {})]


def local_client(app, **how):
    """A client on this machine, as curl on localhost is: while there is no key, nobody else is answered."""
    return TestClient(app, **{"base_url": "http://127.0.0.1:8000", "client": ("127.0.0.1", 50_000), "raise_server_exceptions": False} | how)


def point_to(var, bundle_hash, *, use_case="default"):
    path = var / "champion" / f"{SOURCE}-{use_case}.json"
    path.parent.mkdir(exist_ok=True)
    beside = path.with_suffix(".part")
    beside.write_text(json.dumps({"bundle": bundle_hash}))
    beside.replace(path)
