"""What one changed input re-runs, with DVC itself: the table in the README's architecture section."""

import pytest
from checkouts import fresh_run, repro

from pipeline.params import change_params

pytestmark = pytest.mark.slow

LEARN = {"train", "evaluate", "challenge", "explain", "validate", "ship", "effect", "gate", "dossier", "track"}
FOLLOW = {"score", "monitor", "performance", "decide", "report"}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return fresh_run(tmp_path_factory.mktemp("fresh") / "project")


def append(text):
    return lambda path: path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")


NEW_FEATURE = '\n\n_declared_before = declare\n\n\ndef declare(columns):\n    """Adds one feature."""\n' \
              '    from features.terms import months_since, times\n\n' \
              '    twice = times(months_since("customers", "known_at"), 2)\n' \
              '    return [*_declared_before(columns), feature("bg_twice_known_months", twice, unit="months", factor="background", missing="Never.")]\n'

CHANGES = {
    "nothing": (None, set()),
    "the gate's margins": (("gate.auc_margin", 0.02), {"gate", "dossier"}),
    # The score stage keeps the reasons of whoever gets a report; of a small book it keeps all, so that nothing follows it.
    "the number of officer reports": (("report.customers", 3), {"score", "report"}),
    "whose reasons are kept": (("score.reasons", "all"), {"score"}),
    "a drift threshold": (("monitor.min_effect", 0.2), {"dossier", "monitor", "decide", "report"}),
    "the policy": (("policy.yaml", append("# a remark\n")), {"effect", "dossier", "score", "report"}),
    "a month more of data": (("simulated.months", 85), {"ingest", "observe", "featurize", "effect", "dossier", "book"} | FOLLOW),
    "a learning rate": (("train.learning_rate", 0.11), LEARN | FOLLOW),
    "the way calibration is chosen": (("calibrate.method", "logistic"), LEARN | FOLLOW),
    # What monitor and performance say of the champion stays the same, to the byte.
    "what is refitted": (("ship.refit_on", "all_matured"), {"ship", "effect", "gate", "dossier", "track"} | FOLLOW - {"decide"}),
    "a new feature": (("features/background.py", append(NEW_FEATURE)), {"featurize", "sample", "book"} | LEARN | FOLLOW),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_re_runs_what_depends_on_it(project, change):
    edit, expected = CHANGES[change]
    if edit is not None and callable(edit[1]):
        edit[1](project / edit[0])
    elif edit is not None:
        change_params([edit], project / "params.yaml")
    assert repro(project) == expected
    assert repro(project) == set()
