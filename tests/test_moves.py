"""What would change a grade: facts read back out of columns, moves that keep sums and shares together, and the smallest set that the scoring path confirms."""

import dataclasses
import functools
from itertools import combinations, product

import numpy as np
import pytest
from builders import customer, day, exposure, invoice, payment, statement
from small_run import small_run

from features.catalogue import build_catalogue
from features.compute import compute
from features.feeders.records import from_rows, observations_of
from features.moves import DOSES, GAUGES, MOVES, terms_of
from features.readback import evaluate, read_back, understood
from features.tables import LINES, TABLES
from features.terms import line
from models.bundle import Column, Manifest, make_bundle
from models.calibration import Points, apply, fit, points_knots
from models.classifier import Settings, booster_text, train
from models.grades import build_scale
from models.move_reference import Reference
from models.moves import Change, _Trial, what_would_change
from models.scoring import raw_scores, score
from pipeline.reports.book import read_book, riskiest
from pipeline.reports.moves import Advisor, moves_view
from pipeline.reports.pages import _templates
from pipeline.reports.text import LANGUAGES, Words

FORBIDDEN = ("bg_", "obs_", "cpty_", "evt_", "peer_size", "txn_counterparties")
BY_NAME = {move.name: move for move in MOVES}

# Records, moved by hand and by a move -------------------------------------------------------------------------------------------------------------------

CATALOGUE = build_catalogue("default", {name: {column.name: column.kind for column in table.columns} for name, table in TABLES.items()})
YEAR = {name: 10.0 * place + 7.0 for place, name in enumerate(LINES, start=1)} | {
    "total_assets": 900.0, "current_assets": 400.0, "cash": 90.0, "short_term_debt": 80.0, "current_liabilities": 210.0, "total_liabilities": 520.0,
    "equity": 380.0}
BEFORE = {name: 0.9 * value + 1.0 for name, value in YEAR.items()}


def company(*, lines=YEAR, invoices=(), payments=()):
    return {"customers": [customer()], "exposures": [exposure(limit=500_000, exposure=200_000)], "invoices": list(invoices), "payments": list(payments),
            "statements": [statement(**lines), statement(period_end="2021-12-31", **BEFORE)]}


def columns_of(tables, as_of="2023-06-30"):
    found = compute(CATALOGUE, from_rows(tables, customer_id="C1"), observations_of([{"as_of": day(as_of)}], use_case="default"))
    return {name: float(found[name][0]) for name in terms_of(CATALOGUE.names)}


def moved_by(name, values, dose):
    """The understood columns after a move, {column: value}."""
    terms = terms_of(CATALOGUE.names)
    facts = read_back(terms, values, gauges=GAUGES)
    kept = understood(terms, values, facts)
    BY_NAME[name].apply(facts, np.array([dose]))
    done = {}
    return {column: float(evaluate(terms[column], facts, done)[0]) for column in kept}


def assert_equal(found, wanted, *, of=lambda name: True):
    wrong = {name: (value, wanted[name]) for name, value in found.items()
             if of(name) and not np.isclose(value, wanted[name], rtol=1e-9, atol=1e-9, equal_nan=True)}
    assert wrong == {}


def test_the_lines_of_two_years_are_read_back_out_of_the_ratios():
    values = columns_of(company())
    facts = read_back(terms_of(CATALOGUE.names), values, gauges=GAUGES)
    for name in LINES:
        assert facts[line(name)][0] == pytest.approx(YEAR[name], rel=1e-9), name
        assert facts[line(name, 12)][0] == pytest.approx(BEFORE[name], rel=1e-9), name
    assert {name for name in set(values) - understood(terms_of(CATALOGUE.names), values, facts) if name.startswith("stmt_")} == {"stmt_restated_1095d"}


