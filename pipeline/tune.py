"""`risk tune`: settings of the trees searched on the past alone, in a study that goes on where it was left; applied only when asked."""

import contextlib
import hashlib
import shutil
from dataclasses import dataclass

import msgspec
import numpy as np

from features.catalogue import Catalogue
from features.errors import RiskError
from models.classifier import candidates, columns_of
from models.sample import APART, CALIBRATION, DEVELOPMENT, VALIDATION
from models.search import enough, finished, new_study, result, search, verdict_of
from models.tuning import Ground, Rules, ground_of, objective
from pipeline.columns import read_columns
from pipeline.datasets import case_path, read_json, replacing
from pipeline.frames import read_observations
from pipeline.horizon import embargo_days
from pipeline.params import change_params, load_params, load_training, settled
from pipeline.places import VAR, training_path
from pipeline.train import kept_features, prepared

FOLDER = VAR / "tuning"


@dataclass(frozen=True)
class Task:
    """What a study is about: the ground its trials are judged on, today's candidates, and where it looks."""

    ground: Ground
    candidates: tuple
    space: dict
    rules: object

    @property
    def name(self):
        """A hash of the rows, the folds, today's settings, the space and the objective: with any other, trials do not compare."""
        ground = self.ground
        arrays = [ground.matrix, ground.target, ground.groups, ground.period, *(mask for pair in ground.folds.pairs for mask in pair)]
        same = [msgspec.structs.replace(each, threads=1) for each in self.candidates]
        words = [ground.sample.tolist(), ground.how, ground.rules, same, self.space, self.rules.startup_trials]
        digest = hashlib.blake2b(msgspec.json.encode(words), digest_size=8)
        for array in arrays:
            digest.update(np.ascontiguousarray(array))
        return digest.hexdigest()


class Scores:
    """Raw scores of finished trials by number, a file each."""

    def __init__(self, folder):
        self.folder = folder

    def __setitem__(self, number, scores):
        with replacing(self.folder / f"{number}.npy") as beside, beside.open("wb") as file:
            np.save(file, scores)

    def __getitem__(self, number):
        try:
            return np.load(self.folder / f"{number}.npy")
        except (FileNotFoundError, ValueError, EOFError):
            raise RiskError(f"{self.folder} lacks the scores of trial {number}: begin anew with `risk tune --fresh`.") from None


def tune(parts, described, as_of, *, train, rules, horizon_days, embargo_days, by_time=True, trials=None, seconds=None):
    """Search settings in memory, with nothing read or kept: for benchmarks and notebooks.

    parts, described: as `pipeline.train.prepared` gives them; as_of: {sample: datetime64 array}, or None where rows have no dates; train, rules: the
    parameters' sections train and tune; by_time: whether the source is judged on later rows (its customers are folded otherwise); trials: the rules' unless
    given; seconds: no bound unless given. Rows of other samples are not looked at. Returns a `models.search.Found`; where its settings are None, today's are
    no worse than any tried. Raises: RiskError when bad rows are too few to judge settings.
    """
    trials = trials or rules.trials
    task = task_of(parts, described, as_of, train=train, rules=rules, horizon_days=horizon_days, embargo_days=embargo_days, by_time=by_time, trials=trials)
    scores = {}
    study = search(task.ground, task.candidates, task.space, trials=trials, seed=rules.seed, startup_trials=rules.startup_trials,
                   seconds=seconds, scores=scores)
    return result(task.ground, task.candidates, study, scores)


def task_of(parts, described, as_of, *, train, rules, horizon_days, embargo_days, by_time=True, apart=False, may_judge=None, trials=None):
    """The Task of prepared samples; arguments as for `tune`, apart and may_judge as for `models.tuning.ground_of`; too few `trials`, where they are told,
    are refused before folds are drawn. The calibration sample takes part only where the final trees grow on it: else its curve would be fitted on rows that
    chose the settings."""
    chosen = (DEVELOPMENT, VALIDATION, CALIBRATION) if train.refit == "all" else (DEVELOPMENT, VALIDATION)
    today = candidates(train, parts[DEVELOPMENT][1], len(described))
    if trials is not None:
        enough(trials, len(today))
    judged = Rules(**{name: getattr(rules, name) for name in Rules.__struct_fields__})
    ground = ground_of({name: parts[name] for name in chosen}, as_of, columns_of(described), rules=judged, horizon_days=horizon_days, embargo_days=embargo_days,
                       by_time=by_time, apart=apart, may_judge=may_judge)
    return Task(ground, today, msgspec.structs.asdict(rules.space), rules)


