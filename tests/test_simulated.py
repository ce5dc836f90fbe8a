"""The simulated portfolio: books that tie, dates that hold, histories that do not depend on how much is simulated, risk as stated."""

from dataclasses import replace
from functools import cache
from types import SimpleNamespace
from typing import get_args

import duckdb
import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.scenarios import old_reference
from features.errors import RiskError
from features.tables import TABLES
from pipeline.params import SimulatedParams
from pipeline.sources import _simulated_state as world
from pipeline.sources._simulated_reference import Known, Reference
from pipeline.sources._simulated_rush import PROMPT, RUSH_HAZARD, survival
from pipeline.sources._simulated_scenarios import CALM, SCENARIOS, plan
from pipeline.sources.simulated import Portfolio, Settings, last_day, settings_from, simulate

ARROW = {"id": pa.string(), "category": pa.string(), "text": pa.string(), "time": pa.timestamp("us"), "money": pa.int64(),
         "number": pa.float64(), "flag": pa.bool_(), "integer": pa.int64()}
# One source files every statement, so there is nothing to weigh.
LEFT_OUT = {"statements": ("confidence",), "invoices": ("category",)}
WRITTEN = [name for name in TABLES if name != "observations"]


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """A portfolio of 1,000 customers over 30 months."""
    return _simulated(tmp_path_factory.mktemp("book"), customers=1000, months=30)


def _simulated(folder, *, progress=None, **settings):
    simulate(folder / "tables", folder / "truth", settings=Settings(**settings), progress=progress)
    return folder


def _read(folder, table, kind="tables"):
    return pq.read_table(folder / kind / f"{table}.parquet").to_pandas()


@cache
def _matured(seed):
    """Reference PDs at three year ends of three blocks, with who defaulted in the twelve months after."""
    return pd.concat([_matured_block(seed, block) for block in range(3)], ignore_index=True)


def _matured_block(seed, block):
    portfolio = Portfolio(Settings(customers=3000, seed=seed), block)
    truths, outcomes = [], []
    for month in range(1, 50):
        outcomes.append(_defaults(portfolio.advance().get("outcomes")))
        if month in (12, 24, 36):
            truths.append(pd.DataFrame(portfolio.truth()["reference"]))
    truth, outcomes = pd.concat(truths), pd.concat(outcomes).drop_duplicates(["customer", "occurred_at"])
    pairs = truth.reset_index(drop=True).reset_index().merge(outcomes, on="customer")
    hit = pairs[(pairs["occurred_at"] > pairs["as_of"]) & (pairs["occurred_at"] <= pairs["as_of"] + 365 * 86_400)]["index"]
    return truth.assign(defaulted=np.isin(np.arange(len(truth)), hit))


def _defaults(rows):
    rows = rows or {"customer": np.zeros(0, dtype=np.int64), "kind": np.zeros(0), "occurred_at": np.zeros(0, dtype=np.int64)}
    frame = pd.DataFrame({name: rows[name] for name in ("customer", "kind", "occurred_at")})
    return frame[frame["kind"] == 0]


# What is written


@pytest.mark.parametrize("table", WRITTEN)
def test_a_table_has_the_contracts_columns_and_types(book, table):
    schema = pq.read_schema(book / "tables" / f"{table}.parquet")
    contract = {column.name: ARROW[column.kind] for column in TABLES[table].columns if column.name not in LEFT_OUT.get(table, ())}
    assert {field.name: field.type for field in schema} == contract


@pytest.mark.parametrize("table", WRITTEN)
def test_keys_are_unique(book, table):
    assert not _read(book, table).duplicated(list(TABLES[table].key)).any()


@pytest.mark.parametrize("table", WRITTEN)
def test_nothing_is_known_before_it_happened_or_after_the_end(book, table):
    rows = _read(book, table)
    assert (rows["known_at"] >= rows[TABLES[table].occurred]).all()
    assert rows["known_at"].max() < pd.Timestamp("2020-07-01")
    assert rows["known_at"].min() >= pd.Timestamp("2018-01-01")