BY_HAND = {
    "refinance": {"short_term_debt": -40, "current_liabilities": -40, "long_term_debt": 40},
    "repay": {"short_term_debt": -40, "current_liabilities": -40, "total_liabilities": -40, "cash": -40, "current_assets": -40, "total_assets": -40},
    "raise_equity": {"equity": 40, "paid_in_capital": 40, "short_term_debt": -40, "current_liabilities": -40, "total_liabilities": -40},
}


@pytest.mark.parametrize("name", BY_HAND)
def test_a_move_of_the_statement_gives_the_columns_of_the_statement_so_changed(name):
    changed = YEAR | {line_: YEAR[line_] + amount for line_, amount in BY_HAND[name].items()}
    found = moved_by(name, columns_of(company()), 0.5)
    assert_equal(found, columns_of(company(lines=changed)))
    assert found != moved_by(name, columns_of(company()), 0.0)


def billing():
    settled = [invoice(invoice_id=f"I{n}", issued_at=f"2023-0{n}-01", due_at=f"2023-0{n}-20", amount=100_000) for n in (1, 2, 3)]
    overdue = [invoice(invoice_id=f"O{n}", issued_at=f"2023-0{n}-02", due_at=f"2023-0{n}-22", amount=100_000) for n in (3, 5)]
    late = [payment(invoice_id="I1", occurred_at="2023-01-25", amount=100_000), payment(invoice_id="I2", occurred_at="2023-03-30", amount=100_000),
            payment(invoice_id="I3", occurred_at="2023-03-20", amount=100_000)]
    return settled + overdue, late


def test_paying_what_is_overdue_gives_the_columns_of_the_payments_so_booked():
    bills, paid = billing()
    now = [payment(invoice_id=f"O{n}", occurred_at="2023-06-30", amount=100_000) for n in (3, 5)]
    wanted = columns_of(company(invoices=bills, payments=[*paid, *now]))
    found = moved_by("pay_overdue", columns_of(company(invoices=bills, payments=paid)), 1.0)
    assert {"inv_overdue_amount", "inv_overdue_share", "inv_open_to_limit", "inv_days_late_mean_90d", "inv_days_late_max_365d", "inv_share_late_365d",
            "inv_late_over_60d_share_365d", "inv_days_late_weighted_30d", "pay_paid_to_billed_365d"} <= found.keys()
    # How unsteady days late are, and how many part payments it took, the columns do not tell.
    assert_equal(found, wanted, of=lambda name: name not in ("inv_days_late_sd_365d", "inv_share_in_parts_365d", "inv_share_early_365d"))


def test_paying_on_time_gives_the_columns_of_invoices_paid_on_their_due_days():
    bills, paid = billing()
    on_time = [payment(invoice_id=f"I{n}", occurred_at=f"2023-0{n}-20", amount=100_000) for n in (1, 2, 3)]
    found = moved_by("pay_on_time", columns_of(company(invoices=bills[:3], payments=paid)), 1.0)
    wanted = columns_of(company(invoices=bills[:3], payments=on_time))
    assert_equal({name: found[name] for name in ("inv_days_late_mean_365d", "inv_days_late_max_365d", "inv_days_late_weighted_365d", "inv_share_late_365d",
                                                 "inv_late_over_30d_share_365d", "inv_share_late_trend_90d")}, wanted)


def test_no_dose_of_a_move_is_no_move():
    bills, paid = billing()
    values = columns_of(company(invoices=bills, payments=paid))
    for move in MOVES:
        facts = read_back(terms_of(CATALOGUE.names), values, gauges=GAUGES)
        if set(move.needs) <= facts.keys():
            assert_equal(moved_by(move.name, values, 0.0), values)


# A trained bundle ---------------------------------------------------------------------------------------------------------------------------------------

MADE = ("stmt_log_assets", "stmt_equity_ratio", "stmt_liabilities_to_assets", "stmt_short_term_debt_to_assets", "stmt_long_term_debt_to_assets",
        "stmt_current_liabilities_to_assets", "stmt_paid_in_capital_to_assets", "stmt_cash_to_assets", "stmt_current_assets_to_assets", "stmt_current_ratio",
        "stmt_debt_to_assets", "stmt_short_term_debt_share", "inv_share_late_365d", "inv_settled_count_365d", "inv_days_late_mean_365d")
