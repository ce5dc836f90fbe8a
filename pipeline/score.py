"""Stage score: the book's probabilities, grades and decisions, and the reasons of whoever is watched."""

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from models.bundle import load_bundle
from models.policy import ACTIONS, FRAUD_ACTIONS, ROUTES, decide_book, decide_fraud, load_policy, queue_ahead
from models.scoring import encode
from models.scoring import score as score_rows
from models.watched import adverse, grade_changed, held_up, riskiest
from pipeline.columns import read_columns
from pipeline.datasets import INGEST, case_path, read_json, replacing
from pipeline.earlier import write_earlier
from pipeline.frames import read_frame
from pipeline.horizon import observe_rules
from pipeline.in_force import in_force
from pipeline.kept_reasons import explained
from pipeline.params import load_params
from pipeline.stage import run_stage
from serving.standing import policy_arguments

POLICY = "policy.yaml"


@dataclass(frozen=True)
class Watch:
    """Whom to explain beside those whom the decision is against: whose grade is another than in `earlier`, {customer_id: grade}, and so many of the riskiest
    customers as get a report, all with -1."""

    earlier: dict = field(default_factory=dict)
    reported: int = 0


def score(use_case):
    """Write `scores.parquet`, one row per row of the book: score, grade, sub-scores, reasons, decision; beside it `earlier.parquet` (pipeline/earlier.py).

    Sub-scores and reasons are null in rows that `score` of the parameters leaves to whoever asks (pipeline/kept_reasons.py).
    """
    params = load_params()
    force, policy = in_force(params.source.name, use_case), load_policy(POLICY, use_case)
    book = case_path(use_case, "book")
    rows, bundle = read_frame(book / "observations.parquet"), load_bundle(force.folder)
    earlier = write_earlier(use_case, rows, bundle=bundle, rules=observe_rules(params, use_case, read_json(INGEST)), threads=params.train.threads)
    table = scored(rows, read_columns(book / "features.parquet"), read_columns(book / "standing.parquet"), bundle=bundle, policy=policy,
                   threads=params.train.threads, watch=_watch(params, use_case, len(rows), earlier))
    with replacing(case_path(use_case, "scores.parquet")) as path:
        pq.write_table(table, path, compression="zstd")


def scored(rows, columns, standing, *, bundle, policy, threads, watch=None):
    """The scores of a book as an Arrow table; `rows` are its observations, `columns` and `standing` its features and what the policy asks for.

    watch: a Watch, by which the others' sub-scores and reasons are null; None explains every row.
    """
    matrix = encode(columns, bundle)
    scores = score_rows(bundle, matrix, threads=threads)
    keys = [name for name in ("observation_id", "customer_id", "transaction_id", "as_of") if name in rows]
    table = {name: pa.array(rows[name]) for name in keys}
    table |= {"bundle": [bundle.hash] * len(rows), "policy": [policy.hash] * len(rows), "raw_score": scores.raw_score,
              bundle.manifest.probability_name: scores.probability, **_interval(scores), "points": scores.points,
              "grade": pa.array(scores.grade_names(), pa.string())}
    decide = _credit if bundle.manifest.use_case == "default" else _fraud
    decided, against = decide(policy, rows, scores, standing)
    chosen = None if watch is None else against | _watched(watch, rows, scores)
    return pa.table({**table, **explained(bundle, matrix, chosen=chosen, threads=threads), **decided})


def _watch(params, use_case, rows, earlier):
    """The Watch that the parameters ask for; None where the whole book is explained."""
    if params.score.reasons == "all" or rows <= params.score.whole_up_to:
        return None
    return Watch(earlier, params.report.customers if use_case == "default" else 0)


def _watched(watch, rows, scores):
    changed = grade_changed(rows["customer_id"].tolist(), scores.grade_names().tolist(), watch.earlier)
    return changed | riskiest(rows, scores.probability, customers=watch.reported)


def _interval(scores):
    """The interval's ends, null where the bundle has none."""
    return {"pd_low": pa.array(scores.pd_low, from_pandas=True), "pd_high": pa.array(scores.pd_high, from_pandas=True)}


def _credit(policy, rows, scores, standing):
    """Decisions on what is lent already, since nothing more is asked for in a book, and which of them are adverse."""
    arguments = policy_arguments(standing)
    exposure = np.broadcast_to(arguments["exposure"], len(rows))
    decided = decide_book(policy, grade=scores.grade_names(), pd_12m=scores.probability, **{**arguments, "exposure": exposure})
    columns = {"exposure": exposure, "action": [ACTIONS[place] for place in decided.action], "route": [ROUTES[place] for place in decided.route],
               "limit": decided.risk_limit, "payment_terms_days": decided.payment_days, "term_months": decided.term_months,
               "deposit_share": decided.deposit_share, "guarantee": decided.guarantee, "review_days": decided.review_days,
               "decision_reasons": [list(decided.reasons(row)) for row in range(len(rows))]}
    return columns, adverse(decided)


def _fraud(policy, rows, scores, standing):
    day = rows["as_of"].to_numpy().astype("datetime64[D]").astype(np.int64)
    action = decide_fraud(policy, scores.probability, ahead=queue_ahead(policy, scores.probability, day))
    return {"action": [FRAUD_ACTIONS[place] for place in action]}, held_up(action)


if __name__ == "__main__":
    run_stage(score)
