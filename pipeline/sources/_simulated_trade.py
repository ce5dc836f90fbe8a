"""What the simulated customers buy and how they pay: invoices, payments, contracts and exposures."""

import numpy as np

from pipeline.sources._simulated_world import BLOCK, DAY, HOUR, NEVER, NULL, Purpose, join, next_posting, rank_within, stream, take

INVOICES_A_MONTH, CONTRACTS_A_MONTH = 2.5, 0.15
# Days late of one invoice: LATE_MEAN + LATE_SLOPE x lateness + LATE_NOISE x noise, never earlier than EARLIEST days before it is due.
LATE_MEAN, LATE_SLOPE, LATE_NOISE, EARLIEST = 9.0, 11.0, 3.0, 12
PARTIAL_SHARE, CREDIT_SHARE, CREDIT_PART = 0.06, 0.02, 0.1
PAYMENT, CREDIT_NOTE, WRITE_OFF = range(3)
OPEN, FULFILLED, LATE, BREACHED = range(4)


def moments(rng, count, start, end):
    """`count` moments in office hours of the days from `start` to `end` (exclusive)."""
    day = rng.integers(0, (end - start) // DAY, count)
    return start + day * DAY + rng.integers(8 * HOUR, 18 * HOUR, count)


class Trade:
    """Open invoices of one block, part by part, and what becomes of them.

    A part is what is settled at once: a whole invoice, one of two instalments, or a credit note. `pay_at` is NEVER until it is planned,
    which happens EARLIEST + 2 days before the invoice is due, from the customer's lateness at that time.
    """

    def __init__(self, seed, block, profile):
        self.seed, self.block, self.profile = seed, block, profile
        self.issued = np.zeros(BLOCK, dtype=np.int64)
        self.paid = np.zeros(BLOCK, dtype=np.int64)
        whole = ("customer", "invoice", "kind", "amount", "issued_at", "due_at", "pay_at", "after")
        self.parts = dict.fromkeys(whole, np.zeros(0, dtype=np.int64))
        self.parts["noise"] = np.zeros(0)

    def invoice(self, month, span, business, amounts):
        """New invoices of the month for customers in business, and their parts; `business` scales amounts, zero stops them."""
        rng = stream(self.seed, self.block, month, Purpose.INVOICE)
        customer = np.repeat(np.arange(BLOCK), rng.poisson(INVOICES_A_MONTH, BLOCK))
        n = len(customer)
        issued_at = moments(rng, n, span.start, span.end)
        amount = self.profile.ticket[customer] * np.exp(0.5 * rng.standard_normal(n)) * business[customer] * amounts
        drawn = {"noise": rng.standard_normal(n), "split": rng.random(n), "after": rng.integers(8, 40, n) * DAY}
        rows = {"customer": customer, "issued_at": issued_at, "amount": np.maximum(np.round(amount * 100), 100).astype(np.int64)} | drawn
        rows = take(rows, np.flatnonzero(span.within(customer, issued_at) & (business[customer] > 0)))
        rows["due_at"] = rows["issued_at"] // DAY * DAY + self.profile.terms[rows["customer"]] * DAY
        rows["invoice"] = self._number(rows["customer"])
        self._open(rows)
        return {"invoice_id": rows["invoice"], "known_at": rows["issued_at"] + HOUR, "customer": rows["customer"],
                "issued_at": rows["issued_at"], "due_at": rows["due_at"], "amount": rows["amount"],
                "currency": np.zeros(len(rows["invoice"]), dtype=np.int64)}

    def _number(self, customer):
        number = self.issued[customer] + rank_within(customer)
        self.issued = self.issued + np.bincount(customer, minlength=BLOCK)
        return (self.block * BLOCK + customer + 1) * 100_000 + number

    def _open(self, rows):
        amount, split = rows["amount"], rows["split"]
        second = np.where(split < PARTIAL_SHARE, amount * 2 // 5, 0)
        credit = np.where((split >= PARTIAL_SHARE) & (split < PARTIAL_SHARE + CREDIT_SHARE), (amount * CREDIT_PART).astype(np.int64), 0)
        at_once = np.zeros_like(amount)
        parts = (amount - second - credit, PAYMENT, at_once), (second, PAYMENT, rows["after"]), (credit, CREDIT_NOTE, at_once)
        self.parts = join([self.parts, *(self._part(rows, *part) for part in parts)])

    def _part(self, rows, amount, kind, after):
        part = {name: rows[name] for name in ("customer", "invoice", "issued_at", "due_at", "noise")}
        part |= {"kind": np.full(len(amount), kind), "amount": amount, "after": after, "pay_at": np.full(len(amount), NEVER)}
        return take(part, np.flatnonzero(amount > 0))

    def settle(self, span, lateness, default_at):
        """Plan what falls due, and return (payments of the month, money lost per customer who defaulted in it)."""
        self._plan(span, lateness)
        parts = self.parts
        failed = default_at[parts["customer"]] != NEVER
        paid = (parts["pay_at"] < span.end) & (parts["pay_at"] < default_at[parts["customer"]])
        settled, lost = take(parts, np.flatnonzero(paid)), take(parts, np.flatnonzero(failed & ~paid))
        self.parts = take(parts, np.flatnonzero(~paid & ~failed))
        return settled, lost

    def _plan(self, span, lateness):
        parts = self.parts
        due = (parts["pay_at"] == NEVER) & (parts["due_at"] - (EARLIEST + 2) * DAY < span.end)
        days = LATE_MEAN + LATE_SLOPE * lateness[parts["customer"]] + LATE_NOISE * parts["noise"]
        days = np.maximum(np.round(days), -EARLIEST).astype(np.int64)
        # A payment never precedes the day after its invoice, nor, a month's plan being made in it, the month.
        hour = 9 * HOUR + parts["invoice"] % 8 * HOUR + parts["invoice"] % 3_541
        at = np.maximum(parts["due_at"] + days * DAY, parts["issued_at"] // DAY * DAY + DAY) + parts["after"] + hour
        self.parts = parts | {"pay_at": np.where(due, np.maximum(at, span.start), parts["pay_at"])}

    def payments(self, settled):
        """Rows of settled parts, numbered by customer."""
        rows = take(settled, np.lexsort((settled["pay_at"], settled["customer"])))
        customer = rows["customer"]
        number = self.paid[customer] + rank_within(customer)
        self.paid = self.paid + np.bincount(customer, minlength=BLOCK)
        return {"payment_id": (self.block * BLOCK + customer + 1) * 100_000 + number, "known_at": next_posting(rows["pay_at"]),
                "invoice_id": rows["invoice"], "customer": customer, "occurred_at": rows["pay_at"], "amount": rows["amount"],
                "kind": rows["kind"]}

    def collect(self, month, lost, default_at):
        """What a default leaves of the open parts: a recovered payment and a write-off each, and the loss per customer in minor units."""
        rng = stream(self.seed, self.block, month, Purpose.RECOVERY)
        share = rng.beta(2.2, 2.2, BLOCK)
        wait = rng.integers(60, 181, BLOCK) * DAY
        customer, written = lost["customer"], np.round(lost["amount"] * share[lost["customer"]]).astype(np.int64)
        at = default_at[customer] // DAY * DAY + wait[customer] + 10 * HOUR
        recovered = lost | {"amount": lost["amount"] - written, "pay_at": at, "kind": np.full(len(at), PAYMENT)}
        gone = lost | {"amount": written, "pay_at": at + 20 * DAY, "kind": np.full(len(at), WRITE_OFF)}
        both = join([recovered, gone])
        return take(both, np.flatnonzero(both["amount"] > 0)), np.bincount(customer, weights=written, minlength=BLOCK).astype(np.int64)

    def exposures(self, span, present, factor, amounts):
        """Month-end exposure of each customer present: limit, what is open, collateral, in minor units."""
        who = np.flatnonzero(present)
        owed = np.bincount(self.parts["customer"], weights=self.parts["amount"], minlength=BLOCK).astype(np.int64)
        limit = np.round(self.profile.ticket * 12 * factor * amounts).astype(np.int64) * 100
        collateral = np.round(limit * self.profile.collateral).astype(np.int64)
        return {"customer": who, "known_at": np.full(len(who), span.end - 1), "limit": limit[who], "exposure": owed[who],
                "collateral": collateral[who], "currency": np.zeros(len(who), dtype=np.int64)}


class Contracts:
    """Open contracts of one block; how long they take follows the customer's lateness when they are signed."""

    def __init__(self, seed, block, profile):
        self.seed, self.block, self.profile = seed, block, profile
        self.signed = np.zeros(BLOCK, dtype=np.int64)
        none = np.zeros(0, dtype=np.int64)
        self.open = dict.fromkeys(("customer", "contract_id", "signed_on", "due_on", "done_on", "amount"), none)

    def sign(self, month, span, business, lateness, amounts):
        """Contracts signed in the month, as rows with status open."""
        rng = stream(self.seed, self.block, month, Purpose.CONTRACT)
        customer = np.repeat(np.arange(BLOCK), rng.poisson(CONTRACTS_A_MONTH, BLOCK))
        n = len(customer)
        signed_on = moments(rng, n, span.start, span.end)
        due_on = signed_on // DAY * DAY + rng.integers(60, 181, n) * DAY
        days = np.round(-4 + 9 * lateness[customer] + 8 * rng.standard_normal(n)).astype(np.int64)
        amount = np.round(self.profile.ticket[customer] * np.exp(1 + 0.6 * rng.standard_normal(n)) * business[customer] * amounts * 100)
        done_on = due_on + np.clip(days, -30, 90) * DAY + 15 * HOUR
        rows = {"customer": customer, "signed_on": signed_on, "due_on": due_on, "done_on": done_on,
                "amount": np.maximum(amount, 100).astype(np.int64)}
        rows = take(rows, np.flatnonzero(span.within(customer, signed_on) & (business[customer] > 0)))
        rows["contract_id"] = self._number(rows["customer"])
        self.open = join([self.open, rows])
        return _contract_rows(rows, np.full(len(rows["customer"]), OPEN), rows["signed_on"] + HOUR)

    def _number(self, customer):
        number = self.signed[customer] + rank_within(customer)
        self.signed = self.signed + np.bincount(customer, minlength=BLOCK)
        return (self.block * BLOCK + customer + 1) * 1_000 + number

    def finish(self, span, default_at):
        """Rows of the contracts fulfilled in the month, or breached by a default in it."""
        rows = self.open
        limit = default_at[rows["customer"]]
        done, failed = (rows["done_on"] < span.end) & (rows["done_on"] < limit), limit != NEVER
        self.open = take(rows, np.flatnonzero(~done & ~failed))
        over, broken = take(rows, np.flatnonzero(done)), take(rows, np.flatnonzero(failed & ~done))
        status = np.where(over["done_on"] // DAY <= over["due_on"] // DAY, FULFILLED, LATE)
        breached = _contract_rows(broken, np.full(len(broken["customer"]), BREACHED), default_at[broken["customer"]] + 20 * DAY)
        return join([_contract_rows(over, status, next_posting(over["done_on"])), breached])


def _contract_rows(rows, status, known_at):
    fulfilled = (status == FULFILLED) | (status == LATE)
    return {"contract_id": rows["contract_id"], "known_at": known_at, "customer": rows["customer"], "signed_on": rows["signed_on"],
            "due_on": rows["due_on"], "fulfilled_on": np.where(fulfilled, rows["done_on"], NULL), "amount": rows["amount"],
            "status": status}