NAMES = (*MADE, "bg_age_months", "bg_industry", "stmt_missing")


def customers(rows=3000, *, seed=0):
    """(rows, NAMES): statements that add up, lateness, and an age that matters most."""
    rng = np.random.default_rng(seed)
    assets = rng.lognormal(6, 1, rows)
    equity, share = rng.uniform(0.02, 0.7, rows), rng.uniform(0, 1, rows)
    owed, cash = 1 - equity, rng.uniform(0.01, 0.2, rows)
    short, long = owed * rng.uniform(0.05, 0.5, rows), owed * rng.uniform(0, 0.4, rows)
    current = short + owed * rng.uniform(0.05, 0.1, rows)
    owned = cash + rng.uniform(0.1, 0.5, rows)
    settled = rng.integers(5, 40, rows)
    late = np.round(share * settled) / settled
    made = (np.log(assets), equity, owed, short, long, current, equity * 0.5, cash, owned, owned / current, short + long, short / (short + long), late, settled,
            late * 20)
    return np.column_stack([*made, rng.uniform(1, 300, rows), rng.integers(0, 3, rows), np.zeros(rows)])


@functools.cache
def bundle():
    matrix = customers()
    logit = -3.2 - 4 * (matrix[:, 1] - 0.3) + 2 * matrix[:, 12] - 0.008 * matrix[:, 15] + 2 * matrix[:, 11]
    target = (np.random.default_rng(1).uniform(size=len(logit)) < 1 / (1 + np.exp(-logit))).astype(float)
    grown = train(matrix[:2000], target[:2000], validation=(matrix[2000:], target[2000:]), columns=NAMES, categorical=("bg_industry",), directions={},
                  settings=Settings(max_trees=80, num_leaves=8, colsample=0.8))
    raw = grown.predict(matrix, raw_score=True, num_threads=1)
    knots = fit(raw, target, method="logistic")
    levels = {"bg_industry": ("retail", "construction", "trade")}
    described = tuple(Column(name=name, factor="background", message_id=f"feature.{name}", levels=levels.get(name), unit=_unit(name)) for name in NAMES)
    return make_bundle(booster_text(grown), Manifest(
        use_case="default", probability_name="pd_12m", columns=described, knots=knots, points=Points(), points_knots=points_knots(knots, Points()),
        grades=build_scale(apply(knots, raw)), base_raw_score=0.0, training={"rows": len(matrix)}))


def _unit(name):
    return "share" if "share" in name else "ratio"


@functools.cache
def reference():
    return Reference(bundle(), customers())


@functools.cache
def answers():
    """The rows of customers never seen and what would change each."""
    matrix = customers(300, seed=9)
    return [(row, what_would_change(reference(), row)) for row in matrix]


def found():
    return [(row, change) for row, change in answers() if change.state == "found"]


def test_most_customers_of_weaker_grades_have_a_way_and_it_is_what_scoring_says():
    weak = [change for _, change in answers() if change.grade[0] in "CDE"]
    assert len(weak) > 30
    assert np.mean([change.state == "found" for change in weak]) > 0.5
    for _, change in found():
        scores = score(bundle(), change.row[None])
        assert scores.grades.index(change.target) == scores.grades.index(change.grade) - 1
        assert scores.grade[0] <= scores.grades.index(change.target)
        assert scores.grades[scores.grade[0]] == change.reached
        assert scores.probability[0] == change.after < change.probability


def test_a_customer_of_the_best_grade_needs_nothing():
    best = [change for _, change in answers() if change.grade == "A"]
    assert best
    assert {(change.state, change.steps, change.target) for change in best} == {("best", (), None)}


def test_no_column_is_touched_that_a_customer_cannot_change():
    for row, change in found():
        changed = {name for name, before, after in zip(NAMES, row, change.row, strict=True) if before != after and before == before}
        assert changed == set(change.steps[0].changed)
        assert not [name for name in changed if name.startswith(FORBIDDEN)]