@pytest.mark.parametrize(("table", "column", "levels"), [
    ("payments", "kind", {"payment", "credit_note", "write_off"}), ("contracts", "status", {"open", "fulfilled", "late", "breached"}),
    ("events", "kind", {"complaint", "dispute", "lawsuit", "inquiry"}), ("outcomes", "kind", {"default", "fraud"}),
    ("statements", "period_months", {3, 12})])
def test_every_kind_of_row_occurs(book, table, column, levels):
    assert set(_read(book, table)[column]) == levels


def test_amounts_of_invoices_and_payments_are_positive(book):
    assert (_read(book, "invoices")["amount"] > 0).all()
    assert (_read(book, "payments")["amount"] > 0).all()


# Accounts that tie


@pytest.mark.parametrize("identity", [
    "total_assets = total_liabilities + equity", "total_assets = current_assets + fixed_assets",
    "current_assets = cash + receivables + inventory",
    "total_liabilities = current_liabilities + long_term_debt", "current_liabilities = payables + short_term_debt",
    "equity = paid_in_capital + retained_earnings", "gross_profit = revenue - cost_of_sales", "pretax_income = ebit - interest_expense",
    "ebit = gross_profit - operating_expenses - depreciation", "net_income = pretax_income - tax", "dividends >= 0", "fixed_assets >= 0",
    "long_term_debt >= 0", "investing_cash_flow = -capex"])
def test_every_statement_ties(book, identity):
    broken = f"SELECT count(*) FROM '{book}/tables/statements.parquet' WHERE NOT ({identity})"
    assert duckdb.connect().execute(broken).fetchone() == (0,)


@pytest.mark.parametrize("months", [3, 12])
def test_cash_flows_explain_the_change_of_cash(book, months):
    first = _read(book, "statements").sort_values("known_at").drop_duplicates(["customer_id", "period_end"])
    before = first[["customer_id", "period_end", "cash"]].assign(period_end=first["period_end"] + pd.offsets.MonthEnd(months))
    rows = first[first["period_months"] == months].merge(before, on=["customer_id", "period_end"], suffixes=("", "_before"))
    flow = rows["operating_cash_flow"] + rows["investing_cash_flow"] + rows["financing_cash_flow"]
    assert len(rows) > 500
    assert (rows["cash"] - rows["cash_before"]).equals(flow)


def test_statements_arrive_45_to_150_days_late_and_some_are_restated_later(book):
    rows = _read(book, "statements")
    natural = rows[rows["period_end"] >= "2018-03-31"].sort_values("known_at")
    again = natural.duplicated(["customer_id", "period_end", "period_months"])
    since = _read(book, "customers").groupby("customer_id")["known_at"].min()
    filed = natural[~again & (natural["customer_id"].map(since) == "2018-01-01")]
    assert (filed["known_at"] - filed["period_end"]).dt.days.between(45, 150).mean() > 0.99
    assert 0.01 < again.mean() < 0.06


def test_the_balance_runs(book):
    rows = _read(book, "transactions").sort_values("transaction_id")
    change = rows.groupby("customer_id")["balance"].diff().dropna()
    following = rows["transaction_id"].str[8:].astype(int).groupby(rows["customer_id"]).diff().loc[change.index] == 1
    assert following.mean() > 0.99
    assert change[following].equals(rows["amount"].loc[change.index][following].astype("float64"))


def test_batch_channels_are_posted_within_three_days_and_electronic_ones_at_once(book):
    rows = _read(book, "transactions")
    electronic = rows["channel"].isin(["online", "transfer", "card"])
    lag = rows["known_at"] - rows["occurred_at"]
    assert (lag[electronic] == pd.Timedelta(0)).all()
    assert lag[~electronic].between(pd.Timedelta(hours=1), pd.Timedelta(days=3)).all()


def test_no_invoice_is_paid_twice(book):
    paid = _read(book, "payments").groupby("invoice_id")["amount"].sum()
    amount = _read(book, "invoices").set_index("invoice_id")["amount"].loc[paid.index]
    assert (paid <= amount).all()
    assert (paid == amount).mean() > 0.95


