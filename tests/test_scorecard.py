"""The scorecard: published examples, optbinning's own figures, and data that is scarce or strange."""

from types import SimpleNamespace

import msgspec
import numpy as np
import pandas as pd
import pytest

from features.arrays import categorize
from features.errors import RiskError
from models.binning import Bins, coarse_ranking, optimal_bins, places, weight_of_evidence
from models.calibration import Points
from models.scorecard import Limits, Scorecard, fit_scorecard, logistic, on_scale, points, raw_scores, score_tests, table

# Siddiqi, Credit Risk Scorecards (2006, exhibit 6.2; 2017, chapter 10): age, with missing first. WoE there is in hundredths.
AGE_GOOD, AGE_BAD = (860, 3040, 4920, 8100, 9500, 6800, 2940), (140, 960, 1080, 900, 500, 200, 60)
AGE_WOE, AGE_IV = (-42.719, -108.980, -72.613, -4.526, 70.196, 128.388, 164.934), 0.668


def column(name, direction=0, levels=None):
    return SimpleNamespace(name=name, direction=direction, levels=levels)


@pytest.fixture(scope="module")
def book():
    """Columns of 6,000 rows of 2,000 customers, their descriptions and the target: two that tell (one with gaps), a near-copy, a category, noise."""
    draw = np.random.default_rng(5)
    late, debt, noise = draw.normal(size=(3, 6000))
    level = draw.choice(["trade", "build", "farm", "rare"], 6000, p=[0.5, 0.3, 0.199, 0.001])
    risk = -2.6 + 0.9 * late + 0.7 * debt + 0.8 * (level == "build")
    target = (draw.random(6000) < 1 / (1 + np.exp(-risk))).astype(float)
    debt[draw.random(6000) < 0.2] = np.nan
    given = {"late": late, "copy": late + 0.01 * noise, "debt": debt, "noise": noise, "industry": categorize(level.tolist()), "same": np.full(6000, 7.0),
             "empty": np.full(6000, np.nan)}
    described = [column("late", 1), column("copy", 1), column("debt"), column("noise"), column("industry", levels=("trade", "build", "farm")),
                 column("same", -1), column("empty")]
    return given, described, target, np.arange(6000) // 3


@pytest.fixture(scope="module")
def card(book):
    given, described, target, groups = book
    return fit_scorecard(given, target, described=described, groups=groups)


def test_weight_of_evidence_and_information_value_are_those_of_the_textbook():
    rows = np.add(AGE_GOOD, AGE_BAD)
    woe = weight_of_evidence(rows, AGE_BAD)
    assert 100 * woe == pytest.approx(AGE_WOE, abs=5e-4)
    bins = Bins("age", (), None, tuple(rows.tolist()), AGE_BAD, tuple(woe))
    assert bins.information_value == pytest.approx(AGE_IV, abs=5e-4)


def test_the_scale_is_that_of_the_textbook():
    scale = Points(base_score=600, base_odds=50, points_to_double=20)
    assert on_scale(scale, -np.log([1, 50, 100])) == pytest.approx([487.123, 600, 620], abs=1e-3)


def test_a_bin_with_too_few_of_a_class_says_nothing():
    assert weight_of_evidence([100, 3, 50], [10, 0, 2], least=3).tolist()[1:] == [0.0, 0.0]


@pytest.mark.parametrize("name", ["late", "debt", "industry"])
def test_the_bins_weigh_as_optbinning_weighs_them(book, name):
    from optbinning import OptimalBinning

    given, described, target, _ = book
    about = next(each for each in described if each.name == name)
    bins = optimal_bins(name, given[name], target, direction=about.direction, levels=about.levels, min_bad=1)
    if about.levels is None:
        values, how = given[name], {"monotonic_trend": "ascending" if about.direction else "auto_asc_desc"}
    else:
        values, how = given[name].strings(), {"dtype": "categorical", "special_codes": ["rare"]}
    theirs = OptimalBinning(name, max_n_prebins=12, min_bin_n_event=1, random_state=0, **how).fit(values, target)
    assert np.array(bins.woe)[places(bins, given[name])] == pytest.approx(theirs.transform(values, metric_special="empirical", metric_missing="empirical"))
    built = theirs.binning_table.build()
    assert bins.information_value == pytest.approx(built.loc["Totals", "IV"])
    assert built["Count"].iloc[:-1].tolist() == list(bins.rows)


