"""Quarterly and annual statements of the simulated companies: whole currency units, tied to the unit."""

from dataclasses import dataclass

import numpy as np

from features.tables import FLOWS, LINES, STOCKS
from pipeline.sources._simulated_state import ILLIQUIDITY, LEVERAGE, WEAK_MARGIN
from pipeline.sources._simulated_world import BLOCK, DAY, HOUR, NEVER, Purpose, stream

FILED = (LEVERAGE, ILLIQUIDITY, WEAK_MARGIN)
RESTATED_SHARE = 0.04
# A quarterly statement is filed 45 to 75 days after its end, an annual one 75 to 150.
LAG_DAYS = (45, 76), (75, 151)


@dataclass(frozen=True)
class Quarter:
    """One closed quarter of a block: its month, lines by name, the states it records (customers, 3), when each statement would be filed."""

    month: int
    stocks: dict
    flows: dict
    states: np.ndarray
    quarterly_at: np.ndarray
    annual_at: np.ndarray
    restated_at: np.ndarray


class Accounts:
    """The books of one block: one quarter after the other, and the rows they become.

    Equity over assets is 0.40 - 0.17 x leverage, current ratio exp(0.45 - 0.35 x illiquidity), operating margin 0.06 - 0.045 x weak
    margin, with the states of the quarter's end: a statement records them exactly. Contributions and dividends follow from these ratios.
    """

    def __init__(self, seed, block, profile, calendar):
        self.seed, self.block, self.profile, self.calendar = seed, block, profile, calendar
        self.growth = np.zeros(BLOCK)
        self.stocks, self.paid_in = None, None
        self.quarters = []

    def close(self, month, states, scale):
        """Close the quarter that ends with `month`; keeps the last nine."""
        rng = stream(self.seed, self.block, month, Purpose.STATEMENT)
        self.growth = self.growth + 0.008 + 0.02 * rng.standard_normal(BLOCK)
        stocks = _stocks(self.profile, states, self.profile.assets * np.exp(self.growth) * scale)
        income = _income(self.profile, states, stocks, self.calendar.number(month), rng)
        before = stocks if self.stocks is None else self.stocks
        flows, self.paid_in = _cash_flow(before, stocks, income, self.paid_in)
        stocks["paid_in_capital"], stocks["retained_earnings"] = self.paid_in, stocks["equity"] - self.paid_in
        self.stocks = stocks
        self.quarters = [*self.quarters[-8:], self._quarter(month, states, flows, rng)]

    def _quarter(self, month, states, flows, rng):
        end = self.calendar.period_end(month)
        quarterly_at, annual_at = (end + rng.integers(low, high, BLOCK) * DAY + rng.integers(8, 19, BLOCK) * HOUR for low, high in LAG_DAYS)
        restated_at = np.where(rng.random(BLOCK) < RESTATED_SHARE, rng.integers(40, 260, BLOCK) * DAY, NEVER)
        return Quarter(month, self.stocks, flows, states[:, FILED], quarterly_at, annual_at, restated_at)

    def rows(self, chosen, *, last, not_before):
        """Statement rows of the chosen customers for the last `last` quarters, restatements too, known no earlier than `not_before`."""
        parts = [self._file(place, chosen) for place in range(max(len(self.quarters) - last, 3), len(self.quarters))]
        rows = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        # An hour apart, so that a statement and its restatement of before that moment stay two rows.
        earliest = not_before[rows["customer"]] + rows.pop("_restated") * HOUR
        return rows | {"known_at": np.maximum(rows["known_at"], earliest)}

    def _file(self, place, chosen):
        """One quarter's rows: annual for those whose year ends, quarterly for those who report quarters, then the restatements."""
        quarter = self.quarters[place]
        year_ends = self.profile.fiscal_month == self.calendar.number(quarter.month)
        who = np.flatnonzero(chosen & (year_ends | self.profile.quarterly))
        annual = year_ends[who]
        lines = np.where(annual[:, None], self._lines(place, who, 4), self._lines(place, who, 1))
        known_at = np.where(annual, quarter.annual_at[who], quarter.quarterly_at[who])
        return _with_restatements(self._columns(quarter, who, annual, known_at), lines, quarter.restated_at[who])

    def _lines(self, place, who, quarters):
        flows = [self.quarters[place - back].flows for back in range(quarters)]
        sums = [sum(part[line][who] for part in flows) for line in FLOWS]
        return np.column_stack([self.quarters[place].stocks[line][who] for line in STOCKS] + sums)

    def _columns(self, quarter, who, annual, known_at):
        n, only = len(who), np.zeros(len(who), dtype=np.int64)
        return {
            "customer": who, "period_end": np.full(n, self.calendar.period_end(quarter.month)), "period_months": np.where(annual, 12, 3),
            "basis": only, "source": only, "known_at": known_at, "currency": only, "audited": annual,
            "_month": np.full(n, quarter.month), "_states": quarter.states[who]}


