"""MLflow: one run per bundle, one registered model per source and use case, and the alias that mirrors the champion."""

import logging
import os
import time
import warnings
from pathlib import Path

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
# Said in a notebook whose kernel has no widgets: its progress bars are plain text then.
warnings.filterwarnings("ignore", message="IProgress not found")
logging.getLogger("alembic").setLevel(logging.WARNING)

import mlflow  # noqa: E402 - its telemetry is switched off before it loads
import pandas as pd  # noqa: E402
from mlflow.entities import Metric, Param  # noqa: E402
from mlflow.exceptions import MlflowException  # noqa: E402

URI = "sqlite:///var/mlflow.db"
ARTIFACTS = Path("var/mlartifacts")
ALIAS = "champion"
MODEL_CODE = Path(__file__).with_name("mlflow_model.py")


def model_name(source, use_case):
    """Name of the registered model."""
    return f"customer-risk-{source}-{use_case}"


def log_bundle(bundle, folder, *, source, use_case, parameters, metrics, tags, artifacts):
    """Log a bundle once: parameters, metrics, tags, files, and the model itself as a version of the registered model.

    `bundle` is the hash, `folder` holds its files, `artifacts` maps an MLflow folder to a local path. Returns the run's id and the version;
    a bundle that is there already is not logged again.
    """
    client = _client()
    name = model_name(source, use_case)
    known = _version_of(client, name, bundle)
    if known is not None:
        return {"run_id": known.run_id, "version": known.version, "model": name}
    mlflow.set_experiment(experiment_id=_experiment(client, name))
    with mlflow.start_run(run_name=bundle[:12], tags={**tags, "bundle": bundle}) as run:
        mlflow.log_params(parameters)
        mlflow.log_metrics(metrics)
        for place, path in artifacts.items():
            mlflow.log_artifacts(str(path), place) if Path(path).is_dir() else mlflow.log_artifact(str(path), place)
        info = _log_model(folder, name)
    client.set_model_version_tag(name, info.registered_model_version, "bundle", bundle)
    return {"run_id": run.info.run_id, "version": str(info.registered_model_version), "model": name}


def log_trial(name, bundle, *, source, use_case, parameters, metrics, tags):
    """Log a notebook's trial once, by its name and its bundle's hash, in an experiment apart from the bundles': nothing is registered. Returns the run's id."""
    client = _client()
    experiment = _experiment(client, trials_name(source, use_case))
    same = [run for run in client.search_runs([experiment], f"tags.bundle = '{bundle}'") if run.info.run_name == name]
    if same:
        return same[0].info.run_id
    mlflow.set_experiment(experiment_id=experiment)
    with mlflow.start_run(run_name=name, tags={**tags, "bundle": bundle}) as run:
        mlflow.log_params(parameters)
        mlflow.log_metrics({key: value for key, value in metrics.items() if value is not None})
    return run.info.run_id


def logged_trials(*, source, use_case):
    """The trials logged so far, newest first: a frame of name, changed, started, and one column a metric; empty before the first."""
    found = _client().get_experiment_by_name(trials_name(source, use_case))
    runs = [] if found is None else _client().search_runs([found.experiment_id], order_by=["attributes.start_time DESC"])
    rows = [{"name": run.info.run_name, "changed": run.data.tags.get("changed"), "started": pd.Timestamp(run.info.start_time, unit="ms"),
             **run.data.metrics} for run in runs]
    return pd.DataFrame(rows, columns=None if rows else ["name", "changed", "started"])


def log_tuning(study, trials, *, source, use_case):
    """Log the trials of a tuning study, a run each, in an experiment apart; those that are there already are not logged again.

    trials: dicts of number, started (a text; with the study it names a trial), state (complete or pruned), parameters, metrics, aucs and losses (one a
    fold, which MLflow keeps as steps from 0).
    """
    client = _client()
    experiment = _experiment(client, f"{model_name(source, use_case)}-tuning")
    wanted = f"tags.study = '{study}' and attributes.status = 'FINISHED'"
    known = set(mlflow.search_runs([experiment], wanted).get("tags.started", ()))
    for trial in trials:
        if trial["started"] not in known:
            _log_tried(client, experiment, study, trial)


def trials_name(source, use_case):
    """Name of the experiment that holds the trials."""
    return f"{model_name(source, use_case)}-trials"


def set_champion(bundle, *, source, use_case):
    """Let the registry's alias name the champion's version; a bundle that was never logged leaves no alias. Returns the version or None."""
    client = _client()
    name = model_name(source, use_case)
    version = _version_of(client, name, bundle) if bundle else None
    if version is not None:
        client.set_registered_model_alias(name, ALIAS, version.version)
        return version.version
    try:
        client.delete_registered_model_alias(name, ALIAS)
    except MlflowException:
        return None
    return None


def _client():
    Path("var").mkdir(exist_ok=True)
    mlflow.set_tracking_uri(URI)
    mlflow.set_registry_uri(URI)
    return mlflow.MlflowClient()


def _experiment(client, name):
    found = client.get_experiment_by_name(name)
    if found is not None:
        return found.experiment_id
    return client.create_experiment(name, artifact_location=ARTIFACTS.resolve().as_uri())


def _log_tried(client, experiment, study, trial):
    tags = {"study": study, "started": trial["started"], "state": trial["state"]}
    run = client.create_run(experiment, run_name=f"{study[:8]}-{trial['number']}", tags=tags).info.run_id
    moment = int(time.time() * 1000)
    steps = [Metric(name, value, moment, step) for name, values in (("fold_auc", trial["aucs"]), ("fold_log_loss", trial["losses"]))
             for step, value in enumerate(values)]
    client.log_batch(run, metrics=[*steps, *(Metric(name, value, moment, 0) for name, value in trial["metrics"].items())],
                     params=[Param(name, str(value)) for name, value in trial["parameters"].items()])
    client.set_terminated(run)


def _version_of(client, name, bundle):
    try:
        found = client.search_model_versions(f"name = '{name}' and tag.bundle = '{bundle}'")
    except MlflowException:
        return None
    return found[0] if found else None


def _log_model(folder, name):
    return mlflow.pyfunc.log_model(
        name="model", python_model=str(MODEL_CODE), artifacts={"bundle": str(folder)}, code_paths=["features", "models"],
        pip_requirements=["lightgbm", "msgspec", "numpy", "pandas"],
        registered_model_name=name)
