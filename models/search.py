"""Searching settings with Optuna: today's first, then what a seeded sampler proposes; a study goes on where it was left."""
import time
from dataclasses import dataclass

import msgspec
import numpy as np

from features.errors import RiskError
from models.classifier import Settings
from models.discrimination import auc
from models.tuning import Verdict, composed, fold_scores, honest_gain, objective, verdict

# Halving a learning rate or a leaf's rows is one step wherever one stands; a share of the columns is not.
LOG = ("learning_rate", "num_leaves", "min_child_samples", "l2")
WHOLE = ("num_leaves", "min_child_samples")
DIGITS = 3


@dataclass(frozen=True)
class Found:
    """What a search came to: the best Settings, or None when today's way to choose them is no worse; the objective of today's and of the best, each a dict of
    auc, spread and value; the best trial's place among the finished ones, from 1; and the honest gain (difference, low, high)."""

    settings: Settings | None
    number: int | None
    today: dict
    best: dict
    gain: dict

    @property
    def beyond_noise(self):
        """Whether the gain's interval lies above zero."""
        return self.settings is not None and self.gain["low"] > 0


def search(ground, candidates, space, *, trials, seed, startup_trials, seconds=None, study=None, scores=None, told=None):
    """Try settings until the study holds so many finished `trials`, or no further one would end within `seconds`.

    ground: `models.tuning.Ground`; candidates: today's Settings, among which validation rows choose; they are the first trials and are never pruned;
    space: {setting: [low, high]}, and the values of extra_trees; what it leaves out is as in the first candidate. `study` is Optuna's, in memory unless
    given, and `scores` keeps each finished trial's raw scores by its number; `told` is called after each trial with the trial, its place and the seconds
    spent in this call. A proposal depends on the finished trials and the seed only, so that a study that was stopped goes on as if it had not been. From
    the second fold on, a trial is pruned that lies behind the median of those before it, each compared with today's on the same folds.

    Returns the study. Raises: RiskError when `trials` leave none beyond today's settings. A KeyboardInterrupt leaves the study as it was before the trial.
    """
    enough(trials, len(candidates))
    study, scores = new_study() if study is None else study, {} if scores is None else scores
    _let_go_of_killed(study)
    started, first = time.monotonic(), len(finished(study))
    while (done := len(finished(study))) < trials and _fits(time.monotonic() - started, done - first, seconds):
        _prepare(study, candidates, space, seed=seed, done=done, startup_trials=startup_trials)
        study.optimize(lambda trial: _tried(trial, study, ground, candidates, space, scores), n_trials=1)
        if told is not None:
            told(finished(study)[-1], done + 1, time.monotonic() - started)
    return study


def enough(trials, candidates):
    """Raises: RiskError when today's `candidates` take all of the `trials`, so that nothing would be tried."""
    if trials <= candidates:
        raise RiskError(f"{trials} {'trial is' if trials == 1 else 'trials are'} too few: today's settings take the first "
                        f"{'one' if candidates == 1 else candidates}, so ask for {candidates + 1} or more (--trials, or tune.trials in params.yaml)")


def new_study(storage=None, name=None):
    """An Optuna study of this search, in memory or in a storage; one of this name in the storage goes on."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna.create_study(storage=storage, study_name=name, direction="maximize", load_if_exists=True)


def finished(study):
    """The trials that came to an end, by completion or by pruning, oldest first."""
    return [trial for trial in study.get_trials(deepcopy=False) if trial.state.name in ("COMPLETE", "PRUNED")]


def result(ground, candidates, study, scores):
    """What the finished trials come to: a Found, or None while today's settings are not judged whole."""
    whole = [trial for trial in finished(study) if trial.state.name == "COMPLETE"]
    verdicts = {trial.number: verdict_of(trial, scores) for trial in whole}
    mine = {trial.user_attrs["candidate"]: trial for trial in whole if "candidate" in trial.user_attrs}
    if len(mine) < len(candidates):
        return None
    ordered = [mine[place] for place in range(len(candidates))]
    today = composed(ground, [verdicts[trial.number] for trial in ordered], np.array([trial.user_attrs["losses"] for trial in ordered]))
    base, best = objective(ground, today), max(whole, key=lambda trial: trial.value)
    gain = honest_gain(ground, today, list(verdicts.values()))
    if best.value <= base["value"]:
        return Found(None, None, base, base, gain)
    return Found(msgspec.convert(best.user_attrs["settings"], Settings), finished(study).index(best) + 1, base, objective(ground, verdicts[best.number]), gain)