def test_after_a_default_without_cure_there_is_no_new_business(book):
    defaults = _read(book, "outcomes").query("kind == 'default' and cured_at.isna()").set_index("customer_id")["occurred_at"]
    assert len(defaults) > 20
    business = {"invoices": "issued_at", "transactions": "occurred_at", "events": "occurred_at", "contracts": "signed_on"}
    for table, column in business.items():
        rows = _read(book, table)
        assert not (rows[column] > rows["customer_id"].map(defaults)).any()


# The same history whatever else is simulated


def _known_by(folder, table, moment):
    rows = _read(folder, table)
    return rows[rows["known_at"] < moment].reset_index(drop=True)


@pytest.mark.parametrize("table", WRITTEN)
def test_a_longer_history_begins_with_the_shorter_one(book, tmp_path_factory, table):
    short, moment = _short(tmp_path_factory), pd.Timestamp("2019-07-01")
    fewer, longer = _known_by(short, table, moment), _known_by(book, table, moment)
    if table == "outcomes":
        # A cure that became known later stands in the row of its default.
        longer["cured_at"] = longer["cured_at"].where(longer["cured_at"] + pd.Timedelta(days=5) < moment)
    longer = longer[longer["customer_id"] <= "C0000300"].reset_index(drop=True) if "customer_id" in longer else longer
    pd.testing.assert_frame_equal(fewer, longer, check_dtype=False)


_SHORT = []


def _short(factory):
    """The first 300 of the same customers over 18 of the same months."""
    if not _SHORT:
        _SHORT.append(_simulated(factory.mktemp("short"), customers=300, months=18))
    return _SHORT[0]


@pytest.mark.parametrize("name", ["reference", "state"])
def test_the_truth_does_not_depend_on_how_much_is_simulated(book, tmp_path_factory, name):
    fewer, longer = _read(_short(tmp_path_factory), name, "truth"), _read(book, name, "truth")
    longer = longer[(longer["customer_id"] <= "C0000300") & (longer["as_of"] < "2019-07-01")].reset_index(drop=True)
    pd.testing.assert_frame_equal(fewer, longer)


def test_the_same_settings_give_the_same_bytes(tmp_path):
    first, second = (_simulated(tmp_path / name, customers=50, months=4) for name in ("first", "second"))
    for file in sorted(first.rglob("*.parquet")):
        assert file.read_bytes() == (second / file.relative_to(first)).read_bytes()


def test_another_seed_gives_another_portfolio(tmp_path):
    first, second = (_simulated(tmp_path / str(seed), customers=50, months=2, seed=seed) for seed in (1, 2))
    assert not _read(first, "transactions")["amount"].equals(_read(second, "transactions")["amount"])


def test_blocks_hold_different_customers_of_the_same_economy():
    first, second = (Portfolio(Settings(customers=2000), block) for block in (0, 1))
    one, two = pa.table(first.step()["customers"]), pa.table(second.step()["customers"])
    assert one["customer_id"][0].as_py() == "C0000001"
    assert two["customer_id"][0].as_py().startswith("C0001")
    assert one["name"].slice(0, 20) != two["name"].slice(0, 20)
    assert first._block.economy.climate == second._block.economy.climate


def test_steps_give_what_simulate_writes(tmp_path):
    folder, portfolio = _simulated(tmp_path, customers=40, months=5), Portfolio(Settings(customers=40, months=5))
    steps = [portfolio.step() for _ in range(5)]
    for table in ("statements", "invoices", "payments", "transactions", "exposures"):
        rows = pa.concat_tables([pa.table(step[table]) for step in steps if table in step]).to_pandas()
        key = list(TABLES[table].key)
        written = _read(folder, table).sort_values(key).reset_index(drop=True)
        pd.testing.assert_frame_equal(rows.sort_values(key).reset_index(drop=True)[written.columns.tolist()], written)


