"""Defaults by days past due: against a loop over days, the published rules case by case, and the two doors."""
import datetime
import functools

import numpy as np
import pandas as pd
import pytest

from features.errors import RiskError
from models.past_due import Rules, defaults_past_due

START = datetime.date(2022, 1, 1)
INVOICE = {"invoice_id": "i1", "customer_id": "c1", "issued_at": "2022-01-01", "due_at": "2022-01-31", "known_at": "2022-01-02", "amount": 100_000}
PAYMENT = {"payment_id": "p1", "invoice_id": "i1", "customer_id": "c1", "occurred_at": "2022-03-01", "known_at": "2022-03-02", "amount": 100_000,
           "kind": "payment"}
COMPLETE = "2023-12-31 23:59:59"


def table(base, *rows):
    frame = pd.DataFrame([{**base, **row} for row in rows], columns=list(base))
    return frame.astype({name: "datetime64[us]" for name in base if name.endswith("_at")} | {"amount": "int64"})


def invoices(*rows):
    return table(INVOICE, *rows)


def payments(*rows):
    return table(PAYMENT, *rows)


def spells(owed, paid, complete_to=COMPLETE, kind="default", **rules):
    """(customer, day, day known, day of the cure or None) of every spell."""
    found = defaults_past_due(owed, paid, rules=Rules(**rules), complete_to=complete_to)
    days = found[["occurred_at", "known_at", "cured_at"]].apply(lambda column: column.dt.strftime("%Y-%m-%d"))
    rows = zip(found["customer_id"], *(days[name] for name in days), found["kind"], strict=True)
    return [(who, day, known, None if pd.isna(cured) else cured) for who, day, known, cured, sort in rows if sort == kind]


# An independent reading: every day of every customer, one after the other.

def naive(owed, paid, rules, complete_to):
    owed, paid = (frame[frame["known_at"] <= complete_to] for frame in (owed, paid))
    found = []
    for who in sorted({*owed["customer_id"], *paid["customer_id"]}):
        found += naive_customer(who, *(frame[frame["customer_id"] == who].to_dict("records") for frame in (owed, paid)), rules, complete_to)
    return sorted(found)


def naive_customer(who, owed, paid, rules, complete_to):
    losses = {}
    for row in paid:
        if row["kind"] == "write_off":
            losses.setdefault(row["occurred_at"].date(), []).append(row)
    losses = {day: rows for day, rows in losses.items() if sum(row["amount"] for row in rows) > rules.material_amount}
    settling = [row for row in paid if not (row["kind"] == "write_off" and row["occurred_at"].date() in losses)]
    first = min(row["occurred_at" if "occurred_at" in row else "issued_at"].date() for row in [*owed, *paid])
    days = [first + datetime.timedelta(n) for n in range((complete_to.date() - first).days + 1)]

    dated = [(row["invoice_id"], row["occurred_at"].date(), row["amount"]) for row in settling]

    @functools.cache
    def open_on(day):
        left = [row["amount"] - sum(amount for name, on, amount in dated if name == row["invoice_id"] and on <= day) for row in owed]
        return [(row, rest) for row, rest in zip(owed, left, strict=True) if row["issued_at"].date() <= day and rest > 0]

    def late(day, level):
        """Open invoices so many days past due, and whether they are material."""
        overdue = [(row, rest) for row, rest in open_on(day) if (day - row["due_at"].date()).days >= level]
        amount, all_open = (sum(rest for _, rest in rows) for rows in (overdue, open_on(day)))
        return [row for row, _ in overdue], amount > rules.material_amount and amount > rules.material_share * all_open

    def end(day):
        return pd.Timestamp(day) + pd.Timedelta(days=1) - pd.Timedelta(seconds=1)

    def reached(level):
        """By day: None, or since when it is known that so many days past due are reached."""
        answer, streak, seen = {}, 0, []
        for day in days:
            overdue, material = late(day, level if rules.counted == "invoice" else 1)
            streak = streak + 1 if material else 0
            seen = [*seen, *overdue] if material else []
            hit = material and (rules.counted == "invoice" or streak >= level)
            since = max([end(day), *(row["known_at"] for row in seen)]) if hit else None
            answer[day] = since if not hit or answer.get(day - datetime.timedelta(1)) is None else answer[day - datetime.timedelta(1)]
            if rules.counted == "invoice" and not hit:
                seen = []
        return answer

    def at_crossing(level):
        marks = reached(level)
        return {day: mark for day, mark in marks.items() if mark is not None}

    crossed, spells, since, quiet = at_crossing(rules.days_past_due), [], None, 0
    noise = min(31, rules.days_past_due) if rules.counted == "invoice" else 1
    for day in days:
        if end(day) > complete_to:
            break
        lost = losses.get(day)
        if since is None:
            marks = [*([crossed[day]] if day in crossed else []), *([max(end(day), *(row["known_at"] for row in lost))] if lost else [])]
            if marks:
                since, quiet = (end(day), min(marks)), 0
        if since is not None:
            quiet = 0 if lost or late(day, noise)[1] else quiet + 1
            if quiet == rules.cure_days:
                spells.append((who, "default", *since, end(day)))
                since = None
    if since is not None:
        spells.append((who, "default", *since, None))
    if rules.grey_from is not None:
        open_since = None
        marks = at_crossing(rules.grey_from)
        for day in [day for day in days if end(day) <= complete_to]:
            if day in marks and open_since is None:
                open_since = (end(day), marks[day])
            if day not in marks and open_since is not None:
                spells.append((who, "past_due", *open_since, end(day)))
                open_since = None
        if open_since is not None:
            spells.append((who, "past_due", *open_since, None))
    return [(who, kind, day, known, None if cured is None else cured) for who, kind, day, known, cured in spells if known <= complete_to]


