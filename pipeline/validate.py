"""Stage validate: where the model is weak, what it earns, whom it treats how, and what its inputs and its learning customers are worth."""

import numpy as np

from models import profit as money
from models.bundle import bundle_hash
from models.clusters import some_customers
from models.fairness import fairness
from models.learning_curve import learning_curve
from models.sample import CALIBRATION, DEVELOPMENT, OUT_OF_TIME, VALIDATION
from models.sample_shift import SCORE, sample_shifts
from models.scoring import encode
from models.segments import by_segment
from models.sensitivity import previous_rows, sensitivity
from models.weak_segments import weak_segments
from pipeline.datasets import case_path, replacing, write_json
from pipeline.groups import fairness_columns
from pipeline.params import load_params
from pipeline.stage import run_stage
from pipeline.validate_inputs import amounts, grown_how, important_columns, read_inputs, segment_columns, tables_of
from pipeline.validate_rejects import changed

OLDER = {1: "the customer's previous observation", 2: "the observation before that"}


def validate(use_case):
    """Write `validation/`: validation.json (everything), and the curves that `dvc plots` shows."""
    params = load_params()
    inputs = read_inputs(use_case, threads=params.train.threads)
    rules = params.validate
    found = {"bundle": bundle_hash(case_path(use_case, "model")), "segments": _segments(inputs, rules), "weak_segments": _weak(use_case, inputs, rules),
             "psi": _psi(inputs, rules), "profit": _profit(inputs, rules, getattr(rules, use_case)),
             "fairness": _fairness(inputs, rules, getattr(rules, use_case)), "sensitivity": _sensitivity(use_case, inputs, rules, params.train.threads),
             "learning_curve": _learning_curve(inputs, rules, params.train), **_reject_inference(inputs, params.train)}
    with replacing(case_path(use_case, "validation")) as folder:
        folder.mkdir(parents=True)
        write_json(folder / "validation.json", found)
        write_json(folder / "profit.json", found["profit"]["curve"])
        write_json(folder / "learning_curve.json", [{"customers": point["customers"], "auc": point["auc"]} for point in found["learning_curve"]["points"]])


def _segments(inputs, rules):
    judged = inputs.where(OUT_OF_TIME)
    return by_segment(segment_columns(inputs, rules.segments, judged), *inputs.figures(judged), fewest_bad=rules.fewest_bad)


def _weak(use_case, inputs, rules):
    judged = _some(inputs, OUT_OF_TIME, rules)
    columns = inputs.taken(important_columns(use_case, inputs.bundle, rules.weak_columns), judged)
    found = weak_segments(columns, *inputs.figures(judged), q=rules.false_discovery_rate, seed=rules.seed)
    return {"rows": len(judged), "columns": list(columns), **found}


def _psi(inputs, rules):
    """The samples side by side; of each at most `rules.rows` rows of whole customers, whose noise the figures state."""
    places = np.concatenate([_some(inputs, sample, rules) for sample in (DEVELOPMENT, VALIDATION, CALIBRATION, OUT_OF_TIME)])
    rows = inputs.rows.iloc[places]
    columns = {SCORE: inputs.raw_score[places], **inputs.taken(inputs.bundle.names, places)}
    return sample_shifts(columns, rows["sample"].to_numpy(), rows["customer_id"].to_numpy(), reference=DEVELOPMENT,
                         others=(VALIDATION, CALIBRATION, OUT_OF_TIME))


def _profit(inputs, rules, case):
    """The cut-off that the rows which calibrated the model choose, judged on the out-of-time rows."""
    costs = money.Costs(margin=case.margin, loss_given_default=case.loss_given_default, review_cost=case.review_cost)
    amount, source = amounts(inputs, case.amount)
    judged, (places, expected) = inputs.where(OUT_OF_TIME), inputs.calibrated
    chosen = money.best_cut_off(expected, *money.gains(inputs.figures(places)[0], amount[places], costs))
    target, probability, raw_score, groups = inputs.figures(judged)
    earned = money.gains(target, amount[judged], costs)
    found = money.judged(probability, amount[judged], *earned, groups, cut_off=chosen, costs=costs, repeats=rules.repeats, seed=rules.seed)
    return {"amount": source, "costs": {"margin": costs.margin, "loss_given_default": costs.loss_given_default, "review_cost": costs.review_cost},
            "cut_off": chosen, "rules": found, "curve": money.curve(probability, *earned),
            "expected_maximum_profit": money.expected_maximum_profit(target, raw_score)}


