"""The forward door: what a window contains, and whether it may be judged."""
import numpy as np
import pandas as pd
import pytest

from features.errors import RiskError
from models.target import compromised, drop_in_default, label_defaults, label_fraud, label_given, ledger, without_rejected

RULES = {"horizon_days": 365, "reporting_lag_days": 30, "complete_to": "2023-12-31"}


def observation(as_of, customer_id="c1", **columns):
    return pd.DataFrame({"customer_id": [customer_id], "as_of": pd.to_datetime([as_of]), **{k: [v] for k, v in columns.items()}})


def outcomes(*rows, key="customer_id", kind="default"):
    """Rows of (id, occurred_at, known_at, cured_at)."""
    frame = pd.DataFrame(rows, columns=[key, "occurred_at", "known_at", "cured_at"]).assign(kind=kind)
    return frame.astype(dict.fromkeys(("occurred_at", "known_at", "cured_at"), "datetime64[us]") | {key: "str"})


@pytest.mark.parametrize(("occurred_at", "target"), [
    ("2021-12-31", 0.0),           # before the window
    ("2022-01-01", 0.0),           # at as_of: the window is open there
    ("2022-01-01 00:00:01", 1.0),
    ("2023-01-01", 1.0),           # as_of + 365 days: the window is closed there
    ("2023-01-01 00:00:01", 0.0),
])
def test_window_is_open_at_as_of_and_closed_at_the_horizon(occurred_at, target):
    labels = label_defaults(observation("2022-01-01"), outcomes(("c1", occurred_at, "2023-02-01", None)), **RULES)
    assert labels["target"].tolist() == [target]


@pytest.mark.parametrize(("as_of", "status"), [("2022-12-01", "matured"), ("2022-12-02", "immature")])
def test_a_row_matures_when_horizon_and_lag_have_passed(as_of, status):
    assert label_defaults(observation(as_of), outcomes(), **RULES)["status"].tolist() == [status]


def test_an_immature_row_has_no_target_even_when_its_default_is_known():
    labels = label_defaults(observation("2023-06-30"), outcomes(("c1", "2023-07-15", "2023-07-20", None)), **RULES)
    assert labels["status"].item() == "immature"
    assert np.isnan(labels["target"].item())
    assert labels["event_seen"].item()


def test_a_default_known_after_the_cutoff_is_not_read():
    labels = label_defaults(observation("2022-01-01"), outcomes(("c1", "2022-06-01", "2024-01-01", None)), **RULES)
    assert labels["target"].item() == 0.0


def test_only_the_customer_s_own_default_counts_and_order_is_kept():
    asked = pd.concat([observation("2022-03-01", "c2"), observation("2022-01-01", "c1"), observation("2021-01-01", "c2")], ignore_index=True)
    labels = label_defaults(asked, outcomes(("c2", "2022-09-01", "2022-09-02", None)), **RULES)
    assert labels["target"].tolist() == [1.0, 0.0, 0.0]
    assert labels["default_at"].tolist()[0] == pd.Timestamp("2022-09-01")


def test_a_default_cured_within_the_grey_days_is_indeterminate():
    quick, slow = ("c1", "2022-03-01", "2022-03-02", "2022-03-10"), ("c2", "2022-03-01", "2022-03-02", "2022-06-10")
    asked = pd.concat([observation("2022-01-01", "c1"), observation("2022-01-01", "c2")], ignore_index=True)
    labels = label_defaults(asked, outcomes(quick, slow), grey_days=20, **RULES)
    assert labels["status"].tolist() == ["indeterminate", "matured"]
    assert labels["target"].isna().tolist() == [True, False]


def test_a_slip_does_not_hide_a_real_default_later_in_the_window():
    known = outcomes(("c1", "2022-03-01", "2022-03-02", "2022-03-05"), ("c1", "2022-09-01", "2022-09-02", None))
    labels = label_defaults(observation("2022-01-01"), known, grey_days=20, **RULES)
    assert (labels["status"].item(), labels["target"].item()) == ("matured", 1.0)
    assert labels["default_at"].item() == pd.Timestamp("2022-09-01")


def test_the_label_may_be_learned_from_the_end_of_the_window_and_lag_or_a_later_report():
    late = ("c2", "2022-12-31", "2023-06-01", None)
    asked = pd.concat([observation("2022-01-01", "c1"), observation("2022-01-01", "c2")], ignore_index=True)
    labels = label_defaults(asked, outcomes(("c1", "2022-02-01", "2022-02-02", None), late), **RULES)
    assert labels["target_known_at"].tolist() == [pd.Timestamp("2023-01-31"), pd.Timestamp("2023-06-01")]


