"""Stage score: the book's probabilities, grades, reasons and decisions."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from models.bundle import load_bundle
from models.policy import ACTIONS, FRAUD_ACTIONS, ROUTES, decide_book, decide_fraud, load_policy, queue_ahead
from models.reasons import reasons, sub_scores
from models.scoring import contributions, encode
from models.scoring import score as score_rows
from pipeline.columns import read_columns
from pipeline.datasets import INGEST, case_path, read_json, replacing
from pipeline.earlier import write_earlier
from pipeline.frames import read_frame
from pipeline.horizon import observe_rules
from pipeline.in_force import in_force
from pipeline.params import load_params
from pipeline.stage import run_stage
from serving.standing import policy_arguments

POLICY = "policy.yaml"
SIDES = (("adverse", 1), ("favourable", -1))
# Rows explained at a time.
PART = 5000
COMPARISON = pa.struct([("kind", pa.string()), ("name", pa.string()), *((name, kind) for each in ("value", "reference")
                                                                        for name, kind in ((each, pa.float64()), (f"{each}_text", pa.string())))])
REASON = pa.struct([("message_id", pa.string()), ("factor", pa.string()), ("contribution", pa.float64()), ("comparison", COMPARISON),
                    ("features", pa.list_(pa.struct([("name", pa.string()), ("value", pa.float64()), ("text", pa.string())])))])


def score(use_case):
    """Write `scores.parquet`, one row per row of the book: score, grade, sub-scores, reasons, decision; beside it `earlier.parquet` (pipeline/earlier.py)."""
    params = load_params()
    force, policy = in_force(params.source.name, use_case), load_policy(POLICY, use_case)
    book = case_path(use_case, "book")
    rows, bundle = read_frame(book / "observations.parquet"), load_bundle(force.folder)
    table = scored(rows, read_columns(book / "features.parquet"), read_columns(book / "standing.parquet"), bundle=bundle, policy=policy,
                   threads=params.train.threads)
    write_earlier(use_case, rows, bundle=bundle, rules=observe_rules(params, use_case, read_json(INGEST)), threads=params.train.threads)
    with replacing(case_path(use_case, "scores.parquet")) as path:
        pq.write_table(table, path, compression="zstd")


def scored(rows, columns, standing, *, bundle, policy, threads):
    """The scores of a book as an Arrow table; `rows` are its observations, `columns` and `standing` its features and what the policy asks for."""
    matrix = encode(columns, bundle)
    scores = score_rows(bundle, matrix, threads=threads)
    keys = [name for name in ("observation_id", "customer_id", "transaction_id", "as_of") if name in rows]
    table = {name: pa.array(rows[name]) for name in keys}
    table |= {"bundle": [bundle.hash] * len(rows), "policy": [policy.hash] * len(rows), "raw_score": scores.raw_score,
              bundle.manifest.probability_name: scores.probability, **_interval(scores), "points": scores.points,
              "grade": pa.array(scores.grade_names(), pa.string())}
    table |= _explained(bundle, matrix, threads=threads)
    decide = _credit if bundle.manifest.use_case == "default" else _fraud
    return pa.table({**table, **decide(policy, rows, scores, standing)})


def _interval(scores):
    """The interval's ends, null where the bundle has none."""
    return {"pd_low": pa.array(scores.pd_low, from_pandas=True), "pd_high": pa.array(scores.pd_high, from_pandas=True)}


def _explained(bundle, matrix, *, threads):
    """Sub-scores and reasons, some rows at a time: as Python objects those of a million rows at once would want 40 GB."""
    starts = range(0, len(matrix), PART) or (0,)
    parts = [_explained_part(bundle, matrix[start : start + PART], threads=threads) for start in starts]
    return {name: pa.chunked_array([part[name] for part in parts]) for name in parts[0]}


def _explained_part(bundle, matrix, *, threads):
    values = contributions(bundle, matrix, threads=threads)
    return {f"sub_{name}": pa.array(total) for name, total in sub_scores(bundle, values).items()} | _reasons(bundle, values, matrix)


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


def _credit(policy, rows, scores, standing):
    """Decisions on what is lent already: nothing more is asked for in a book."""
    arguments = policy_arguments(standing)
    exposure = np.broadcast_to(arguments["exposure"], len(rows))
    decided = decide_book(policy, grade=scores.grade_names(), pd_12m=scores.probability, **{**arguments, "exposure": exposure})
    return {"exposure": exposure, "action": [ACTIONS[place] for place in decided.action], "route": [ROUTES[place] for place in decided.route],
            "limit": decided.risk_limit, "payment_terms_days": decided.payment_days, "term_months": decided.term_months,
            "deposit_share": decided.deposit_share, "guarantee": decided.guarantee, "review_days": decided.review_days,
            "decision_reasons": [list(decided.reasons(row)) for row in range(len(rows))]}


def _fraud(policy, rows, scores, standing):
    day = rows["as_of"].to_numpy().astype("datetime64[D]").astype(np.int64)
    action = decide_fraud(policy, scores.probability, ahead=queue_ahead(policy, scores.probability, day))
    return {"action": [FRAUD_ACTIONS[place] for place in action]}


if __name__ == "__main__":
    run_stage(score)