def random_book(seed):
    """A few customers, invoices and payments of all kinds: early, late, in parts, too much, for nobody's invoice, known late."""
    rng = np.random.default_rng(seed)
    number = int(rng.integers(1, 9))
    issued = rng.integers(0, 200, number)
    owed = [{"invoice_id": f"i{place}", "customer_id": f"c{rng.integers(0, 3)}", "issued_at": day(at), "due_at": day(at + rng.integers(-3, 30)),
             "known_at": day(at + int(rng.choice([0, 1, 5, 60, 150]))), "amount": int(rng.choice([100, 600, 1_000, 5_000, 40_000]))}
            for place, at in enumerate(issued)]
    paid = []
    for place in range(int(rng.integers(0, 12))):
        which = owed[rng.integers(0, number)]
        at = int(rng.integers(-5, 250)) + (pd.Timestamp(which["issued_at"]).date() - START).days
        whose = {"customer_id": which["customer_id"] if rng.uniform() < 0.9 else "c9", "invoice_id": which["invoice_id"] if rng.uniform() < 0.9 else None}
        when = {"occurred_at": day(at) + pd.Timedelta(hours=int(rng.integers(0, 24))), "known_at": day(at + 1 + int(rng.choice([0, 3, 40])))}
        kind = str(rng.choice(["payment", "payment", "credit_note", "write_off"]))
        paid.append({"payment_id": f"p{place}", **whose, **when, "amount": int(rng.choice([100, 400, 500, 1_000, which["amount"]])), "kind": kind})
    return invoices(*owed), payments(*paid)


def day(number):
    return pd.Timestamp(START) + pd.Timedelta(days=int(number))


@pytest.mark.parametrize("seed", range(12))
def test_it_finds_what_a_loop_over_days_finds(seed):
    rng = np.random.default_rng(1000 + seed)
    rules = Rules(days_past_due=int(rng.choice([10, 40, 90])), material_amount=int(rng.choice([0, 500])), material_share=float(rng.choice([0.0, 0.01, 0.3])),
                  cure_days=int(rng.choice([1, 20, 90])), grey_from=int(rng.choice([1, 5, 30])), counted=str(rng.choice(["invoice", "customer"])))
    owed, paid = random_book(seed)
    complete_to = day(int(rng.choice([150, 260, 420]))) + pd.Timedelta(hours=int(rng.choice([0, 12]))) - pd.Timedelta(seconds=1)
    found = defaults_past_due(owed, paid, rules=rules, complete_to=complete_to)
    rows = [(who, kind, at, known, None if pd.isna(cured) else cured) for who, kind, at, known, cured in found.itertuples(index=False)]
    assert sorted(rows, key=str) == sorted(naive(owed, paid, rules, complete_to), key=str)


@pytest.mark.parametrize("counted", ["invoice", "customer"])
def test_one_invoice_defaults_at_the_end_of_its_ninetieth_day_and_is_cured_after_ninety_quiet_ones(counted):
    paid = payments({"occurred_at": "2022-06-15 10:00", "known_at": "2022-06-16"})
    # Due on 31 January: 1 May is the 90th day. Paid on 15 June, so that day is the first quiet one, 12 September the 90th.
    assert spells(invoices({}), paid, counted=counted) == [("c1", "2022-05-01", "2022-05-01", "2022-09-12")]
    assert spells(invoices({}), payments({"occurred_at": "2022-05-01 23:00", "known_at": "2022-05-02"}), counted=counted) == []


@pytest.mark.parametrize(("amount", "open_beside", "defaults"), [(50_000, 0, 0), (50_001, 0, 1), (60_000, 5_940_000, 0), (60_001, 5_940_000, 1)])
def test_both_the_amount_and_its_share_must_be_exceeded(amount, open_beside, defaults):
    beside = [{"invoice_id": "i2", "issued_at": "2022-04-25", "due_at": "2023-04-25", "amount": open_beside}] if open_beside else []
    assert len(spells(invoices({"amount": amount}, *beside), payments(), complete_to="2022-12-31")) == defaults


