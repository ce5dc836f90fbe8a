"""One block of simulated customers from month to month: who arrives, trades, defaults, is cured or leaves, and what of it is known."""

from dataclasses import dataclass

import numpy as np

from pipeline.sources._simulated_events import Events, published
from pipeline.sources._simulated_reference import Known, Reference
from pipeline.sources._simulated_rush import Rush
from pipeline.sources._simulated_state import (
    FRAILTY_SD,
    LATENESS,
    LEAVE_A_MONTH,
    STATE_NAMES,
    THIN_BUFFER,
    Economy,
    Effects,
    States,
    fixed_terms,
)
from pipeline.sources._simulated_statements import FILED, Accounts
from pipeline.sources._simulated_tables import SCHEMAS
from pipeline.sources._simulated_trade import Contracts, Trade
from pipeline.sources._simulated_transactions import Transactions
from pipeline.sources._simulated_world import BLOCK, BURN_IN, DAY, HISTORY, HOUR, NEVER, NULL, Purpose, draw_profile, join, stream, take

WAITING, TRADING, DEFAULTED, LEFT = range(4)
CHANGE_A_MONTH, CURED_SHARE = 0.001, 0.15
HISTORY_QUARTERS = 6


@dataclass(frozen=True)
class Span:
    """One month and the part of it, [start_at, stop_at), during which each customer did business."""

    start: int
    end: int
    start_at: np.ndarray
    stop_at: np.ndarray

    def within(self, customer, at):
        """Whether each row's moment lies in its customer's part of the month."""
        return (at >= self.start_at[customer]) & (at < self.stop_at[customer])


