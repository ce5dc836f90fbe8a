"""Defaults derived from invoices and payments: material amounts past due for so many days, cured after a quiet time, written off for good.

Days are calendar days and the state of a day is that of its last second: what is paid on a day is not open at its end. An invoice is n days past due
at the end of the day n days after its due date. All amounts are minor units of one currency.
"""
from typing import Literal

import msgspec
import numpy as np
import pandas as pd

from features.errors import RiskError

INVOICES = ("invoice_id", "customer_id", "known_at", "issued_at", "due_at", "amount")
PAYMENTS = ("invoice_id", "customer_id", "known_at", "occurred_at", "amount")
DEFAULT, PAST_DUE, WRITE_OFF = "default", "past_due", "write_off"
TIME = "datetime64[us]"
# Receivables up to 30 days late are a technical matter, not a lack of means: EBA GL/2016/07, paragraph 23 (d).
TECHNICAL_DAYS = 30
NEVER = np.int64(1 << 30)
# A customer's number and a day, before 1970 or after, in one integer.
PLACE, MIDDLE = np.int64(1 << 32), np.int64(1 << 31)


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """When amounts past due are a default; see `defaults_past_due`. Amounts are minor units, `material_share` is of what the customer has open."""

    days_past_due: int = 90
    material_amount: int = 50_000
    material_share: float = 0.01
    cure_days: int = 90
    grey_from: int | None = None
    counted: Literal["invoice", "customer"] = "invoice"


def defaults_past_due(invoices, payments, *, rules, complete_to):
    """The defaults, and the grey stretches, of every customer, by what was known at `complete_to`.

    invoices: invoice_id, customer_id, known_at, issued_at, due_at, amount; payments: invoice_id, customer_id, occurred_at, known_at, amount and, where
    given, kind; only rows with known_at <= complete_to are read. What is past due is material while it exceeds `material_amount` and `material_share` of
    all the customer has open (both, as in Regulation (EU) 2018/171). Counted by invoice, a customer defaults on the first day at whose end the invoices
    `days_past_due` or more days late are material together; counted by customer, once anything past due, whichever invoices, has been material at the end
    of so many days in a row, which is the regulation's count for loans and makes a default of every habitual late payer.

    Payments and credit notes settle invoices. A write-off is no cure: one above `material_amount` (all of a customer's on a day together) is a default on
    its day, and what was written off stays owed; a smaller one is a settled difference. A default lasts until nothing has been material past due, and
    nothing material was written off, for `cure_days` days in a row (probation, EBA GL/2016/07, paragraph 71); counted by invoice, "past due" then means
    more than 30 days late (paragraph 23 d). A trigger within a default is no second one.

    Returns a frame by customer_id and occurred_at: customer_id, kind, occurred_at, known_at, cured_at (null: not by complete_to). Kind "default" is one
    default; where `rules.grey_from` is given, kind "past_due" is a stretch from the day on which that many days past due were reached until it ended.
    Both are dated by the last second of their day. A row is known from then, or from when the last late-known invoice (write-off) it stands on was known:
    who pays is seen at once, but a payment booked late takes back what its absence seemed to show, and only a reporting lag guards against that.

    Raises: RiskError when a column is missing, rows lack dates or amounts, or a `currency` beside them says that amounts are of several currencies.
    """
    _refuse_currencies(invoices, payments)
    book = _Book(_known(invoices, INVOICES, "invoices", complete_to), _known(payments, PAYMENTS, "payments", complete_to), rules)
    found = [_rows(book, DEFAULT, *_defaults(book, rules))]
    if rules.grey_from is not None:
        found.append(_rows(book, PAST_DUE, *_reached(book, rules, rules.grey_from)))
    found = pd.concat(found, ignore_index=True)
    seen = found[found["known_at"] <= pd.Timestamp(complete_to)]
    # What ends after the last whole day that is known has not ended yet.
    seen = seen.assign(cured_at=seen["cured_at"].where(seen["cured_at"] <= pd.Timestamp(complete_to)))
    return seen.sort_values(["customer_id", "occurred_at", "kind"], kind="stable", ignore_index=True)


