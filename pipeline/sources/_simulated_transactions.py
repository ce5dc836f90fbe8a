"""Account transactions of the simulated customers, fraud among them, and the probability of fraud that their own record gives."""

import numpy as np

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
# Mean and spread of log(amount / usual) of genuine outflows, fitted once to a third of a million of them.
GENUINE_LIFT, GENUINE_SPREAD = -0.3, 0.85


class Transactions:
    """The account of each customer of a block: balance in minor units and the number of its transactions so far."""

    def __init__(self, seed, block, profile):
        self.seed, self.block, self.profile = seed, block, profile
        self.balance = np.round(BUFFER * profile.turnover).astype(np.int64) * 100
        self.count = np.zeros(BLOCK, dtype=np.int64)

    def move(self, month, span, thin_buffer, effect):
        """Transactions of the month, sorted by customer and time; `_fraud`, `_probability` and `_report` stay aside."""
        genuine = self._genuine(month, span, thin_buffer, effect)
        fraud = self._fraud(month, span, effect)
        rows = join([genuine, fraud])
        rows = take(rows, np.flatnonzero(span.within(rows["customer"], rows["occurred_at"])))
        rows = take(rows, np.lexsort((rows["occurred_at"], rows["customer"])))
        customer, amount = rows["customer"], rows["amount"]
        known_at = np.where(rows["channel"] < ELECTRONIC, rows["occurred_at"], next_posting(rows["occurred_at"]))
        fixed = {"transaction_id": self._number(customer), "known_at": known_at, "customer": customer, "occurred_at": rows["occurred_at"],
                 "amount": amount, "currency": np.zeros(len(customer), dtype=np.int64), "kind": rows["kind"],
                 "counterparty_id": rows["counterparty"], "channel": rows["channel"], "balance": self._balances(customer, amount)}
        return fixed | {"_fraud": rows["fraud"], "_probability": self._probability(rows, effect), "_report": rows["report"]}

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
        day = span.start + rng.integers(0, 24, BLOCK) * DAY
        gap = np.where(rank_within(customer) == 0, 0.0, rng.exponential(SPELL_GAP, n))
        elapsed = np.cumsum(gap) - np.cumsum(gap)[np.searchsorted(customer, customer)] if n else gap
        usual = self.profile.turnover[customer] / 2 * effect.amounts
        amount = -np.maximum(np.round(usual * np.exp(FRAUD_LIFT + FRAUD_SPREAD * rng.standard_normal(n)) * 100), 100).astype(np.int64)
        channel = _pick(rng, FRAUD_CHANNEL, n)
        clock = _clock(rng, (day[customer] + elapsed.astype(np.int64)) // DAY * DAY, channel, FRAUD_NIGHT)
        report = (np.exp(np.log(12) + 0.7 * rng.standard_normal(n)).clip(1, 55) * DAY).astype(np.int64)
        return {"customer": customer, "amount": amount} | _partners(rng, customer, self.profile, month, FRAUD_PARTNER) | {
            "kind": _pick(rng, FRAUD_KIND, n), "channel": channel} | clock | {"fraud": np.ones(n, dtype=bool), "report": report}

    def _probability(self, rows, effect):
        """Probability of fraud of each row given the customer's record up to and including it; zero for money in.

        A filter over the spells: the odds that the next outflow belongs to a spell follow from the earlier ones of the month, and its
        amount, hour, channel, kind and partner multiply them by their likelihood ratio. Rows are sorted by customer and time.
        """
        out = np.flatnonzero(rows["amount"] < 0)
        spent = take(rows, out)
        ratio = self._likelihood_ratio(spent, effect)
        answer = np.zeros(len(rows["customer"]))
        answer[out] = _filter(spent["customer"], spent["occurred_at"], ratio, SPELLS_A_MONTH * effect.fraud)
        return answer

    def _likelihood_ratio(self, rows, effect):
        usual = self.profile.turnover[rows["customer"]] / 2 * effect.amounts * 100
        lift = np.log(-rows["amount"] / usual)
        amount = _normal(lift, FRAUD_LIFT, FRAUD_SPREAD) / _normal(lift, GENUINE_LIFT, GENUINE_SPREAD)
        night = np.where(rows["night"], FRAUD_NIGHT / NIGHT, (1 - FRAUD_NIGHT) / (1 - NIGHT))
        marks = (FRAUD_CHANNEL / _online(OUT_CHANNEL, effect))[rows["channel"]] * (FRAUD_PARTNER / PARTNER)[rows["partner"]]
        return amount * night * marks * (FRAUD_KIND[rows["kind"]] / OUT_KIND[rows["kind"]])


def _normal(value, mean, spread):
    return np.exp(-0.5 * ((value - mean) / spread) ** 2) / spread


def _filter(customer, at, ratio, spells):
    """Forward filter over each customer's outflows of a month, all customers at once, one rank after the other."""
    rank = rank_within(customer)
    active, last = np.zeros(BLOCK), np.zeros(BLOCK)
    answer = np.zeros(len(customer))
    for step in range(rank.max(initial=-1) + 1):
        rows = np.flatnonzero(rank == step)
        who = customer[rows]
        still = active[who] * np.exp(-(at[rows] - last[who]) / SPELL_GAP)
        # Genuine outflows come twice a month: the rate against which a running spell's next fraud competes.
        running = still * (15 * DAY / SPELL_GAP)
        idle = still + 1 - active[who]
        odds = (running / idle + spells / 2) * ratio[rows]
        answer[rows] = odds / (1 + odds)
        active[who] = 0.72 * answer[rows] + (1 - answer[rows]) * still / idle
        last[who] = at[rows]
    return answer


def _split(rng, totals):
    """Amounts that add up to each customer's total: one and a Poisson number more, in minor units."""
    customer = np.repeat(np.arange(BLOCK), 1 + rng.poisson(1.0, BLOCK))
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
