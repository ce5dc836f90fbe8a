"""The peers of `benchmarks.serving`: the same booster behind `mlflow models serve`, as MLflow's own flavour (score only) and as a python model with reasons."""

import json
import sys
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema

PEERS = ("score", "reasons")
TOP = 4


class WithReasons(mlflow.pyfunc.PythonModel):
    """Probability and the strongest contributions of each row, the way one writes it down first: a frame in, a frame out."""

    def load_context(self, context):
        """Load the booster that was saved beside the model."""
        import lightgbm

        self.booster = lightgbm.Booster(model_file=context.artifacts["booster"])

    def predict(self, context, model_input, params=None):
        """A frame with score and the names and contributions of TOP columns."""
        found = self.booster.predict(model_input, pred_contrib=True, num_threads=1)
        names, order = np.array(self.booster.feature_name()), np.argsort(-np.abs(found[:, :-1]), axis=1)[:, :TOP]
        score = 1 / (1 + np.exp(-found.sum(axis=1)))
        rows = [{"score": each, "reasons": dict(zip(names[places], row[places].tolist(), strict=True))}
                for each, places, row in zip(score.tolist(), order, found, strict=True)]
        return pd.DataFrame(rows)


def save(booster_file, folder):
    """Write both models into `folder`, one folder each."""
    import lightgbm

    folder, booster = Path(folder), lightgbm.Booster(model_file=str(booster_file))
    # Without a signature a row with a null is a column of objects, which LightGBM refuses.
    numbers = Schema([ColSpec("double", name, required=False) for name in booster.feature_name()])
    pinned = {"pip_requirements": ["mlflow", "lightgbm"], "signature": ModelSignature(numbers)}
    mlflow.lightgbm.save_model(booster, str(folder / "score"), **pinned)
    mlflow.pyfunc.save_model(str(folder / "reasons"), python_model=WithReasons(), artifacts={"booster": str(booster_file)}, **pinned)


def body(values):
    """A row as MLflow's server takes it."""
    return json.dumps({"dataframe_split": {"columns": list(values), "data": [list(values.values())]}}).encode()


if __name__ == "__main__":
    # Pickled by its importable name, so that the server finds it where this package is.
    from benchmarks import serving_peer

    serving_peer.save(*sys.argv[1:])