class PortfolioBlock:
    """A thousand customers. `advance` moves one month and returns the rows known in it; what is known later waits in the queue."""

    def __init__(self, seed, block, calendar, plan):
        self.seed, self.block, self.calendar, self.plan = seed, block, calendar, plan
        self.profile = profile = draw_profile(seed, block, calendar)
        self.economy, self.states = Economy(seed, plan), States(seed, block, profile)
        self.rush = Rush(seed, block)
        self.accounts, self.trade = Accounts(seed, block, profile, calendar), Trade(seed, block, profile)
        self.contracts, self.transactions = Contracts(seed, block, profile), Transactions(seed, block, profile)
        self.events = Events(seed, block, profile)
        self.month, self.opened = 0, calendar.start(0)
        self.status = np.where(profile.entry_month < 0, TRADING, WAITING)
        self.ownership = profile.ownership
        self.factor, self.stopped = np.ones(BLOCK), np.zeros(BLOCK, dtype=bool)
        self.cured_at = np.full(BLOCK, NEVER)
        self.filed, self.filed_month = np.zeros((BLOCK, len(FILED))), np.full(BLOCK, -600)
        self.queue = {name: [] for name in SCHEMAS}
        self.fraud_truth = {}
        self._past()
        self._enter(self.status == TRADING)

    def advance(self, decisions):
        """Simulate the next month; decisions: place in the block -> (limit factor, stop)."""
        for place, (factor, stop) in decisions.items():
            self.factor[place], self.stopped[place] = factor, stop
        effect = self.plan.effects(self.month)
        self.economy.advance()
        span, default_at = self._live(effect)
        self.states.advance(self.month, effect)
        self.rush.advance(self.month, self.status == TRADING, effect.rush)
        self._trade(span, default_at, effect)
        self._move(span, effect)
        self._report(span, effect)
        self.month += 1
        return self._release(span)

    def truth(self, draws):
        """Reference PD and hidden state of every customer in business at the end of the last month."""
        who = np.flatnonzero(self.status == TRADING)
        as_of = np.full(len(who), self.calendar.start(self.month) - 1)
        reference = Reference(self.seed, self.plan, self.month - 1, draws).pd_12m(self._known(who))
        hidden = dict(zip(STATE_NAMES, self.states.x[who].T, strict=True)) | {"frailty": self.states.frailty[who]}
        hidden |= {"monthly_hazard": self.states.hazard[who], "rush_months": self.rush.stage[who]}
        key = {"customer": who, "as_of": as_of}
        return {"reference": key | {"reference_pd_12m": reference}, "state": key | hidden}

    def _known(self, who):
        states, last = self.states, self.month - 1
        # Age half-way through the year ahead.
        fixed = fixed_terms(self.profile, self.calendar.start(self.month + 6))
        known = Known(
            filed=self.filed, age=last - self.filed_month, lateness=states.before[:, LATENESS], buffer=states.x[:, THIN_BUFFER],
            index=self.economy.previous_index[self.profile.industry], events=states.events, fixed=fixed,
            mean=states.mean, variance=states.variance, rush=self.rush.stage)
        return Known(**take(vars(known), who))

    def _past(self):
        """The months before the first: states settle, books are kept, a year of events is on record."""
        self.states.begin(-BURN_IN - 1)
        always, never = np.full(BLOCK, NULL), np.full(BLOCK, NEVER)
        for month in range(-BURN_IN, 0):
            start, end = self.calendar.start(month), self.calendar.start(month + 1)
            self.economy.advance()
            self.states.renew(self.states.defaults(month, self.economy, start, Effects(), self.rush), month)
            self.states.advance(month, Effects())
            self._close_quarter(month, 1.0)
            if month >= -HISTORY:
                self._publish()
                self._happen(month, Span(start, end, np.where(self.status == TRADING, always, never), never))

    def _happen(self, month, span):
        rows, weights = self.events.happen(month, span, self.opened)
        self._put("events", rows)
        self.states.record_events(weights)

    def _close_quarter(self, month, scale):
        if self.calendar.number(month) % 3 == 0:
            self.accounts.close(month, self.states.x, scale)

    def _enter(self, chosen):
        """What is known of customers on the day they arrive: themselves and their last statements."""
        known_at = np.maximum(self.profile.entry_at, self.opened)
        self._put("customers", self._customers(np.flatnonzero(chosen), known_at))
        self._put("statements", self.accounts.rows(chosen, last=HISTORY_QUARTERS, not_before=known_at))

    def _customers(self, who, known_at):
        profile = self.profile
        return {"customer": who, "known_at": known_at[who], "name": profile.name[who], "kind": np.zeros(len(who), dtype=np.int64),
                "industry": profile.industry[who], "scope": profile.scope[who], "ownership": self.ownership[who],
                "region": profile.region[who],
                "founded_on": profile.founded[who], "onboarded_on": profile.entry_at[who] // DAY * DAY}

    def _live(self, effect):
        """Arrivals, defaults, cures and departures of the month."""
        rng = stream(self.seed, self.block, self.month, Purpose.STOP)
        start, end = self.calendar.start(self.month), self.calendar.start(self.month + 1)
        moment = start + (rng.random(BLOCK) * (end - start - 2)).astype(np.int64) + 1
        fallen = self.states.defaults(self.month, self.economy, start, effect, self.rush)
        trading = self.status == TRADING
        failed, left = trading & fallen, trading & ~fallen & (rng.random(BLOCK) < LEAVE_A_MONTH)
        self.states.renew((self.status == WAITING) & fallen, self.month)
        arrived = (self.status == WAITING) & (self.profile.entry_month == self.month)
        cured = (self.status == DEFAULTED) & (self.cured_at < end)
        start_at = np.select([trading, arrived, cured], [start, self.profile.entry_at, self.cured_at], end)
        self.status = np.select([failed, left, arrived | cured], [DEFAULTED, LEFT, TRADING], self.status)
        self._enter(arrived)
        self.states.forget(cured, FRAILTY_SD * rng.standard_normal(BLOCK))
        cure = rng.random(BLOCK) < CURED_SHARE, moment + rng.integers(90, 271, BLOCK) * DAY
        self.cured_at = np.select([failed & cure[0], failed | cured], [cure[1], NEVER], self.cured_at)
        return Span(start, end, start_at, np.where(failed | left, moment, end)), np.where(failed, moment, NEVER)

    def _trade(self, span, default_at, effect):
        """Invoices, payments, contracts, exposures, and what defaults of the month cost."""
        business, lateness = self.factor * ~self.stopped * self.rush.growth, self.rush.prompt(self.states.x[:, LATENESS])
        self._put("invoices", self.trade.invoice(self.month, span, business, effect.amounts))
        self._put("contracts", self.contracts.sign(self.month, span, business, lateness, effect.amounts))
        self._put("contracts", self.contracts.finish(span, default_at))
        settled, lost = self.trade.settle(span, lateness, default_at)
        after, loss = self.trade.collect(self.month, lost, default_at)
        self._put("payments", self._delivered(self.trade.payments(join([settled, after])), effect))
        self._put("exposures", self.trade.exposures(span, self.status == TRADING, self.factor, effect.amounts))
        self._put("outcomes", self._defaults(default_at, loss))

    def _delivered(self, rows, effect):
        """All payments, or what a broken feed leaves of them."""
        if effect.lost_share == 0:
            return rows
        rng = stream(self.seed, self.block, self.month, Purpose.FEED)
        return take(rows, np.flatnonzero(rng.random(len(rows["customer"])) >= effect.lost_share))

    def _defaults(self, default_at, loss):
        """Outcome rows of the month's defaults, and a second one for each cure, known when it is."""
        who = np.flatnonzero(default_at != NEVER)
        cured = who[self.cured_at[who] != NEVER]
        lag = (1 + (default_at[who] // 60) % 29) * DAY
        first = _outcome(who, np.full(len(who), -1), 0, default_at[who], default_at[who] + lag, loss[who], np.full(len(who), NULL))
        cured_at = self.cured_at[cured]
        again = _outcome(cured, np.full(len(cured), -1), 0, default_at[cured], cured_at + 5 * DAY, loss[cured], cured_at)
        return join([first, again])

    def _move(self, span, effect):
        """Account transactions, frauds among them, and their reports."""
        rows = self.transactions.move(self.month, span, self.states.x[:, THIN_BUFFER], effect)
        self.fraud_truth = {name: rows[name] for name in ("customer", "transaction_id", "known_at")}
        self.fraud_truth["reference_probability"] = rows["_probability"]
        frauds = take(rows, np.flatnonzero(rows["_fraud"]))
        known_at = frauds["occurred_at"] + frauds["_report"]
        loss, cured_at = -frauds["amount"] * (20 + frauds["_report"] % 80) // 100, np.full(len(known_at), NULL)
        self._put("outcomes", _outcome(frauds["customer"], frauds["transaction_id"], 1, frauds["occurred_at"], known_at, loss, cured_at))
        self._put("transactions", {name: column for name, column in rows.items() if not name.startswith("_")})

    def _report(self, span, effect):
        """Events, changes of ownership, statements of a quarter that ends, and published figures."""
        self._happen(self.month, span)
        rng = stream(self.seed, self.block, self.month, Purpose.CHANGE)
        changed = (rng.random(BLOCK) < CHANGE_A_MONTH) & (self.status == TRADING) & (span.start_at == span.start)
        self.ownership = np.where(changed, rng.integers(0, 4, BLOCK), self.ownership)
        self._put("customers", self._customers(np.flatnonzero(changed), span.start + rng.integers(0, 28, BLOCK) * DAY + 12 * HOUR))
        self._close_quarter(self.month, effect.amounts)
        if self.calendar.number(self.month) % 3 == 0:
            self._put("statements", self.accounts.rows(self.status == TRADING, last=1, not_before=np.full(BLOCK, NULL + DAY)))
        self._publish()

    def _publish(self):
        if self.block == 0:
            self._put("series", published(self.economy, self.calendar, self.opened))

    def _put(self, name, rows):
        self.queue[name].append(rows)

    def _release(self, span):
        """Rows known before the month's end, by table; statements of customers no longer in business are never filed."""
        ready = {}
        for name, parts in self.queue.items():
            rows = join(parts) if parts else {"known_at": np.zeros(0, dtype=np.int64)}
            known = rows["known_at"] < span.end
            ready[name] = take(rows, np.flatnonzero(known))
            self.queue[name] = [take(rows, np.flatnonzero(~known))] if parts else []
        filed = ready["statements"]
        ready["statements"] = take(filed, np.flatnonzero(span.within(filed["customer"], filed["known_at"])))
        self._read(ready["statements"])
        return {name: rows for name, rows in ready.items() if len(rows["known_at"])}

    def _read(self, filed):
        """Remember the latest period of which each customer's statement is known."""
        filed = take(filed, np.argsort(filed["_month"], kind="stable"))
        filed = take(filed, np.flatnonzero(filed["_month"] > self.filed_month[filed["customer"]]))
        self.filed[filed["customer"]] = filed["_states"]
        self.filed_month[filed["customer"]] = filed["_month"]


def _outcome(customer, transaction, kind, occurred_at, known_at, loss, cured_at):
    return {"customer": customer, "transaction_id": transaction, "kind": np.full(len(customer), kind), "occurred_at": occurred_at,
            "known_at": known_at, "loss": loss, "cured_at": cured_at}
