"""Reasons, sub-scores and the global explanation: sums that add up, grouping, order, and agreement with shap."""
import msgspec
import numpy as np
import pytest
from small_bundle import bundle, columns

from models.bundle import Bundle, Column
from models.explanation import check_against_shap, dependence, importance, sample_rows
from models.reasons import SHOWN, Comparison, reason_totals, reasons, shown_value, sub_scores
from models.scoring import contributions, encode, raw_scores


def explained(rows=60):
    matrix = encode(columns(rows, seed=5), bundle())
    return matrix, contributions(bundle(), matrix)


def made_up(*values):
    """Contributions of one row for the five columns, with a base value of -3."""
    return np.array([[*values, -3.0]]), np.array([[0.9, 40.0, 30.0, np.nan, 0.0]])


def test_columns_of_one_message_are_one_reason_and_sides_are_ordered():
    parts, matrix = made_up(0.2, 0.3, 0.4, -0.5, -0.1)
    (found,) = reasons(bundle(), parts, matrix)
    assert [(r.message_id, round(r.contribution, 12)) for r in found] == [
        ("feature.inv_days_late", 0.7), ("feature.stmt_debt_ratio", 0.2), ("feature.txn_outflow", -0.5), ("feature.industry", -0.1)]
    assert found[0].columns == (("inv_days_late_90d", 30.0, 0.4), ("inv_days_late_30d", 40.0, 0.3))
    assert found[2].columns[0][1] is None


def test_counts_limit_each_side_and_zero_is_no_reason():
    parts, matrix = made_up(0.2, 0.3, 0.0, -0.5, 0.0)
    (found,) = reasons(bundle(), parts, matrix, adverse=1, favourable=3)
    assert [r.message_id for r in found] == ["feature.inv_days_late", "feature.txn_outflow"]


def test_ties_keep_the_catalogue_s_order():
    parts, matrix = made_up(0.2, 0.2, 0.0, 0.2, 0.2)
    assert [r.message_id for r in reasons(bundle(), parts, matrix)[0]] == [
        "feature.stmt_debt_ratio", "feature.inv_days_late", "feature.txn_outflow", "feature.industry"]


def test_one_row_has_the_reasons_it_has_in_a_batch():
    matrix, parts = explained()
    batch = reasons(bundle(), parts, matrix)
    assert all(reasons(bundle(), parts[i:i + 1], matrix[i:i + 1])[0] == batch[i] for i in range(60))


def told_of(described, values, parts):
    """The reasons of one row of columns, each (name, message id and what else its Column has)."""
    columns = tuple(Column(**{"factor": "solvency", **about, "name": name}) for name, about in described.items())
    made = Bundle(msgspec.structs.replace(bundle().manifest, columns=columns), None, "")
    (found,) = reasons(made, np.array([[*parts, -3.0]]), np.array([values], dtype=float))
    return found


PROFIT = {"message_id": "reason.profit", "typical": 0.05}
ROA = {"stmt_roa": PROFIT, "stmt_roa_change_12m": PROFIT, "peer_roa_quantile": PROFIT}
IN_INDUSTRY = {"bg_industry": {"message_id": "reason.industry", "levels": ("retail",), "typical": "retail"}} | ROA