def verdict_of(trial, scores=None):
    """The Verdict of a completed trial; without `scores` it holds no raw scores."""
    cells = np.array(trial.user_attrs["cells"], dtype=np.float64)
    return Verdict(np.array(trial.user_attrs["aucs"]), cells, None if scores is None else scores[trial.number])


def _fits(spent, tried, seconds):
    """Whether another trial is to begin: the first one always, a further one where one of the usual length ends in time."""
    return seconds is None or tried == 0 or spent + spent / tried <= seconds


def _let_go_of_killed(study):
    """A killed process leaves its trial running for ever, and the sampler would wait for what it brings."""
    from optuna.trial import TrialState

    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)


def _prepare(study, candidates, space, *, seed, done, startup_trials):
    """Sampler, pruner and, while today's settings are not all judged, the next of these."""
    import optuna

    drawn = int(np.random.SeedSequence([seed, done]).generate_state(1)[0])
    study.sampler = optuna.samplers.TPESampler(seed=drawn, n_startup_trials=startup_trials)
    study.pruner = optuna.pruners.MedianPruner(n_startup_trials=startup_trials, n_warmup_steps=1)
    taken = {trial.user_attrs.get("candidate") for trial in study.get_trials(deepcopy=False) if trial.state.name in ("COMPLETE", "WAITING")}
    left = [place for place in range(len(candidates)) if place not in taken]
    if left:
        study.enqueue_trial({name: _within(getattr(candidates[left[0]], name), limits) for name, limits in space.items()}, user_attrs={"candidate": left[0]})


def _within(value, limits):
    """The nearest value that the sampler knows: where it places today's settings, which are judged as they are."""
    return (value if value in limits else limits[0]) if isinstance(limits[0], bool) else min(max(value, limits[0]), limits[1])


def _tried(trial, study, ground, candidates, space, scores):
    proposed = {name: _suggested(trial, name, limits) for name, limits in space.items()}
    place = trial.user_attrs.get("candidate")
    settings = msgspec.structs.replace(candidates[0], **proposed) if place is None else candidates[place]
    trial.set_user_attr("settings", msgspec.to_builtins(settings))
    found = _judged(trial, ground, settings, _first_aucs(study), may_prune=place is None)
    trial.set_user_attr("cells", [[None if np.isnan(cell) else cell for cell in row] for row in found.cells.tolist()])
    scores[trial.number] = found.scores
    return objective(ground, found)["value"]


def _suggested(trial, name, limits):
    if isinstance(limits[0], bool):
        return trial.suggest_categorical(name, limits)
    if name in WHOLE:
        return trial.suggest_int(name, *limits, log=name in LOG)
    return float(f"{trial.suggest_float(name, *limits, log=name in LOG):.{DIGITS}g}")


def _judged(trial, ground, settings, base, *, may_prune):
    """The Verdict of settings, fold by fold; what a fold brought is kept with the trial at once."""
    import optuna

    scores, losses, aucs = np.full(len(ground.target), np.nan), [], []
    for number, (_, judged) in enumerate(ground.folds.pairs):
        loss, scores[judged] = fold_scores(ground, number, settings)
        losses.append(float(loss))
        aucs.append(auc(ground.target[judged], scores[judged]))
        trial.set_user_attr("losses", losses)
        trial.set_user_attr("aucs", aucs)
        trial.report(float(np.mean(np.array(aucs) - (aucs if base is None else base[: len(aucs)]))), number)
        if may_prune and number + 1 < len(ground.folds.pairs) and trial.should_prune():
            raise optuna.TrialPruned
    return verdict(ground, scores)


def _first_aucs(study):
    """AUC by fold of today's first candidate; None before it is judged."""
    return next((trial.user_attrs["aucs"] for trial in finished(study) if trial.user_attrs.get("candidate") == 0), None)
