"""The comparison with the reference: paired by row and round, a row judged in several rounds counted once."""

import numpy as np
import pandas as pd
import pytest

from benchmarks.models import compare, compare_precision
from models.discrimination import average_precision, compare_auc, compare_average_precision


def judged(rows=600, *, seed=0, customers=200):
    """Our frame and the reference's of one round."""
    rng = np.random.default_rng(seed)
    signal = rng.normal(size=rows)
    target = (rng.uniform(size=rows) < 1 / (1 + np.exp(1.5 - signal))).astype(float)
    ids = pd.Index([f"o{place}" for place in range(rows)], name="observation_id")
    owners = [f"c{place % customers}" for place in range(rows)]
    ours = pd.DataFrame({"customer_id": owners, "target": target, "raw_score": signal + rng.normal(size=rows)}, index=ids)
    return ours, pd.DataFrame({"target": target, "probability": signal + 1.5 * rng.normal(size=rows)}, index=ids)


def test_one_round_is_delongs_paired_comparison_by_customer():
    ours, other = judged()
    expected = compare_auc(ours["target"], ours["raw_score"], other["probability"], groups=ours["customer_id"])
    found = compare([ours], [other])
    assert found["difference"] == pytest.approx(expected["difference"])
    # The two differ in the factor for small samples only.
    assert found["high"] - found["low"] == pytest.approx(expected["high"] - expected["low"], rel=0.01)


def test_the_same_rows_judged_again_make_the_interval_no_shorter():
    ours, other = judged()
    assert compare([ours] * 4, [other] * 4) == pytest.approx(compare([ours], [other]))


def test_other_customers_in_every_round_make_it_shorter():
    rounds = [judged(seed=seed) for seed in range(4)]
    apart = [(ours.assign(customer_id=ours["customer_id"] + f"/{number}"), other) for number, (ours, other) in enumerate(rounds)]
    one, four = compare(*([each] for each in rounds[0])), compare(*map(list, zip(*apart, strict=True)))
    assert (four["high"] - four["low"]) / (one["high"] - one["low"]) == pytest.approx(0.5, abs=0.05)


def test_rows_that_are_not_the_reference_s_are_counted():
    ours, other = judged()
    turned = other.assign(target=other["target"].where(other.index != "o5", 1 - other["target"]))
    assert compare([ours], [other])["unlike"] == 0
    assert compare([ours], [turned.iloc[:-3]])["unlike"] == 3 + 2


def test_average_precision_is_paired_by_customer_and_pooled_over_rounds():
    ours, other = judged()
    expected = compare_average_precision(ours["target"], ours["raw_score"], other["probability"], groups=ours["customer_id"])
    found = compare_precision([ours], [other])
    assert found["precision_difference"] == pytest.approx(expected["difference"])
    assert found["precision_high"] - found["precision_low"] == pytest.approx(expected["high"] - expected["low"], rel=0.3)
    again = compare_precision([ours, ours], [other, other])
    assert again == pytest.approx(found)


def test_a_round_that_leaves_customers_out_weighs_those_it_has():
    ours, other = judged()
    half = ours.iloc[:300]
    expected = np.mean([average_precision(each["target"], each["raw_score"]) - average_precision(each["target"], other["probability"][: len(each)])
                        for each in (ours, half)])
    assert compare_precision([ours, half], [other, other.iloc[:300]])["precision_difference"] == pytest.approx(expected)
