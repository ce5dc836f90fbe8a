"""Account transactions of the simulated customers, fraud among them, and the probability of fraud that their own record gives."""

import numpy as np

from pipeline.sources._simulated_oracle import Amounts, Spells, day_share, fraud_probability, normal
from pipeline.sources._simulated_state import RHO, THIN_BUFFER
from pipeline.sources._simulated_world import (
    BLOCK,
    CASUAL_POOL,
    DAY,
    HOUR,
    REGULAR_POOL,
    REGULARS,
    Purpose,
    join,
    next_posting,
    rank_within,
    stream,
    take,
)

CHANNELS = ("online", "transfer", "card", "branch", "cheque")
ELECTRONIC = 3
KINDS = ("receipt", "supplier", "payroll", "tax", "rent", "fee")
# What stands on the account at a month's end, in months of turnover: BUFFER - BUFFER_SLOPE x thin buffer. Outflows leave it there.
BUFFER, BUFFER_SLOPE = 1.2, 0.9
INFLOW_NOISE, SPLIT_NOISE, LEAST_OUTFLOW = 0.15, 0.7, 0.15

IN_CHANNEL = np.array([0.3, 0.5, 0.0, 0.1, 0.1])
OUT_CHANNEL, FRAUD_CHANNEL = np.array([0.40, 0.30, 0.15, 0.10, 0.05]), np.array([0.55, 0.15, 0.30, 0.0, 0.0])
IN_KIND = np.array([1.0, 0.0, 0.0, 0.0, 0.0, 0.0])
OUT_KIND, FRAUD_KIND = np.array([0.0, 0.55, 0.15, 0.1, 0.1, 0.1]), np.array([0.0, 0.85, 0.0, 0.0, 0.0, 0.15])
NIGHT, FRAUD_NIGHT = 0.06, 0.35
# Who the money goes to: a regular partner, a one-off partner, a mule account that others reported, a mule account nobody knows yet.
PARTNER, FRAUD_PARTNER = np.array([0.868, 0.13, 0.0015, 0.0005]), np.array([0.2, 0.45, 0.25, 0.1])
MULE_MONTHS, MULE_UNKNOWN_MONTHS = 10, 2

SPELLS_A_MONTH, MORE_IN_SPELL, SPELL_GAP = 0.005, 2.2, 18 * HOUR
FRAUD_LIFT, FRAUD_SPREAD = 0.5, 0.7
# A spell begins within these first days of a month; a month's payments each way are one and this mean number more.
SPELL_DAYS, MORE_PAYMENTS = 24, 1.0


