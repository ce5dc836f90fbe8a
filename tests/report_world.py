"""The files that the report stage reads, laid out small: a book of given scores, real trees over three columns, and the records of its customers."""

import functools
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from builders import contract, customer, day, event, exposure, invoice, payment, statement, transaction, write_tables

from features.catalogue import build_catalogue
from features.feeders.duck import columns_of
from models.bundle import Column, Manifest, make_bundle, save_bundle
from models.calibration import Interval, Knots, Points
from models.classifier import Settings, booster_text, train
from models.grades import Grade
from pipeline import report as stage
from pipeline.reports.records import USED

AS_OF = day("2024-06-30")
GRADES = [("A", 0.01, 0.005), ("B", 0.03, 0.02), ("C", 0.08, 0.05), ("D", 0.2, 0.12), ("E", 1.0, 0.4)]
COLUMNS = [("inv_days_late_mean_180d", "payment_behaviour", "days", 4.0), ("stmt_current_ratio", "solvency", "ratio", 1.6),
           ("cust_industry", "background", "", "retail")]
# Features of every customer of the book: days late, current ratio, industry.
BOOKED = (12.0, 2.5, "retail")
REASON = pa.struct([("message_id", pa.string()), ("factor", pa.string()), ("contribution", pa.float64()),
                    ("features", pa.list_(pa.struct([("name", pa.string()), ("value", pa.float64()), ("text", pa.string())])))])


def reason(place, contribution, value=12.0, text=None):
    name, factor, _, _ = COLUMNS[place]
    shown = {"name": name, "value": None if text else value, "text": text}
    return {"message_id": f"feature.{name}", "factor": factor, "contribution": contribution, "features": [shown]}


def score(customer_id="C1", raw_score=-2.0, **changes):
    probability = 1 / (1 + np.exp(-raw_score))
    grade = next(name for name, upper, _ in GRADES if probability < upper)
    row = {"observation_id": f"{customer_id}@2024-06-30", "customer_id": customer_id, "as_of": AS_OF, "bundle": "ab" * 32, "policy": "cd" * 32,
           "raw_score": raw_score, "points": 520.0, "grade": grade, "adverse": [reason(0, 0.9)], "favourable": [reason(1, -0.4, 2.5)]}
    parts = {"sub_financial": -0.4, "sub_behavioural": 1.5, "sub_cash_flow": 0.2, "sub_background": raw_score + 4.0 - 1.3}
    return row | parts | {"probability": probability} | changes


def decided(row):
    return row | {"exposure": row.get("exposure", 500_000), "action": "reduce", "route": row.get("route", "two_persons"), "limit": 1_000_000,
                  "payment_terms_days": 15, "deposit_share": 0.3, "guarantee": True, "review_days": 30,
                  "decision_reasons": ["route.exposure", "limit.ceiling", "stop.days_past_due_30"]}


def write_scores(use_case, rows):
    name = {"default": "pd_12m", "fraud": "p_fraud"}[use_case]
    rows = [{name if key == "probability" else key: value for key, value in row.items()} for row in rows]
    fields = {key: pa.list_(REASON) if key in ("adverse", "favourable") else None for key in rows[0]}
    Path(f"data/{use_case}").mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({key: pa.array([row[key] for row in rows], kind) for key, kind in fields.items()}), f"data/{use_case}/scores.parquet")


@functools.cache
def trained():
    """A bundle of a few small trees over COLUMNS, with a logistic curve from a base of −4 and an interval of ±0.5 in log-odds."""
    rng = np.random.default_rng(0)
    late, ratio, industry = rng.uniform(0, 60, 2000), rng.uniform(0.2, 4, 2000), rng.integers(0, 2, 2000).astype(float)
    target = (rng.uniform(size=2000) < 1 / (1 + np.exp(3 - 0.06 * late + 0.5 * ratio))).astype(float)
    matrix, names = np.column_stack([late, ratio, industry]), tuple(name for name, *_ in COLUMNS)
    settings = Settings(max_trees=30, num_leaves=6)
    grown = train(matrix, target, validation=(matrix, target), columns=names, categorical=names[2:], directions={}, settings=settings)
    x = np.linspace(-9, 5, 200)
    low, y, high = (tuple((1 / (1 + np.exp(-(x + shift)))).tolist()) for shift in (-0.5, 0, 0.5))
    described = tuple(Column(name=name, factor=factor, unit=unit, typical=typical, message_id=f"feature.{name}", levels=levels)
                      for (name, factor, unit, typical), levels in zip(COLUMNS, (None, None, ("construction", "retail")), strict=True))
    grades = tuple(Grade(name=name, upper=upper, probability=middle) for name, upper, middle in GRADES)
    points = Knots(x=tuple(x.tolist()), y=tuple((500 - 20 * x / np.log(2)).tolist()), method="logistic")
    return make_bundle(booster_text(grown), Manifest(
        use_case="default", probability_name="pd_12m", columns=described, knots=Knots(x=tuple(x.tolist()), y=y, method="logistic"), points=Points(),
        points_knots=points, grades=grades, base_raw_score=-4.0, training={}, interval=Interval(low, high, 0.9, "spline")))


