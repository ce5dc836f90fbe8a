"""Trying an idea without touching `data/`: a feature more or less, another setting, trained on the same samples and judged on the same rows."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from features.catalogue import Catalogue, check
from features.errors import RiskError
from features.feeders.duck import featurize as feed
from models.bundle import Bundle, load_bundle
from models.discrimination import compare_auc, compare_average_precision
from models.sample import OUT_OF_TIME
from models.validation import headline
from pipeline.columns import read_columns
from pipeline.datasets import TABLES, case_path, read_json
from pipeline.evaluate import judge, scored
from pipeline.featurize import available_columns
from pipeline.frames import read_frame, read_observations
from pipeline.look_data import scratch
from pipeline.params import change_params, load_params, load_training
from pipeline.train import fit_bundle, made_by

# What a trial reuses from data/ was made by the other sections of the parameters.
CHANGEABLE = ("train", "calibrate", "scale")
COMPARED = ("auc", "average_precision", "log_loss", "brier", "calibration_slope")


@dataclass(frozen=True)
class Trial:
    """A trained idea: its bundle, the judged rows with their scores (observation_id, customer_id, target, raw_score, probability, …), the figures by
    name, and what was changed, in words."""

    name: str
    use_case: str
    bundle: Bundle
    judged: pd.DataFrame
    figures: dict
    changed: str


def compute(*declared, use_case="default"):
    """The values of features that the catalogue does not hold yet, for every observation of the development branch, in its order: observation_id and one
    column a feature, from what was known at each as_of.

    Raises RiskError when a declaration breaks the catalogue's rules or needs a column that the tables lack.
    """
    with scratch() as folder:
        path = folder / "features.parquet"
        _feed(declared, use_case, path)
        return read_frame(path)


def current(use_case="default"):
    """The candidate that stands in `data/`, as a Trial to compare with; nothing is trained."""
    bundle, judged = load_bundle(case_path(use_case, "model")), read_frame(case_path(use_case, "evaluation", "predictions.parquet"))
    return Trial("as it is", use_case, bundle, judged, read_json(case_path(use_case, "evaluation", "metrics.json")), "nothing")


def run(name, *, use_case="default", added=(), left_out=(), changes=()):
    """Train an idea on the samples in `data/` and judge it on the same rows as the candidate there. Returns a Trial; the same call gives the same bits.

    `added` are declared features beyond the catalogue, `left_out` names of columns to do without, `changes` (dotted key, value) of the parameters'
    sections train, calibrate and scale. Raises RiskError for a column that is not there or a change that a trial cannot try.
    """
    params, development = changed_params(changes), case_path(use_case, "development")
    catalogue = _without(Catalogue.from_dict(read_json(development / "catalogue.json")), development, params, left_out)
    rows = read_observations(use_case)
    maturity, training = read_json(development / "maturity.json"), load_training(params.source.name, use_case)
    with scratch() as folder:
        path = _with_added(development / "features.parquet", added, use_case, folder)
        bundle, _ = fit_bundle(path, rows, catalogue=[*catalogue, *added], use_case=use_case, horizon_days=maturity["horizon_days"], params=params,
                               about=made_by(maturity, training))
        judged = _judged(path, rows, bundle, params)
    figures = headline(judge(judged, bundle.manifest.grades, bundle.manifest.training, params.evaluate))
    return Trial(name, use_case, bundle, judged, figures, _described(added, left_out, changes))


def compare(trial, other):
    """Two trials on the same rows: one row a figure with both values, and for AUC and average precision the difference of the first from the second
    with its 95 % interval (paired: DeLong's, and a bootstrap of customers).

    Raises RiskError when they were judged on different rows.
    """
    one, two = (each.judged.set_index("observation_id") for each in (trial, other))
    if set(one.index) != set(two.index):
        raise RiskError(f"the trials {trial.name} and {other.name} were judged on different rows: run both on what is in data/ now.")
    two = two.loc[one.index]
    target, groups = one["target"].to_numpy(), one["customer_id"].to_numpy()
    paired = {"auc": compare_auc(target, one["raw_score"], two["raw_score"], groups=groups),
              "average_precision": compare_average_precision(target, one["raw_score"], two["raw_score"], groups=groups)}
    rows = [{"figure": name, trial.name: trial.figures[name], other.name: other.figures[name],
             **{end: paired.get(name, {}).get(end) for end in ("difference", "low", "high")}} for name in COMPARED]
    return pd.DataFrame(rows).set_index("figure")


def against(other, *trials):
    """How far trials are from another one, each paired on the same rows: one row a trial, with what was changed and, for AUC and average precision, the
    difference and its 95 % interval. The interval is that of the judged customers; what another seed does shows the noise of the training beside it."""
    rows = [{"trial": each.name, "changed": each.changed, **_differences(compare(each, other))} for each in trials]
    return pd.DataFrame(rows).set_index("trial")


def _differences(compared):
    ends = {"difference": "", "low": "_low", "high": "_high"}
    return {f"{figure}{suffix}": compared.loc[figure, end] for figure in ("auc", "average_precision") for end, suffix in ends.items()}


def log(*trials):
    """Log trials in MLflow, beside the bundles' experiment and apart from the registered models. Returns one row a trial logged so far, newest first."""
    from pipeline.registry import log_trial, logged_trials

    source = load_params().source.name
    for each in trials:
        log_trial(each.name, each.bundle.hash, source=source, use_case=each.use_case, parameters=each.bundle.manifest.training["settings"],
                  metrics=each.figures, tags={"changed": each.changed})
    return logged_trials(source=source, use_case=trials[0].use_case if trials else "default")


def changed_params(changes):
    """The parameters with some values replaced, checked as the file itself is.

    Raises RiskError for a key outside train, calibrate and scale, or a value that the parameter does not take.
    """
    for key, _ in changes:
        if key.split(".")[0] not in CHANGEABLE:
            raise RiskError(f"a trial changes {', '.join(CHANGEABLE)}, and {key} is none of them: try it with `dvc exp run -S {key}=…`.")
    with scratch() as folder:
        shutil.copy("params.yaml", folder / "params.yaml")
        change_params(changes, folder / "params.yaml")
        return load_params(folder / "params.yaml")


def _feed(declared, use_case, path):
    folder = case_path(use_case, "development")
    check(declared)
    left_out = Catalogue(use_case, declared).needs
    present = available_columns(folder, use_case)
    lacking = [f"{table}.{name}" for table, names in left_out.items() for name in names if name not in present.get(table, ())]
    if lacking:
        raise RiskError(f"the tables lack {', '.join(lacking)}, which {', '.join(each.name for each in declared)} needs: bring it, or declare it otherwise.")
    rules = load_params().featurize
    catalogue = Catalogue(use_case, declared, preferred_basis=rules.preferred_basis)
    feed(TABLES, folder / "observations.parquet", path, catalogue=catalogue, chunk_customers=rules.chunk_customers, threads=rules.threads)


def _with_added(path, added, use_case, folder):
    """The feature file, with the added features as further columns of a copy where there are any."""
    if not added:
        return path
    _refuse_known(path, added)
    _feed(added, use_case, folder / "added.parquet")
    table, more = pq.read_table(path), pq.read_table(folder / "added.parquet")
    for each in added:
        table = table.append_column(each.name, more[each.name])
    pq.write_table(table, folder / "features.parquet")
    return folder / "features.parquet"


def _refuse_known(path, added):
    known = [each.name for each in added if each.name in pq.read_schema(path).names]
    if known:
        raise RiskError(f"the catalogue holds {known[0]} already: give the feature another name, or leave the old one out by a name of its own.")


def _without(catalogue, development, params, left_out):
    """The catalogue's features without those left out, by the trial or by the leak screen where the parameters drop what it named."""
    unknown = [name for name in left_out if name not in catalogue.names]
    if unknown:
        raise RiskError(f"there is no column {unknown[0]} among the {len(catalogue)} of {development / 'catalogue.json'}: correct the name.")
    leaks = read_json(development / "leaks.json")["left_out"] if params.leaks.drop else []
    return [each for each in catalogue.features if each.name not in {*left_out, *leaks}]


def _judged(path, rows, bundle, params):
    chosen = rows["sample"].eq(OUT_OF_TIME).to_numpy()
    kept = rows.loc[chosen, ["observation_id", "customer_id", "as_of", "target"]].reset_index(drop=True)
    return scored(kept, read_columns(Path(path), bundle.names, rows=chosen), bundle, threads=params.train.threads)


def _described(added, left_out, changes):
    words = [*(f"with {each.name}" for each in added), *(f"without {name}" for name in left_out), *(f"{key} = {value}" for key, value in changes)]
    return ", ".join(words) or "nothing"