def test_nothing_after_the_window_moves_a_matured_label():
    asked = observation("2022-01-01")
    before = label_defaults(asked, outcomes(("c1", "2022-05-01", "2022-05-01", None)), **RULES)
    after = label_defaults(asked, outcomes(("c1", "2022-05-01", "2022-05-01", None), ("c1", "2023-05-01", "2023-05-01", None)), **RULES)
    pd.testing.assert_frame_equal(before, after)


@pytest.mark.parametrize(("as_of", "kept"), [
    ("2022-01-31", True), ("2022-02-01", False), ("2022-02-15", False), ("2022-03-01", True), ("2023-01-01", True)])
def test_a_customer_in_default_is_not_observed_until_cured(as_of, kept):
    assert len(drop_in_default(observation(as_of), outcomes(("c1", "2022-02-01", "2022-02-01", "2022-03-01")))) == int(kept)


def test_an_uncured_default_ends_observation_for_good_even_after_a_later_short_one():
    known = outcomes(("c1", "2021-01-01", "2021-01-01", None), ("c1", "2021-06-01", "2021-06-01", "2021-07-01"))
    assert drop_in_default(observation("2023-01-01"), known).empty


def test_without_outcomes_nobody_is_in_default():
    assert len(drop_in_default(observation("2023-01-01"), outcomes())) == 1


def test_fraud_is_labelled_per_transaction_after_the_feedback_days():
    asked = pd.DataFrame({"transaction_id": ["t1", "t2", "t3"], "as_of": pd.to_datetime(["2023-01-01", "2023-01-01", "2023-12-01"])})
    reported = outcomes(("t1", "2023-01-01", "2023-02-01", None), key="transaction_id", kind="fraud")
    labels = label_fraud(asked, reported, feedback_days=60, complete_to="2023-12-31")
    assert labels["target"].fillna(-1).tolist() == [1.0, 0.0, -1.0]
    assert labels["status"].tolist() == ["matured", "matured", "immature"]


def test_a_target_the_source_brought_is_taken_once_it_is_known():
    asked = pd.concat([observation("2022-01-01", target=1, target_known_at=pd.Timestamp("2022-06-01")),
                       observation("2023-01-01", target=1, target_known_at=pd.Timestamp("2024-06-01")),
                       observation("2022-01-01", target=None, target_known_at=pd.Timestamp("2022-06-01"))], ignore_index=True)
    labels = label_defaults(asked, outcomes(), **RULES)
    assert labels["status"].tolist() == ["matured", "immature", "indeterminate"]
    assert labels["target"].fillna(-1).tolist() == [1.0, -1.0, -1.0]


def test_the_ledger_shows_the_naive_rate_beside_the_matured_one():
    asked = pd.concat([observation("2022-01-10", c) for c in "ab"] + [observation("2023-01-10", c) for c in "abcd"], ignore_index=True)
    known = outcomes(("a", "2022-02-01", "2022-02-01", "2022-03-01"), ("b", "2023-02-01", "2023-02-01", None))
    table = ledger(asked, label_defaults(asked, known, **RULES), months=12).to_dict("records")
    assert [(c["rows"], c["matured"], c["immature"], c["bad"]) for c in table] == [(2, 2, 0, 1), (4, 0, 4, 0)]
    assert table[0]["matured_rate"] == 0.5
    assert np.isnan(table[1]["matured_rate"])
    assert table[1]["naive_rate"] == 0.25


@pytest.mark.parametrize(("asked", "known", "rules", "message"), [
    (observation("2022-01-01").drop(columns="as_of"), outcomes(), RULES, "observations: column as_of is missing"),
    (observation("2022-01-01"), outcomes().drop(columns="known_at"), RULES, "outcomes: column known_at is missing"),
    (observation("2022-01-01"), outcomes(("c1", None, "2022-01-01", None)), RULES, "outcomes, column occurred_at: 1 of 1 rows have no date"),
    (observation("2022-01-01"), outcomes(), RULES | {"grey_days": 60}, "grey_days 60 exceeds reporting_lag_days 30"),
    (observation("2022-01-01", target=2), outcomes(), RULES, "column target: 1 rows are neither 0, 1 nor null"),
])
def test_bad_input_is_named(asked, known, rules, message):
    with pytest.raises(RiskError, match=message):
        label_defaults(asked, known, **rules)


