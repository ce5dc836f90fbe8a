"""Stage effect: what the candidate's decisions on today's book would be beside the champion's, by the policy in force."""

import numpy as np

from features.errors import RiskError
from models.bundle import load_bundle
from models.gate_effect import Side, effect_of
from models.policy import decide_book, decide_fraud, load_policy, queue_ahead
from models.scoring import encode, score
from pipeline.columns import read_columns
from pipeline.datasets import case_path, read_json, write_json
from pipeline.frames import read_frame
from pipeline.params import load_params
from pipeline.places import bundle_path
from pipeline.stage import run_stage
from pipeline.state import read_champion
from serving.standing import policy_arguments

POLICY = "policy.yaml"


def effect(use_case):
    """Write `effect.json`: bundle (the candidate), champion, policy, as_of, lacking (columns of the champion that the book has no more) and effect (of
    `models.gate_effect.effect_of`); effect is None without a champion, where the candidate is the champion, where it cannot be scored, and of an empty book."""
    champion = read_champion(load_params().source.name, use_case)
    candidate = load_bundle(case_path(use_case, "shipped"))
    about = {"bundle": candidate.hash, "champion": champion, "policy": None, "as_of": None, "lacking": [], "effect": None}
    if champion not in (None, candidate.hash):
        about |= book_effect(use_case, load_bundle(bundle_path(champion)), candidate)
    write_json(case_path(use_case, "effect.json"), about)


def book_effect(use_case, before, after):
    """policy, as_of, lacking and effect of one bundle's decisions on the book beside another's."""
    book, policy = case_path(use_case, "book"), load_policy(POLICY, use_case)
    about = {"policy": policy.hash, "as_of": read_json(book / "about.json")["as_of"], "lacking": [], "effect": None}
    columns = read_columns(book / "features.parquet")
    lacking = [name for bundle in (before, after) for name in bundle.names if name not in columns]
    if lacking:
        return about | {"lacking": lacking}
    rows, standing = read_frame(book / "observations.parquet"), read_columns(book / "standing.parquet")
    if len(rows) != len(next(iter(columns.values()), ())):
        raise RiskError(f"{use_case}: the book's features are of other rows than its observations: run `dvc repro`.")
    side = _credit if use_case == "default" else _fraud
    sides = [side(policy, rows, standing, score(bundle, encode(columns, bundle), threads=load_params().train.threads)) for bundle in (before, after)]
    rate = policy.spec.default.limits.loss_given_default if use_case == "default" else 1.0
    return about | {"effect": effect_of(*sides, loss_given_default=rate)}


def _credit(policy, rows, standing, scores):
    """Decisions on what is lent already, as the score stage takes them."""
    arguments = policy_arguments(standing)
    arguments |= {"exposure": np.broadcast_to(arguments["exposure"], len(rows))}
    decided = decide_book(policy, grade=scores.grade_names(), pd_12m=scores.probability, **arguments)
    # Where nobody says what is lent, the most that the policy would grant stands for it.
    granted = decided.limit if "exposure" in standing else decided.risk_limit
    return Side(scores.probability, scores.grade_names(), decided.action == 0, granted)


def _fraud(policy, rows, standing, scores):
    day = rows["as_of"].to_numpy().astype("datetime64[D]").astype(np.int64)
    passed = decide_fraud(policy, scores.probability, ahead=queue_ahead(policy, scores.probability, day)) == 0
    amount = np.abs(rows["amount"].fillna(0).to_numpy(dtype=np.float64)) if "amount" in rows else None
    return Side(scores.probability, scores.grade_names(), passed, None if amount is None else np.where(passed, amount, 0.0))


if __name__ == "__main__":
    run_stage(effect)
