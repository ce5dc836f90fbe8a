"""Samples: the rule by time and customer, its fall-back, and the second, independent check."""
import numpy as np
import pandas as pd
import pytest

from features.errors import RiskError
from models.sample import IN_SAMPLE, all_matured, check_split, learned_rows, split_by_time, without_compromised

RULES = {"horizon_days": 365, "embargo_days": 365}


def portfolio(customers=200, quarters=16, *, bad_share=0.2, seed=0, start="2018-01-01"):
    """Customers observed every quarter; a share of them is bad in their last four quarters of some year."""
    as_of = pd.date_range(start, periods=quarters, freq="QS").astype("datetime64[us]")
    frame = pd.DataFrame({"customer_id": np.repeat([f"c{i}" for i in range(customers)], quarters), "as_of": np.tile(as_of, customers)})
    rng = np.random.default_rng(seed)
    bad_at = np.where(rng.uniform(size=customers) < bad_share, rng.integers(0, quarters, customers), -99)
    quarter = np.tile(np.arange(quarters), customers)
    target = ((np.repeat(bad_at, quarters) >= quarter) & (np.repeat(bad_at, quarters) < quarter + 4)).astype(float)
    return frame.assign(target=target, status="matured")


def test_the_last_window_is_judged_and_the_horizon_before_it_left_out():
    asked = portfolio()
    sample = split_by_time(asked, out_of_time_days=300, **RULES)
    judged, past = asked.as_of[sample == "out_of_time"], asked.as_of[sample.isin(["development", "validation", "calibration"])]
    assert judged.min() == pd.Timestamp("2021-01-01")
    assert past.max() == pd.Timestamp("2020-01-01")
    assert asked.as_of[sample == "embargo"].between("2020-01-02", "2020-12-31").all()
    assert sample.attrs["by"] == "time"


def test_customers_of_the_past_are_in_one_sample_only_with_bad_ones_in_each():
    asked = portfolio()
    sample = split_by_time(asked, out_of_time_days=300, **RULES)
    past = asked.assign(sample=sample)[sample.isin(["development", "validation", "calibration"])]
    assert (past.groupby("customer_id")["sample"].nunique() == 1).all()
    assert (past.groupby("sample")["target"].sum() > 0).all()


def test_shares_are_of_customers():
    asked = portfolio(customers=1000)
    sample = split_by_time(asked, out_of_time_days=300, validation_share=0.2, calibration_share=0.1, **RULES)
    counts = asked.groupby(sample)["customer_id"].nunique()
    assert counts["validation"] == pytest.approx(200, abs=2)
    assert counts["calibration"] == pytest.approx(100, abs=2)


def test_the_split_is_the_same_again_whatever_the_order_and_another_with_another_seed():
    asked = portfolio()
    sample = split_by_time(asked, out_of_time_days=300, **RULES)
    shuffled = asked.sample(frac=1, random_state=1)
    assert split_by_time(shuffled, out_of_time_days=300, **RULES).sort_index().tolist() == sample.tolist()
    assert (split_by_time(asked, out_of_time_days=300, seed=1, **RULES) != sample).any()


def test_immature_rows_are_unused():
    asked = portfolio()
    young = asked["as_of"] == asked["as_of"].max()
    asked = asked.assign(status=np.where(young, "immature", "matured"), target=asked["target"].where(~young))
    sample = split_by_time(asked, out_of_time_days=300, **RULES)
    assert (sample[young] == "unused").all()


def test_explicit_dates_are_inclusive():
    asked = portfolio()
    sample = split_by_time(asked, development_to="2019-01-01", out_of_time_from="2020-10-01", out_of_time_to="2021-07-01", **RULES)
    past = sample.isin(["development", "validation", "calibration"])
    assert asked.as_of[past].max() == pd.Timestamp("2019-01-01")
    assert sorted(asked.as_of[sample == "out_of_time"].dt.strftime("%Y-%m").unique()) == ["2020-10", "2021-01", "2021-04", "2021-07"]
    assert (sample[asked.as_of > "2021-07-01"] == "unused").all()