def _fairness(inputs, rules, case):
    judged = inputs.where(OUT_OF_TIME)
    accepted = np.isin([name[0] for name in inputs.grade[judged]], case.accepted_grades)
    target, probability, raw_score, groups = inputs.figures(judged)
    how = {"fewest_bad": rules.fewest_bad, "repeats": rules.repeats, "seed": rules.seed}
    columns = fairness_columns(inputs, rules.fairness, judged)
    return {"accepted_grades": case.accepted_grades,
            "columns": {name: fairness(values, target, probability, raw_score, accepted, groups, **how) for name, values in columns.items()}}


def _sensitivity(use_case, inputs, rules, threads):
    judged = _some(inputs, OUT_OF_TIME, rules, share=0.5)
    target, _, _, groups = inputs.figures(judged)
    tables = tables_of(use_case, inputs.bundle.names)
    # What is judged of a fraud is the transaction itself, which is never old; its customer's past may be.
    fresh = tables.get("observations", []) if use_case == "fraud" else []
    found = sensitivity(inputs.bundle, inputs.encoded(judged), target, groups, tables=tables,
                        older=_older(inputs, judged, fresh), noise=tuple(rules.noise), seed=rules.seed, threads=threads)
    return {"rows": len(judged), **found}


def _older(inputs, judged, fresh):
    """{words: (rows of the judged ones that were observed before, their older feature rows encoded, but for the `fresh` columns)}."""
    older = {}
    for back, words in OLDER.items():
        before = previous_rows(inputs.rows["customer_id"], inputs.rows["as_of"], back)[judged]
        rows = np.flatnonzero(before >= 0)
        days = (inputs.rows["as_of"].to_numpy()[judged[rows]] - inputs.rows["as_of"].to_numpy()[before[rows]]) / np.timedelta64(1, "D")
        if len(rows):
            columns = inputs.taken(inputs.bundle.names, before[rows]) | inputs.taken(fresh, judged[rows])
            older[f"{words}, {np.median(days):.0f} days older"] = (rows, encode(columns, inputs.bundle))
    return older


def _learning_curve(inputs, rules, train):
    judged = _some(inputs, OUT_OF_TIME, rules)
    parts = [_some(inputs, DEVELOPMENT, rules, share=rules.learning_rows / rules.rows), inputs.where(VALIDATION), judged]
    development, validation, later = ((inputs.encoded(places), *(inputs.figures(places)[at] for at in (0, 3))) for places in parts)
    how, settings = grown_how(inputs.bundle.manifest, train.threads)
    found = learning_curve(development, validation, later, how=how, settings=settings, grown=inputs.bundle.manifest.training["trees"],
                           draws=rules.learning_draws, trees=rules.learning_trees, seed=rules.seed)
    return {**found, "development_rows": len(parts[0]), "of_rows": int(inputs.rows["sample"].eq(DEVELOPMENT).sum()), "judged_rows": len(judged)}


def _reject_inference(inputs, train):
    """What taking rejected rows in changed on accepted out-of-time rows; nothing where the bundle took none in."""
    if "reject_inference" not in inputs.bundle.manifest.training:
        return {}
    how, settings = grown_how(inputs.bundle.manifest, train.threads)
    judged, calibration = inputs.where(OUT_OF_TIME), inputs.where(CALIBRATION)
    places = [inputs.where(sample) for sample in (DEVELOPMENT, VALIDATION)[: 1 + (settings.refit == "validation")]]
    samples = [(inputs.encoded(each), inputs.figures(each)[0]) for each in places]
    return {"reject_inference": changed(inputs, judged, samples, calibration, how, settings)}


def _some(inputs, sample, rules, *, share=1.0):
    """Positions of a sample's rows, of whole customers and at most `share` of `rules.rows`."""
    places = inputs.where(sample)
    return places[some_customers(inputs.rows["customer_id"].to_numpy()[places], rows=int(rules.rows * share), seed=rules.seed)]


if __name__ == "__main__":
    run_stage(validate)