def tune_case(use_case, *, trials=None, minutes=None, fresh=False, echo=print):
    """Go on with the study of a use case, or begin it; a line a trial, then what it came to. Bounds are the parameters' unless given.

    Returns the best settings by name, None where today's are no worse than any.
    """
    params = load_params()
    trials, minutes = params.tune.trials if trials is None else trials, params.tune.minutes if minutes is None else minutes
    if minutes <= 0:
        raise RiskError(f"{minutes:g} minutes leave no time for a trial: ask for more (--minutes, or tune.minutes in params.yaml).")
    task = read_task(use_case, params, trials)
    with _alone(params.source.name, use_case):
        study, scores = _opened(task, params.source.name, use_case, fresh=fresh, echo=echo)
        echo(f"{use_case}: {task.ground.folds.note}; {_counted(task.ground)}")
        try:
            search(task.ground, task.candidates, task.space, trials=trials, seed=params.tune.seed, startup_trials=params.tune.startup_trials,
                   seconds=60 * minutes, study=study, scores=scores, told=_progress(study, trials, 60 * minutes, echo))
        except KeyboardInterrupt:
            echo(f"{use_case}: stopped after {len(finished(study))} trials; `risk tune` goes on from there.")
            raise
        finally:
            _log(study, task, params.source.name, use_case)
    found = result(task.ground, task.candidates, study, scores)
    echo("\n".join(found_lines(found, task, study, use_case, params)))
    return None if found is None or found.settings is None else dict(_values(found, task))


def apply_case(use_case, *, echo=print):
    """Write the best settings of the study that there is into the train section of `params.yaml`; nothing is tried.

    Raises RiskError when there is no study of the data and parameters as they are, or today's settings are not judged whole.
    """
    params = load_params()
    task = read_task(use_case, params)
    if task.name not in _studies(_storage(params.source.name, use_case)):
        raise RiskError(f"{use_case}: there is no study of the data and parameters as they are now: run `risk tune` first.")
    study, scores = _opened(task, params.source.name, use_case)
    found = result(task.ground, task.candidates, study, scores)
    if found is None:
        raise RiskError(f"{use_case}: today's settings are not judged whole yet: go on with `risk tune`.")
    if found.settings is None:
        return echo(f"{use_case}: no trial is better than today's settings; params.yaml stays as it is.")
    change_params([(f"train.{name}", value) for name, value in _values(found, task)])
    return echo("\n".join([f"{use_case}: the settings of trial {found.number} stand in params.yaml, section train; next: risk run", *_noise(found),
                           *_shared(params, use_case), *_outranked(params.source.name, use_case)]))


def read_task(use_case, params, trials=None):
    """The Task of what the development branch holds, for so many trials; rows of out_of_time, and of no sample that learns, are left out before
    anything is computed."""
    development = case_path(use_case, "development")
    notes, maturity = read_json(development / "leaks.json"), read_json(development / "maturity.json")
    catalogue = kept_features(Catalogue.from_dict(read_json(development / "catalogue.json")), development, params)
    rows = read_observations(use_case, ["customer_id", "as_of", "target", *(["compromised"] if use_case == "fraud" else [])])
    past = rows["sample"].isin((DEVELOPMENT, VALIDATION, CALIBRATION)).to_numpy()
    columns, rows = read_columns(development / "features.parquet", [feature.name for feature in catalogue], rows=past), rows[past]
    described, parts = prepared(columns, rows, catalogue)
    as_of = {name: rows.loc[rows["sample"] == name, "as_of"].to_numpy() for name in parts}
    # The model is judged without compromised rows, and so are settings; such rows may teach.
    may_judge = {name: ~rows.loc[rows["sample"] == name, "compromised"].to_numpy(dtype=bool) for name in parts} if use_case == "fraud" else None
    # As the samples were made: a published protocol says whose rows are judged.
    apart = maturity["protocol"] is None and getattr(params.sample, use_case).customers == APART
    horizon = maturity["horizon_days"]
    # As in the split: a label that nobody had yet on the first judged day teaches nothing.
    apart_days = max(embargo_days(params, use_case, horizon), horizon + getattr(params.observe, use_case).reporting_lag_days)
    train = settled(params.train, load_training(params.source.name, use_case))
    return task_of(parts, described, as_of, train=train, rules=params.tune, horizon_days=horizon, by_time=notes["by"] == "time",
                   embargo_days=apart_days, apart=apart, may_judge=may_judge, trials=trials)