def test_the_points_are_those_of_optbinnings_scorecard(book):
    from optbinning import BinningProcess
    from optbinning import Scorecard as Theirs
    from sklearn.linear_model import LogisticRegression

    given, described, target, _ = book
    used = {name: given[name] for name in ("late", "debt")}
    card = fit_scorecard(used, target, described=described, limits=Limits(min_bad=1, min_z=0.0))
    frame = pd.DataFrame(used)[list(card.names)]
    how = {name: {"monotonic_trend": trend, "min_bin_n_event": 1} for name, trend in (("late", "ascending"), ("debt", "auto_asc_desc"))}
    process = BinningProcess(list(card.names), max_n_prebins=12, binning_fit_params=how)
    theirs = Theirs(process, LogisticRegression(C=np.inf, tol=1e-9, max_iter=1000), scaling_method="pdo_odds",
                    scaling_method_params={"pdo": 20, "odds": 50, "scorecard_points": 600})
    theirs.fit(frame, target, metric_special="empirical", metric_missing="empirical")
    assert points(card, used).sum(axis=1) == pytest.approx(theirs.score(frame), abs=1e-3)
    assert 1 / (1 + np.exp(-raw_scores(card, used))) == pytest.approx(theirs.predict_proba(frame)[:, 1], abs=1e-6)


def test_points_sum_to_the_score(book, card):
    given = book[0]
    assert points(card, given).shape == (6000, len(card.names))
    assert points(card, given).sum(axis=1) == pytest.approx(on_scale(card.scale, raw_scores(card, given)), abs=1e-9)


def test_the_table_holds_every_row_once_for_each_column(book, card):
    frame = pd.DataFrame(table(card))
    assert frame.groupby("column")["rows"].sum().unique().tolist() == [6000]
    assert frame.groupby("column")["bad"].sum().unique().tolist() == [int(book[2].sum())]
    assert set(frame.loc[frame["column"].eq("industry"), "bin"]) >= {"build"}
    assert frame[frame["column"].eq("debt")].iloc[-1]["bin"] == "missing"


def test_one_of_two_near_copies_and_no_noise_is_taken(card):
    assert set(card.names) - {"noise"} in ({"late", "debt", "industry"}, {"copy", "debt", "industry"})


def test_coefficients_are_positive_and_a_directed_column_weighs_one_way(card):
    assert all(each.coefficient > 0 for each in card.characteristics)
    late = next(each for each in card.characteristics if each.bins.name in ("late", "copy"))
    assert (np.diff(late.bins.woe[:-2]) < 0).all()
    assert (np.diff(late.points[:-2]) < 0).all()


def test_a_direction_against_the_data_leaves_the_column_out(book):
    given, _, target, groups = book
    card = fit_scorecard({"late": given["late"]}, target, described=[column("late", -1)], groups=groups)
    assert card.names == ()


def test_a_level_never_seen_weighs_as_the_rare_ones_do(book):
    given, described, target, _ = book
    bins = optimal_bins("industry", given["industry"], target, levels=described[4].levels, min_bad=1)
    assert places(bins, categorize(["build", "mining", "rare", None])).tolist()[1:] == [len(bins.woe) - 2, len(bins.woe) - 2, len(bins.woe) - 1]


def test_what_is_missing_has_a_bin_of_its_own(book):
    given, _, _, _ = book
    target = np.where(np.isnan(given["debt"]), (np.arange(6000) % 4 == 0), (np.arange(6000) % 20 == 0)).astype(float)
    bins = optimal_bins("debt", given["debt"], target)
    assert bins.woe[-1] < -1 < bins.woe[0]
    assert places(bins, np.array([np.nan])).tolist() == [len(bins.woe) - 1]


