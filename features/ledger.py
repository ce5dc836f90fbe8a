"""Open items and settlements: what invoices and the payments known by a date leave open, and how late the settled ones were."""

from dataclasses import dataclass

import numpy as np

from features.arrays import DAY, MISSING_MONEY, MISSING_TIME, Category
from features.errors import RiskError
from features.kernel import pack_edge
from features.lookups import NEVER, by_observation, covering

PAYMENT = "payment"
AGEING_DAYS = (30, 60, 90)


@dataclass(frozen=True)
class Ledger:
    """Invoices beside what was paid on them, both in the order of the invoices' rows.

    `visible` (n,) is when an invoice could first be read and `settled` (n,) when its payments known by then reached its amount (NEVER while
    open). A payment counts from the later of the day it happened and the day it was known; `effective` (p,) and `paid_before` (p + 1,) hold
    the matched payments by invoice and that moment, `first` (n + 1,) where each invoice's begin. `settled_on`, `settled_kind` and
    `settled_payments` are the latest day of the settling payments, the kind of the last one, and how many they were.
    """

    invoices: dict
    visible: np.ndarray
    settled: np.ndarray
    settled_on: np.ndarray
    settled_kind: Category
    settled_payments: np.ndarray
    key: np.ndarray
    paid_before: np.ndarray
    first: np.ndarray


def ledger(invoices, payments):
    """The Ledger of an invoices table and a payments table; payments without a known invoice are left aside."""
    invoice, occurred, effective, amount, kind = _matched(invoices, payments)
    visible = np.maximum(invoices["issued_at"], invoices["known_at"])
    paid_before = np.concatenate([[0], np.cumsum(amount)])
    first = np.searchsorted(invoice, np.arange(len(visible) + 1))
    settling = _settling_payment(invoice, paid_before, first, invoices["amount"])
    found = settling >= 0
    settled, settled_on, settled_kind = np.full(len(visible), NEVER), np.full(len(visible), MISSING_TIME), np.full(len(visible), -1)
    settled[found] = effective[settling[found]]
    settled_on[found] = _latest_so_far(invoice, occurred)[settling[found]]
    settled_kind[found] = kind[settling[found]]
    return Ledger(
        invoices,
        visible,
        settled,
        settled_on,
        Category(settled_kind.astype(np.int32), _kinds(payments).levels),
        np.where(found, settling - first[:-1] + 1, 0),
        pack_edge(invoice, effective),
        paid_before,
        first,
    )


def _matched(invoices, payments):
    """The payments of known invoices: invoice row, occurred, effective, amount, kind, by invoice, then effective, then occurred."""
    row = _row_of(invoices["invoice_id"], payments["invoice_id"], known=invoices["known_at"])
    # an id that another customer's payment names is not that customer's to pay
    kept = ((row >= 0) & (invoices["entity"][row] == payments["entity"])).nonzero()[0] if len(invoices["entity"]) else np.zeros(0, dtype=np.int64)
    row, occurred = row[kept], payments["occurred_at"][kept]
    effective = np.maximum(occurred, payments["known_at"][kept])
    # by when they came to count, so that a payment known later never reorders those before it
    order = np.lexsort((occurred, effective, row))
    kind = _kinds(payments).codes.astype(np.int64)
    return row[order], occurred[order], effective[order], payments["amount"][kept][order], kind[kept][order]


def _kinds(payments):
    """The kind of every payment: one whose kind is not given is a payment like any other."""
    if "kind" not in payments or not isinstance(payments["kind"], Category):
        return Category(np.zeros(len(payments["amount"]), dtype=np.int32), (PAYMENT,))
    kind = payments["kind"]
    levels = kind.levels if PAYMENT in kind.levels else (*kind.levels, PAYMENT)
    return Category(np.where(kind.codes < 0, levels.index(PAYMENT), kind.codes).astype(np.int32), levels)


def _row_of(codes, wanted, *, known):
    """Row of each wanted code among `codes`, of several the one known first; -1 where it is missing or unknown."""
    row = np.full(max(int(codes.max(initial=-1)), int(wanted.max(initial=-1))) + 2, -1)
    order = known.argsort(kind="stable")[::-1]
    row[codes[order]] = order
    row[-1] = -1
    return row[wanted]


def _settling_payment(invoice, paid_before, first, amount):
    """Position of the payment with which each invoice's payments first reach its amount, -1 where they never do."""
    settling = np.full(len(amount), -1)
    paid = paid_before[1:] - paid_before[first[invoice]]
    enough = (paid >= amount[invoice]).nonzero()[0]
    # written backwards, so that the first payment to reach the amount stays
    settling[invoice[enough[::-1]]] = enough[::-1]
    return settling


def _latest_so_far(invoice, occurred):
    """Running maximum of `occurred` within each invoice, in the payments' order."""
    by_rank = np.lexsort((occurred, invoice))
    rank = np.empty(len(occurred), dtype=np.int64)
    rank[by_rank] = np.arange(len(occurred))
    return occurred[by_rank[np.maximum.accumulate(rank)]] if len(rank) else occurred


def settlements(book):
    """Dated rows of settled invoices: when they were settled and known to be, days late (negative: early), amount, kind of the settling
    payment, and how many payments it took."""
    invoices = book.invoices
    row = ((book.settled != NEVER) & (invoices["due_at"] != MISSING_TIME)).nonzero()[0]
    row = row[np.lexsort((book.settled_on[row], invoices["entity"][row]))]
    # whole days by floor: paid on the due day is not late, at whatever hour
    days_late = (book.settled_on[row] - invoices["due_at"][row]) // DAY
    amount = invoices["amount"][row]
    return {
        "entity": invoices["entity"][row],
        "occurred_at": book.settled_on[row],
        "known_at": np.maximum(book.settled[row], book.visible[row]),
        "days_late": days_late,
        "amount": amount,
        "late_amount_days": product(np.maximum(days_late, 0), amount),
        "kind": book.settled_kind[row],
        "payments": book.settled_payments[row],
    }


