"""Calibration curves recover known distortions, are read bit for bit alike, and carry points and grades."""
import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from features.errors import RiskError
from models import calibration as cal
from models.grades import build_scale, grade_index, grade_table, scale_of
from models.own_scale import checked_cuts


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def sample(n=20_000, slope=1.0, intercept=0.0, seed=0):
    rng = np.random.default_rng(seed)
    raw = rng.normal(-3, 1.5, n)
    return raw, (rng.uniform(size=n) < sigmoid(slope * raw + intercept)).astype(float)


@pytest.mark.parametrize(("slope", "intercept"), [(1.0, 0.0), (0.6, 0.5), (1.4, -0.3)])
def test_logistic_recovers_the_line(slope, intercept):
    raw, target = sample(slope=slope, intercept=intercept)
    x = np.linspace(-5, 0, 11)
    assert np.allclose(cal.apply(cal.fit(raw, target, method="logistic"), x), sigmoid(slope * x + intercept), atol=0.02)


def test_logistic_agrees_with_scikit_learn():
    raw, target = sample(2000)
    model = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(raw[:, None], target)
    ours = cal.curve(raw, target, "logistic")(raw)
    # Platt's softened targets move the curve by the order of one row in each class.
    assert np.allclose(ours, model.predict_proba(raw[:, None])[:, 1], atol=1e-2)


def test_isotonic_agrees_with_scikit_learn_up_to_its_shrinkage():
    raw, target = sample(3000)
    theirs = IsotonicRegression(out_of_bounds="clip").fit(raw, target).predict(raw)
    assert np.abs(cal.curve(raw, target, "isotonic")(raw) - theirs).mean() < 0.01


def test_beta_bends_where_a_line_cannot():
    rng = np.random.default_rng(1)
    raw = rng.normal(0, 2, 40_000)
    true = sigmoid(-2.0 * np.logaddexp(0, -raw) + 0.5 * np.logaddexp(0, raw))
    target = (rng.uniform(size=len(raw)) < true).astype(float)
    error = {m: np.abs(cal.apply(cal.fit(raw, target, method=m), raw) - true).mean() for m in ("logistic", "beta")}
    assert error["beta"] < 0.01 < error["logistic"]


@pytest.mark.parametrize("method", ["none", "logistic", "beta", "isotonic"])
def test_every_curve_rises_and_stays_inside(method):
    raw, target = sample(500)
    knots = cal.fit(raw, target, method=method)
    probability = cal.apply(knots, np.linspace(-50, 50, 1001))
    assert (np.diff(probability) >= 0).all()
    assert ((probability > 0) & (probability < 1)).all()