def test_a_habitual_late_payer_defaults_only_where_days_are_counted_by_customer():
    dates = pd.date_range("2022-01-01", periods=12, freq="30D")
    owed = invoices(*({"invoice_id": f"i{n}", "issued_at": at, "due_at": at, "known_at": at} for n, at in enumerate(dates)))
    paid = payments(*({"payment_id": f"p{n}", "invoice_id": f"i{n}", "occurred_at": at + pd.Timedelta(days=35), "known_at": at + pd.Timedelta(days=35)}
                      for n, at in enumerate(dates)))
    assert spells(owed, paid) == []
    assert [row[:2] for row in spells(owed, paid, counted="customer")] == [("c1", "2022-04-01")]


def test_a_material_write_off_is_a_default_and_no_cure_and_a_small_one_a_settled_difference():
    lost = payments({"kind": "write_off", "occurred_at": "2022-03-01", "known_at": "2022-03-10"})
    assert spells(invoices({}), lost) == [("c1", "2022-03-01", "2022-03-10", None)]
    credited = payments({"kind": "credit_note", "occurred_at": "2022-03-01"})
    assert spells(invoices({}), credited) == []
    small = payments({"amount": 99_000}, {"payment_id": "p2", "kind": "write_off", "amount": 1_000})
    assert spells(invoices({}), small, material_amount=500, material_share=0.0) == [("c1", "2022-03-01", "2022-03-02", None)]
    assert spells(invoices({}), small, material_amount=1_000) == []


def test_what_was_written_off_is_cured_by_its_payment():
    lost = payments({"kind": "write_off"}, {"payment_id": "p2", "occurred_at": "2022-06-01", "known_at": "2022-06-01"})
    assert spells(invoices({}), lost) == [("c1", "2022-03-01", "2022-03-02", "2022-08-29")]


def test_a_default_is_known_when_its_invoice_is():
    assert spells(invoices({"known_at": "2022-08-01"}), payments()) == [("c1", "2022-05-01", "2022-08-01", None)]
    assert spells(invoices({"known_at": "2022-08-01"}), payments(), complete_to="2022-07-31") == []


def test_grey_stretches_begin_at_their_days_and_end_with_the_payment():
    paid = payments({"occurred_at": "2022-04-01", "known_at": "2022-04-01"})
    assert spells(invoices({}), paid, kind="past_due", grey_from=30) == [("c1", "2022-03-02", "2022-03-02", "2022-04-01")]
    assert spells(invoices({}), paid, kind="past_due") == []


def test_another_customer_s_payment_settles_nothing():
    assert len(spells(invoices({}), payments({"customer_id": "c2"}))) == 1


@pytest.mark.parametrize("seed", range(8))
def test_rows_that_are_not_yet_known_or_happen_later_change_nothing_before(seed):
    owed, paid = random_book(seed)
    cut = day(160) - pd.Timedelta(seconds=1)
    rules = Rules(days_past_due=40, material_amount=500, cure_days=20, grey_from=5)
    before = defaults_past_due(owed, paid, rules=rules, complete_to=cut)
    other_owed, other_paid = random_book(seed + 100)
    unknown = {"known_at": cut + pd.Timedelta(seconds=1)}
    more = [pd.concat([mine, theirs.assign(**unknown, **{key: "x" + theirs[key].astype(str)})]) for mine, theirs, key in
            ((owed[owed["known_at"] <= cut], other_owed, "invoice_id"), (paid[paid["known_at"] <= cut], other_paid, "payment_id"))]
    pd.testing.assert_frame_equal(defaults_past_due(*more, rules=rules, complete_to=cut), before)
    later = [frame[frame[when] <= cut] for frame, when in ((owed, "issued_at"), (paid, "occurred_at"))]
    whole, less = (defaults_past_due(*each, rules=rules, complete_to=day(500)) for each in ((owed, paid), later))
    keys = ["customer_id", "kind", "occurred_at"]
    pd.testing.assert_frame_equal(*(each.loc[each["occurred_at"] <= cut, keys].reset_index(drop=True) for each in (whole, less)))


@pytest.mark.parametrize(("owed", "paid", "message"), [
    (invoices({}).drop(columns="due_at"), payments(), "invoices: column due_at is missing; defaults by days past due need it"),
    (invoices({}), payments({"occurred_at": None}), "payments: 1 of 1 rows lack one of known_at, occurred_at, amount"),
    (invoices({}).assign(currency="EUR"), payments({}).assign(currency="USD"),
     r"invoices and payments: amounts of several currencies \(EUR, USD\) cannot be compared with material_amount; convert them to one in the source's SQL"),
])
def test_bad_input_is_named(owed, paid, message):
    with pytest.raises(RiskError, match=message):
        defaults_past_due(owed, paid, rules=Rules(), complete_to=COMPLETE)


def test_one_currency_is_none_to_convert():
    owed, paid = invoices({}).assign(currency="EUR"), payments({}).assign(currency=None)
    assert spells(owed, paid) == spells(invoices({}), payments({}))


def test_no_rows_no_defaults():
    assert defaults_past_due(invoices(), payments(), rules=Rules(grey_from=30), complete_to=COMPLETE).empty
