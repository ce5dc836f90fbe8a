"""The shipped real sets, read in place: the protocols' counts, the reference script's rows, and models that rank about as well as it or better."""


import pytest
from real_sets import SHARED, TOOLS, absent, need_tools

from benchmarks.models import PUBLISHED, compare, drawn_ids, ground, play_round
from benchmarks.references import REFERENCES, Script, reference_rounds
from models.discrimination import auc, average_precision

# Rows and bad rows of the first judged round (../shared/data/README.md), and the least AUC and average precision: the reference's
# mean less two standard deviations over its rounds or seeds, since one round with one seed is judged here (`make bench-models` judges all).
SETS = {
    "american_bankruptcy": (13_741, 113, 0.905, 0.101),
    "dart_korea": (4_012, 36, 0.895, 0.089),
    "uci_credit_default": (9_000, 1_991, 0.773, 0.544),
    "polish_bankruptcy": (585, 40, 0.932, 0.677),
    "berka": (71, 6, 0.761, 0.530),
}
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=SETS)
def played(request):
    """A shipped source up to its features, and the first round of its published protocol."""
    folder = SHARED / request.param
    if not folder.exists():
        pytest.skip(absent(request.param))
    given = ground(request.param, folder)
    return request.param, given, play_round(given, given.protocols[PUBLISHED])


def test_the_protocol_judges_the_rows_of_the_data_page(played):
    name, _, judged = played
    assert (len(judged), int(judged["target"].sum())) == SETS[name][:2]


def test_the_default_parameters_rank_within_the_reference_s_spread_or_better(played):
    name, _, judged = played
    assert auc(judged["target"], judged["raw_score"]) >= SETS[name][2]
    assert average_precision(judged["target"], judged["raw_score"]) >= SETS[name][3]


def test_rows_and_targets_are_those_of_the_reference_script(played):
    name, given, judged = played
    need_tools()
    reference, ids = REFERENCES[name, PUBLISHED], drawn_ids(given, given.protocols[PUBLISHED])
    rounds, _ = reference_rounds(Script(TOOLS), reference, SHARED / name, ids)
    assert compare([judged], rounds[:1])["unlike"] == 0