def test_the_balance_sheet_still_adds_up():
    at = {name: place for place, name in enumerate(NAMES)}
    for _, change in found():
        row = change.row
        assert row[at["stmt_equity_ratio"]] + row[at["stmt_liabilities_to_assets"]] == pytest.approx(1, abs=1e-9)
        assert row[at["stmt_current_ratio"]] == pytest.approx(row[at["stmt_current_assets_to_assets"]] / row[at["stmt_current_liabilities_to_assets"]])
        debt = row[at["stmt_short_term_debt_to_assets"]] + row[at["stmt_long_term_debt_to_assets"]]
        assert row[at["stmt_debt_to_assets"]] == pytest.approx(debt)
        assert row[at["stmt_short_term_debt_share"]] == pytest.approx(row[at["stmt_short_term_debt_to_assets"]] / debt)


def test_every_move_of_a_set_is_needed_and_none_worsens_the_probability():
    several = [(row, change) for row, change in found() if len(change.steps) > 1]
    assert several
    for row, change in found():
        assert raw_scores(bundle(), change.row[None])[0] < raw_scores(bundle(), row[None])[0]
        if len(change.steps) > 1:
            # What one move fewer could do was tried first, in every dose.
            assert what_would_change(reference(), row, most=len(change.steps) - 1).state == "none"


def test_the_smallest_set_is_what_trying_every_set_would_choose(monkeypatch):
    weak = tuple(dataclasses.replace(move, doses=(0.1, 0.2) if len(move.doses) > 1 else move.doses) for move in MOVES)
    monkeypatch.setattr("models.moves.MOVES", weak)
    sizes = set()
    for row in customers(150, seed=9)[:80]:
        change = what_would_change(reference(), row)
        if change.state in ("found", "none"):
            assert [(step.move, step.effort) for step in change.steps] == by_brute_force(row, change)
            sizes.add(len(change.steps))
    assert {0, 1, 2} <= sizes


def by_brute_force(row, change):
    """Every set of one, two or three of the moves that help on their own, in every dose: (name, effort) of the best."""
    place = [grade.name for grade in bundle().manifest.grades].index(change.grade)
    trial = _Trial(reference(), row, place - 1, raw_scores(bundle(), row[None])[0], 1)
    options = trial.options()
    for size in (1, 2, 3):
        tries = [dict(zip(moves, doses, strict=True)) for moves in combinations(sorted(options), size) for doses in product(*(options[m] for m in moves))]
        reached = trial.tried(tries)[2] if tries else np.zeros(0, dtype=bool)
        fitting = [(sum(trial._efforts[m][dose] for m, dose in each.items()), number) for number, each in enumerate(tries) if reached[number]]
        if fitting:
            return [(trial.moves[m].name, trial._efforts[m][dose]) for m, dose in tries[min(fitting)[1]].items()]
    return []


def test_values_stay_among_those_of_better_customers_or_where_they_were():
    for row, change in found():
        grades = [grade.name for grade in bundle().manifest.grades]
        better = reference().matrix[reference().grade <= grades.index(change.target)]
        low, high = (np.quantile(better, q, axis=0, method="nearest") for q in (0.01, 0.99))
        assert (change.row >= np.minimum(low, row) - 1e-9).all()
        assert (change.row <= np.maximum(high, row) + 1e-9).all()


def test_more_of_a_move_is_more_effort():
    row = customers(150, seed=9)[3]
    trial = _Trial(reference(), row, 0, 0.0, 1)
    assert {move.name for move in trial.moves} == {"pay_on_time", "refinance", "repay", "raise_equity"}
    for efforts in trial._efforts:
        assert list(efforts) == sorted(efforts)
        assert (np.diff(list(efforts.values())) >= 0).all()
        assert 0 < max(efforts.values()) <= 1


