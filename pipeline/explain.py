"""Stage explain: what the model as a whole looks at, on out-of-time rows, checked against shap."""

import numpy as np

from models.bundle import load_bundle
from models.explanation import check_against_shap, dependence, importance, sample_rows
from models.sample import OUT_OF_TIME
from models.scoring import contributions, encode
from pipeline.columns import read_columns
from pipeline.datasets import case_path, replacing, write_json
from pipeline.frames import read_frame
from pipeline.params import load_params
from pipeline.stage import run_stage


def explain(use_case):
    """Write `explanation/importance.json` (by column and factor), dependence.json and check.json (the largest difference from shap)."""
    params = load_params()
    rules, threads = params.explain, params.train.threads
    development = case_path(use_case, "development")
    judged = np.flatnonzero(read_frame(development / "samples.parquet")["sample"].eq(OUT_OF_TIME))
    rows = judged[sample_rows(len(judged), limit=rules.rows, seed=rules.seed)]
    bundle = load_bundle(case_path(use_case, "model"))
    matrix = encode(read_columns(development / "features.parquet", bundle.names, rows=rows), bundle)
    values = contributions(bundle, matrix, threads=threads)
    found = importance(bundle, values)
    with replacing(case_path(use_case, "explanation")) as folder:
        folder.mkdir(parents=True)
        write_json(folder / "importance.json", {"rows": len(rows), **found})
        write_json(folder / "top_columns.json", found["columns"][:20])
        write_json(folder / "dependence.json", dependence(bundle, values, matrix, top=rules.dependence_top))
        write_json(folder / "check.json", {"rows": rules.check_rows, "largest_difference": check_against_shap(bundle, matrix[: rules.check_rows])})


if __name__ == "__main__":
    run_stage(explain)
