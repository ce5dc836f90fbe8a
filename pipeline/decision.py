"""The decision in force on a row of the scores: publishing, the night and `risk score` all ask here, so they cannot differ."""

from features.errors import RiskError
from models.decision_in_force import decide_in_force
from models.horizon import horizon_of
from models.policy import load_policy
from pipeline.datasets import case_path
from pipeline.frames import read_frame
from pipeline.score import POLICY
from serving.standing import policy_arguments


def policy_of(scores):
    """The policy that decided these rows of the scores (frame with the column policy). Raises: RiskError when policy.yaml is another one by now."""
    policy = load_policy(POLICY, "default")
    if (scores["policy"] != policy.hash).any():
        raise RiskError("the book's scores are of another policy than policy.yaml, by which overrides and states are decided: run `dvc repro` first.")
    return policy


def standing_of(observation_ids):
    """The standing of rows of the book, a list of dicts in the order of their ids."""
    rows = read_frame(case_path("default", "book", "standing.parquet")).set_index("observation_id")
    return rows.loc[list(observation_ids)].to_dict("records")


def decide_row(policy, row, standing, *, override=None, held=None, day=None):
    """As `models.decision_in_force.decide_in_force`, of a row of the scores, {column: value}, on what it owes already. standing: see `serving.standing`."""
    probability = next(row[name] for name in row if horizon_of(name))
    return decide_in_force(policy, override=override, held=held, day=day, grade=row["grade"], pd_12m=probability, **policy_arguments(standing))
