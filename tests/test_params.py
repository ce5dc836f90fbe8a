"""Parameters: what is unknown or mistyped is refused in one sentence."""

from pathlib import Path

import pytest

from features.errors import RiskError
from pipeline.params import change_params, load_params, load_training

SHIPPED = Path(__file__).parent.parent / "params.yaml"


@pytest.fixture
def params(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text(SHIPPED.read_text(encoding="utf-8"), encoding="utf-8")
    return path


def test_the_shipped_file_is_valid():
    assert load_params(SHIPPED).source.name == "simulated"


@pytest.mark.parametrize(("old", "new", "message"), [
    ("  max_trees: 2000", "  max_tres: 2000", r"`train.max_tres` is not a parameter: did you mean `max_trees`\?"),
    ("explain:", "explian:", r"`explian` is not a parameter: did you mean `explain`\?"),
    ("  subsample: 0.7", "  subsample: much", r"`train.subsample`: expected `float`, got `str`"),
    ("  subsample: 0.7", "  subsample: 1.7", r"`train.subsample`: expected `float` <= 1"),
    ("  months: 84", "  months: 84\n  month: 1", r"`simulated.month` is not a parameter: did you mean `months`\?"),
    ("  prior_rate: null", "  prior_rate: 0", r"`calibrate.prior_rate`: expected `float` > 0"),
    ("  prior_rate: null", "  prior_rate: 2.5", r"`calibrate.prior_rate`: expected `float` < 1"),
    ("  refit_on: nothing", "  refit_on: all", r"params.yaml: ship.refit_on all is unknown: use nothing or all_matured\."),
    ("use_cases: [default, fraud]", "use_cases: [default, froud]", r"use_cases\[1\] froud is unknown: use default or fraud\."),
    ("definition: event", "definition: dpd", r"observe.default.definition dpd is unknown: use event, days_past_due or either\."),
    ("  refit: null", "  refit: some", r"train.refit some is unknown: use none, validation or all\."),
    ("  segments: auto", "  segments: some", r"validate.segments some is unknown: use auto or a list\."),
    ("accepted_grades: [A, B, C]", "accepted_grades: [A, F]", r"validate.default.accepted_grades\[1\] F is unknown: use A, B, C, D or E\."),
    ("  cuts: null", "  cuts: [0.1, 0.01, 1]", r"scale.cuts \[0.1, 0.01, 1.0\] must be upper PDs within \(0, 1\] that rise strictly and end with 1: sort them"),
    ("  cuts: null", "  cuts: [0.1, 1]", r"scale.names \[\] must be 2 different names, one for each of scale.cuts: name each grade once, safest first\."),
])
def test_a_wrong_parameter_is_named(params, old, new, message):
    text = params.read_text(encoding="utf-8")
    assert old in text
    params.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(RiskError, match=message):
        load_params(params)


def test_a_missing_section_is_named(params):
    text = params.read_text(encoding="utf-8")
    params.write_text(text[: text.index("decide:")], encoding="utf-8")
    with pytest.raises(RiskError, match="missing required field `decide`"):
        load_params(params)


def test_broken_yaml_names_the_line(params):
    params.write_text("source: {name: x\ntrain: 1\n", encoding="utf-8")
    with pytest.raises(RiskError, match="not readable YAML .line 2"):
        load_params(params)


def test_a_missing_file_says_what_to_do(tmp_path):
    with pytest.raises(RiskError, match="missing: run `make setup`"):
        load_training("simulated", "default", var=tmp_path)


def test_changing_a_value_keeps_the_comments_and_the_rest(params):
    before = params.read_text(encoding="utf-8").splitlines()
    change_params([("train.learning_rate", 0.05), ("use_cases", ["default"])], params)
    after = params.read_text(encoding="utf-8").splitlines()
    changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert [new.split("#")[0].strip() for _, new in changed] == ["use_cases: [default]", "learning_rate: 0.05"]


@pytest.mark.parametrize(("changes", "message"), [
    ([("train.reject_inference", "fuzzy"), ("ship.refit_on", "all_matured")],
     "`ship.refit_on` all_matured would leave out the rejected rows that the validated trees learned from by `train.reject_inference` fuzzy: "
     "set the one to nothing, or the other to none."),
    ([("train.reject_inference", "parcelling"), ("train.refit", "all")],
     "`train.reject_inference` parcelling needs accepted rows that teach no tree, and `train.refit` is all: set it to validation."),
])
def test_values_that_cannot_stand_together_are_refused(params, changes, message):
    change_params(changes, params)
    with pytest.raises(RiskError, match=message):
        load_params(params)
    change_params([("train.reject_inference", "none")], params)
    load_params(params)


def test_a_model_is_recalibrated_where_the_gate_would_not_let_it_in():
    params = load_params(SHIPPED)
    assert params.decide.offset_beyond == params.gate.offset_max