class _Book:
    """Invoices and what settled them, as arrays: customers by number, days since 1970, amounts in minor units."""

    def __init__(self, invoices, payments, rules):
        self.customer, payer, self.customers = _numbered(invoices["customer_id"], payments["customer_id"])
        self.amount, self.rules = invoices["amount"].to_numpy(np.int64), rules
        self.issued, self.due, self.known_at = _day(invoices["issued_at"]), _day(invoices["due_at"]), invoices["known_at"].to_numpy(TIME)
        day, amount = _day(payments["occurred_at"]), payments["amount"].to_numpy(np.int64)
        lost, self.lost = _material_write_offs(payments, payer, day, amount, rules.material_amount)
        row = _rows_of(invoices["invoice_id"], payments["invoice_id"])
        # An id that another customer's payment names is not that customer's to pay.
        kept = ((row >= 0) & ~lost & (np.append(self.customer, -1)[row] == payer)).nonzero()[0]
        self._settle(row[kept], day[kept], amount[kept])

    def _settle(self, row, day, amount):
        """Invoice row, day and amount of what settles, by row and day, never more than the invoice holds nor before it is issued; the day it is closed."""
        order = np.lexsort((day, row))
        row, amount = row[order], amount[order]
        day, whole = np.maximum(day[order], self.issued[row]), self.amount[row]
        total = np.minimum(_running(amount, row), whole)
        part = np.where(_firsts(row), total, np.diff(total, prepend=0))
        self.closed = np.full(len(self.amount), NEVER)
        closing = (total == whole) & (part > 0)
        self.closed[row[closing]] = day[closing]
        self.row, self.settled_on, self.settled = row, day, part

    def late_from(self, days):
        """The first day at whose end each invoice, if open, is so many days past due."""
        return np.maximum(self.due + days, self.issued)

    def material(self, days):
        """Stretches in which what is so many days past due is material: customer, first day, first day after (NEVER while it lasts), by customer and day."""
        late, payer = self.late_from(days), self.customer[self.row]
        # Most invoices are never that late, and most customers have none that is: nothing of theirs is sorted.
        reached = self.closed > late
        concerned = np.bincount(self.customer[reached], minlength=len(self.customers)) > 0
        billed, paid, paid_late = concerned[self.customer], concerned[payer], reached[self.row]
        key = np.concatenate([_key(self.customer, self.issued)[billed], _key(payer, self.settled_on)[paid], _key(self.customer, late)[reached],
                              _key(payer, np.maximum(self.settled_on, late[self.row]))[paid_late]])
        change = np.concatenate([self.amount[billed], -self.settled[paid], self.amount[reached], -self.settled[paid_late]])
        order = np.argsort(key, kind="stable")
        edge = np.flatnonzero(_firsts(key[order]))
        customer, day = _parts(key[order][edge])
        is_late, amounts = order >= billed.sum() + paid.sum(), change[order]
        in_all, past_due = (_running(_summed(np.where(part, amounts, 0), edge), customer) for part in (~is_late, is_late))
        return _stretches(customer, day, (past_due > self.rules.material_amount) & (past_due > self.rules.material_share * in_all))

    def known_from(self, days, customer, start, end):
        """When each stretch of days (both inclusive; by customer and day, apart) is known: the end of its last day, or when the last invoice that was so
        many days past due in it was known."""
        late, known_at = self.late_from(days), _end_of(end)
        unseen = np.flatnonzero((self.known_at > _end_of(late)) & (self.closed > late))
        first = np.searchsorted(_key(customer, end), _key(self.customer[unseen], late[unseen]))
        beyond = np.searchsorted(_key(customer, start), _key(self.customer[unseen], self.closed[unseen]))
        count = np.maximum(beyond - first, 0)
        place = np.repeat(first - (np.cumsum(count) - count), count) + np.arange(count.sum())
        np.maximum.at(known_at, place, np.repeat(self.known_at[unseen], count))
        return known_at


def _reached(book, rules, days):
    """Stretches that reached so many days past due: customer, day reached, known_at, first day after."""
    if rules.counted == "invoice":
        customer, reached, after = book.material(days)
        return customer, reached, book.known_from(days, customer, reached, reached), after
    customer, start, after = (part for part in book.material(1))
    long = after - start >= days
    customer, start, after = customer[long], start[long], after[long]
    reached = start + days - 1
    return customer, reached, book.known_from(1, customer, start, reached), after


def _defaults(book, rules):
    """Defaults: customer, day, known_at, day of the cure."""
    customer, day, known_at, after = (np.concatenate(parts) for parts in zip(_reached(book, rules, rules.days_past_due), book.lost, strict=True))
    level = min(TECHNICAL_DAYS + 1, rules.days_past_due) if rules.counted == "invoice" else 1
    noisy = book.material(level)
    spans = (np.concatenate([noisy[0], customer]), np.concatenate([noisy[1], day]), np.concatenate([noisy[2], after]))
    owner, begin, end = _joined(*spans, quiet=rules.cure_days)
    order = np.lexsort((known_at, day, customer))
    customer, day, known_at = customer[order], day[order], known_at[order]
    inside = np.searchsorted(_key(owner, begin), _key(customer, day), side="right") - 1
    first = _firsts(inside)
    return customer[first], day[first], known_at[first], end[inside[first]] + rules.cure_days - 1


