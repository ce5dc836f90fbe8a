"""The leak screen through the stages: a shortened term in a labelled file, a column that follows the outcome in tables with versions."""

import numpy as np
import pandas as pd
import pytest
from test_labelled_source import learned, numbers

from features.catalogue import build_catalogue
from pipeline.datasets import TABLES, case_path, read_json, write_json
from pipeline.featurize import available_columns, featurize
from pipeline.frames import read_frame, write_frame
from pipeline.ingest import ingest
from pipeline.observe import observe
from pipeline.own_columns import own_columns
from pipeline.params import change_params, load_params
from pipeline.sample import sample
from pipeline.summary import _leak_lines
from pipeline.train import train
from pipeline.trial import _without
from pipeline.workspace import workspace

CUTOFF = "2021-12-31"


def term(frame, share=0.5, seed=5):
    """36 or 60 months; for a share of the bad the month in which the loan was charged off."""
    rng = np.random.default_rng(seed)
    hit = frame["flag"].eq(1) & (rng.uniform(size=len(frame)) < share)
    return frame.assign(term=np.where(hit, rng.integers(3, 36, size=len(frame)), rng.choice([36, 60], size=len(frame))))


@pytest.fixture(scope="module")
def loans(tmp_path_factory):
    """A labelled file with a shortened term, up to its samples."""
    with learned(tmp_path_factory.mktemp("loans"), term(numbers(1200))) as folder:
        ingest()
        for stage in (observe, featurize, sample):
            stage("default")
        yield folder


def leaks():
    return read_json(case_path("default", "development", "leaks.json"))


def test_a_shortened_term_is_found_and_said_in_the_summary(loans):
    finding, = leaks()["findings"]
    assert (finding["column"], finding["reason"], finding["reads"]) == ("obs_term", "bad_values", ["observations.term"])
    assert "  leak?        obs_term has values that practically only the bad have" in _leak_lines(leaks()["findings"], "default")[0]


def test_what_was_asked_is_kept_for_the_reader_of_the_result(loans):
    screened = leaks()["screened"]
    assert screened["columns"] == 5
    assert {rule["rule"]: rule["columns"] for rule in screened["rules"]} == {
        "value": 5, "presence": 5, "future": 0, "bad_values": 5, "good_values": 5, "changed": 0}
    assert leaks()["left_out"] == ["obs_term"]


def test_leaks_drop_trains_without_it(loans):
    change_params([("leaks.drop", True), ("train.max_trees", 20)])
    train("default")
    assert [column["name"] for column in read_json("data/default/model/model.json")["columns"]] == ["obs_Debt Ratio", "obs_逾期", "obs_amount", "obs_constant"]


def versions(customers=600, *, bad=120, moved=0.7):
    """Customers with a dunning word: a later version says legal for many of the bad a week after their default, and something new for some of the good."""
    rng = np.random.default_rng(1)
    names = np.array([f"c{place:04d}" for place in range(customers)])
    default_at = pd.Timestamp("2020-03-01") + pd.to_timedelta(rng.integers(0, 300, size=customers), unit="D")
    fails, touched = np.arange(customers) < bad, rng.uniform(size=customers)
    held = pd.DataFrame({"customer_id": names, "floors": 2.0})
    first = held.assign(known_at=pd.Timestamp("2019-01-01"), dunning=rng.choice(["none", "letter"], size=customers))
    later = held.assign(known_at=default_at + pd.Timedelta(days=7), dunning="legal")
    table = pd.concat([first, later[np.where(fails, touched < moved, touched < 0.05)]], ignore_index=True)
    outcomes = pd.DataFrame({"customer_id": names, "transaction_id": None, "kind": "default", "occurred_at": default_at,
                             "known_at": default_at + pd.Timedelta(days=20)})[fails]
    spine = pd.DataFrame({"observation_id": names, "customer_id": names, "as_of": pd.Timestamp("2020-01-31"), "target": fails.astype(float),
                          "status": "matured", "target_known_at": pd.Timestamp("2021-03-17")})
    return table, outcomes, spine


@pytest.fixture
def book(tmp_path):
    """A workspace whose tables and observations a test writes itself."""
    with workspace(tmp_path / "work"):
        yield


def put(customers, outcomes, spine, *, cutoff=CUTOFF):
    for name, frame in (("customers", customers), ("outcomes", outcomes)):
        times = {column: "datetime64[us]" for column in ("known_at", "occurred_at") if column in frame}
        write_frame(TABLES / f"{name}.parquet", frame.astype(times))
    write_frame(case_path("default", "development", "observations.parquet"), spine.astype({"as_of": "datetime64[us]", "target_known_at": "datetime64[us]"}))
    write_json(case_path("default", "development", "maturity.json"), {"cutoff": cutoff, "protocol": {"kind": "random", "test_share": 0.3}, "horizon_days": 365})
    featurize("default")
    return case_path("default", "development", "later.parquet").read_bytes()


def found():
    from pipeline.sample import _leaks

    development = case_path("default", "development")
    return _leaks(development, read_frame(development / "observations.parquet"), load_params().leaks)


