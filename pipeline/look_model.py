"""Looking at a model and at one customer's score: frames, for notebooks, of what evaluate, explain and score wrote."""

import pandas as pd

from features.errors import RiskError
from models.bundle import load_bundle
from pipeline.datasets import case_path, read_json
from pipeline.frames import read_frame
from pipeline.in_force import in_force
from pipeline.kept_reasons import with_reasons
from pipeline.params import load_params
from serving.messages import feature_name, label, policy_reason, text

FIGURES = ("rows", "bad", "rate", "auc", "auc_low", "auc_high", "gini", "average_precision", "ks", "brier", "calibration_slope", "predicted_over_observed")
SUB_SCORES = ("financial", "behavioural", "cash_flow", "background")
DECISION = ("action", "route", "exposure", "limit", "payment_terms_days", "term_months", "deposit_share", "guarantee", "review_days")


def figures(use_case="default"):
    """The candidate's figures on the rows that judge it, by name; `auc_low` and `auc_high` are the ends of the 95 % interval."""
    found = read_json(case_path(use_case, "evaluation", "metrics.json"))
    return pd.Series({name: found[name] for name in FIGURES}, name=use_case)


def importance(use_case="default"):
    """What the model looks at: one row a column, strongest first, with its words, factor, direction (1: more is riskier), and its share of the mean
    absolute contribution."""
    found = pd.DataFrame(read_json(case_path(use_case, "explanation", "importance.json"))["columns"])
    found.insert(1, "words", [feature_name(name, language="en") for name in found["column"]])
    return found.set_index("column")


def factors(use_case="default"):
    """The same by business factor: one row a factor, strongest first, with its share."""
    return pd.DataFrame(read_json(case_path(use_case, "explanation", "importance.json"))["factors"]).set_index("factor")


def explained(use_case="default"):
    """Names of the columns whose dependence was measured, strongest first."""
    return [curve["column"] for curve in read_json(case_path(use_case, "explanation", "dependence.json"))]


def dependence(column, use_case="default"):
    """How the score moves with a column: one row a bin, with its mean value (or level), the mean contribution in log-odds, and the 10 % and 90 % points
    around it; a missing value is NaN among numbers and "missing" among levels.

    Raises RiskError for a column whose dependence was not measured.
    """
    curves = {curve["column"]: curve for curve in read_json(case_path(use_case, "explanation", "dependence.json"))}
    if column not in curves:
        raise RiskError(f"the dependence of {column} was not measured: choose one of {', '.join(curves)}, or raise explain.dependence_top in params.yaml.")
    frame = pd.DataFrame(curves[column]["points"])[["value", "contribution", "low", "high", "rows"]]
    return frame.fillna({"value": "missing"}) if curves[column]["kind"] == "category" else frame.astype({"value": "float64"})


def reliability(use_case="default"):
    """Predicted beside observed rate: one row a bin of predictions."""
    return pd.DataFrame(read_json(case_path(use_case, "evaluation", "full.json"))["probability"]["reliability"])


def grades(use_case="default"):
    """Every grade on the rows that judge: its own probability, rows, bad rows, how many were expected and between which counts (95 %), and whether they fit."""
    found = pd.DataFrame(read_json(case_path(use_case, "evaluation", "full.json"))["grades"]).set_index("grade")
    return found[["pd", "rows", "bad", "expected", "low", "high", "inside"]].rename(columns={"pd": "probability"})


def book(use_case="default"):
    """Today's book, riskiest first: customer_id, as_of, probability, points, grade, and what the policy decided."""
    scores = _scores(use_case).rename(columns={_probability_name(use_case): "probability"})
    shown = ["customer_id", "as_of", "probability", "points", "grade", *(name for name in ("route", "action", "exposure", "limit") if name in scores)]
    return scores[shown].sort_values("probability", ascending=False, kind="stable", ignore_index=True)


def parts(customer, use_case="default"):
    """How a customer's score comes about, in log-odds: the base, the sub-scores, and the raw score that they add up to."""
    row = _row(customer, use_case)
    found = {name: row[f"sub_{name}"] for name in SUB_SCORES if f"sub_{name}" in row}
    return pd.Series({"base": row["raw_score"] - sum(found.values()), **found, "raw score": row["raw_score"]}, name=customer)


def reasons(customer, use_case="default"):
    """Why a customer scores as it does: one row a reason, with its words, its contribution in log-odds (positive raises the risk) and the values behind it."""
    row = _row(customer, use_case)
    found = [(text(reason["message_id"], language="en"), reason["contribution"], _values(reason)) for side in ("adverse", "favourable") for reason in row[side]]
    return pd.DataFrame(found, columns=["reason", "contribution", "values"])


def decision(customer, use_case="default"):
    """What the policy decided on a customer and which of its rules say so."""
    row = _row(customer, use_case)
    found = {name: row[name] for name in DECISION if name in row}
    if "route" in found:
        found["route"] = label("route", found["route"], language="en")
    why = [policy_reason(code, language="en") for code in row.get("decision_reasons", ())]
    return pd.Series({"grade": row["grade"], **found, "because": " ".join(why) or "Nothing stands against it."}, name=customer)


def _values(reason):
    shown = [(feature["name"], feature["text"] if feature["value"] is None else f"{feature['value']:,.4g}") for feature in reason["features"]]
    return ", ".join(f"{name} = {'missing' if value is None else value}" for name, value in shown)


def _row(customer, use_case):
    """The customer's row of the book, the riskiest where there are several."""
    scores = _scores(use_case)
    found = scores[scores["customer_id"] == customer].sort_values("raw_score", ascending=False)
    if found.empty:
        raise RiskError(f"customer {customer} is not in the book of {len(scores):,}: check the id, or whether it is active.")
    return pd.Series(with_reasons([found.iloc[0].to_dict()], use_case)[0])


def _scores(use_case):
    return read_frame(case_path(use_case, "scores.parquet"))


def _probability_name(use_case):
    return load_bundle(in_force(load_params().source.name, use_case).folder).manifest.probability_name