def write_features(folder, rows):
    """Observations and features: rows are (observation_id, customer_id, as_of, days late, ratio, industry)."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    columns = dict(zip(("observation_id", "customer_id", "as_of", *(name for name, *_ in COLUMNS)), map(list, zip(*rows, strict=True)), strict=True))
    pq.write_table(pa.table({name: columns[name] for name in ("observation_id", "customer_id", "as_of")}), f"{folder}/observations.parquet")
    pq.write_table(pa.table({name: values for name, values in columns.items() if name not in ("customer_id", "as_of")}), f"{folder}/features.parquet")


def write_model(use_case, *, suspects=()):
    save_bundle(trained(), f"data/{use_case}/shipped")
    if use_case == "fraud":
        path = Path("data/fraud/shipped/model.json")
        path.write_text(path.read_text(encoding="utf-8").replace('"pd_12m"', '"p_fraud"'), encoding="utf-8")
    evaluation = {
        "bundle": "ab" * 32, "rows": 900, "customers": 300, "bad": 40, "judged_by": {"kind": "by_time"}, "suspects": list(suspects),
        "as_of": {"first": "2023-01-31", "last": "2023-12-31"},
        "discrimination": {"auc": 0.81, "low": 0.77, "high": 0.84, "gini": 0.62, "gini_low": 0.54, "gini_high": 0.68,
                           "average_precision": {"average_precision": 0.2, "low": 0.1, "high": 0.3},
                           "capture": [{"share": 0.05, "captured": 0.3, "lift": 6.0}]},
        "probability": {"line": {"slope": 0.97, "slope_low": 0.8, "slope_high": 1.1}},
        "grades": [{"grade": name, "rows": 100, "bad": 0 if name == "A" else 5, "expected": 100 * middle, "low": 0, "high": 12, "inside": True}
                   for name, _, middle in GRADES] + [{"grade": "E2", "rows": 0, "bad": 0, "expected": 0.0, "low": 0, "high": 0, "inside": True}]}
    importance = {"rows": 900, "factors": [{"factor": "solvency", "share": 0.6}, {"factor": "disputes", "share": 0.0}],
                  "columns": [{"column": COLUMNS[0][0], "share": 0.4}]}
    challengers = {"scorecard": {"columns": ["a", "b"]}, "comparison": {
        "verdict": "level", "auc": {"difference": 0.021, "low": -0.01, "high": 0.052}, "average_precision": {"difference": -0.004, "low": -0.02, "high": 0.01},
        "log_loss": {"difference": -0.001, "low": -0.003, "high": 0.001}}}
    for place, content in (("evaluation/full.json", evaluation), ("explanation/importance.json", importance),
                           ("challengers/challengers.json", challengers)):
        path = Path("data") / use_case / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))


def tables(customer_id="C1", **changes):
    return {"customers": [customer(customer_id, **changes)], "statements": [statement(customer_id, equity=40.0, total_assets=100.0, revenue=50.0)],
            "invoices": [invoice(customer_id, invoice_id="I1", issued_at="2024-05-01")],
            "payments": [payment(customer_id, invoice_id="I1", occurred_at="2024-06-10")],
            "transactions": [transaction(customer_id, occurred_at="2024-06-03")], "contracts": [contract(customer_id)],
            "events": [event(customer_id, occurred_at="2024-02-01")], "exposures": [exposure(customer_id)]}


def write_earlier(use_case, before):
    """before: {customer_id: grade, or (grade, raw_score), or (grade, raw_score, True) of one who defaulted since}."""
    rows = [(customer, *(each if isinstance(each, tuple) else (each,))) for customer, each in before.items()]
    rows = [(customer, grade, *rest, *(-2.0, False)[len(rest):]) for customer, grade, *rest in rows]
    columns = {"customer_id": ([row[0] for row in rows], pa.string()), "as_of": ([day("2024-03-31")] * len(rows), pa.timestamp("us")),
               "raw_score": ([row[2] for row in rows], pa.float64()), "probability": ([1 / (1 + np.exp(-row[2])) for row in rows], pa.float64()),
               "grade": ([row[1] for row in rows], pa.string()), "defaulted": ([row[3] for row in rows], pa.bool_())}
    pq.write_table(pa.table({name: pa.array(values, kind) for name, (values, kind) in columns.items()}), f"data/{use_case}/earlier.parquet")


def put(scores, given, *, use_case="default", simulated=True, has=USED, before=()):
    """Lay out what the stage reads; has: the tables that the source gives; before: see `write_earlier`."""
    write_tables("data/tables", given)
    write_scores(use_case, scores)
    write_earlier(use_case, dict(before))
    write_model(use_case)
    write_features(f"data/{use_case}/book", [(row["observation_id"], row["customer_id"], row["as_of"], *BOOKED) for row in scores])
    columns = columns_of("data/tables", until=None)
    Path(f"data/{use_case}/book/catalogue.json").write_text(json.dumps(build_catalogue("default", columns).to_dict()))
    Path("data/ingest.json").write_text(json.dumps({"source": "made_up", "simulated": simulated, "description": "made up", "tables": dict.fromkeys(has)}))


def run(use_case="default", *, customers=40):
    with pytest.MonkeyPatch.context() as patch:
        params = SimpleNamespace(report=SimpleNamespace(customers=customers), ingest=SimpleNamespace(threads=1))
        patch.setattr(stage, "load_params", lambda: params)
        stage.report(use_case)
    return {str(path.relative_to(f"data/{use_case}/reports")): path.read_text(encoding="utf-8") for path in Path(f"data/{use_case}/reports").rglob("*.html")}