@pytest.mark.parametrize(("since", "until", "defaulted", "status"), [
    ("2022-06-01", "2022-06-20", None, "indeterminate"),
    ("2021-06-01", "2022-01-02", None, "indeterminate"),            # still so when the window opens
    ("2021-06-01", "2022-01-01", None, "matured"),                  # over at as_of
    ("2021-06-01", None, None, "indeterminate"),
    ("2023-01-01", None, None, "indeterminate"),                    # the window is closed at its end
    ("2023-01-01 00:00:01", None, None, "matured"),
    ("2022-06-01", "2022-09-01", "2022-08-01", "matured"),          # a default is bad, not grey
])
def test_a_window_that_meets_a_grey_stretch_without_a_default_is_indeterminate(since, until, defaulted, status):
    known = [outcomes(("c1", since, "2023-01-02", until), kind="past_due"), *([outcomes(("c1", defaulted, defaulted, None))] if defaulted else [])]
    labels = label_defaults(observation("2022-01-01"), pd.concat(known, ignore_index=True), **RULES)
    assert labels["status"].item() == status
    assert labels["event_seen"].item() == bool(defaulted)


def test_a_grey_stretch_known_too_late_or_of_somebody_else_is_not_read():
    for other in (outcomes(("c1", "2022-06-01", "2024-01-01", None), kind="past_due"), outcomes(("c2", "2022-06-01", "2022-06-01", None), kind="past_due")):
        assert label_defaults(observation("2022-01-01"), other, **RULES)["status"].item() == "matured"


def test_the_latest_of_several_grey_stretches_counts():
    known = outcomes(("c1", "2021-03-01", "2021-03-01", "2021-04-01"), ("c1", "2022-03-01", "2022-03-01", "2022-04-01"),
                     ("c1", "2023-03-01", "2023-03-01", "2023-04-01"), kind="past_due")
    asked = pd.concat([observation("2022-05-01"), observation("2022-01-01"), observation("2020-01-01"), observation("2021-01-01", "c2")], ignore_index=True)
    labels = label_defaults(asked, known, **RULES | {"complete_to": "2024-12-31"})
    assert labels["status"].tolist() == ["indeterminate", "indeterminate", "matured", "matured"]


# Compromised customers


def _reports(*rows):
    return pd.DataFrame(rows, columns=["customer_id", "known_at"]).astype({"known_at": "datetime64[us]"})


@pytest.mark.parametrize(("as_of", "held"), [
    ("2022-01-31", False), ("2022-02-01", True), ("2022-02-20", True), ("2022-03-03", False), ("2022-05-10", True)])
def test_a_customer_is_compromised_from_the_report_on_for_so_many_days(as_of, held):
    known = _reports(("c2", "2021-01-01"), ("c1", "2022-05-01"), ("c1", "2022-02-01"))
    assert compromised(observation(as_of), known, days=30).tolist() == [held]


def test_without_a_number_of_days_a_customer_is_compromised_for_good_and_before_the_report_not_at_all():
    asked = pd.concat([observation(day) for day in ("2030-01-01", "2022-01-31", "2022-02-01")], ignore_index=True)
    assert compromised(asked, _reports(("c1", "2022-02-01"))).tolist() == [True, False, True]


def test_a_report_that_is_not_known_yet_changes_nothing():
    asked = pd.concat([observation(f"2022-0{month}-01", customer) for month in range(1, 7) for customer in ("c1", "c2")], ignore_index=True)
    before = compromised(asked, _reports(("c1", "2022-03-01")))
    after = compromised(asked, _reports(("c1", "2022-03-01"), ("c2", "2022-06-02"), ("c1", "2022-07-01")))
    pd.testing.assert_series_equal(before, after)


def test_without_reports_nobody_is_compromised():
    assert compromised(observation("2022-01-01"), _reports()).tolist() == [False]


def test_the_ledger_counts_compromised_rows_where_they_are_told():
    asked = pd.concat([observation("2022-01-10", c) for c in "abc"], ignore_index=True)
    labels = label_defaults(asked, outcomes(), **RULES)
    assert ledger(asked.assign(compromised=[True, False, True]), labels)["compromised"].tolist() == [2]
    assert "compromised" not in ledger(asked, labels)


# Rejected applications


def test_a_rejected_application_is_neither_good_nor_bad_though_the_source_brings_no_targets():
    labelled = pd.DataFrame({"decision": ["accepted", "rejected", "rejected", None], "status": ["matured", "matured", "immature", "matured"],
                             "target": [0.0, 0.0, None, 1.0]})
    found = without_rejected(labelled)
    assert found["status"].tolist() == ["matured", "indeterminate", "indeterminate", "matured"]
    assert found["target"].fillna(-1).tolist() == [0.0, -1, -1, 1.0]
    plain = labelled.drop(columns="decision")
    assert without_rejected(plain) is plain


def test_a_target_of_a_rejected_application_is_refused():
    given = pd.DataFrame({"as_of": pd.to_datetime(["2022-01-01"] * 3), "target": [1.0, 0.0, None], "decision": ["accepted", "rejected", "rejected"]})
    with pytest.raises(RiskError, match="1 rows with decision = rejected have a target: leave it null, or call them accepted where they were let happen"):
        label_given(given, complete_to="2023-12-31", label_after_days=30)