def test_validation_rows_can_be_taken_from_the_later_period():
    asked = portfolio()
    sample = split_by_time(asked, out_of_time_days=300, validation_later_share=0.5, **RULES)
    assert asked.as_of[sample == "validation"].min() > asked.as_of[sample == "development"].min()


def test_a_short_history_falls_back_to_customers_and_says_so():
    asked = portfolio(quarters=3)
    sample = split_by_time(asked, out_of_time_days=100, **RULES)
    assert sample.attrs["by"] == "customer"
    assert "too short" in sample.attrs["notes"][0]
    assert (asked.groupby("customer_id").apply(lambda rows: sample[rows.index].nunique(), include_groups=False) == 1).all()
    check_split(asked, sample, by="customer", **RULES)


def test_customers_can_be_kept_apart_and_each_side_is_drawn_alike():
    asked = portfolio(customers=800)
    sample = split_by_time(asked, out_of_time_days=300, customers="apart", **RULES)
    check_split(asked, sample, customers="apart", **RULES)
    sides = [set(asked.customer_id[sample.isin(names)]) for names in (("development", "validation", "calibration"), ("out_of_time",))]
    assert not sides[0] & sides[1]
    assert len(sides[1]) == pytest.approx(200, abs=2)
    assert len(sides[0]) + len(sides[1]) == 800
    shared = split_by_time(asked, out_of_time_days=300, **RULES)
    rates = [[asked.target[each == name].mean() for name in ("development", "out_of_time")] for each in (sample, shared)]
    assert np.allclose(*rates, atol=0.02)
    unused = asked[sample.eq("unused") & shared.ne("unused")]
    early = unused["as_of"] < "2020-06-01"
    assert f"unused are {early.sum():,} earlier rows ({int(unused.target[early].sum())} bad)" in sample.attrs["notes"][1]
    assert f"{(~early).sum():,} later rows ({int(unused.target[~early].sum())} bad)" in sample.attrs["notes"][1]


def test_a_customer_on_both_sides_is_refused_where_they_are_to_be_apart():
    asked = portfolio()
    with pytest.raises(RiskError, match="200 customers stand in two samples at once"):
        check_split(asked, split_by_time(asked, out_of_time_days=300, **RULES), customers="apart", **RULES)


def test_a_sound_split_passes_the_second_check():
    asked = portfolio()
    check_split(asked, split_by_time(asked, out_of_time_days=300, **RULES), **RULES)


def swap(sample, asked, rows, name):
    return sample.where(~rows(asked), name)


@pytest.mark.parametrize(("rows", "name", "message"), [
    (lambda t: (t.customer_id == "c1") & (t.as_of == "2018-01-01"), "switched", "1 customers stand in two samples"),
    (lambda t: t.as_of == "2020-04-01", "development", "label windows start before|customers stand in two"),
    (lambda t: t.as_of == "2018-01-01", "out_of_time", "label windows start before"),
])
def test_a_violating_split_is_refused(rows, name, message):
    asked = portfolio()
    sample = split_by_time(asked, out_of_time_days=300, **RULES)
    name = {"switched": "validation" if sample[asked.customer_id == "c1"].iloc[0] != "validation" else "development"}.get(name, name)
    with pytest.raises(RiskError, match=message):
        check_split(asked, swap(sample, asked, rows, name), **RULES)


def test_an_unripe_row_in_a_sample_is_refused():
    asked = portfolio()
    sample = split_by_time(asked, out_of_time_days=300, **RULES)
    with pytest.raises(RiskError, match="1 used observations are not matured"):
        check_split(asked.assign(status=["immature", *asked["status"][1:]]), sample.where(sample.index > 0, "development"), **RULES)


@pytest.mark.parametrize(("change", "rules", "message"), [
    ({}, {"embargo_days": 100}, "embargo_days 100 is shorter than horizon_days 365"),
    ({"status": "immature"}, {}, "none of 3200 rows is matured"),
    ({"target": 0.0}, {}, "0 of 3200 matured rows are bad"),
    ({}, {"development_to": "2020-06-01", "out_of_time_from": "2021-01-01"}, "development_to 2020-06-01 is less than embargo_days 365"),
])
def test_bad_input_is_named(change, rules, message):
    with pytest.raises(RiskError, match=message):
        split_by_time(portfolio().assign(**change), **{**RULES, **rules})


