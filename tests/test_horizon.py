"""The horizon in force: whose it is, and what the probability is then called."""

import msgspec
import pytest

from features.errors import RiskError
from models.horizon import horizon_of, probability_name
from pipeline.horizon import embargo_days, observe_rules
from pipeline.params import load_params

PARAMS = load_params()


@pytest.mark.parametrize(("days", "name", "read"), [
    (365, "pd_12m", (12, "m")), (366, "pd_12m", (12, "m")), (730, "pd_24m", (24, "m")), (30, "pd_1m", (1, "m")), (31, "pd_1m", (1, "m")),
    (90, "pd_3m", (3, "m")), (183, "pd_6m", (6, "m")), (45, "pd_45d", (45, "d")), (7, "pd_7d", (7, "d")), (360, "pd_360d", (360, "d")), (1, "pd_1d", (1, "d"))])
def test_a_probability_is_called_after_its_horizon(days, name, read):
    assert probability_name("default", days) == name
    assert horizon_of(name) == read


def test_a_fraud_has_no_horizon():
    assert probability_name("fraud", 1) == "p_fraud"
    assert horizon_of("p_fraud") is None


@pytest.mark.parametrize(("about", "use_case", "days"), [
    ({"horizon_days": 730}, "default", 730), ({"horizon_days": None}, "default", 365), ({}, "default", 365), ({"horizon_days": 730}, "fraud", 1)])
def test_the_source_says_how_far_its_default_looks_ahead(about, use_case, days):
    assert observe_rules(PARAMS, use_case, about).horizon_days == days


@pytest.mark.parametrize(("own", "asked", "days"), [(730, 365, 730), (30, 365, 365), (365, 100, 100)])
def test_the_embargo_grows_with_a_source_s_horizon_and_never_hides_a_parameter_that_is_too_short(own, asked, days):
    rules = msgspec.structs.replace(PARAMS.sample.default, embargo_days=asked)
    params = msgspec.structs.replace(PARAMS, sample=msgspec.structs.replace(PARAMS.sample, default=rules))
    assert embargo_days(params, "default", own) == days


def test_a_fraud_s_embargo_shorter_than_its_feedback_is_refused():
    rules = msgspec.structs.replace(PARAMS.sample.fraud, embargo_days=59)
    params = msgspec.structs.replace(PARAMS, sample=msgspec.structs.replace(PARAMS.sample, fraud=rules))
    with pytest.raises(RiskError, match="sample.fraud.embargo_days 59 is shorter than observe.fraud.reporting_lag_days 60"):
        embargo_days(params, "fraud", 1)
    assert embargo_days(PARAMS, "fraud", 1) == PARAMS.sample.fraud.embargo_days