def test_auto_leaves_a_calibrated_score_almost_alone():
    knots = cal.fit(*sample(3000), method="auto", groups=np.arange(3000) // 3)
    assert knots.method in ("none", "logistic")
    assert set(knots.loss) == set(cal.METHODS)
    x = np.linspace(-5, -1, 9)
    assert np.allclose(cal.apply(knots, x), sigmoid(x), rtol=0.15)


@pytest.mark.parametrize("method", ["logistic", "beta"])
def test_the_mean_probability_is_the_observed_rate_however_rare(method):
    rng = np.random.default_rng(2)
    raw = rng.normal(-4.5, 0.7, 8000)
    target = (rng.uniform(size=8000) < sigmoid(1.5 * raw + 2.0)).astype(float)
    # The softened targets add about one bad row.
    assert cal.curve(raw, target, method)(raw).sum() == pytest.approx(target.sum(), abs=2.0)


def test_auto_corrects_a_distorted_score():
    assert cal.fit(*sample(slope=0.5, intercept=1.0), method="auto").method in ("logistic", "beta")


def test_a_falling_score_becomes_flat_instead_of_turned_around():
    raw, target = sample(2000, slope=-1.0)
    assert np.ptp(cal.apply(cal.fit(raw, target, method="logistic"), raw)) < 1e-12


def test_one_row_and_a_batch_read_the_same_bits():
    raw, target = sample(5000)
    knots = cal.fit(raw, target, method="beta")
    batch = cal.apply(knots, raw)
    assert all(cal.apply(knots, raw[i:i + 1])[0] == batch[i] == cal.apply(knots, raw[i]) for i in range(0, 5000, 50))


def test_a_missing_score_stays_missing():
    assert np.isnan(cal.apply(cal.fit(*sample(500), method="none"), [np.nan])[0])


def test_knots_follow_the_curve_closely():
    raw, target = sample()
    x = np.linspace(raw.min(), raw.max(), 3001)
    assert np.abs(cal.apply(cal.fit(raw, target, method="none"), x) / sigmoid(x) - 1).max() < 1e-3


def test_points_at_the_base_odds_and_at_twice_them():
    knots = cal.points_knots(cal.Knots((0.0, 1.0, 2.0), (1 / 101, 1 / 51, 0.5)), cal.Points())
    assert knots.y == pytest.approx((620.0, 600.0, 600 - 20 * np.log2(50)))


def test_a_prior_shift_moves_the_mean_and_not_the_order():
    raw, target = sample()
    knots = cal.fit(raw, target, method="none")
    offset = cal.offset_for_mean(cal.apply(knots, raw), 0.02)
    moved = cal.apply(cal.shifted(knots, offset=offset), raw)
    assert moved.mean() == pytest.approx(0.02, rel=1e-3)
    assert (np.argsort(moved, kind="stable") == np.argsort(cal.apply(knots, raw), kind="stable")).mean() > 0.99


def test_the_offset_between_two_rates_is_the_ratio_of_their_odds():
    assert cal.offset_between(0.5, 0.2) == pytest.approx(np.log(0.25))


@pytest.mark.parametrize(("raw", "target", "method", "message"), [
    ([0.0, 1.0], [0, 0], "logistic", "0 bad of 2 rows"),
    ([0.0, np.nan], [0, 1], "logistic", "1 of 2 raw scores are missing"),
    ([0.0, 1.0], [0, 1], "platt", "method platt is unknown"),
])
def test_bad_input_is_named(raw, target, method, message):
    with pytest.raises(RiskError, match=message):
        cal.fit(raw, target, method=method)


def probabilities(n=20_000):
    return sigmoid(np.random.default_rng(0).normal(-4, 1.2, n))


def test_grades_rise_in_probability_and_split_in_a_large_book():
    grades = build_scale(probabilities(100_000))
    assert [g.name for g in grades] == ["A1", "A2", "B1", "B2", "C1", "C2", "D1", "D2", "E1", "E2"]
    assert (np.diff([g.probability for g in grades]) > 0).all()
    assert (np.diff([g.upper for g in grades]) > 0).all()


def test_a_small_book_has_five_grades():
    assert "".join(g.name for g in build_scale(probabilities(400))) == "ABCDE"


def test_a_grade_s_pd_is_the_mean_of_its_rows():
    probability = probabilities()
    table = grade_table(build_scale(probability), probability)
    assert all(row["expected"] / row["rows"] == pytest.approx(row["pd"]) for row in table)


def test_a_probability_on_a_cut_is_of_the_riskier_grade():
    assert grade_index((0.01, 0.05, 1.0), [0.0, 0.0099, 0.01, 0.05, 1.0]).tolist() == [0, 0, 1, 2, 2]


def test_equal_probabilities_leave_letters_out():
    grades = build_scale(np.r_[np.full(900, 0.01), np.full(100, 0.2)])
    assert len(grades) == 2
    assert grades[-1].upper == 1.0


def test_shares_must_sum_to_one():
    with pytest.raises(RiskError, match="must be 5 numbers that sum to 1"):
        build_scale(probabilities(100), shares=(0.5, 0.2, 0.1, 0.1, 0.2))


OWN = checked_cuts([0.0003, 0.001, 0.005, 0.02, 0.1, 0.3, 1.0], ["AAA", "AA", "BBB", "BB", "CCC", "CC", "D"])


def test_a_scale_of_one_s_own_is_used_as_it_is():
    probability = probabilities()
    grades = scale_of(OWN, probability)
    assert [(grade.name, grade.upper) for grade in grades] == list(OWN)
    assert (np.diff([grade.probability for grade in grades]) > 0).all()
    for grade, lower in zip(grades, [0.0, *(upper for _, upper in OWN)], strict=False):
        inside = probability[(probability >= lower) & (probability < grade.upper)]
        assert grade.probability == pytest.approx(inside.mean())


def test_a_grade_without_rows_has_the_geometric_middle_of_its_bounds():
    grades = scale_of(OWN, np.array([0.0125, 0.0075]))
    assert [grade.probability for grade in grades] == pytest.approx(
        [np.sqrt(1e-5 * 0.0003), np.sqrt(0.0003 * 0.001), np.sqrt(0.001 * 0.005), 0.01, np.sqrt(0.02 * 0.1), np.sqrt(0.1 * 0.3), np.sqrt(0.3)])


@pytest.mark.parametrize(("cuts", "names", "message"), [
    ([0.1, 0.01, 1.0], "ABC", r"scale.cuts \[0.1, 0.01, 1.0\] must be upper PDs within \(0, 1\] that rise strictly and end with 1: sort them"),
    ([0.1, 0.1, 1.0], "ABC", "rise strictly and end with 1"),
    ([0.0, 0.1, 1.0], "ABC", r"within \(0, 1\]"),
    ([0.1, 1.0, 1.5], "ABC", r"within \(0, 1\]"),
    ([0.1, 0.5], "AB", "end with 1: .* give the riskiest grade 1"),
    ([float("nan"), 1.0], "AB", r"within \(0, 1\]"),
    ([], "", "end with 1"),
    ([0.1, 1.0], None, r"scale.names \[\] must be 2 different names"),
    ([0.1, 0.2, 1.0], "AA", "must be 3 different names, one for each of scale.cuts"),
    ([0.1, 0.2, 1.0], "AAB", "must be 3 different names"),
    ([0.1, 1.0], ["1", "2"], r"scale.names \['1', '2'\] must start with A, B, C, D, E, in this order, since the policy decides by that letter"),
    ([0.1, 1.0], "BA", "in this order"),
])
def test_a_scale_that_is_none_is_refused_in_a_sentence(cuts, names, message):
    with pytest.raises(RiskError, match=message):
        checked_cuts(cuts, None if names is None else list(names))
