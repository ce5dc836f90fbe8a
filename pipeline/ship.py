"""Stage ship: the bundle that scores: the validated one as it is, or its settings grown again on every matured row."""

import shutil

import msgspec
import numpy as np

from models.bundle import load_bundle, make_bundle, save_bundle
from models.classifier import Settings, audit_monotone, booster_text, columns_of, fit_trees, out_of_fold
from models.curves import fit_curves
from models.discrimination import auc_interval
from models.grades import scale_of
from models.sample import all_matured
from models.scoring import encode
from pipeline.columns import read_columns
from pipeline.datasets import case_path, read_json, replacing
from pipeline.drift_reference import write_reference
from pipeline.frames import read_observations
from pipeline.params import load_params
from pipeline.stage import run_stage


def ship(use_case):
    """Write `shipped/`: a copy of `model/`, or by `ship.refit_on` the bundle refitted on every matured row; beside it what its drift is judged by."""
    model, params = case_path(use_case, "model"), load_params()
    with replacing(case_path(use_case, "shipped")) as folder:
        validated = load_bundle(model)
        # A recalibration keeps the trees that are in production: growing them again would be a refit.
        if params.ship.refit_on == "nothing" or "recalibrated" in validated.manifest.training:
            shutil.copytree(model, folder)
        else:
            save_bundle(_refitted_on_all(use_case, validated), folder)
        write_reference(use_case, folder, params)


def _refitted_on_all(use_case, validated):
    development = case_path(use_case, "development")
    rows = read_observations(use_case, ["customer_id", "as_of", "status", "target", *(["compromised"] if use_case == "fraud" else [])])
    matured = all_matured(rows, rows["sample"], by=read_json(development / "leaks.json")["by"]).to_numpy()
    return refit(validated, read_columns(development / "features.parquet", validated.names, rows=matured), rows[matured])


def refit(validated, columns, rows):
    """The validated bundle's settings, columns, levels and number of trees, grown on all `rows` (customer_id, as_of, target; fraud: compromised) with their
    named columns.

    Calibrated by the validated method on raw scores of trees that saw none of the row's customer, compromised rows left out as where it was validated.
    The grades keep the validated cuts, so that a grade means the same before and after; each one's PD is estimated anew, and stays within its cuts.
    Training says what it `describes`: refitted, the hash `validated`, the rows' last as_of, and how well the out-of-fold scores rank, which is the only
    figure of these trees that there can be.
    """
    matrix, target, groups = encode(columns, validated), rows["target"].to_numpy(), rows["customer_id"].to_numpy()
    manifest, settings = validated.manifest, Settings(**validated.manifest.training["settings"])
    how = {"rounds": manifest.training["trees"], "settings": settings, **columns_of(manifest.columns)}
    booster, raw_score = fit_trees(matrix, target, **how), out_of_fold(matrix, target, groups, **how)
    judged = ~rows["compromised"].to_numpy(dtype=bool) if "compromised" in rows else np.ones(len(rows), dtype=bool)
    raw_score, target, groups = raw_score[judged], target[judged], groups[judged]
    curves, prior, probability = fit_curves(
        raw_score, target, groups, method=manifest.knots.method, prior_rate=(manifest.training["prior"] or {}).get("rate"), level=manifest.interval.level,
        points=manifest.points, seed=settings.seed)
    about = {"prior": prior, "audit": audit_monotone(booster, matrix, columns=how["columns"], directions=how["directions"], seed=settings.seed),
             "describes": "refitted", "validated": validated.hash, "refit_on": "all_matured", "last_as_of": rows["as_of"].max().date().isoformat(),
             "counts": manifest.training["counts"] | {"all_matured": _counted(rows)}, "out_of_fold": auc_interval(target, raw_score, groups=groups)}
    return make_bundle(booster_text(booster), msgspec.structs.replace(
        manifest, training=manifest.training | about, grades=scale_of([(grade.name, grade.upper) for grade in manifest.grades], probability),
        base_raw_score=float(np.mean(booster.predict(matrix, raw_score=True, num_threads=settings.threads))), **curves))


def _counted(rows):
    bad = rows["target"].eq(1)
    return {"rows": len(rows), "bad": int(bad.sum()), "bad_customers": int(rows.loc[bad, "customer_id"].nunique())}


if __name__ == "__main__":
    run_stage(ship)
