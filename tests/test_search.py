"""The search: today's settings first and as they are, the same trials whether stopped or not, nothing hopeless finished, no time overrun."""

import msgspec
import numpy as np
import pytest
from optuna.trial import TrialState
from test_tuning import HOW, QUICK, RULES, book

from features.errors import RiskError
from models import search as searching
from models.search import enough, finished, new_study, result, search
from models.tuning import fold_scores, ground_of

SPACE = {"learning_rate": [0.05, 0.3], "num_leaves": [3, 8], "l2": [0.01, 10.0], "extra_trees": [True, False]}
TODAY = (msgspec.structs.replace(QUICK, l2=0.0), msgspec.structs.replace(QUICK, learning_rate=0.1))


def quick(ground, number, settings):
    """A learner that costs nothing and is the better the lower its learning rate."""
    judged = ground.folds.pairs[number][1]
    return settings.learning_rate, ground.matrix[judged, 0] + 10 * settings.learning_rate * ground.matrix[judged, 1]


@pytest.fixture(autouse=True)
def _learner(monkeypatch):
    monkeypatch.setattr(searching, "fold_scores", quick)


@pytest.fixture(scope="module")
def ground():
    parts, dates = book(quarters=9, customers=120)
    return ground_of(parts, dates, HOW, rules=msgspec.structs.replace(RULES, folds=2), horizon_days=365, embargo_days=365)


def tried(ground, trials=5, **asked):
    return search(ground, TODAY, SPACE, **{"trials": trials, "seed": 1, "startup_trials": 3, **asked})


def lines(study):
    return [(trial.state.name, trial.value, trial.user_attrs["settings"]) for trial in finished(study)]


@pytest.fixture
def whole(ground):
    scores = {}
    return tried(ground, scores=scores), scores


def test_today_s_settings_come_first_and_as_they_are(whole):
    found = [trial.user_attrs["settings"] for trial in finished(whole[0])]
    assert found[:2] == [msgspec.to_builtins(each) for each in TODAY]
    assert len(found) == 5
    for settings in found[2:]:
        assert 0.05 <= settings["learning_rate"] <= 0.3
        assert settings["min_child_samples"] == QUICK.min_child_samples


def test_a_seed_gives_the_same_trials(ground, whole):
    assert lines(tried(ground)) == lines(whole[0])
    assert lines(tried(ground, seed=2))[2:] != lines(whole[0])[2:]


def test_trees_grown_twice_give_the_same_values(ground, monkeypatch):
    monkeypatch.setattr(searching, "fold_scores", fold_scores)
    assert lines(tried(ground, trials=3)) == lines(tried(ground, trials=3))


@pytest.mark.parametrize(("fits", "stored"), [(1, False), (3, False), (5, True), (8, False)])
def test_a_stopped_study_goes_on_as_if_it_had_not_been(ground, whole, tmp_path, monkeypatch, fits, stored):
    given, left = (f"sqlite:///{tmp_path / 'study.db'}", "one") if stored else (), iter(range(fits))

    def stops(*given):
        if next(left, None) is None:
            raise KeyboardInterrupt
        return quick(*given)

    scores = {}
    monkeypatch.setattr(searching, "fold_scores", stops)
    study = new_study(*given)
    with pytest.raises(KeyboardInterrupt):
        tried(ground, study=study, scores=scores)
    monkeypatch.setattr(searching, "fold_scores", quick)
    study = new_study(*given) if stored else study
    assert len(finished(study)) == fits // 2
    tried(ground, study=study, scores=scores)
    assert lines(study) == lines(whole[0])
    assert result(ground, TODAY, study, scores) == result(ground, TODAY, *whole)


def test_a_killed_trial_is_let_go(ground):
    study = new_study()
    study.ask()
    tried(ground, trials=3, study=study)
    assert [trial.state for trial in study.trials] == [TrialState.FAIL, *[TrialState.COMPLETE] * 3]


def test_hopeless_trials_are_cut_short(ground, monkeypatch):
    def hopeless(ground, number, settings):
        judged = ground.folds.pairs[number][1]
        return 0.5, ground.matrix[judged, 0] if settings in TODAY else -ground.matrix[judged, 0]

    monkeypatch.setattr(searching, "fold_scores", hopeless)
    parts, dates = book(quarters=14, customers=120)
    three = ground_of(parts, dates, HOW, rules=RULES, horizon_days=365, embargo_days=365)
    study = tried(three, startup_trials=2)
    assert [(trial.state.name, len(trial.user_attrs["aucs"])) for trial in finished(study)] == [("COMPLETE", 3)] * 2 + [("PRUNED", 2)] * 3


def test_no_trial_is_begun_that_would_not_end_in_time(ground, monkeypatch):
    clock = iter(range(0, 10**6, 10))
    monkeypatch.setattr(searching.time, "monotonic", lambda: next(clock))
    # The clock goes on by ten seconds at each look: one before the first trial, one before the second.
    assert len(finished(tried(ground, seconds=25))) == 1
    assert len(finished(tried(ground, seconds=0.001))) == 1


def test_the_result_is_today_s_choice_where_nothing_is_better(ground, monkeypatch):
    monkeypatch.setattr(searching, "fold_scores", lambda ground, number, settings: (0.5, ground.matrix[ground.folds.pairs[number][1], 0]))
    scores = {}
    study = tried(ground, scores=scores)
    found = result(ground, TODAY, study, scores)
    assert (found.settings, found.number, found.gain, found.beyond_noise) == (None, None, {"difference": 0.0, "low": 0.0, "high": 0.0}, False)
    assert found.today == found.best


def test_better_settings_are_found_and_today_s_must_be_judged_first(ground, monkeypatch):
    def better(ground, number, settings):
        rows = ground.folds.pairs[number][1]
        return 0.5, ground.matrix[rows, 0] + np.random.default_rng(0).normal(size=rows.sum()) * (3.0 if settings in TODAY else 0.01)

    monkeypatch.setattr(searching, "fold_scores", better)
    scores = {}
    study = tried(ground, scores=scores)
    found = result(ground, TODAY, study, scores)
    assert found.beyond_noise
    assert msgspec.to_builtins(found.settings) == finished(study)[found.number - 1].user_attrs["settings"]
    assert found.best["value"] > found.today["value"]
    short = tried(ground, seconds=0.0, scores=scores)
    assert result(ground, TODAY, short, scores) is None


def test_one_trial_and_one_candidate_are_counted_as_one():
    with pytest.raises(RiskError, match="^1 trial is too few: today's settings take the first one, so ask for 2 or more"):
        enough(1, 1)


@pytest.mark.parametrize("trials", [0, 2])
def test_trials_that_leave_nothing_to_try_are_refused(ground, trials):
    with pytest.raises(RiskError, match=f"{trials} trials are too few: today's settings take the first 2, so ask for 3 or more"):
        tried(ground, trials=trials)
