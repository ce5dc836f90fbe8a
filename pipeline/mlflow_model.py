"""The model as MLflow loads it (models from code): a bundle behind `predict(frame)`, the same numbers as the scoring path."""

import mlflow
from mlflow.pyfunc import PythonModel


class BundleModel(PythonModel):
    """Scores a frame that has the bundle's columns; unknown categories and nulls are fine."""

    def load_context(self, context):
        """Load the bundle from the logged artifacts."""
        from models.bundle import load_bundle

        self.bundle = load_bundle(context.artifacts["bundle"])

    def predict(self, context, model_input, params=None):
        """Probability, points and grade for each row of the frame."""
        from models.frames import score_frame

        return score_frame(self.bundle, model_input)


mlflow.models.set_model(BundleModel())