# Risk as stated


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow), pytest.param(3, marks=pytest.mark.slow)])
def test_two_to_four_percent_default_within_a_year(seed):
    rate = _matured(seed).groupby("as_of")["defaulted"].mean()
    assert 0.02 < rate.mean() < 0.04
    assert rate.between(0.015, 0.045).all()


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow), pytest.param(3, marks=pytest.mark.slow)])
def test_the_references_gini_is_within_its_bounds(seed):
    rows = _matured(seed)
    assert 0.55 < _gini(rows["reference_pd_12m"], rows["defaulted"]) < 0.75
    assert 0.62 < _expected_gini(rows["reference_pd_12m"].to_numpy()) < 0.75


def _gini(score, target):
    ranks = score.rank()
    bad = int(target.sum())
    return 2 * (ranks[target].sum() - bad * (bad + 1) / 2) / (bad * (len(target) - bad)) - 1


def _expected_gini(probability):
    """Gini over all outcomes that the probabilities allow: how far apart defaults and others lie, on average."""
    order = np.sort(probability)
    good_below = np.cumsum(1 - order) - (1 - order) / 2
    return 2 * (order * good_below).sum() / (order.sum() * (1 - order).sum()) - 1


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow), pytest.param(3, marks=pytest.mark.slow)])
def test_the_reference_is_calibrated_by_fifth(seed):
    rows = _matured(seed)
    fifths = rows.groupby(pd.qcut(rows["reference_pd_12m"], 5, labels=False))
    expected, observed = fifths["reference_pd_12m"].sum(), fifths["defaulted"].sum()
    # Beside the counts' own error, the common shock moves all of them together by about a tenth.
    error = np.sqrt(expected + (0.1 * expected) ** 2)
    assert ((observed - expected).abs() < 3 * error).all()
    assert abs(observed.sum() / expected.sum() - 1) < 0.15


def _naive_pd(known, row, draws, seed, *, plan=CALM, last=20):
    """The reference of one customer by simulating states and frailty month by month, without anything shared or antithetic."""
    rng = np.random.default_rng(seed)

    def at(mean, variance):
        return mean + np.sqrt(variance) * rng.standard_normal(draws)

    def added(month):
        return plan.effects(month).states

    # Every state is the plain AR(1) and what the scenario adds to it at that time.
    age = known.age[row]
    decay, late = world.RHO[0] ** age, world.RHO[world.LATENESS]
    filed = [at(decay * (known.filed[row, place] - added(last - age)[place]), 1 - decay**2) for place in range(3)]
    shown = known.lateness[row] - added(last - 1)[world.LATENESS]
    x = np.column_stack([*filed, at(late * shown, 1 - late**2), at(known.buffer[row] - added(last)[world.THIN_BUFFER], 0.0)])
    climate = np.array([np.sqrt(0.5) * plan.effects(month).climate for month in range(last - 1, last + 12)])
    index = at(world.RHO_INDEX * (known.index[row] - climate[0]), 1 - world.RHO_INDEX**2)
    frailty, shock = at(known.mean[row], known.variance[row]), at(0.0, world.SHOCK_SD**2)
    events, rush = np.tile(known.events[row], (draws, 1)), np.full(draws, known.rush[row])
    total = np.zeros(draws)
    for month in range(12):
        effect, now = plan.effects(last + 1 + month), x + added(last + month)
        now[rush > 0, world.LATENESS] = PROMPT
        log_hazard = (world.INTERCEPT + world.state_terms(now, effect) + world.EVENT_WEIGHT * events.sum(axis=1) + known.fixed[row]
                      + world.INDEX_WEIGHT * (index + climate[month + 1]) + frailty + shock)
        total += (1 - world.LEAVE_A_MONTH) ** month * (np.exp(log_hazard) + RUSH_HAZARD[rush])
        x = world.RHO * x + np.sqrt(1 - world.RHO**2) * rng.standard_normal(x.shape)
        index = at(world.RHO_INDEX * index, 1 - world.RHO_INDEX**2)
        frailty = at(world.RHO_FRAILTY * frailty, (1 - world.RHO_FRAILTY**2) * world.FRAILTY_SD**2)
        shock = at(world.RHO_SHOCK * shock, (1 - world.RHO_SHOCK**2) * world.SHOCK_SD**2)
        new = rng.poisson(world.DISPUTE_RATE, draws) + world.LAWSUIT_COUNTS * rng.poisson(world.LAWSUIT_RATE, draws)
        events = np.column_stack([events[:, 1:], new])
        rush = np.where(rush > 0, (rush + 1) % len(RUSH_HAZARD), 0)
        rush = np.where((rush == 0) & (rng.random(draws) < effect.rush), 1, rush)
    return float(-np.expm1(-total).mean())


