"""Alerts judged by what followed: precision, recall and lead time by hand, only over windows that are mature."""

import pandas as pd
import pytest
from builders import outcome

from models.alert_outcomes import measure

TERMS = {"horizon_days": 100, "reporting_lag_days": 10}
START = pd.Timestamp("2023-01-01")


def at(day):
    return START + pd.Timedelta(days=day)


def named(*pairs, kind="dispute"):
    rows = pd.DataFrame([(customer, at(day), kind) for customer, day in pairs], columns=["customer_id", "as_of", "kind"])
    return rows.astype({"as_of": "datetime64[us]"})


def defaults(**days):
    rows = [outcome(customer, occurred_at=at(day), known_at=at(day), cured_at=None) for customer, day in days.items()]
    return pd.DataFrame(rows).astype(dict.fromkeys(("occurred_at", "known_at", "cured_at"), "datetime64[us]"))


def everybody(*days, customers="ABCDE"):
    return named(*((customer, day) for day in days for customer in customers)).drop(columns="kind")


def judged(alerts, outcomes, *, riskiest=None, complete=400, population=None):
    riskiest = named(("E", 0)) if riskiest is None else riskiest
    return measure(alerts, riskiest, everybody(0) if population is None else population, outcomes, complete_to=at(complete), **TERMS)


def test_precision_recall_and_lead_time_by_hand():
    # A is warned 60 days before, B 120 days, too early to count, C not at all; D is warned and does not default.
    found = judged(named(("A", 10), ("B", 10), ("D", 20)), defaults(A=70, B=130, C=50))
    alerts = found["alerts"]
    assert (alerts["raised"], alerts["mature"], alerts["defaulted"], alerts["precision"]) == (3, 3, 1, pytest.approx(1 / 3))
    assert (found["defaults"], alerts["caught"], alerts["recall"], alerts["lead_days"]) == (3, 1, pytest.approx(1 / 3), [60, 60, 60])
    assert alerts["low"] < 1 / 3 < alerts["high"]
    assert found["base"] == {"rows": 5, "defaulted": 2, "rate": 0.4}
    assert (found["riskiest"]["precision"], found["riskiest"]["caught"], found["riskiest"]["lead_days"]) == (0.0, 0, None)


def test_the_lead_time_counts_from_the_first_alert_within_the_horizon():
    found = judged(named(("A", 5), ("A", 60), ("A", 110), ("B", 100)), defaults(A=150, B=120))
    assert found["alerts"]["lead_days"] == [pytest.approx(37.5), 55.0, pytest.approx(72.5)]


def test_a_customer_named_again_within_the_horizon_is_named_once():
    found = judged(named(("A", 5), ("A", 60), ("A", 106)), defaults(Z=1))
    assert (found["alerts"]["raised"], found["kinds"][0]["raised"]) == (2, 2)
    kinds = judged(pd.concat([named(("A", 5)), named(("A", 6), kind="lawsuit")]), defaults(Z=1))
    assert (kinds["alerts"]["raised"], [each["raised"] for each in kinds["kinds"]]) == (1, [1, 1])


def test_only_mature_windows_are_judged():
    found = judged(named(("A", 10), ("B", 300)), defaults(A=70, B=310), complete=320)
    assert (found["alerts"]["raised"], found["alerts"]["mature"], found["alerts"]["precision"]) == (2, 1, 1.0)
    young = judged(named(("B", 300)), defaults(B=310), complete=320)
    assert (young["alerts"]["mature"], young["alerts"]["precision"], young["alerts"]["low"]) == (0, None, None)


def test_who_is_in_default_already_was_not_warned_of():
    found = judged(named(("A", 80), ("D", 20)), defaults(A=70))
    assert (found["alerts"]["late"], found["alerts"]["mature"], found["alerts"]["precision"], found["alerts"]["caught"]) == (1, 1, 0.0, 0)


def test_a_default_before_anybody_looked_is_nobodys_to_warn_of():
    found = judged(named(("A", 10)), defaults(A=70, B=40, C=90), population=everybody(50, customers="ABC"))
    assert found["defaults"] == 2


def test_outcomes_that_are_not_known_yet_are_not_read():
    late = defaults(A=70)
    late["known_at"] = at(500)
    found = judged(named(("A", 10)), late)
    assert (found["alerts"]["precision"], found["defaults"], found["alerts"]["recall"]) == (0.0, 0, None)


def test_nothing_raised_and_nobody_defaulted_is_no_figure():
    found = judged(named(("A", 10)).iloc[:0], defaults(Z=1))
    assert (found["alerts"]["precision"], found["alerts"]["recall"], found["kinds"], found["base"]["rate"]) == (None, None, [], 0.0)