def _stocks(profile, states, assets):
    """Balance sheet lines in whole units; both sides add up by construction."""
    traits = profile.traits
    total = np.round(assets)
    equity = np.round(total * np.clip(0.40 - 0.17 * states[:, LEVERAGE], -0.6, 0.9))
    liabilities = total - equity
    ratio = np.exp(0.45 - 0.35 * states[:, ILLIQUIDITY])
    current_liabilities = np.round(np.minimum((0.45 + 0.2 * traits[:, 0]) * liabilities, 0.92 * total / ratio))
    current_assets = np.minimum(np.round(current_liabilities * ratio), total)
    cash = np.round(current_assets * (0.08 + 0.15 * traits[:, 1]))
    receivables = np.round((current_assets - cash) * (0.4 + 0.3 * traits[:, 2]))
    payables = np.round(current_liabilities * (0.4 + 0.2 * traits[:, 3]))
    return {
        "cash": cash, "receivables": receivables, "inventory": current_assets - cash - receivables, "current_assets": current_assets,
        "fixed_assets": total - current_assets, "total_assets": total, "payables": payables,
        "short_term_debt": current_liabilities - payables, "current_liabilities": current_liabilities,
        "long_term_debt": liabilities - current_liabilities, "total_liabilities": liabilities, "equity": equity}


def _income(profile, states, stocks, month_number, rng):
    """Income statement of one quarter, revenue down to net income."""
    season = 1 + 0.06 * np.sin(2 * np.pi * month_number / 12)
    revenue = np.round(stocks["total_assets"] * (0.2 + 0.2 * profile.traits[:, 4]) * season * np.exp(0.04 * rng.standard_normal(BLOCK)))
    gross = np.round(revenue * (0.25 + 0.2 * profile.traits[:, 5]))
    depreciation = np.round(0.02 * stocks["fixed_assets"])
    ebit = np.round(revenue * (0.06 - 0.045 * states[:, WEAK_MARGIN]))
    interest = np.round(0.011 * (stocks["short_term_debt"] + stocks["long_term_debt"]))
    tax = np.round(0.25 * np.maximum(ebit - interest, 0))
    return {
        "revenue": revenue, "cost_of_sales": revenue - gross, "gross_profit": gross, "operating_expenses": gross - depreciation - ebit,
        "depreciation": depreciation, "ebit": ebit, "interest_expense": interest, "pretax_income": ebit - interest, "tax": tax,
        "net_income": ebit - interest - tax}


def _cash_flow(before, stocks, income, paid_in):
    """Cash flow lines that explain the change of cash, and paid-in capital after the quarter.

    What equity gains beyond net income is paid in by the owners, what it loses beyond it is paid out as a dividend.
    """
    change = {name: stocks[name] - before[name] for name in stocks if name in before}
    beyond = change["equity"] - income["net_income"]
    working = change["receivables"] + change["inventory"] - change["payables"]
    capex = change["fixed_assets"] + income["depreciation"]
    dividends = np.maximum(-beyond, 0)
    flows = {
        "operating_cash_flow": income["net_income"] + income["depreciation"] - working, "investing_cash_flow": -capex,
        "financing_cash_flow": change["short_term_debt"] + change["long_term_debt"] + beyond, "capex": capex, "dividends": dividends}
    opening = np.round(0.15 * stocks["total_assets"]) if paid_in is None else paid_in
    return income | flows, opening + np.maximum(beyond, 0)


# A restatement corrects a cut-off: this share of receivables was booked too early, so cost rises and equity falls by it.
_CORRECTED = 0.02
_DOWN = ("receivables", "current_assets", "total_assets", "retained_earnings", "equity", "gross_profit", "ebit", "pretax_income",
         "net_income")


def _with_restatements(columns, lines, later):
    again = np.flatnonzero(later != NEVER)
    place = {line: i for i, line in enumerate(LINES)}
    corrected = lines[again]
    amount = np.round(_CORRECTED * corrected[:, place["receivables"]])
    for line in _DOWN:
        corrected[:, place[line]] -= amount
    corrected[:, place["cost_of_sales"]] += amount
    rows = {name: np.concatenate([column, column[again]]) for name, column in columns.items()}
    known_at = np.concatenate([columns["known_at"], columns["known_at"][again] + later[again]])
    restated = np.arange(len(known_at)) >= len(lines)
    return rows | {"known_at": known_at, "lines": np.concatenate([lines, corrected]), "_restated": restated}