def _known():
    """A sound customer, a weak one, one with old statements and lawsuits."""
    events = np.zeros((3, 12))
    events[2, [1, 6, 11]] = 2
    return Known(filed=np.array([[-1.0, 0.0, 0.0], [1.5, 0.5, 0.5], [0.5, 1.0, -1.0]]), age=np.array([3, 6, 14]),
                 lateness=np.array([-0.5, 1.4, 0.2]), buffer=np.array([0.0, 0.5, 1.0]), index=np.array([0.5, -1.0, 0.0]), events=events,
                 fixed=np.array([0.0, 0.3, 0.1]), mean=np.array([0.0, -0.1, 0.1]), variance=np.full(3, 0.18), rush=np.zeros(3, dtype=np.int64))


@pytest.mark.parametrize("row", [0, 1, 2])
def test_shared_draws_agree_with_a_naive_simulation(row):
    known = _known()
    fast = np.mean([Reference(seed, CALM, 20, 400).pd_12m(known)[row] for seed in range(8)])
    assert fast == pytest.approx(_naive_pd(known, row, 30_000, 1), rel=0.05)


def test_two_hundred_draws_suffice():
    pds = np.array([Reference(seed, CALM, 20, 200).pd_12m(_known()) for seed in range(20)])
    assert (pds.std(axis=0) / pds.mean(axis=0) < 0.06).all()


def test_fraud_is_rare_and_its_probability_calibrated(book):
    rows = _read(book, "fraud", "truth").set_index("transaction_id")["reference_probability"]
    outcomes = _read(book, "outcomes")
    fraud = outcomes[outcomes["kind"] == "fraud"]
    assert set(fraud["transaction_id"]) <= set(_read(book, "transactions")["transaction_id"])
    assert fraud["customer_id"].notna().all()
    assert 0.003 < len(fraud) / len(rows) < 0.005
    assert rows.sum() == pytest.approx(len(fraud), rel=0.15)
    assert rows[fraud["transaction_id"]].median() > 0.5


def test_frauds_are_known_days_to_weeks_later(book):
    rows = _read(book, "outcomes").query("kind == 'fraud'")
    days = (rows["known_at"] - rows["occurred_at"]).dt.days
    assert days.between(1, 55).all()
    assert 7 < days.median() < 20


# Decisions


def test_a_stopped_customer_gets_no_new_invoice_and_others_keep_theirs():
    free, held = Portfolio(Settings(customers=100)), Portfolio(Settings(customers=100))
    for month in range(3):
        without = pa.table(free.step()["invoices"]).to_pandas()
        given = pa.table(held.step({"C0000001": (1.0, True)} if month == 1 else None)["invoices"]).to_pandas()
        stopped = month >= 1
        pd.testing.assert_frame_equal(given, without[~(stopped & (without["customer_id"] == "C0000001"))].reset_index(drop=True))


def test_a_limit_factor_scales_invoices_and_the_limit_until_it_is_changed():
    free, held = Portfolio(Settings(customers=100)), Portfolio(Settings(customers=100))
    decisions = [{"C0000002": (0.5, False)}, None, {"C0000002": (1.0, False)}]
    for decision, factor in zip(decisions, [0.5, 0.5, 1.0], strict=True):
        without, given = free.step(), held.step(decision)
        for table, column in (("invoices", "amount"), ("exposures", "limit")):
            amounts = [pa.table(rows[table]).to_pandas().query("customer_id == 'C0000002'")[column].to_numpy() for rows in (without, given)]
            np.testing.assert_allclose(amounts[1], amounts[0] * factor, rtol=1e-3)


def test_decisions_on_customers_of_another_block_are_ignored():
    settings = Settings(customers=2000)
    assert Portfolio(settings, 1).step({"C0000001": (0.0, True)})["invoices"] == Portfolio(settings, 1).step()["invoices"]


