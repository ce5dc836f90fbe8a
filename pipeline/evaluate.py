"""Stage evaluate: candidate and champion on the same judged customers, on rows neither the trees nor the curves have seen."""

from features.errors import RiskError
from models.bundle import bundle_hash, load_bundle
from models.capacity import at_capacity, compare_at_capacity
from models.discrimination import compare_auc
from models.fraud_rules import rules_score
from models.histograms import freeze, histogram
from models.sample import CALIBRATION, OUT_OF_TIME
from models.scoring import encode, score
from models.stability import Thresholds, column_shift, verdict
from models.validation import headline, metrics
from pipeline.columns import read_columns
from pipeline.datasets import case_path, read_json, replacing, write_json
from pipeline.evaluate_fairness import compared_fairness
from pipeline.frames import read_frame
from pipeline.params import load_params
from pipeline.places import bundle_path
from pipeline.stage import run_stage
from pipeline.state import read_champion, twin_path

WORDS = {"by_time": "out of time", "by_customer": "customers held out", "random": "held out at random, round {round} of {rounds}",
         "k_fold": "fold {fold} of {folds}", "grouped": "customers held out, fold {fold} of {folds}"}


def evaluate(use_case):
    """Write `evaluation/`: metrics.json (for DVC), full.json (everything), predictions.parquet, and the curves that `dvc plots` shows."""
    params = load_params()
    development, model = case_path(use_case, "development"), case_path(use_case, "model")
    samples = read_frame(development / "samples.parquet")["sample"].to_numpy()
    rows = _judged(development, samples, own=("amount",) if use_case == "fraud" else ())
    columns = read_columns(development / "features.parquet", rows=samples == OUT_OF_TIME)
    bundle, split = load_bundle(model), read_json(development / "leaks.json")
    judged = scored(rows, columns, bundle, threads=params.train.threads)
    full = {"bundle": bundle_hash(model), "judged_by": judged_by(split["judged_by"]), "as_of": _days(rows), "suspects": _suspects(split, bundle),
            **judge(judged, bundle.manifest.grades, bundle.manifest.training, params.evaluate),
            "moved": bundle.moved, "audit": bundle.manifest.training["audit"],
            "stability": _stability(read_frame(case_path(use_case, "calibrated.parquet"))["raw_score"].to_numpy(), judged),
            "champion": _against_champion(params, use_case, rows, columns, judged, samples)}
    if use_case == "fraud":
        full["capacity"] = capacity(judged, columns, params.evaluate)
    with replacing(case_path(use_case, "evaluation")) as folder:
        folder.mkdir(parents=True)
        write_json(folder / "metrics.json", headline(full))
        write_json(folder / "full.json", full)
        _write_curves(folder, full)
        judged.drop(columns="amount", errors="ignore").to_parquet(folder / "predictions.parquet", index=False)


def judged_by(kind):
    """How the judged rows were set apart (as sample wrote it), with `words` that a person reads beside every figure."""
    return {**kind, "words": WORDS[kind["kind"]].format(**kind) + (", repeat {repeat} of {repeats}".format(**kind) if kind.get("repeats", 1) > 1 else "")}


def _suspects(split, bundle):
    """The bundle's columns that the leak screen named: figures that rest on them may be too good to be true."""
    return [finding["column"] for finding in split["findings"] if finding["column"] in bundle.names]


def judge(judged, grades, training, rules):
    """Every figure of the validation on scored out-of-time rows (see `models.validation.metrics`): of the bundle with this `training` summary, or of what was
    calibrated on the same customers."""
    return metrics(judged, grades, asset_correlation=rules.asset_correlation, estimated_from=training["counts"][CALIBRATION]["bad_customers"],
                   repeats=rules.bootstrap_rounds, seed=rules.seed)