def _joined(customer, start, after, *, quiet):
    """Spans that follow one another within fewer than `quiet` days as one: customer, first day, first day after, by customer and day."""
    order = np.lexsort((start, customer))
    customer, start, after = customer[order], start[order], after[order]
    # The latest end so far of a customer: its keys grow with the customer's number, so one running maximum serves all.
    latest = _parts(np.maximum.accumulate(_key(customer, after)))[1]
    new = _firsts(customer)
    new[1:] |= start[1:] - latest[:-1] >= quiet
    edge = np.flatnonzero(new)
    last = np.append(edge[1:], len(new))[: len(edge)] - 1
    return customer[edge], start[edge], latest[last]


def _rows(book, kind, customer, day, known_at, after):
    """One row per stretch; `after` is the day at whose end it is over."""
    ended = np.where(after < NEVER, _end_of(np.where(after < NEVER, after, 0)), np.datetime64("NaT"))
    return pd.DataFrame({"customer_id": book.customers.take(customer), "kind": kind, "occurred_at": _end_of(day), "known_at": known_at,
                         "cured_at": ended.astype(TIME)}).astype({"customer_id": "str", "kind": "str"})


def _material_write_offs(payments, payer, day, amount, least):
    """Which rows are material write-offs, and (customer, day, known_at, day after) of each customer and day that has them."""
    written = payments["kind"].eq(WRITE_OFF).to_numpy(dtype=bool, na_value=False) if "kind" in payments else np.zeros(len(payments), dtype=bool)
    key, place = np.unique(_key(payer[written], day[written]), return_inverse=True)
    total = np.zeros(len(key), dtype=np.int64)
    np.add.at(total, place, amount[written])
    customer, on = _parts(key)
    known_at = _end_of(on)
    np.maximum.at(known_at, place, payments["known_at"].to_numpy(TIME)[written])
    lost = written.copy()
    lost[written] = (total > least)[place]
    kept = total > least
    return lost, (customer[kept], on[kept], known_at[kept], on[kept] + 1)


def _numbered(*ids):
    """The ids of each series as numbers, and the ids by number."""
    codes, known = pd.factorize(pd.concat([each.astype("str") for each in ids], ignore_index=True))
    return *np.split(codes.astype(np.int64), np.cumsum([len(each) for each in ids])[:-1]), known


def _rows_of(ids, wanted):
    """The first row of each wanted id among `ids`, -1 where it is missing or unknown."""
    number, asked, known = _numbered(ids, wanted)
    first = np.full(len(known) + 1, -1)
    first[number[::-1]] = np.arange(len(number))[::-1]
    return first[asked]


def _stretches(customer, day, on):
    """Customer, first day and first day after of the stretches in which `on` holds from one of its days to the next."""
    new = _firsts(customer)
    before = np.r_[False, on[:-1]][: len(on)] & ~new
    begin = np.flatnonzero(on & ~before)
    lasts = on & np.append(new[1:], True)[: len(on)]
    finish = np.flatnonzero((before & ~on) | lasts)
    return customer[begin], day[begin], np.where(lasts[finish], NEVER, day[finish])


def _key(customer, day):
    return customer * PLACE + day + MIDDLE


def _parts(key):
    customer, day = np.divmod(key, PLACE)
    return customer, day - MIDDLE


def _firsts(values):
    """Where a sorted array takes a new value."""
    return np.r_[True, values[1:] != values[:-1]][: len(values)]


def _summed(values, edge):
    return np.add.reduceat(values, edge) if len(edge) else values


def _running(values, group):
    """Sums so far within each group of sorted groups, exact."""
    total, edge = np.cumsum(values), np.flatnonzero(_firsts(group))
    return total - np.repeat((total - values)[edge], np.diff(np.append(edge, len(values))))


def _day(moments):
    return moments.to_numpy("datetime64[D]").astype(np.int64)


def _end_of(day):
    return (day.astype("datetime64[D]") + np.timedelta64(1, "D")).astype(TIME) - np.timedelta64(1, "s")


def _refuse_currencies(*frames):
    found = sorted({currency for frame in frames if "currency" in frame for currency in frame["currency"].dropna().unique()})
    if len(found) > 1:
        raise RiskError(f"invoices and payments: amounts of several currencies ({', '.join(found)}) cannot be compared with material_amount; convert them to "
                        "one in the source's SQL, or define defaults by event")


def _known(frame, needs, table, complete_to):
    """The rows known by `complete_to`. Raises: RiskError when a column is missing or rows lack a date or an amount."""
    if missing := [name for name in needs if name not in frame]:
        raise RiskError(f"{table}: column {', '.join(missing)} is missing; defaults by days past due need it, so bring it or define defaults by event")
    dated = [name for name in needs if not name.endswith("_id")]
    if empty := int(frame[dated].isna().any(axis=1).sum()):
        raise RiskError(f"{table}: {empty} of {len(frame)} rows lack one of {', '.join(dated)}; fill them or drop the rows in the source's SQL")
    return frame[frame["known_at"] <= pd.Timestamp(complete_to)]