def test_a_decision_on_a_strange_identifier_is_refused():
    with pytest.raises(RiskError, match="customer_id is not like C0000001"):
        Portfolio(Settings(customers=10)).step({"ACME": (1.0, True)})


# Scenarios


@cache
def _months(scenario, size=None, *, months=8, start=4, seed=3):
    """Rows before and after the month with which a scenario sets in, with and without it."""
    plain, changed = Portfolio(Settings(seed=seed)), Portfolio(Settings(seed=seed, scenario=scenario, scenario_month=start, scenario_size=size))
    pairs = [(plain.advance(), changed.advance()) for _ in range(months)]
    return SimpleNamespace(before=pairs[:start], after=pairs[start:], plain=plain, changed=changed)


def _total(pairs, side, table, column):
    return sum(float(pair[side][table][column].sum()) for pair in pairs)


def _same(pairs):
    for plain, changed in pairs:
        for table in plain:
            for column, values in plain[table].items():
                np.testing.assert_array_equal(values, changed[table][column])


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_nothing_moves_before_the_change(scenario):
    _same(_months(scenario, months=4).before)


def test_a_calm_world_stays_as_it_is():
    _same(_months("calm").after)


@pytest.mark.parametrize("scenario", [name for name in SCENARIOS if name != "calm"])
def test_every_scenario_of_its_usual_size_moves_something_at_once(scenario):
    with pytest.raises(AssertionError):
        _same(_months(scenario).after)


def test_a_covariate_shift_moves_amounts_and_channels_but_no_hazard():
    run = _months("covariate_shift", 0.4)
    assert _total(run.after, 1, "invoices", "amount") == pytest.approx(np.exp(0.4) * _total(run.after, 0, "invoices", "amount"), rel=1e-3)
    online = [np.concatenate([pair[side]["transactions"]["channel"] == 0 for pair in run.after]).mean() for side in (0, 1)]
    assert online[1] > online[0] + 0.1
    np.testing.assert_array_equal(run.plain._block.states.log_hazard, run.changed._block.states.log_hazard)


def test_a_calibration_shift_moves_every_hazard_alike():
    run = _months("calibration_shift", 0.6, months=5)
    np.testing.assert_allclose(run.changed._block.states.log_hazard - run.plain._block.states.log_hazard, 0.6)


def test_a_concept_drift_changes_who_defaults_more_than_how_many():
    run = _months("concept_drift", 1.0, months=5)
    hazards = [np.exp(side._block.states.log_hazard[side._block.status == 1]) for side in (run.plain, run.changed)]
    both = [side._block.states.log_hazard for side in (run.plain, run.changed)]
    assert np.corrcoef(both)[0, 1] < 0.85
    assert hazards[1].mean() == pytest.approx(hazards[0].mean(), rel=0.35)


def test_a_broken_feed_loses_payments_and_nothing_else():
    run = _months("broken_feed", 0.3)
    ratio = sum(len(pair[1]["payments"]["amount"]) for pair in run.after) / sum(len(pair[0]["payments"]["amount"]) for pair in run.after)
    assert ratio == pytest.approx(0.7, abs=0.05)
    assert _total(run.after, 0, "invoices", "amount") == _total(run.after, 1, "invoices", "amount")


def test_a_fraud_wave_multiplies_frauds():
    run = _months("fraud_wave", 2.0, months=10)
    frauds = [sum((pair[side]["outcomes"]["kind"] == 1).sum() for pair in run.after) for side in (0, 1)]
    assert 2 < frauds[1] / frauds[0] < 4


def test_a_recession_lowers_the_published_climate_at_once_and_worsens_firms_month_by_month():
    first, later = (_months("recession", 1.5, months=months) for months in (5, 14))
    assert [run.plain._block.economy.climate - run.changed._block.economy.climate for run in (first, later)] == pytest.approx([1.5, 1.5 * 0.95**9])
    worse = [(run.changed._block.states.x - run.plain._block.states.x).mean(axis=0) for run in (first, later)]
    np.testing.assert_allclose(worse[0], [0, 0, 0.03, 0.03, 0.03])
    assert (worse[1][world.WEAK_MARGIN :] > 0.15).all()