def capacity(judged, columns, rules):
    """What the model finds at the reviewers' daily capacity (`models.capacity`), beside the rules baseline on the same rows and their difference; both
    None where the source has none of the rules' columns."""
    how = {"capacity": rules.reviewers_capacity, "repeats": rules.bootstrap_rounds, "seed": rules.seed}
    baseline = rules_score(columns)
    against = {"rules": None, "difference": None}
    if baseline is not None:
        against = {"rules": at_capacity(judged, baseline, **how), "difference": compare_at_capacity(judged, judged["raw_score"], baseline, **how)}
    return {"model": at_capacity(judged, judged["raw_score"], **how), **against}


def _days(rows):
    """The first and the last day of the judged rows."""
    return {"first": rows["as_of"].min().date().isoformat(), "last": rows["as_of"].max().date().isoformat()}


def scored(rows, columns, bundle, *, threads):
    """The rows with raw_score, probability, points and grade beside them."""
    scores = score(bundle, encode(columns, bundle), threads=threads)
    return rows.assign(raw_score=scores.raw_score, probability=scores.probability, points=scores.points, grade=scores.grade_names())


def _against_champion(params, use_case, rows, columns, judged, samples):
    """The champion's figures on the same rows and the paired comparison, or None without a champion.

    A champion that was refitted has learned from rows like these, maybe from these: compared is then the validated bundle behind it (`judged`),
    and `seen_to` is the last as_of that the champion itself has seen.
    """
    champion = read_champion(params.source.name, use_case)
    if champion is None:
        return None
    shipped = load_bundle(bundle_path(champion))
    bundle = shipped if shipped.validated == champion else load_bundle(twin_path(champion, shipped.validated))
    about = {"bundle": champion, "judged": bundle.hash, "seen_to": shipped.manifest.training.get("last_as_of")}
    lacking = [name for name in bundle.names if name not in columns]
    if lacking:
        # The catalogue moved on: the champion cannot be scored on these rows, and the gate says so.
        return {**about, "lacking": lacking, "metrics": None, "comparison": None, "fairness": None}
    before = scored(rows, columns, bundle, threads=params.train.threads)
    comparison = compare_auc(judged["target"], judged["raw_score"], before["raw_score"], groups=judged["customer_id"])
    groups = compared_fairness(case_path(use_case, "development"), samples, columns, judged, before, rules=params.validate,
                               accepted_grades=getattr(params.validate, use_case).accepted_grades)
    return {**about, "lacking": [], "metrics": judge(before, bundle.manifest.grades, bundle.manifest.training, params.evaluate), "comparison": comparison,
            "fairness": groups}


def _stability(before, judged):
    """How far the score moved between the rows that calibrated it, scored by trees that never saw them, and the out-of-time rows."""
    bins = freeze("raw_score", before)
    repeats = len(judged) / judged["customer_id"].nunique()
    shift = column_shift("raw_score", histogram(bins, before), histogram(bins, judged["raw_score"].to_numpy()), effect=repeats)
    return {**verdict([shift], thresholds=Thresholds(), score="raw_score"), "columns": [], "psi": shift["psi"]}


def _judged(folder, samples, *, own=()):
    rows = read_frame(folder / "observations.parquet", ["observation_id", "customer_id", "as_of", "target", *own])
    rows = rows[samples == OUT_OF_TIME].reset_index(drop=True)
    if rows.empty:
        raise RiskError("no row judges the model: shorten sample.out_of_time_days or bring a longer history.")
    return rows


def _write_curves(folder, full):
    write_json(folder / "reliability.json", [{"predicted": row["predicted"], "observed": row["observed"]} for row in full["probability"]["reliability"]])
    write_json(folder / "grades.json", [{"grade": row["grade"], "expected": row["expected"], "observed": row["bad"]} for row in full["grades"]])
    write_json(folder / "periods.json", [{"period": row["period"], "auc": row["auc"]} for row in full["periods"] if row["auc"] is not None])


if __name__ == "__main__":
    run_stage(evaluate)
