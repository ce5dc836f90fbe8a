"""Protocols without dates: which rows train and judge in each round, by whose splitters, and the rule checked a second way."""
import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import RepeatedStratifiedKFold, StratifiedKFold, StratifiedShuffleSplit

from features.errors import RiskError
from models.protocols import check_draw, draw, judged_by, rounds_of, split_by_protocol
from models.sample import OUT_OF_TIME, USED

DRAWN = {"only": {}, "as_of_from": None, "as_of_to": None, "seed": 0}
RANDOM = {"kind": "random", "test_share": 0.3, "rounds": 4, **DRAWN}
K_FOLD = {"kind": "k_fold", "folds": 5, "repeats": 1, **DRAWN}
REPEATED = {"kind": "k_fold", "folds": 5, "repeats": 3, **DRAWN}
GROUPED = {"kind": "grouped", "folds": 4, **DRAWN}


def labelled(rows=400, *, bad_share=0.2, customers=None, shuffled=True):
    """Matured observations with one as_of; every fifth bad; ids padded so that their text order is their number's."""
    place = np.arange(rows)
    target = np.where(place % round(1 / bad_share) == 0, 1.0, 0.0)
    frame = pd.DataFrame({"observation_id": [f"o{number:05d}" for number in place], "customer_id": [f"c{number % (customers or rows)}" for number in place],
                          "as_of": pd.Timestamp("2024-06-30"), "status": "matured", "target": target, "file": np.where(place % 2 == 0, "even", "odd")})
    return frame.sample(frac=1, random_state=3) if shuffled else frame


def in_order(asked, mask):
    """Positions of the masked rows in the order of observation_id."""
    ids = np.sort(asked["observation_id"].to_numpy())
    return np.searchsorted(ids, np.sort(asked.loc[mask, "observation_id"].to_numpy()))


@pytest.mark.parametrize("number", [0, 3])
def test_random_draws_the_rows_of_the_published_splitter_whatever_the_order_of_the_file(number):
    asked = labelled()
    train, judged = draw(asked, RANDOM, number=number)
    expected = next(StratifiedShuffleSplit(1, test_size=0.3, random_state=number).split(np.zeros(400), np.arange(400) % 5 == 0))
    assert in_order(asked, train).tolist() == sorted(expected[0].tolist())
    assert in_order(asked, judged).tolist() == sorted(expected[1].tolist())


@pytest.mark.parametrize(("protocol", "splitter"), [
    (K_FOLD, StratifiedKFold(5, shuffle=True, random_state=0)), (REPEATED, RepeatedStratifiedKFold(n_splits=5, n_repeats=3, random_state=0))])
def test_folds_are_those_of_the_published_splitter_in_every_round(protocol, splitter):
    asked = labelled()
    target = (np.arange(400) % 5 == 0).astype(int)
    for number, (_, judged) in enumerate(splitter.split(np.zeros(400), target)):
        assert in_order(asked, draw(asked, protocol, number=number)[1]).tolist() == judged.tolist()


@pytest.mark.parametrize("protocol", [K_FOLD, REPEATED, GROUPED])
def test_every_row_is_judged_once_a_repeat(protocol):
    asked = labelled(customers=100)
    judged = sum(draw(asked, protocol, number=number)[1].astype(int) for number in range(rounds_of(protocol)))
    assert set(judged) == {protocol.get("repeats", 1)}


def test_grouped_folds_keep_every_customer_on_one_side():
    asked = labelled(customers=90)
    for number in range(4):
        train, judged = draw(asked, GROUPED, number=number)
        assert not set(asked.loc[train, "customer_id"]) & set(asked.loc[judged, "customer_id"])
        assert (train ^ judged).all()


def test_only_the_rows_of_the_filters_are_drawn():
    asked = labelled().assign(as_of=lambda table: pd.Timestamp("2024-01-01") + pd.to_timedelta(table["observation_id"].str[1:].astype(int), unit="D"))
    protocol = {**K_FOLD, "only": {"file": "odd"}, "as_of_from": "2024-01-11", "as_of_to": "2024-12-01"}
    train, judged = draw(asked, protocol)
    kept = asked[train | judged]
    assert set(kept["file"]) == {"odd"}
    assert (kept["as_of"].min(), kept["as_of"].max()) == (pd.Timestamp("2024-01-12"), pd.Timestamp("2024-12-01"))


def test_immature_rows_neither_train_nor_judge():
    asked = labelled(shuffled=False)
    asked.loc[:49, ["status", "target"]] = ["immature", np.nan]
    train, judged = draw(asked, RANDOM)
    assert not (train | judged)[:50].any()
    assert (train | judged)[50:].all()