def test_the_closed_form_of_a_recession_is_the_push_a_month_kept_by_persistence():
    standing = np.zeros(5)
    for since in range(40):
        standing = world.RHO * standing + np.array([0, 0, 1, 1, 1]) * 2.0 * 0.02 * 0.95**since
        np.testing.assert_allclose(plan("recession").effects(since).states, standing, atol=1e-12)


# The new kind of default


@cache
def _rushes():
    """Twelve months of frequent rushes after twelve calm ones: each customer's record, both references, orders, and who failed in the half-year after."""
    settings = Settings(seed=5, scenario="new_default", scenario_month=12, scenario_size=0.2)
    rows = [_rush_block(settings, block) for block in range(2)]
    return {name: np.concatenate([part[name] for part in rows]) for name in rows[0]}


def _rush_block(settings, block):
    portfolio = Portfolio(settings, block)
    months = [portfolio.advance() for _ in range(24)]
    truth, rush = portfolio.truth()["reference"], portfolio._block.rush.stage.copy()
    answer = {"new": truth["reference_pd_12m"], "old": old_reference(portfolio, settings), "rush": rush[truth["customer"]],
              "growth": (_invoiced(months[-3:]) / (_invoiced(months[-15:-9]) / 2 + 1))[truth["customer"]],
              "late": _days_late(months[-6:])[truth["customer"]]}
    failed = np.concatenate([_defaults(portfolio.advance().get("outcomes"))["customer"] for _ in range(12)])
    return answer | {"failed": np.isin(truth["customer"], failed)}


def _invoiced(months):
    return sum(np.bincount(month["invoices"]["customer"], weights=month["invoices"]["amount"], minlength=1000) for month in months)


def _days_late(months):
    """Mean day of payment after the invoice, a proxy of lateness that needs no join."""
    invoices = {name: np.concatenate([month["invoices"][name] for month in months]) for name in ("invoice_id", "customer", "due_at")}
    due = dict(zip(invoices["invoice_id"].tolist(), invoices["due_at"].tolist(), strict=True))
    paid = [(customer, at - due[invoice]) for month in months for customer, invoice, at in zip(
        *(month["payments"][name].tolist() for name in ("customer", "invoice_id", "occurred_at")), strict=True) if invoice in due]
    customer, late = (np.array(column) for column in zip(*paid, strict=True))
    count = np.bincount(customer, minlength=1000)
    return np.bincount(customer, weights=late, minlength=1000) / np.maximum(count, 1) / 86_400


def _rank(score, target):
    return (_gini(pd.Series(score), pd.Series(target)) + 1) / 2


def test_who_fails_of_the_new_cause_looks_no_worse_than_others_to_what_was_learned_before():
    rows = _rushes()
    new_kind = rows["failed"] & (rows["rush"] > 3)
    chosen = new_kind | ~rows["failed"]
    assert new_kind.sum() > 40
    assert _rank(rows["old"][chosen], new_kind[chosen]) < 0.6
    assert rows["late"][new_kind].mean() < rows["late"][~rows["failed"]].mean()


def test_the_old_ranking_falls_behind_the_reference_that_knows_the_new_cause():
    rows = _rushes()
    assert _rank(rows["new"], rows["failed"]) > _rank(rows["old"], rows["failed"]) + 0.1


def test_an_honest_column_of_orders_catches_the_new_cause():
    rows = _rushes()
    new_kind = rows["failed"] & (rows["rush"] > 3)
    chosen = new_kind | ~rows["failed"]
    assert _rank(rows["growth"][chosen], new_kind[chosen]) > 0.75


def test_the_reference_counts_the_new_cause():
    rows = _rushes()
    expected = rows["new"].sum()
    assert abs(rows["failed"].sum() - expected) < 3 * np.sqrt(expected + (0.1 * expected) ** 2)
    assert rows["failed"].sum() > 1.4 * rows["old"].sum()