def found_lines(found, task, study, use_case, params):
    """What a study came to, in lines: today's value, the best one's, the honest gain, and what to do."""
    if found is None:
        return [f"{use_case}: today's settings are not judged whole yet; `risk tune` goes on."]
    pruned = sum(trial.state.name == "PRUNED" for trial in finished(study))
    lines = [f"{use_case}: {len(finished(study))} trials, {pruned} of them cut short", f"  today's settings  {_value(found.today, task)}"]
    if found.settings is None:
        return [*lines, "  no trial is better: keep today's settings."]
    settings = " ".join(f"-S train.{name}={str(value).lower()}" for name, value in _values(found, task))
    return [*lines, f"  trial {found.number:<11} {_value(found.best, task)}",
            f"  honest gain       {_gain(found.gain)}, each fold judged with what is best on the others",
            *(_noise(found) or ["  the gain is beyond its noise."]),
            f"  try it: dvc exp run {settings}", f"  apply it: risk tune --apply --use-case {use_case}", *_shared(params, use_case)]


def _noise(found):
    return [] if found.beyond_noise else ["  that is within noise: keep today's settings unless something else speaks for these."]


def _shared(params, use_case):
    others = [case for case in params.use_cases if case != use_case]
    return [f"  the section train holds for {' and '.join(others)} too, which this study did not look at."] if others else []


def _outranked(source, use_case):
    """What to say where a rebuild's settings stand before those of params.yaml."""
    if load_training(source, use_case).settings is None:
        return []
    return [f"  {training_path(source, use_case)} has settings that a rebuild found, which stand before these: delete its line `settings` to use them."]


def _value(found, task):
    return f"{found['value']:.4f} = AUC {found['auc']:.4f} less {task.ground.rules.spread_weight:g} x spread {found['spread']:.4f}"


def _gain(gain):
    return f"{gain['difference']:+.4f} of AUC ({gain['low']:+.4f} to {gain['high']:+.4f}, 95 %)"


def _values(found, task):
    return [(name, getattr(found.settings, name)) for name in task.space]


def _counted(ground):
    judged = np.any([judged for _, judged in ground.folds.pairs], axis=0)
    return f"{judged.sum():,} rows judged, {int(ground.target[judged].sum()):,} of them bad, in {ground.pairs.shape[1]} periods"


def _progress(study, trials, limit, echo):
    """Says of each trial its value, the best so far and how long it will take at most."""
    first = len(finished(study))

    def told(trial, place, spent):
        best, at = max(((each.value, -number) for number, each in enumerate(finished(study), 1) if each.state.name == "COMPLETE"))
        left = min(limit - spent, (trials - place) * spent / max(place - first, 1))
        value = f"{trial.value:.4f}" if trial.state.name == "COMPLETE" else f"cut short after {len(trial.user_attrs['aucs'])} folds"
        echo(f"trial {place} of {trials}: {value}, best {best:.4f} (trial {-at}), {max(left, 0):.0f} s left")

    return told


@contextlib.contextmanager
def _alone(source, use_case):
    """One search at a time: a second one would take the first one's trial for that of a killed process."""
    import fcntl

    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / f"{source}-{use_case}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RiskError(f"{use_case}: another `risk tune` is at work on {FOLDER / f'{source}-{use_case}.db'}: wait for it, or stop it.") from None
        yield


def _storage(source, use_case):
    from optuna.storages import RDBStorage

    FOLDER.mkdir(parents=True, exist_ok=True)
    return RDBStorage(f"sqlite:///{FOLDER / f'{source}-{use_case}.db'}")


def _studies(storage):
    return [study.study_name for study in storage.get_all_studies()]


def _opened(task, source, use_case, *, fresh=False, echo=lambda _: None):
    """The study of a task with its scores: the one that was left, or a new one, of which it is said why."""
    storage, folder = _storage(source, use_case), FOLDER / f"{source}-{use_case}" / task.name
    known = _studies(storage)
    if fresh and task.name in known:
        storage.delete_study(storage.get_study_id_from_name(task.name))
        shutil.rmtree(folder, ignore_errors=True)
    elif known and task.name not in known:
        echo(f"{use_case}: the data, today's settings, the search space or the objective changed since the last study: a new one begins.")
    study = new_study(storage, task.name)
    if finished(study):
        echo(f"{use_case}: the study goes on after {len(finished(study))} trials.")
    return study, Scores(folder)


def _log(study, task, source, use_case):
    """Every finished trial that MLflow does not hold yet: also those of an earlier call that was killed."""
    from pipeline.registry import log_tuning

    log_tuning(task.name, [_described(place, trial, task) for place, trial in enumerate(finished(study), 1)], source=source, use_case=use_case)


def _described(place, trial, task):
    """A trial for MLflow: AUC by fold as steps, the objective where it came to one."""
    metrics = objective(task.ground, verdict_of(trial)) if trial.state.name == "COMPLETE" else {}
    return {"number": place, "started": trial.datetime_start.isoformat(), "state": trial.state.name.lower(), "parameters": trial.user_attrs["settings"],
            "aucs": trial.user_attrs["aucs"], "losses": trial.user_attrs["losses"], "metrics": metrics}