def test_the_same_customer_gets_the_same_answer_and_of_equals_the_first_move():
    row, change = found()[0]
    again = what_would_change(Reference(bundle(), customers()), row)
    assert (again.steps, again.after) == (change.steps, change.after)
    twice = Reference(bundle(), np.concatenate([customers()] * 2))
    assert what_would_change(twice, row).steps[0].move == change.steps[0].move


def test_of_equal_efforts_the_move_declared_first_is_taken(monkeypatch):
    row = next(row for row, change in found() if len(change.steps) == 1)
    monkeypatch.setattr(Reference, "passed", lambda *_: 0.5)
    chosen = what_would_change(reference(), row).steps[0].move
    reaching = [move.name for move in MOVES if _reaches(row, move)]
    assert chosen == reaching[0]


def _reaches(row, move):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("models.moves.MOVES", (move,))
        return what_would_change(reference(), row, most=1).state == "found"


def test_nothing_known_that_could_be_moved_and_too_few_better_customers_are_said():
    row = next(row for row, _ in found()).copy()
    few = Reference(bundle(), customers()[:5])
    assert what_would_change(few, row).state == "unknown"
    row[: len(MADE)] = np.nan
    assert what_would_change(reference(), row).state in ("unknown", "best")


def test_a_customer_without_a_statement_may_file_one_like_those_of_its_grade():
    row = next(row for row, change in answers() if change.grade[0] in "CDE").copy()
    row[:12], row[NAMES.index("stmt_missing")] = np.nan, 1.0
    place = 4
    trial = _Trial(reference(), row, place - 1, 99.0, 1)
    filed = trial._alone[1][[move.name for move in trial.moves].index("file_statement")]
    donor = reference().donor(place)
    assert filed[NAMES.index("stmt_missing")] == 0
    assert np.allclose(filed[1:12], donor[1:12])
    assert filed[NAMES.index("bg_age_months")] == row[NAMES.index("bg_age_months")]


# Words --------------------------------------------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("language", LANGUAGES)
def test_every_move_and_state_is_told_in_both_languages(language):
    words = Words(language, more=("moves",))
    columns = {name: {"unit": _unit(name)} for name in NAMES}
    for move in MOVES:
        words(f"move.{move.name}", before="1", after="2")
    states = {change.state: change for _, change in answers()}
    assert {"best", "found"} <= states.keys()
    for change in states.values():
        view = moves_view(change, columns, words)
        macro = _templates().from_string("{% from 'moves.html' import what_would_change %}{{ what_would_change(moves, t) }}")
        page = macro.render(moves=view, t=words)
        assert view["said"] in page.replace("&#39;", "'")
        assert page.count("<li>") == len(change.steps)
        assert "None" not in page
        assert "nan" not in page


@pytest.mark.parametrize(("language", "told"), [("en", "from E2 to D1"), ("zh", "由 E2 升至 D1")])
def test_the_grade_that_the_moves_reach_is_named_where_it_is_better_than_the_next(language, told):
    said = moves_view(Change("found", "E2", "E1", 0.3, "D1", 0.1), {}, Words(language, more=("moves",)))["said"]
    assert told in said
    assert "E1" not in said


def test_doses_rise():
    assert all(list(move.doses) == sorted(move.doses) and move.doses[-1] == DOSES[-1] for move in MOVES)


@pytest.mark.slow
def test_of_a_simulated_book_most_of_the_weaker_grades_have_a_way(tmp_path):
    with small_run(tmp_path):
        book = read_book("default")
        rows = [row for part in riskiest(book, 120) for row in part if row["grade"][0] in "CDE"]
        changes = Advisor(book).changes(rows)
    share = np.mean([change.state == "found" for change in changes.values()])
    print(f"{share:.0%} of {len(changes)} customers of grades C to E")
    assert share > 0.5
    assert {change.grade for change in changes.values()} <= {grade["name"] for grade in book.grades}
    touched = {name for change in changes.values() for step in change.steps for name in step.changed}
    assert not [name for name in touched if name.startswith(("bg_", "obs_", "cpty_"))]