def test_a_column_that_follows_the_default_is_found_in_tables_with_versions(book):
    put(*versions())
    finding, = found()["findings"]
    assert (finding["column"], finding["reason"], finding["reads"]) == ("bg_dunning", "changed", ["customers.dunning"])
    assert "is its date the day of the change, or was the past overwritten?" in finding["detail"]
    assert found()["screened"]["rules"][-1] == {"rule": "changed", "columns": 2, "question": (
        "in the 180 days after the outcome it changes for the bad far more often than for the good in as long a time")}


def test_nothing_is_said_where_no_later_version_is_kept(book):
    customers, outcomes, spine = versions(moved=0.0)
    put(customers.drop_duplicates("customer_id"), outcomes, spine)
    assert found()["findings"] == []


def test_the_values_after_the_outcome_are_those_of_the_versions(book):
    customers, outcomes, spine = versions(40, bad=10, moved=1.0)
    put(customers, outcomes, spine)
    later = read_frame(case_path("default", "development", "later.parquet"))
    bad = later[later["observation_id"].isin(spine.loc[spine["target"].eq(1), "observation_id"])]
    assert bad.groupby("observation_id")["bg_dunning"].last().eq("legal").all()
    assert not bad.groupby("observation_id")["bg_dunning"].first().eq("legal").any()


def test_nothing_known_after_the_training_cutoff_enters(book):
    customers, outcomes, spine = versions()
    before = put(customers, outcomes, spine)
    change = customers.drop_duplicates("customer_id").assign(known_at=pd.Timestamp("2022-01-03"), dunning="letter", floors=9.0)
    late = outcomes.head(1).assign(customer_id="c0599", occurred_at=pd.Timestamp("2020-05-01"), known_at=pd.Timestamp("2022-01-03"))
    assert put(pd.concat([customers, change]), pd.concat([outcomes, late]), spine) == before


def test_a_stretch_that_the_cutoff_cuts_short_is_not_looked_at(book):
    put(*versions(), cutoff="2020-04-01")
    assert read_frame(case_path("default", "development", "later.parquet")).empty


def test_every_column_that_reads_a_leaking_one_goes(book):
    customers, outcomes, spine = versions(300, bad=100, moved=0.0)
    customers, rng = customers.drop_duplicates("customer_id"), np.random.default_rng(2)
    loss = np.where((np.arange(300) < 100) & (rng.uniform(size=300) < 0.8), rng.lognormal(10, 1, 300), 0.0)
    years = [pd.DataFrame({"customer_id": customers["customer_id"], "period_end": pd.Timestamp(f"{year}-12-31"), "period_months": 12, "basis": "separate",
                           "source": "us", "known_at": pd.Timestamp(f"{year + 1}-01-15"), "total_assets": 1e6, "written_off": loss}) for year in (2017, 2018)]
    statements = pd.concat(years).astype({"period_end": "datetime64[us]", "known_at": "datetime64[us]"})
    write_frame(TABLES / "statements.parquet", statements)
    put(customers, outcomes, spine)
    names = ["stmt_written_off_growth_12m", "stmt_written_off_log", "stmt_written_off_to_assets", "stmt_written_off_to_assets_change_12m"]
    assert found()["left_out"] == names
    development = case_path("default", "development")
    write_json(development / "leaks.json", found())
    change_params([("leaks.drop", True)])
    catalogue = build_catalogue("default", available_columns(development, "default"))
    kept = {each.name for each in _without(catalogue, development, load_params(), [])}
    assert kept == set(catalogue.names) - set(names)


def test_what_a_fraud_observation_carries_and_a_published_series_are_not_the_user_s():
    columns = {"transactions": {"occurred_at": "time", "known_at": "time", "amount": "money", "channel": "category", "kind": "category"},
               "customers": {"known_at": "time", "dunning": "category"}, "series": {"market:rate": "number", "known_at": "time"},
               "observations": {"channel": "category", "amount": "money"}}
    owned = {each.name for each in build_catalogue("fraud", columns).features if own_columns(each, "fraud")}
    assert owned == {"bg_dunning"}
    assert {each.name for each in build_catalogue("default", columns).features if own_columns(each, "default")} >= {"bg_dunning", "obs_channel", "obs_amount"}


def test_several_observations_of_a_customer_show_what_changed_after_the_target_was_known(tmp_path):
    frame = numbers(500)
    with learned(tmp_path, frame):
        ingest()
        observe("default")
        given = read_frame(TABLES / "observations.parquet").assign(collector="none", target_known_at=pd.Timestamp("2024-07-10"))
        again = given.assign(observation_id="x" + given["observation_id"], as_of=pd.Timestamp("2024-09-30"), target=None, target_known_at=None,
                             collector=np.where(given["target"].eq(1), "agency", "none"))
        write_frame(TABLES / "observations.parquet", pd.concat([given, again]).astype({"as_of": "datetime64[us]", "target_known_at": "datetime64[us]"}))
        change_params([("leaks.after_days", 100)])
        observe("default")
        featurize("default")
        assert [(finding["column"], finding["reason"]) for finding in found()["findings"]] == [("obs_collector", "changed")]
