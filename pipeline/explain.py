"""Stage explain: what the model as a whole looks at, on out-of-time rows, with intervals and figures, checked against shap."""

import numpy as np

from models.bundle import load_bundle
from models.explanation import check_against_shap, dependence, importance, sample_rows
from models.interactions import interactions
from models.sample import OUT_OF_TIME
from models.scoring import contributions, encode
from pipeline.columns import read_columns
from pipeline.datasets import case_path, replacing, write_json
from pipeline.frames import read_observations
from pipeline.params import load_params
from pipeline.reports.explanation_figures import explanation_figures, figure_name, standalone
from pipeline.reports.text import LANGUAGES, Words
from pipeline.stage import run_stage


def explain(use_case):
    """Write `explanation/importance.json` (by column and factor), dependence.json, interactions.json, check.json (the largest difference from shap), and
    `figures/<name>.<language>.svg`."""
    params = load_params()
    rules, threads = params.explain, params.train.threads
    observations = read_observations(use_case, ["customer_id"])
    judged = np.flatnonzero(observations["sample"].eq(OUT_OF_TIME))
    rows = judged[sample_rows(len(judged), limit=rules.rows, seed=rules.seed)]
    customers = observations["customer_id"].to_numpy()[rows]
    bundle = load_bundle(case_path(use_case, "model"))
    matrix = encode(read_columns(case_path(use_case, "development", "features.parquet"), bundle.names, rows=rows), bundle)
    values = contributions(bundle, matrix, threads=threads)
    how = {"repeats": rules.repeats, "seed": rules.seed}
    found = {"rows": len(rows), "customers": len(set(customers)), **importance(bundle, values, customers=customers, **how)}
    acting = dependence(bundle, values, matrix, top=rules.dependence_top)
    few = sample_rows(len(rows), limit=rules.interaction_rows, seed=rules.seed)
    strongest = [row["column"] for row in found["columns"] if row["importance"] > 0][: rules.interaction_columns]
    together = interactions(bundle, matrix[few], customers[few], strongest, threads=threads, **how)
    with replacing(case_path(use_case, "explanation")) as folder:
        folder.mkdir(parents=True)
        write_json(folder / "importance.json", found)
        write_json(folder / "top_columns.json", found["columns"][:20])
        write_json(folder / "dependence.json", acting)
        write_json(folder / "interactions.json", together)
        write_json(folder / "check.json", {"rows": rules.check_rows, "largest_difference": check_against_shap(bundle, matrix[: rules.check_rows])})
        _write_figures(folder / "figures", found, acting, together)


def _write_figures(folder, *found):
    folder.mkdir()
    for language in LANGUAGES:
        for name, figure in explanation_figures(*found, Words(language, more=("explanation",))).items():
            (folder / figure_name(name, language)).write_text(standalone(figure), encoding="utf-8")


if __name__ == "__main__":
    run_stage(explain)