def test_the_training_rows_are_dealt_by_customer_and_the_rest_is_judged():
    asked = labelled(2000, customers=700)
    samples = split_by_protocol(asked, GROUPED, number=1, validation_share=0.12, calibration_share=0.18)
    assert (asked.groupby("customer_id").apply(lambda rows: samples[rows.index].nunique(), include_groups=False) == 1).all()
    expected = pd.Series({"development": .525, "out_of_time": .25, "calibration": .135, "validation": .09})
    assert (samples.value_counts(normalize=True) - expected).abs().max() < 0.02
    assert samples.attrs["by"] == "grouped"
    assert samples.attrs["notes"] == ["Judged on fold 2 of 4, drawn at random; every customer is wholly on one side. "
                                      "The figures say nothing about later dates."]


@pytest.mark.parametrize("protocol", [RANDOM, K_FOLD])
def test_customers_on_both_sides_are_said(protocol):
    notes = split_by_protocol(labelled(customers=80), protocol).attrs["notes"]
    assert "of the judged rows belong to customers that also train" in notes[1]
    assert len(split_by_protocol(labelled(), protocol).attrs["notes"]) == 1


@pytest.mark.parametrize(("protocol", "number", "expected"), [
    (RANDOM, 2, {"kind": "random", "share": 0.3, "round": 3, "rounds": 4}),
    (REPEATED, 7, {"kind": "k_fold", "fold": 3, "folds": 5, "repeat": 2, "repeats": 3}),
    (GROUPED, 0, {"kind": "grouped", "fold": 1, "folds": 4, "repeat": 1, "repeats": 1})])
def test_the_judged_rows_are_called_what_they_are(protocol, number, expected):
    assert judged_by(protocol, number) == expected


@pytest.mark.parametrize("protocol", [RANDOM, K_FOLD, REPEATED, GROUPED, {**K_FOLD, "only": {"file": "odd"}}])
def test_a_sound_draw_passes_the_second_check(protocol):
    asked = labelled(customers=150)
    check_draw(asked, split_by_protocol(asked, protocol), protocol)


def twice(asked, samples):
    return asked.assign(observation_id=asked["observation_id"].where(asked.index != 7, "o00008")), samples


def unripe(asked, samples):
    return asked.assign(status=asked["status"].where(asked.index != 7, "immature")), samples


def left_out(asked, samples):
    return asked, samples.where(asked.index != 7, "unused")


def shared(asked, samples):
    judged = asked.index[samples == OUT_OF_TIME][0]
    return asked, samples.where(asked.index != judged, "development")


def tilted(asked, samples):
    """Bad rows moved from the judged side to the other."""
    moved = (samples == OUT_OF_TIME) & asked["target"].eq(1.0)
    return asked, samples.mask(moved & (moved.cumsum() <= 5), "development")


@pytest.mark.parametrize(("protocol", "breaking", "message"), [
    (K_FOLD, twice, "1 observations are used twice"), (K_FOLD, unripe, "1 used observations are not matured"),
    (K_FOLD, left_out, "1 observations are used against the filters of the protocol, or left out"),
    (GROUPED, shared, "1 customers stand in two samples at once"), (RANDOM, tilted, "bad rows are judged where 24.0 are expected")])
def test_a_violating_draw_is_refused(protocol, breaking, message):
    asked = labelled(customers=400 if protocol["kind"] != "grouped" else 80)
    with pytest.raises(RiskError, match=message):
        check_draw(*breaking(asked, split_by_protocol(asked, protocol)), protocol)


@pytest.mark.parametrize(("protocol", "number", "message"), [
    (RANDOM, 4, r"sample.round 4 does not exist: the protocol random has rounds 0 to 3"),
    ({**K_FOLD, "only": {"sheet": "a"}}, 0, "`only` names the column sheet, which the observations lack"),
    ({**K_FOLD, "only": {"file": "third"}}, 0, "its filters keep none of 400 observations"),
    ({**K_FOLD, "folds": 90}, 0, "80 bad of 400 rows cannot be dealt to 90 sides")])
def test_a_protocol_that_cannot_be_followed_is_named(protocol, number, message):
    with pytest.raises(RiskError, match=message):
        draw(labelled(), protocol, number=number)


def test_a_round_is_the_same_again_and_rounds_differ():
    asked = labelled()
    first = split_by_protocol(asked, RANDOM, number=0)
    assert first.equals(split_by_protocol(asked, RANDOM, number=0))
    assert (first.eq(OUT_OF_TIME) != split_by_protocol(asked, RANDOM, number=1).eq(OUT_OF_TIME)).any()
    assert set(first) == set(USED)