def test_infinite_values_fall_into_the_outer_bins(book):
    given, _, target, _ = book
    values = given["late"].copy()
    values[:2] = np.inf, -np.inf
    bins = optimal_bins("late", values, target, direction=1)
    assert places(bins, values[:2]).tolist() == [len(bins.splits), 0]


@pytest.mark.parametrize("names", [["same"], ["empty"], ["same", "empty"]])
def test_columns_that_say_nothing_leave_an_empty_card(book, names):
    given, described, target, groups = book
    used = {name: given[name] for name in names}
    card = fit_scorecard(used, target, described=described, groups=groups)
    assert card.names == ()
    assert np.unique(1 / (1 + np.exp(-raw_scores(card, used)))) == pytest.approx([target.mean()])
    assert points(card, used).shape == (6000, 0)


def test_fewer_columns_than_asked_for_are_no_matter(book):
    given, described, target, groups = book
    card = fit_scorecard({"late": given["late"]}, target, described=described, groups=groups, limits=Limits(candidates=500, characteristics=50))
    assert card.names == ("late",)


def test_no_more_columns_than_allowed(book):
    given, described, target, groups = book
    assert len(fit_scorecard(given, target, described=described, groups=groups, limits=Limits(characteristics=1)).names) == 1


def test_the_same_rows_give_the_same_bytes_and_the_card_is_read_back_whole(book, card):
    given, described, target, groups = book
    written = msgspec.json.encode(card)
    assert msgspec.json.encode(fit_scorecard(given, target, described=described, groups=groups)) == written
    assert msgspec.json.decode(written, type=Scorecard) == card


def test_one_class_is_refused(book):
    given, described, _, _ = book
    with pytest.raises(RiskError, match="scorecard: 0 bad of 6000 rows; a scorecard needs both classes, so enlarge the development sample"):
        fit_scorecard(given, np.zeros(6000), described=described)


def test_a_missing_column_and_one_of_another_kind_are_named(book, card):
    given = book[0]
    with pytest.raises(RiskError, match=r"scorecard: 1 of \d columns are missing, first industry; compute them with its catalogue"):
        raw_scores(card, {name: values for name, values in given.items() if name != "industry"})
    with pytest.raises(RiskError, match="scorecard: column industry is of another kind than the one it was fitted on"):
        raw_scores(card, given | {"industry": given["late"]})


def test_ranking_is_by_what_a_column_tells_beyond_chance(book):
    given, _, target, _ = book
    order = coarse_ranking({name: given[name] for name in ("noise", "debt", "late", "copy", "same")}, target, most=5, max_correlation=0.8)
    assert [name for name in order if name != "noise"] in (["late", "debt"], ["copy", "debt"])


def test_the_regression_is_that_of_statsmodels():
    import statsmodels.api as sm

    draw = np.random.default_rng(2)
    design = np.column_stack([np.ones(500), draw.normal(size=(500, 3))])
    target = (draw.random(500) < 1 / (1 + np.exp(-design @ [-2, 0.5, 0.0, 1.0]))).astype(float)
    assert logistic(design, target) == pytest.approx(sm.Logit(target, design).fit(disp=0).params, abs=1e-6)


def test_the_score_test_is_that_of_generalised_estimating_equations():
    import statsmodels.api as sm

    draw = np.random.default_rng(3)
    risk, groups = draw.normal(size=(600, 2)), np.repeat(np.arange(150), 4)
    target = (draw.random(600) < 1 / (1 + np.exp(2 - 0.6 * risk[:, 0] - 0.4 * risk[:, 1]))).astype(float)
    design, family = np.column_stack([np.ones(600), risk]), sm.families.Binomial()
    full, held = sm.GEE(target, design, groups, family=family), sm.GEE(target, design[:, :2], groups, family=family).fit()
    z = score_tests(risk, target, groups, [0])
    assert z[1] ** 2 == pytest.approx(full.compare_score_test(held)["statistic"], rel=1e-4)
    assert z[0] == 0.0