def test_too_few_bad_customers_are_counted_per_sample():
    asked = portfolio(customers=30, bad_share=0.0)
    asked.loc[asked.index[:2], "target"] = 1.0
    with pytest.raises(RiskError, match="validation has .* rows, 0 bad"):
        split_by_time(asked, out_of_time_days=300, **RULES)


# Compromised customers leave the judged rows


def test_compromised_customers_leave_the_judged_and_calibration_rows_and_stay_where_trees_learn():
    asked = portfolio()
    sample = split_by_time(asked, out_of_time_days=300, **RULES)
    held = asked["customer_id"].isin([f"c{place}" for place in range(50)])
    kept = without_compromised(sample, asked.assign(compromised=held))
    judged, calibration = sample.eq("out_of_time"), sample.eq("calibration")
    away = held & (judged | calibration)
    assert (calibration & held).any()
    assert kept[away].eq("compromised").all()
    assert kept[~away].equals(sample[~away])
    assert kept.attrs["notes"][-1].startswith(f"{(judged & held).sum()} of {judged.sum()} judged rows and {(calibration & held).sum()} of "
                                              f"{calibration.sum()} calibration rows are left out")
    assert kept.attrs["boundaries"] == sample.attrs["boundaries"]


def test_judged_rows_of_compromised_customers_only_are_refused():
    asked = portfolio()
    sample = split_by_time(asked, out_of_time_days=300, **RULES)
    with pytest.raises(RiskError, match="once the compromised customers are left out; lengthen sample.fraud.out_of_time_days"):
        without_compromised(sample, asked.assign(compromised=asked["target"].groupby(asked["customer_id"]).transform("max").eq(1)))


def test_labels_that_nobody_had_when_judging_began_teach_nothing():
    frame = portfolio()
    frame = frame.assign(target_known_at=frame["as_of"] + pd.Timedelta(days=365 + 45))
    without, sample = (split_by_time(frame, horizon_days=365, embargo_days=365, out_of_time_days=365, known_labels=known) for known in (False, True))
    start = frame.loc[sample.eq("out_of_time"), "as_of"].min()
    late = frame["target_known_at"] > start
    assert (late & without.isin(IN_SAMPLE)).any()
    assert not (late & sample.isin(IN_SAMPLE)).any()
    assert sample[late & without.isin(IN_SAMPLE)].eq("embargo").all()
    check_split(frame, sample, horizon_days=365, embargo_days=365)
    check_split(frame, without, horizon_days=365, embargo_days=365, known_labels=False)
    with pytest.raises(RiskError, match="in-sample observations became known after the first out_of_time one"):
        check_split(frame, without, horizon_days=365, embargo_days=365)


# What a refit on all matured rows learns from


def test_all_matured_rows_are_those_whatever_their_sample_is_called():
    asked = portfolio().assign(compromised=False)
    asked.loc[asked.index[::7], ["status", "target"]] = ["immature", np.nan]
    asked.loc[asked["customer_id"].isin(["c1", "c2"]), "compromised"] = True
    sample = without_compromised(split_by_time(asked, out_of_time_days=300, customers="apart", **RULES), asked)
    matured = asked["status"].eq("matured")
    assert sample[matured].isin(["unused", "compromised", "embargo"]).any()
    assert all_matured(asked, sample, by="time").equals(matured)
    assert learned_rows(asked, sample, {"refit_on": "all_matured"}, by="time").equals(matured)
    assert set(sample[learned_rows(asked, sample, {}, by="time")]) == {"development", "validation", "calibration"}


def test_a_drawn_protocol_s_filters_hold_for_all_matured_rows_too():
    asked = portfolio()
    sample = pd.Series(np.where(asked["as_of"] < "2020-01-01", "unused", "development"), index=asked.index)
    assert all_matured(asked, sample, by="random").equals(sample.eq("development"))
