"""What a customer can do about its figures: moves of business facts, each declared with the facts it changes, how far, and what else follows.

A move changes facts (lines of the statement, what is open, how invoices were settled), never columns: every column made of them is worked out anew by its own
term, so that a sum, its shares and its windows cannot contradict each other. No move touches age, region, ownership, industry, the market, another customer's
figures or a record of the past that cannot be put right.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from features import invoices
from features.declarations import declare
from features.terms import contracts, last, line, open_items, statement, window

# Shares of what can be moved at most.
DOSES = (0.1, 0.25, 0.5, 0.75, 1.0)
WHOLE = (1.0,)
LATENESS = (30, 90, 180, 365)
# No more than this part of the operating expenses can be saved within a year without another business.
SAVING = 0.2
BUCKETS = ("overdue_0d", "overdue_30d", "overdue_60d", "overdue_90d")


@dataclass(frozen=True)
class Move:
    """One thing to do: `lead` is the column in which it is told and its effort measured, `direction` where that goes (+1 up, -1 down), `apply(facts, dose)`
    writes the moved facts, (n,) each, over those of the customer, dose (n,) being the share done; `doses` are those worth trying, `needs` the facts without
    which it cannot be worked out."""

    name: str
    lead: str
    direction: int
    apply: Callable
    needs: tuple
    doses: tuple = DOSES


def _settled(measure, column, days, conditions=()):
    return window("settlements", measure, column, days=days, where=invoices.PAID + conditions)


def _known(facts, leaf):
    return facts.get(leaf, np.nan)


def _add(facts, leaf, amount):
    """Add to a fact that is known."""
    if leaf in facts:
        facts[leaf] = facts[leaf] + amount


def _scale(facts, leaf, factor):
    if leaf in facts:
        facts[leaf] = facts[leaf] * factor


def _pay_overdue(facts, dose):
    """Nothing stays overdue; the invoices paid now count among the settled ones with the days that they are late."""
    amount, count, oldest = (facts[open_items(name)] * dose for name in ("overdue_amount", "overdue_count", "oldest_days"))
    late = np.divide(facts[open_items("overdue_amount_days")] * dose, amount, out=np.zeros_like(amount), where=amount > 0)
    beyond = {days: sum(_known(facts, open_items(name)) for name in BUCKETS[place:]) for place, days in enumerate((30, 60, 90), start=1)}
    for days in LATENESS:
        _book(facts, days, count=count, late=late, oldest=oldest)
    _book_depth(facts, count, {days: np.where(amount > 0, part / np.where(amount > 0, amount, 1), 0) for days, part in beyond.items()}, late)
    for days in (90, 365):
        _add(facts, window("payments", "sum", "amount", days=days), amount)
    recency = window("payments", "recency", days=730)
    if recency in facts:
        facts[recency] = np.where(dose > 0, 0.0, facts[recency])
    _add(facts, open_items("open_amount"), -amount)
    _add(facts, open_items("open_count"), -count)
    for name in ("overdue_amount", "overdue_count", "oldest_days", "overdue_amount_days", *BUCKETS):
        _scale(facts, open_items(name), 1 - dose)
    for name in ("largest_amount", "partial_amount"):
        if open_items(name) in facts:
            facts[open_items(name)] = np.minimum(facts[open_items(name)], facts[open_items("open_amount")])


def _book(facts, days, *, count, late, oldest):
    """Count more settled invoices, all of them late, into a window of days. The mean of none is missing, and then theirs."""
    number, mean, longest = _settled("count", "", days), _settled("mean", "days_late", days), _settled("max", "days_late", days)
    before = _known(facts, number)
    after = before + count
    if mean in facts or number in facts:
        known = np.nan_to_num(_known(facts, mean), nan=0.0)
        facts[mean] = np.where(count > 0, (known * before + late * count) / np.where(after > 0, after, 1), _known(facts, mean))
        facts[longest] = np.where(count > 0, np.fmax(_known(facts, longest), oldest), _known(facts, longest))
        late_ones = _settled("count", "", days, invoices.LATE)
        facts[late_ones] = np.where(before > 0, np.nan_to_num(_known(facts, late_ones), nan=0.0), 0.0) + count
        facts[number] = after


def _book_depth(facts, count, beyond, late):
    """The same in amounts, of which a row tells only shares: the invoices booked are taken to be as large as the others."""
    for days in LATENESS:
        number = _known(facts, _settled("count", "", days))
        part = np.where(number > 0, count / np.where(number > 0, number, 1), 0)
        total = _known(facts, _settled("sum", "amount", days))
        mixed = {_settled("sum", "late_amount_days", days): late}
        mixed |= {_settled("sum", "amount", days, _over(over)): share for over, share in beyond.items()} if days == LATENESS[-1] else {}
        for leaf, added in mixed.items():
            before = _known(facts, leaf)
            facts[leaf] = np.where(part > 0, np.nan_to_num(before, nan=0.0) * (1 - part) + part * added * total, before)


def _over(days):
    return invoices.where(("days_late", ">", days))


def _pay_on_time(facts, dose):
    """Of the invoices settled late, the share `dose` is settled on its due day instead, once the windows have passed."""
    left = 1 - dose
    for days in LATENESS:
        mean, longest = _settled("mean", "days_late", days), _settled("max", "days_late", days)
        if mean in facts:
            facts[mean] = np.where(facts[mean] > 0, facts[mean] * left, facts[mean])
        if longest in facts:
            # Which of them were the latest is not in the columns: only when all are on time is it known that none was long.
            facts[longest] = np.where(dose >= 1, np.minimum(facts[longest], 0.0), facts[longest])
        for leaf in (_settled("count", "", days, invoices.LATE), _settled("sum", "late_amount_days", days)):
            _scale(facts, leaf, left)
    for over in (30, 60, 90):
        _scale(facts, _settled("sum", "amount", LATENESS[-1], _over(over)), left)


def _shift(facts, amount, **signs):
    """Add an amount to, or take it from, lines of the latest statement: name=+1 or -1."""
    for name, sign in signs.items():
        _add(facts, line(name), sign * amount)


def _of(facts, *names):
    """The smallest of some lines, not below 0: what can be taken from each of them."""
    return np.maximum(np.minimum.reduce([facts[line(name)] for name in names]), 0.0)


def _refinance(facts, dose):
    _shift(facts, dose * _of(facts, "short_term_debt", "current_liabilities"), short_term_debt=-1, current_liabilities=-1, long_term_debt=1)


def _repay(facts, dose):
    amount = dose * _of(facts, "short_term_debt", "current_liabilities", "cash", "current_assets")
    _shift(facts, amount, short_term_debt=-1, current_liabilities=-1, total_liabilities=-1, cash=-1, current_assets=-1, total_assets=-1)


def _raise_equity(facts, dose):
    amount = dose * _of(facts, "short_term_debt", "current_liabilities", "total_liabilities")
    _shift(facts, amount, equity=1, paid_in_capital=1, short_term_debt=-1, current_liabilities=-1, total_liabilities=-1)


def _collect(facts, dose):
    _shift(facts, dose * _of(facts, "receivables"), receivables=-1, cash=1)


def _sell_stock(facts, dose):
    _shift(facts, dose * _of(facts, "inventory"), inventory=-1, cash=1)


def _keep_profit(facts, dose):
    amount = dose * _of(facts, "dividends")
    _shift(facts, amount, dividends=-1, cash=1, current_assets=1, total_assets=1, equity=1, retained_earnings=1, financing_cash_flow=1)


def _save_costs(facts, dose):
    """Costs saved raise the income before tax; what is left after tax comes in as cash and stays."""
    amount = dose * SAVING * _of(facts, "operating_expenses")
    before, tax = _known(facts, line("pretax_income")), _known(facts, line("tax"))
    rate = np.where((before > 0) & (tax >= 0) & (tax <= before), tax / np.where(before > 0, before, 1), 0.0)
    _shift(facts, amount, operating_expenses=-1, ebit=1, pretax_income=1)
    _shift(facts, amount * rate, tax=1)
    _shift(facts, amount * (1 - rate), net_income=1, operating_cash_flow=1, cash=1, current_assets=1, total_assets=1, equity=1, retained_earnings=1)


def _use_less_credit(facts, dose):
    _scale(facts, last("exposures", "exposure"), 1 - dose)


def _keep_contracts(facts, dose):
    """Of the contracts of the last year that ran late, the share `dose` is kept; in two years there are as many fewer."""
    kept = dose * facts[contracts("late", days=365)]
    for days in (365, 730):
        _add(facts, contracts("late", days=days), -kept)
        _add(facts, contracts("on_time", days=days), kept)
    _scale(facts, contracts("delay_days", days=365), 1 - dose)


def _balance(measure, days):
    return window("transactions", measure, "balance", days=days)


def _stay_in_credit(facts, dose):
    """Hold as much more in the account as keeps it from ever being overdrawn."""
    more = dose * np.maximum(-facts[_balance("min", 365)], 0.0)
    for days in (30, 90, 365):
        for measure in ("min", "mean", "last"):
            _add(facts, _balance(measure, days), more)
        below = window("transactions", "count", days=days, where=invoices.where(("balance", "<", 0)))
        if below in facts:
            facts[below] = np.where(dose >= 1, 0.0, facts[below])


def _file(facts, dose):
    """A statement that is out of date is followed by one like it, read when it is a quarter old."""
    for leaf, value in ((statement("missing"), 0.0), (statement("age_days"), 90.0)):
        if leaf in facts:
            facts[leaf] = np.where(dose > 0, value, facts[leaf])
    _add(facts, window("statements", "distinct", "period", days=1095), dose)


def _lines(*names):
    return tuple(map(line, names))


MOVES = (
    Move("file_statement", "stmt_missing", -1, _file, (statement("missing"),), WHOLE),
    Move("pay_overdue", "inv_overdue_amount", -1, _pay_overdue, tuple(map(open_items, ("overdue_amount", "overdue_count", "oldest_days", "open_amount",
                                                                                     "overdue_amount_days"))), WHOLE),
    Move("pay_on_time", "inv_share_late_365d", -1, _pay_on_time, (_settled("count", "", 365, invoices.LATE),)),
    Move("keep_contracts", "con_share_on_time_365d", 1, _keep_contracts, (contracts("late", days=365), contracts("on_time", days=365))),
    Move("use_less_credit", "exp_exposure_to_limit", -1, _use_less_credit, (last("exposures", "exposure"),)),
    Move("stay_in_credit", "txn_balance_min_365d", 1, _stay_in_credit, (_balance("min", 365),), WHOLE),
    Move("refinance", "stmt_short_term_debt_share", -1, _refinance, _lines("short_term_debt", "current_liabilities", "long_term_debt")),
    Move("repay", "stmt_debt_to_assets", -1, _repay,
         _lines("short_term_debt", "current_liabilities", "total_liabilities", "cash", "current_assets", "total_assets")),
    Move("raise_equity", "stmt_equity_ratio", 1, _raise_equity, _lines("equity", "short_term_debt", "current_liabilities", "total_liabilities")),
    Move("collect", "stmt_receivable_days", -1, _collect, _lines("receivables", "cash")),
    Move("sell_stock", "stmt_inventory_days", -1, _sell_stock, _lines("inventory", "cash")),
    Move("keep_profit", "stmt_dividends_to_assets", -1, _keep_profit, _lines("dividends", "cash", "equity", "total_assets")),
    Move("save_costs", "stmt_operating_margin", 1, _save_costs, _lines("operating_expenses", "ebit", "net_income", "equity", "cash", "total_assets")),
)

# Facts that only divide others: the trees see the ratios.
GAUGES = (
    line("total_assets"),
    *(_settled("sum", "amount", days) for days in LATENESS),
    *(window("transactions", "count", "balance", days=days) for days in (30, 90, 365)),
    *(last("exposures", "limit", ago=ago) for ago in (0, 90)),
)


def terms_of(names):
    """How the named columns are made: {column: Term}, of those that a default's own tables declare; a peer's rank is none of them."""
    declared = declare("default", {"payments": {"kind": "category"}, "statements": dict.fromkeys(_extra_lines(names), "number")})
    wanted = set(names)
    return {each.name: each.how for each in declared if each.name in wanted and each.scope == "own" and each.kind == "number"}


def peers_of(names):
    """Which columns are ranks of which: {column: the ranked column}."""
    declared = declare("default", {"statements": dict.fromkeys(_extra_lines(names), "number")})
    wanted = set(names)
    return {each.name: each.how.column for each in declared if each.name in wanted and each.how.op == "peer"}


def _extra_lines(names):
    """Lines beyond the contract that the columns were made of."""
    return [name.removeprefix("stmt_").removesuffix("_log") for name in names if name.startswith("stmt_") and name.endswith("_log")]