def product(amount, days):
    """Whole amounts times whole days, int64 (n,).

    Raises RiskError when one might leave 64 bits.
    """
    largest = float(np.abs(amount).max(initial=0)) * float(np.abs(days).max(initial=0))
    if largest >= 2.0**63:
        raise RiskError("Amounts times days past due may leave 64 bits; state the amounts in a larger unit, or correct the due days.")
    return amount * days


def open_figures(book, entity, as_of):
    """What is open at each as_of, from the items: a dict of float64 columns (m,), money in minor units, 0 where nothing is open.

    open_amount, open_count, overdue_amount, overdue_count, oldest_days (days past due of the oldest overdue item), overdue_<from>d for each
    ageing bucket (overdue amounts more than that many days and at most the next bucket's), partial_amount (paid on items still open),
    largest_amount (what the largest item leaves open), overdue_amount_days (overdue amounts times their days past due).
    An item is overdue after its due day. Observations must ascend by (entity, as_of).
    """
    item, observation = covering(book.invoices["entity"], book.visible, book.settled, observed=entity, as_of=as_of)
    paid = _paid_by(book, item, as_of[observation])
    left, due = book.invoices["amount"][item] - paid, book.invoices["due_at"][item]
    days = np.where(due == MISSING_TIME, 0, (as_of[observation] - due) // DAY)
    late = days > 0
    figures = {
        "open_amount": left,
        "open_count": np.ones_like(left),
        "overdue_amount": left * late,
        "overdue_count": late,
        "partial_amount": paid,
        "overdue_amount_days": product(left, np.maximum(days, 0)),
        **_ageing(left, days),
    }
    sums = by_observation(observation, np.array(list(figures.values())), count=len(as_of))
    most = by_observation(observation, np.array([np.maximum(days, 0), left]), count=len(as_of), ufunc=np.maximum)
    return dict(zip((*figures, "oldest_days", "largest_amount"), (*sums, *most), strict=True))


def _ageing(left, days):
    edges = (0, *AGEING_DAYS, NEVER)
    return {f"overdue_{low}d": left * ((days > low) & (days <= high)) for low, high in zip(edges[:-1], edges[1:], strict=True)}


def _paid_by(book, item, moment):
    last = np.searchsorted(book.key, pack_edge(item, moment), side="right")
    return book.paid_before[last] - book.paid_before[book.first[item]]


def contract_states(contracts):
    """The spell of each contract row: from the moment it was known to the next row of the same contract, end not included (NEVER for the
    last)."""
    order = np.lexsort((contracts["known_at"], contracts["contract_id"], contracts["entity"]))
    ids, known, entity = (contracts[name][order] for name in ("contract_id", "known_at", "entity"))
    # a row without an id is a contract of its own
    same = (ids[1:] == ids[:-1]) & (entity[1:] == entity[:-1]) & (ids[1:] >= 0)
    following = np.append(np.where(same, known[1:], NEVER), NEVER)[: len(ids)]
    end = np.empty(len(ids), dtype=np.int64)
    end[order] = following
    return contracts["known_at"], end


def contract_figures(contracts, entity, as_of, *, windows):
    """How the contracts due in (as_of - days, as_of] stand, as known then: {(measure, days): float64 (m,)} for each of the windows, in days.

    Counts: due (all of them), on_time (fulfilled by the due day), late (fulfilled after it, or still open past it), breached. A breached contract
    is neither on time nor late; one without a due day is not counted. due_amount and breached_amount are in minor units, a missing amount
    counting as none; delay_days are whole days from the due day to the fulfilment, or to as_of while it is open, of those not breached.
    Observations must ascend by (entity, as_of).
    """
    begin, end = contract_states(contracts)
    item, observation = covering(contracts["entity"], begin, end, observed=entity, as_of=as_of)
    due, done, moment = contracts["due_on"][item], contracts["fulfilled_on"][item], as_of[observation]
    breached = _status_is(contracts["status"], "breached")[item]
    on_time = (done != MISSING_TIME) & (done < due + DAY) & ~breached
    amount = _known_amount(contracts, item)
    figures = {
        "due": np.ones(len(item), dtype=np.int64),
        "on_time": on_time,
        "late": ~on_time & ~breached,
        "breached": breached,
        "due_amount": amount,
        "breached_amount": amount * breached,
        "delay_days": _delay(done, due, moment) * ~breached,
    }
    inside = {days: (due != MISSING_TIME) & (due <= moment) & (due > moment - days * DAY) for days in windows}
    chosen = {(name, days): values * inside[days] for name, values in figures.items() for days in windows}
    sums = by_observation(observation, np.array(list(chosen.values()), dtype=np.int64), count=len(as_of))
    return dict(zip(chosen, sums, strict=True))


def _known_amount(contracts, item):
    amount = contracts["amount"][item] if "amount" in contracts else np.zeros(len(item), dtype=np.int64)
    return np.where(amount == MISSING_MONEY, 0, amount)


def _delay(done, due, moment):
    # a fulfilment dated after as_of is a plan, not a fact
    end = np.where((done == MISSING_TIME) | (done > moment), moment, done)
    return np.maximum((end - due) // DAY, 0)


def _status_is(status, level):
    wanted = status.levels.index(level) if level in status.levels else -2
    return status.codes == wanted