@pytest.mark.parametrize(
    ("described", "values", "parts", "expected"),
    [
        (IN_INDUSTRY, (0.0, 0.02, -0.03, 0.2), (0.0, 0.5, 0.1, 0.1), ("industry", "stmt_roa", 0.02, 0.2)),
        # the quantile is the strongest: the figure it is of is named
        (IN_INDUSTRY, (0.0, 0.02, -0.03, 0.2), (0.0, 0.1, 0.1, 0.5), ("industry", "stmt_roa", 0.02, 0.2)),
        # where no industry is known the quantile is the whole book's
        (IN_INDUSTRY, (np.nan, 0.02, -0.03, 0.2), (0.0, 0.5, 0.1, 0.1), ("book", "stmt_roa", 0.02, 0.2)),
        (ROA, (0.02, -0.03, 0.2), (0.5, 0.1, 0.1), ("book", "stmt_roa", 0.02, 0.2)),
        (ROA, (0.02, -0.03, np.nan), (0.5, 0.1, 0.0), ("year_before", "stmt_roa", 0.02, 0.05)),
        (ROA, (0.02, -0.03, np.nan), (0.1, 0.5, 0.0), ("year_before", "stmt_roa", 0.02, 0.05)),
        # a change that pushes the other way explains nothing
        (ROA, (0.02, 0.03, np.nan), (0.5, -0.1, 0.0), ("typical", "stmt_roa", 0.02, 0.05)),
        # that it is as it was explains nothing
        (ROA, (0.02, -0.0004, np.nan), (0.5, 0.1, 0.0), ("typical", "stmt_roa", 0.02, 0.05)),
        (ROA | {"stmt_roa": PROFIT | {"unit": "share"}}, (0.02, -0.0006, np.nan), (0.5, 0.1, 0.0), ("year_before", "stmt_roa", 0.02, 0.0206)),
        (ROA, (np.nan, np.nan, np.nan), (0.5, 0.1, 0.0), ("none", "stmt_roa", None, None)),
        ({"bg_region": {"message_id": "reason.region", "levels": ("east",), "typical": "east"}}, (np.nan,), (0.5,), ("none", "bg_region", None, None)),
        (ROA | {"stmt_roa": PROFIT | {"direction": -1}}, (0.2, np.nan, 0.9), (0.5, 0.0, 0.0), ("typical", "stmt_roa", 0.2, 0.05)),
        ({"txn_inflow_90d": PROFIT, "txn_inflow_trend_90d": PROFIT}, (50.0, 0.5), (0.5, 0.1), ("own_average", "txn_inflow_90d", 50.0, 100.0)),
        ({"txn_inflow_90d": PROFIT, "txn_inflow_trend_90d": PROFIT}, (0.0, 0.0), (0.5, 0.1), ("typical", "txn_inflow_90d", 0.0, 0.05)),
        ({"inv_overdue_share": {"message_id": "reason.overdue"}}, (0.5,), (0.5,), ("none", "inv_overdue_share", 0.5, None)),
    ],
)
def test_a_figure_is_held_against_the_most_telling_reference_there_is(described, values, parts, expected):
    kind, name, value, reference = expected
    assert told_of(described, values, parts)[0].comparison == Comparison(kind, name, value, reference and pytest.approx(reference))


def test_the_columns_shown_are_those_that_push_the_reason_s_way_most():
    described = {f"c{place}": {"message_id": "reason.profit"} for place in range(SHOWN + 2)}
    (found,) = told_of(described, [1.0] * len(described), (-0.5, 0.3, 0.1, 0.4, 0.2, 0.6, 0.15))
    assert [name for name, _, _ in found.columns] == ["c5", "c3", "c1", "c4", "c6"]
    assert found.contribution == pytest.approx(1.25)


def test_all_reasons_and_the_base_value_add_up_to_the_raw_score():
    matrix, parts = explained()
    names, totals = reason_totals(bundle(), parts)
    assert len(names) == len(set(names)) == totals.shape[1]
    assert np.abs(totals.sum(axis=1) + parts[:, -1] - raw_scores(bundle(), matrix)).max() < 1e-12


def test_sub_scores_and_the_base_value_add_up_to_the_raw_score():
    matrix, parts = explained()
    totals = sub_scores(bundle(), parts)
    assert list(totals) == ["financial", "behavioural", "cash_flow", "background"]
    assert np.abs(sum(totals.values()) + parts[:, -1] - raw_scores(bundle(), matrix)).max() < 1e-12


@pytest.mark.parametrize(("place", "code", "shown"), [(0, 0.5, 0.5), (0, np.nan, None), (4, 3.0, "unseen"), (4, np.nan, None)])
def test_values_are_shown_as_people_read_them(place, code, shown):
    assert shown_value(bundle().manifest.columns[place], code) == shown


def test_a_category_is_shown_by_its_level():
    column = bundle().manifest.columns[4]
    assert shown_value(column, 0.0) == column.levels[0]


def test_importance_shares_sum_to_one_and_the_strongest_comes_first():
    found = importance(bundle(), explained()[1])
    assert sum(row["share"] for row in found["columns"]) == pytest.approx(1.0)
    assert sum(row["share"] for row in found["factors"]) == pytest.approx(1.0)
    assert found["columns"][0]["importance"] == max(row["importance"] for row in found["columns"])
    assert found["factors"][0]["factor"] == "payment_behaviour"


def test_dependence_covers_every_row_with_missing_values_apart():
    matrix, parts = explained(600)
    curves = {curve["column"]: curve for curve in dependence(bundle(), parts, matrix)}
    debt = curves["stmt_debt_ratio"]["points"]
    assert sum(point["rows"] for point in debt) == 600
    assert sum(point["value"] is None for point in debt) == 1
    assert {point["value"] for point in curves["industry"]["points"]} == {"retail", "Bau & Maschinen", "建筑", None}


@pytest.mark.slow  # importing shap takes seconds
def test_contributions_are_shap_s():
    assert check_against_shap(bundle(), explained()[0]) < 1e-9


def test_sampled_rows_are_in_order_and_repeatable():
    assert sample_rows(10, limit=4, seed=1).tolist() == sorted(sample_rows(10, limit=4, seed=1).tolist())
    assert sample_rows(3, limit=10).tolist() == [0, 1, 2]