@pytest.mark.parametrize("stage", [0, 3, 9])
def test_surviving_rushes_agrees_with_a_naive_simulation(stage):
    rng, starts = np.random.default_rng(stage), np.r_[np.zeros(3), np.full(9, 0.08)]
    alive = np.ones(100_000, dtype=bool)
    now = np.full(100_000, stage)
    for month, start in enumerate(starts):
        present = rng.random(len(alive)) < (1 - world.LEAVE_A_MONTH) ** month
        alive &= ~(present & (rng.random(len(alive)) < 1 - np.exp(-RUSH_HAZARD[now])))
        now = np.where(now > 0, (now + 1) % len(RUSH_HAZARD), 0)
        now = np.where((now == 0) & (rng.random(len(alive)) < start), 1, now)
    assert survival(np.array([stage]), starts)[0] == pytest.approx(alive.mean(), abs=0.006)


@pytest.mark.parametrize(("scenario", "row"), [("recession", 0), ("recession", 1), ("new_default", 2)])
def test_a_known_scenario_agrees_with_a_naive_simulation(scenario, row):
    known = replace(_known(), rush=np.array([0, 0, 2]))
    chosen = plan(scenario, 12)
    fast = np.mean([Reference(seed, chosen, 20, 400).pd_12m(known)[row] for seed in range(8)])
    assert fast == pytest.approx(_naive_pd(known, row, 30_000, 1, plan=chosen, last=20), rel=0.06)


# What is refused, and what a failure leaves


@pytest.mark.parametrize(("settings", "message"), [
    ({"customers": 0}, "customers = 0 is out of range"), ({"months": 0}, "months = 0"), ({"seed": -1}, "seed = -1"),
    ({"reference_draws": 100}, "reference_draws = 100 is out of range; give a number from 200"),
    ({"first_month": "soon"}, "first_month = 'soon' is not a month; write it as YYYY-MM")])
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(RiskError, match=message):
        Settings(**settings)


@pytest.mark.parametrize(("scenario", "message"), [
    ({"scenario": "sudden"}, "there is no scenario 'sudden'; use one of calm, recession, covariate_shift, calibration_shift"),
    ({"scenario": "recession", "scenario_month": -1}, "a scenario cannot set in with month -1; 0 is the first"),
    ({"scenario": "broken_feed", "scenario_size": 1.5}, "scenario broken_feed of size 1.5 is not possible; give 0 to 1 share of the payments"),
    ({"scenario": "recession", "scenario_size": -1.0}, "scenario recession of size -1 is not possible; give 0 to 4 standard deviations")])
def test_an_impossible_scenario_is_refused(scenario, message):
    with pytest.raises(RiskError, match=message):
        Settings(**scenario)


def test_a_scenario_without_a_size_has_its_usual_one():
    assert Settings(scenario="fraud_wave").plan.size == SCENARIOS["fraud_wave"].size
    assert Settings(scenario="fraud_wave", scenario_size=0.5).plan.size == 0.5


def test_the_parameters_take_every_scenario_and_no_other():
    allowed = next(field.type for field in msgspec.structs.fields(SimulatedParams) if field.name == "scenario")
    assert get_args(allowed) == tuple(SCENARIOS)


def test_settings_come_from_the_parameters():
    given = {"customers": 10, "first_month": "2018-01", "months": 6, "seed": 4, "scenario": "broken_feed", "scenario_month": 2, "scenario_size": 0.5,
             "reference_draws": 400, "reference_every_months": 3}
    assert settings_from(SimpleNamespace(**given)) == Settings(**given)


def test_the_last_day_is_the_last_months_end():
    assert last_day("2018-01", 26) == "2020-02-29"


class _Stops:
    def update(self, months):
        raise KeyboardInterrupt


def test_an_interrupted_simulation_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        _simulated(tmp_path, customers=10, months=2, progress=_Stops())
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_progress_counts_months_whatever_the_number_of_blocks(tmp_path):
    ticks = []
    _simulated(tmp_path, customers=2500, months=3, progress=SimpleNamespace(update=ticks.append))
    assert ticks == [1, 1, 1]