class Transactions:
    """The account of each customer of a block: balance in minor units and the number of its transactions so far."""

    def __init__(self, seed, block, profile):
        self.seed, self.block, self.profile = seed, block, profile
        self.balance = np.round(BUFFER * profile.turnover).astype(np.int64) * 100
        self.count = np.zeros(BLOCK, dtype=np.int64)
        self.buffer = None

    def move(self, month, span, thin_buffer, effect):
        """Transactions of the month, sorted by customer and time; `_fraud`, `_probability` and `_report` stay aside."""
        genuine = self._genuine(month, span, thin_buffer, effect)
        fraud = self._fraud(month, span, effect)
        rows = join([genuine, fraud])
        rows = take(rows, np.flatnonzero(span.within(rows["customer"], rows["occurred_at"])))
        rows = take(rows, np.lexsort((rows["occurred_at"], rows["customer"])))
        customer, amount = rows["customer"], rows["amount"]
        probability = self._probability(rows, span, effect, (self.balance, self.buffer))
        self.buffer = thin_buffer.copy()
        known_at = np.where(rows["channel"] < ELECTRONIC, rows["occurred_at"], next_posting(rows["occurred_at"]))
        fixed = {"transaction_id": self._number(customer), "known_at": known_at, "customer": customer, "occurred_at": rows["occurred_at"],
                 "amount": amount, "currency": np.zeros(len(customer), dtype=np.int64), "kind": rows["kind"],
                 "counterparty_id": rows["counterparty"], "channel": rows["channel"], "balance": self._balances(customer, amount)}
        return fixed | {"_fraud": rows["fraud"], "_probability": probability, "_report": rows["report"]}

    def _number(self, customer):
        number = self.count[customer] + rank_within(customer)
        self.count = self.count + np.bincount(customer, minlength=BLOCK)
        return (self.block * BLOCK + customer + 1) * 1_000_000 + number

    def _balances(self, customer, amount):
        if len(customer) == 0:
            return amount
        total = np.cumsum(amount)
        first = np.searchsorted(customer, customer, side="left")
        balance = self.balance[customer] + total - total[first] + amount[first]
        self.balance = self.balance.copy()
        np.add.at(self.balance, customer, amount)
        return balance

    def _genuine(self, month, span, thin_buffer, effect):
        rng = stream(self.seed, self.block, month, Purpose.TRANSACTION)
        turnover = self.profile.turnover * effect.amounts
        paid_in = turnover * np.exp(INFLOW_NOISE * rng.standard_normal(BLOCK))
        left = turnover * (BUFFER - BUFFER_SLOPE * thin_buffer)
        paid_out = np.maximum(paid_in + self.balance / 100 - left, LEAST_OUTFLOW * turnover)
        received = _marked(rng, _split(rng, paid_in), self.profile, month, IN_KIND, _online(IN_CHANNEL, effect))
        spent = _marked(rng, _split(rng, -paid_out), self.profile, month, OUT_KIND, _online(OUT_CHANNEL, effect))
        rows = join([received, spent])
        n = len(rows["customer"])
        day = span.start + rng.integers(0, (span.end - span.start) // DAY, n) * DAY
        return rows | _clock(rng, day, rows["channel"], NIGHT) | {"fraud": np.zeros(n, dtype=bool), "report": np.zeros(n, dtype=np.int64)}

    def _fraud(self, month, span, effect):
        """Spells: a compromised customer sees a handful of frauds within days."""
        rng = stream(self.seed, self.block, month, Purpose.FRAUD)
        hit = rng.random(BLOCK) < SPELLS_A_MONTH * effect.fraud
        size = np.where(hit, 1 + rng.poisson(MORE_IN_SPELL, BLOCK), 0)
        customer = np.repeat(np.arange(BLOCK), size)
        n = len(customer)
        day = span.start + rng.integers(0, SPELL_DAYS, BLOCK) * DAY
        gap = np.where(rank_within(customer) == 0, 0.0, rng.exponential(SPELL_GAP, n))
        elapsed = np.cumsum(gap) - np.cumsum(gap)[np.searchsorted(customer, customer)] if n else gap
        usual = self.profile.turnover[customer] / 2 * effect.amounts
        amount = -np.maximum(np.round(usual * np.exp(FRAUD_LIFT + FRAUD_SPREAD * rng.standard_normal(n)) * 100), 100).astype(np.int64)
        channel = _pick(rng, FRAUD_CHANNEL, n)
        clock = _clock(rng, (day[customer] + elapsed.astype(np.int64)) // DAY * DAY, channel, FRAUD_NIGHT)
        report = (np.exp(np.log(12) + 0.7 * rng.standard_normal(n)).clip(1, 55) * DAY).astype(np.int64)
        return {"customer": customer, "amount": amount} | _partners(rng, customer, self.profile, month, FRAUD_PARTNER) | {
            "kind": _pick(rng, FRAUD_KIND, n), "channel": channel} | clock | {"fraud": np.ones(n, dtype=bool), "report": report}

    def _probability(self, rows, span, effect, before):
        """Probability of fraud of each row given the customer's record up to and including it; zero for money in.

        before: balance and thin buffer as they were before the month. Rows are sorted by customer and time.
        """
        out = np.flatnonzero(rows["amount"] < 0)
        spent = take(rows, out)
        turnover = self.profile.turnover * effect.amounts
        size = -spent["amount"] / 100 / turnover[spent["customer"]]
        genuine = _density(spent, OUT_KIND, _online(OUT_CHANNEL, effect), PARTNER, NIGHT)
        fraud = _density(spent, FRAUD_KIND, FRAUD_CHANNEL, FRAUD_PARTNER, FRAUD_NIGHT)
        days = (span.end - span.start) // DAY
        ratio = fraud * normal(np.log(2 * size), FRAUD_LIFT, FRAUD_SPREAD) / (genuine / days)
        left = 1 - _month_share(spent["occurred_at"], span, effect) + _month_share(span.start_at, span, effect)[spent["customer"]]
        asked = {"customer": spent["customer"], "day": (spent["occurred_at"] - span.start) // DAY, "size": size, "ratio": ratio, "left": left,
                 "passed": day_share(spent["occurred_at"], FRAUD_NIGHT)}
        spells = Spells(SPELLS_A_MONTH * effect.fraud, more=MORE_IN_SPELL, a_day=DAY / SPELL_GAP, days=SPELL_DAYS)
        answer = np.zeros(len(rows["customer"]))
        answer[out] = fraud_probability(asked, spells=spells, amounts=_total_paid(before, turnover), more_expected=MORE_PAYMENTS)
        return answer


def _total_paid(before, turnover):
    """The law of a month's genuine outflows, in months of turnover: what comes in and stood on the account, less what the buffer of tomorrow asks for."""
    balance, buffer = before
    # A buffer never seen is a standard normal.
    kept, moved = (RHO[THIN_BUFFER] * buffer, np.sqrt(1 - RHO[THIN_BUFFER] ** 2)) if buffer is not None else (0.0, 1.0)
    mean = np.exp(INFLOW_NOISE**2 / 2) + balance / 100 / turnover - BUFFER + BUFFER_SLOPE * kept
    return Amounts(mean, spread=np.hypot(INFLOW_NOISE, BUFFER_SLOPE * moved), noise=SPLIT_NOISE, least=LEAST_OUTFLOW)


def _density(rows, kinds, channels, partners, night_share):
    """Density of a row's kind, channel, partner and moment within its day (a constant apart) by these shares."""
    at_night = np.where(rows["night"], night_share / 6, (1 - night_share) / 11)
    clock = np.where(rows["channel"] < ELECTRONIC, at_night, 1 / 11)
    return kinds[rows["kind"]] * channels[rows["channel"]] * partners[rows["partner"]] * clock


def _month_share(at, span, effect):
    """Share of a month's genuine outflows that lie before a moment of it."""
    electronic = _online(OUT_CHANNEL, effect)[:ELECTRONIC].sum()
    day, days = (np.clip(at, span.start, span.end) - span.start) // DAY, (span.end - span.start) // DAY
    return np.minimum((day + day_share(at, electronic * NIGHT)) / days, 1)


def _split(rng, totals):
    """Amounts that add up to each customer's total: one and a Poisson number more, in minor units."""
    customer = np.repeat(np.arange(BLOCK), 1 + rng.poisson(MORE_PAYMENTS, BLOCK))
    weight = np.exp(SPLIT_NOISE * rng.standard_normal(len(customer)))
    share = weight / np.bincount(customer, weights=weight, minlength=BLOCK)[customer]
    amount = np.round(totals[customer] * share * 100).astype(np.int64)
    return {"customer": customer, "amount": np.where(amount == 0, 1, amount)}


def _marked(rng, rows, profile, month, kinds, channels):
    """Genuine rows with their partner, kind and channel."""
    n = len(rows["customer"])
    partners = _partners(rng, rows["customer"], profile, month, PARTNER)
    return rows | partners | {"kind": _pick(rng, kinds, n), "channel": _pick(rng, channels, n)}


def _pick(rng, shares, count):
    return np.searchsorted(np.cumsum(shares)[:-1], rng.random(count), side="right")


def _online(shares, effect):
    moved = (1 - effect.online) * shares
    moved[0] += effect.online
    return moved


def _partners(rng, customer, profile, month, shares):
    """Partner type and counterparty of each row."""
    n = len(customer)
    partner = _pick(rng, shares, n)
    regular = profile.regulars[customer, rng.integers(0, REGULARS, n)]
    casual = REGULAR_POOL + rng.integers(0, CASUAL_POOL, n)
    mules = REGULAR_POOL + CASUAL_POOL + 1_000 + month
    reported, unknown = mules - rng.integers(MULE_UNKNOWN_MONTHS, MULE_MONTHS, n), mules - rng.integers(0, MULE_UNKNOWN_MONTHS, n)
    number = np.choose(partner, [regular, casual, reported, unknown])
    # A permutation of the numbers, so that an account's number does not give its kind away.
    return {"partner": partner, "counterparty": number * 7_919 % 9_999_991}


def _clock(rng, day, channel, night_share):
    """Moment within the day; only electronic channels work at night."""
    n = len(day)
    night = (rng.random(n) < night_share) & (channel < ELECTRONIC)
    office, late = rng.integers(8 * HOUR, 19 * HOUR, n), rng.integers(0, 6 * HOUR, n)
    return {"occurred_at": day + np.where(night, late, office), "night": night}
