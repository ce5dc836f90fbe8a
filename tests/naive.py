"""A second, readable reading of the feature language: one observation and one row at a time, over plain dicts."""

import math
from datetime import datetime, timedelta
from fractions import Fraction
from functools import cache

import numpy as np
import pytest

from features.context import added_counts
from features.derived import BUILT
from features.tables import TABLES

NAN = float("nan")
TESTS = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}
EPOCH = datetime(1970, 1, 1)


@cache
def up(moment):
    """Seconds since 1970, rounded up."""
    return None if moment is None else math.ceil((moment - EPOCH) / timedelta(seconds=1))


class Naive:
    """Answers terms for one observation of one customer over {table: rows}."""

    def __init__(self, tables, observation):
        self.own = observation
        self.as_of = math.floor((observation["as_of"] - EPOCH) / timedelta(seconds=1))
        self.tables = {name: self._readable(name, rows) for name, rows in tables.items() if name in TABLES}
        self.customer = observation["customer_id"]
        self._known, self._rows = {}, {}

    def _readable(self, name, rows):
        table = TABLES[name]
        kept = [row for row in rows if all(row.get(column) is not None for column in table.filled)]
        return sorted(kept, key=lambda row: [(row.get(column) is None, row.get(column)) for column in table.order])

    def rows(self, table):
        """Rows of the customer that were known at as_of, in order of time."""
        if table not in self._rows:
            self._rows[table] = self.settlements() if table in BUILT else self._visible(table)
        return self._rows[table]

    def _visible(self, table):
        rows = self.tables.get(table, [])
        return [row for row in rows if up(row["known_at"]) <= self.as_of and row.get("customer_id", self.customer) == self.customer]

    def value(self, term):
        """The value of a term: a float (NaN missing), or a string or None for a category."""
        if term not in self._known:
            parts = [self.value(part) for part in term.parts]
            self._known[term] = getattr(self, f"_{term.op}")(term, *parts)
        return self._known[term]

    def _window(self, term):
        rows = [row for row in self.rows(term.table) if self.as_of - term.span < self._occurred(term.table, row) <= self.as_of]
        rows = [row for row in rows if all(self._passes(term.table, row, each) for each in term.where)]
        if term.key != "customer":
            rows = [row for row in rows if row[term.key] is not None and row[term.key] == self.own[term.key]]
        if term.measure == "count" and not term.column:
            return float(len(rows))
        if term.measure == "recency":
            return min(((self.as_of - self._occurred(term.table, row)) / 86400 for row in rows), default=NAN)
        if hasattr(self, f"_{term.measure}_of"):
            return getattr(self, f"_{term.measure}_of")(term, rows)
        values = [self.column(term.table, row, term.column) for row in rows]
        return self._measured(term.measure, [value for value in values if value is not None])

    def _sums_by_group(self, term, rows):
        sums = {}
        for row in rows:
            if row[term.by] is not None:
                sums[row[term.by]] = sums.get(row[term.by], 0) + abs(self.column(term.table, row, term.column))
        return sums

    def _concentration_of(self, term, rows):
        sums = self._sums_by_group(term, rows).values()
        return sum((each / sum(sums)) ** 2 for each in sums) if sums else NAN

    def _largest_share_of(self, term, rows):
        sums = self._sums_by_group(term, rows).values()
        return max(sums) / sum(sums) if sums else NAN

    def _newcomers_of(self, term, rows):
        first = {}
        for row in rows:
            if row[term.by] is not None:
                first[row[term.by]] = min(first.get(row[term.by], math.inf), self._occurred(term.table, row))
        return float(sum(self.as_of - moment < term.value * 86400 for moment in first.values()))

    def _decay_of(self, term, rows):
        return float(sum(1 / (1 + (self.as_of - self._occurred(term.table, row)) / 86400 / term.value) for row in rows))

    def _measured(self, measure, values):
        if measure == "count":
            return float(len(values))
        if measure == "sum":
            return float(sum(values))
        if measure == "distinct":
            return float(len(set(values)))
        if not values or (measure == "sd" and len(values) < 2):
            return NAN
        mean = sum(values) / len(values) if not isinstance(values[0], str) else NAN
        return {
            "mean": lambda: mean,
            "min": lambda: float(min(values)),
            "max": lambda: float(max(values)),
            "last": lambda: values[-1] if isinstance(values[-1], str) else float(values[-1]),
            "sd": lambda: self._deviation(values),
        }[measure]()

    def _deviation(self, values):
        # whole numbers as fractions: around a mean of floats, amounts near 2^40 lose their deviations
        values = [Fraction(value) if isinstance(value, int) else value for value in values]
        mean = sum(values) / len(values)
        return math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))

    def _occurred(self, table, row):
        return up(row[TABLES[table].occurred if table in TABLES else "occurred_at"])

    def _passes(self, table, row, condition):
        value = self.column(table, row, condition.column)
        return value is not None and TESTS[condition.test](value, condition.value)

    def column(self, table, row, name):
        """A stored or derived value of a row."""
        if (table, name) == ("transactions", "size"):
            return abs(row["amount"])
        if (table, name) == ("transactions", "remainder"):
            return abs(row["amount"]) % 10_000
        if (table, name) in (("transactions", "hour"), ("transactions", "weekday")):
            moment = EPOCH + timedelta(seconds=up(row["occurred_at"]))
            return moment.hour if name == "hour" else moment.weekday()
        if (table, name) == ("transactions", "first_digit"):
            return int(str(abs(row["amount"]))[0])
        if (table, name) == ("transactions", "week"):
            return (EPOCH + timedelta(seconds=up(row["occurred_at"]))).isocalendar()[:2]
        if (table, name) == ("invoices", "month"):
            moment = EPOCH + timedelta(seconds=up(row["issued_at"]))
            return moment.year, moment.month
        if (table, name) == ("invoices", "terms_days"):
            return (up(row["due_at"]) - up(row["issued_at"])) // 86400
        if (table, name) == ("invoices", "outside_scope"):
            return self._outside_scope(row)
        if (table, name) == ("statements", "period"):
            return (month_of(row["period_end"]), row["period_months"])
        if (table, name) == ("statements", "version_of"):
            return (month_of(row["period_end"]), row["period_months"], row.get("basis"), row.get("source"))
        return row.get(name)

    def _outside_scope(self, invoice):
        moment = max(up(invoice["issued_at"]), up(invoice["known_at"]))
        known = [row for row in self.rows("customers") if up(row["known_at"]) <= moment]
        scope, category = (known[-1].get("scope") if known else None), invoice.get("category")
        if not scope or not category:
            return None
        return int(category.casefold() not in scope.casefold())

    # statements

    def _statements(self):
        rows = self.rows("statements")
        latest = {basis: self._latest([row for row in rows if (row.get("basis") == "consolidated") == basis]) for basis in (True, False)}
        basis = latest[True] is not None
        if latest[True] is not None and latest[False] is not None:
            basis = month_of(latest[False]["period_end"]) - month_of(latest[True]["period_end"]) < 12
        return [row for row in rows if (row.get("basis") == "consolidated") == basis]

    def _latest(self, rows):
        """The row of the latest period, the longest of them, of the highest confidence, known last; of equals the later in order."""
        best = None
        for row in rows:
            if best is None or self._rank(row) >= self._rank(best):
                best = row
        return best

    def _rank(self, row):
        confidence = 1.0 if row.get("confidence") is None else row["confidence"]
        return month_of(row["period_end"]), row["period_months"], confidence, up(row["known_at"])

    def _at(self, months, lag):
        rows = self._statements()
        anchor = self._latest([row for row in rows if months != 12 or row["period_months"] == 12])
        if anchor is None:
            return None
        wanted = month_of(anchor["period_end"]) - lag
        return self._latest([row for row in rows if month_of(row["period_end"]) == wanted and months in (None, row["period_months"])])

    def _line(self, name, row):
        return NAN if row is None or row.get(name) is None else float(row[name])

    def _stock(self, term):
        value = self._line(term.column, self._at(None, term.lag))
        return self._line(term.column, self._at(12, term.lag)) if math.isnan(value) else value

    def _flow(self, term):
        quarters = [self._line(term.column, self._at(3, term.lag + back)) for back in (0, 3, 6, 9)]
        value = quarters[0] + quarters[1] + quarters[2] + quarters[3]
        value = self._line(term.column, self._at(12, term.lag)) if math.isnan(value) else value
        row = self._at(None, term.lag)
        return self._line(term.column, row) * (12 / row["period_months"]) if math.isnan(value) and row else value

    def _statement(self, term):
        row = self._latest(self._statements())
        if term.measure == "first_filing_days":
            first = self._first_version(self._at(None, term.lag))
            return NAN if first is None else (up(first["known_at"]) - up(first["period_end"])) / 86400
        age = NAN if row is None else (self.as_of - up(row["period_end"])) / 86400
        if term.measure == "missing":
            return float(math.isnan(age) or age > 550)
        return age if term.measure == "age_days" or row is None else (up(row["known_at"]) - up(row["period_end"])) / 86400

    def _first_version(self, row):
        if row is None:
            return None
        same = [each for each in self.rows("statements") if self.column("statements", each, "version_of") == self.column("statements", row, "version_of")]
        return min(same, key=lambda each: up(each["known_at"]))

    def _revision(self, term):
        row = self._latest(self._statements())
        return self._line(term.column, row) - self._line(term.column, self._first_version(row))

    # states, items

    def _before(self, span):
        """The same reading, of the moment `span` seconds before."""
        return Naive(self.tables, self.own | {"as_of": EPOCH + timedelta(seconds=self.as_of - span)}) if span else self

    def _last(self, term):
        rows = self._before(term.span).rows(term.table)
        value = rows[-1].get(term.column) if rows else None
        return value if isinstance(value, str) else NAN if value is None else float(value)

    def _months_since(self, term):
        rows = self.rows(term.table)
        moment = rows[-1].get(term.column) if rows else None
        return NAN if moment is None else (self.as_of - up(moment)) / (86400 * 365.25 / 12)

    def _paid(self, invoice):
        """Payments on an invoice that counted by as_of, in the order in which they came to count."""
        rows = [row for row in self.rows("payments") if row["invoice_id"] == invoice["invoice_id"] and up(row["occurred_at"]) <= self.as_of]
        return sorted(rows, key=lambda row: (max(up(row["occurred_at"]), up(row["known_at"])), row["occurred_at"]))

    def _open_invoices(self):
        for invoice in self.rows("invoices"):
            paid = sum(row["amount"] for row in self._paid(invoice))
            if up(invoice["issued_at"]) <= self.as_of and paid < invoice["amount"]:
                yield invoice["amount"] - paid, paid, (self.as_of - up(invoice["due_at"])) // 86400

    def _open_items(self, term):
        items = list(self._before(term.span)._open_invoices())
        late = [(left, days) for left, _, days in items if days > 0]
        edges = {"overdue_0d": (0, 30), "overdue_30d": (30, 60), "overdue_60d": (60, 90), "overdue_90d": (90, 10**9)}
        if term.measure in edges:
            low, high = edges[term.measure]
            return float(sum(left for left, days in late if low < days <= high))
        return float(
            {
                "open_amount": sum(left for left, _, _ in items),
                "open_count": len(items),
                "overdue_amount": sum(left for left, _ in late),
                "overdue_count": len(late),
                "overdue_amount_days": sum(left * days for left, days in late),
                "largest_amount": max((left for left, _, _ in items), default=0),
                "oldest_days": max((days for _, days in late), default=0),
                "partial_amount": sum(paid for _, paid, _ in items),
            }[term.measure]
        )

    def settlements(self):
        """Settled invoices as dated rows."""
        found = []
        for invoice in self.rows("invoices"):
            total, paid = 0, []
            for row in self._paid(invoice):
                total += row["amount"]
                paid.append(row)
                if total >= invoice["amount"]:
                    break
            if total >= invoice["amount"] and up(invoice["issued_at"]) <= self.as_of:
                on = max(up(row["occurred_at"]) for row in paid)
                days = (on - up(invoice["due_at"])) // 86400
                found.append(
                    {
                        "occurred_at": EPOCH + timedelta(seconds=on),
                        "days_late": days,
                        "amount": invoice["amount"],
                        "kind": paid[-1].get("kind") or "payment",
                        "payments": len(paid),
                        "late_amount_days": max(days, 0) * invoice["amount"],
                    }
                )
        return found

    def _contracts(self, term):
        current = {}
        for row in sorted(self.rows("contracts"), key=lambda row: up(row["known_at"])):
            current[row["contract_id"]] = row
        counts = {"due": 0, "on_time": 0, "late": 0, "breached": 0, "due_amount": 0, "breached_amount": 0, "delay_days": 0}
        for row in current.values():
            if row["due_on"] is not None and self.as_of - term.span < up(row["due_on"]) <= self.as_of:
                done = row["fulfilled_on"] is not None and up(row["fulfilled_on"]) < up(row["due_on"]) + 86400
                counts["due"] += 1
                counts["breached" if row["status"] == "breached" else "on_time" if done else "late"] += 1
                counts["due_amount"] += row["amount"] or 0
                if row["status"] == "breached":
                    counts["breached_amount"] += row["amount"] or 0
                else:
                    end = min(self.as_of, up(row["fulfilled_on"] or EPOCH + timedelta(seconds=self.as_of)))
                    counts["delay_days"] += max((end - up(row["due_on"])) // 86400, 0)
        return float(counts[term.measure])

    def _series(self, term):
        own = self._last_industry() if term.measure == "industry" else None
        rows = (
            [row for row in self.rows("series") if row["name"] == term.column and row.get("industry") == own]
            if own or not term.measure
            else []
        )
        best = None
        for row in rows:
            if best is None or (up(row["period_end"]), up(row["known_at"])) >= (up(best["period_end"]), up(best["known_at"])):
                best = row
        if best and term.lag:
            wanted, best = month_of(best["period_end"]) - term.lag, None
            for row in rows:
                if month_of(row["period_end"]) == wanted and (
                    best is None or (up(row["period_end"]), up(row["known_at"])) >= (up(best["period_end"]), up(best["known_at"]))
                ):
                    best = row
        return NAN if best is None else float(best["value"])

    def _last_industry(self):
        rows = self.rows("customers")
        return rows[-1].get("industry") if rows else None

    # the observation itself

    def _own(self, term):
        value = self.own.get(term.column)
        return (
            value
            if isinstance(value, str) or (value is None and term.column in ("kind", "channel", "currency", "counterparty_id"))
            else NAN
            if value is None
            else float(value)
        )

    def _moment(self, term):
        if term.measure == "remainder":
            return float(abs(self.own["amount"]) % 10_000)
        moment = EPOCH + timedelta(seconds=up(self.own[term.column]))
        return float(moment.hour if term.measure == "hour" else moment.weekday())

    # arithmetic

    def _ratio(self, term, top, bottom):
        return top / bottom if bottom and not math.isnan(bottom) else NAN

    def _plus(self, term, *parts):
        total = parts[0]
        for part in parts[1:]:
            total = total + part
        return total

    def _minus(self, term, left, right):
        return left - right

    def _times(self, term, part):
        return part * term.value

    def _size(self, term, part):
        return abs(part)

    def _log(self, term, part):
        return math.log(part) if part > 0 else NAN

    def _signed_log(self, term, part):
        return math.copysign(math.log(1 + abs(part)), part)

    def _compare(self, term, part):
        return NAN if math.isnan(part) else float(TESTS[term.measure](part, term.value))

    def _constant(self, term):
        return term.value

    def _positive(self, term, part):
        return part if part > 0 else NAN

    def _largest(self, term, *parts):
        return max((part for part in parts if not math.isnan(part)), default=NAN)

    def _spread(self, term, *parts):
        known = [part for part in parts if not math.isnan(part)]
        mean = sum(known) / len(known) if known else NAN
        return NAN if len(known) < 3 else math.sqrt(sum((part - mean) ** 2 for part in known) / (len(known) - 1))

    def _trend(self, term, *parts):
        known = [(-step, part) for step, part in enumerate(parts) if not math.isnan(part)]
        if len(known) < 3:
            return NAN
        middle, mean = sum(step for step, _ in known) / len(known), sum(part for _, part in known) / len(known)
        return sum((step - middle) * (part - mean) for step, part in known) / sum((step - middle) ** 2 for step, _ in known)

    def _known_or(self, term, part):
        return term.value if math.isnan(part) else part

    def _where_known(self, term, part, condition):
        return NAN if condition is None or condition != condition else part


def assert_as_naive(catalogue, found, place, naive):
    """Every feature of the observation at `place` says what the naive reading says, numbers within 1e-12."""
    for each in catalogue.features:
        expected = naive.value(each.how)
        value = found[each.name][place] if each.kind == "number" else found[each.name].strings()[place]
        if each.kind == "category":
            assert value == (expected if isinstance(expected, str) else None), each.name
        else:
            assert value == pytest.approx(expected, rel=1e-12, abs=1e-12, nan_ok=True), each.name


def month_of(moment):
    """Months of the nearest month end, from year 0."""
    shifted = EPOCH + timedelta(seconds=up(moment)) - timedelta(days=15)
    return shifted.year * 12 + shifted.month


def random_tables(seed, *, customers=3, extra=True):
    """A seeded history with what hurts: ties in time, rows known at once, overnight or by a late import, missing values, unseen kinds."""
    rng = np.random.default_rng(seed)
    tables = {name: [] for name in TABLES if name not in ("outcomes", "observations")}
    for number in range(customers):
        _add_customer(rng, tables, f"C{number}", extra)
    _add_series(rng, tables)
    return tables


START = datetime(2021, 1, 1)


def _moment(rng, days=900):
    """A moment, often on the hour so that ties happen, at times with a fraction of a second."""
    moment = START + timedelta(hours=int(rng.integers(0, days * 24)))
    return moment + timedelta(microseconds=int(rng.integers(0, 10**6))) if rng.random() < 0.2 else moment


def _known(rng, moment):
    lag = rng.choice(["now", "night", "late", "import"], p=[0.5, 0.3, 0.15, 0.05])
    if lag == "night":
        return (moment + timedelta(days=1)).replace(hour=2, minute=0, second=0, microsecond=0)
    return {"now": moment, "late": moment + timedelta(days=int(rng.integers(1, 60))), "import": max(moment, datetime(2023, 2, 1))}[lag]


def _maybe(rng, value, share=0.15):
    return None if rng.random() < share else value


def _pick(rng, *values):
    return values[int(rng.integers(0, len(values)))]


def _add_customer(rng, tables, who, extra):
    def dated(**row):
        return {
            "customer_id": who,
            **row,
            "known_at": _known(rng, row.get("occurred_at") or row.get("issued_at") or row.get("period_end") or _moment(rng)),
        }

    size = int(rng.integers(0, 3))  # none, one or many rows
    many = (0, 1, int(rng.integers(5, 40)))[size]
    annual = bool(rng.random() < 0.4)
    for _ in range(max(1, many // 5)):
        tables["customers"].append(
            dated(
                kind="company",
                industry=_maybe(rng, _pick(rng, "retail", "steel")),
                ownership=_maybe(rng, "state"),
                scope=_maybe(rng, _pick(rng, "Retail of FOOD and textiles", "批发钢材、煤炭", "")),
                region="north",
                founded_on=_maybe(rng, datetime(1999, 5, 1)),
                onboarded_on=datetime(2020, 1, 1),
            )
        )
        tables["exposures"].append(
            dated(limit=_maybe(rng, int(rng.integers(0, 10**7))), exposure=int(rng.integers(0, 10**7)), collateral=_maybe(rng, 5))
        )
    for place in range(many):
        _add_trade(rng, tables, dated, f"{who}-{place}")
        tables["transactions"].append(
            dated(
                transaction_id=f"{who}T{place}",
                occurred_at=_moment(rng),
                amount=int(rng.integers(-(10**6), 10**6)),
                currency="EUR",
                kind=_maybe(rng, _pick(rng, "card", "transfer")),
                channel=_maybe(rng, "online"),
                counterparty_id=_maybe(rng, _pick(rng, "B1", "B2", "B3", "B4")),
                balance=_maybe(rng, int(rng.integers(-(10**6), 10**6))),
                **_more(extra, fee=_maybe(rng, int(rng.integers(0, 50))), mood=_maybe(rng, _pick(rng, "calm", "loud"))),
            )
        )
        tables["events"].append(
            dated(
                event_id=f"{who}E{place}",
                occurred_at=_moment(rng),
                kind=_pick(rng, "complaint", "dispute", "lawsuit", "inquiry", "staff_report", "rumour"),
                amount=_maybe(rng, int(rng.integers(0, 10**6))),
                severity=_maybe(rng, float(rng.integers(1, 6)) / 3),
                source="crm",
                confidence=0.5,
                **_more(extra, urgent=_maybe(rng, bool(rng.integers(0, 2)))),
            )
        )
        _add_statement(rng, tables, dated, extra, annual=annual)


def _more(extra, **columns):
    return columns if extra else {}


def _add_trade(rng, tables, dated, name):
    issued = _moment(rng)
    tables["invoices"].append(
        dated(
            invoice_id=f"I{name}",
            issued_at=issued,
            due_at=issued + timedelta(days=_pick(rng, 10, 30, 60)),
            amount=int(rng.integers(1, 1000)),
            currency="EUR",
            category=_maybe(rng, _pick(rng, "food", "Textiles", "钢材", "cars")),
        )
    )
    for part in range(int(rng.integers(0, 4))):
        tables["payments"].append(
            dated(
                payment_id=f"P{name}-{part}",
                invoice_id=_maybe(rng, f"I{name}", 0.05),
                occurred_at=issued + timedelta(days=int(rng.integers(0, 150))),
                amount=int(rng.integers(1, 900)),
                kind=_pick(rng, "payment", "payment", "credit_note", "write_off"),
            )
        )
    signed = _moment(rng)
    for _ in range(int(rng.integers(0, 3))):
        row = dated(
            contract_id=f"K{name}",
            signed_on=signed,
            due_on=_maybe(rng, signed + timedelta(days=100)),
            amount=_maybe(rng, int(rng.integers(1, 1000))),
            fulfilled_on=_maybe(rng, signed + timedelta(days=int(rng.integers(50, 150))), 0.5),
            status=_pick(rng, "open", "fulfilled", "late", "breached"),
        )
        tables["contracts"].append(row | {"known_at": signed + timedelta(days=int(rng.integers(0, 300)), seconds=len(tables["contracts"]))})


def _add_statement(rng, tables, dated, extra, *, annual):
    """A quarter of 2020 to 2022; of customers that file once a year, with hardly a gap, a year of 2018 to 2022."""
    quarters = [datetime(2020 + quarter // 4, 3 * (quarter % 4) + 3, 30 + (quarter % 4 in (0, 3))) for quarter in range(12)]
    end = _pick(rng, *(datetime(2018 + year, 12, 31) for year in range(5))) if annual else quarters[int(rng.integers(0, 12))]
    months = 12 if annual or (end.month == 12 and rng.random() < 0.5) else 3
    lines = {
        name: _maybe(rng, float(np.round(rng.normal(100, 80), 2)), 0.01 if annual else 0.1)
        for name in TABLES["statements"].names
        if TABLES["statements"].column(name).kind == "number" and name != "confidence"
    }
    more = _more(extra, headcount=_maybe(rng, float(rng.integers(0, 50))))
    row = dated(
        period_end=end,
        period_months=months,
        basis=_pick(rng, "separate", "separate", "consolidated"),
        source=_pick(rng, "filing", "mail"),
        currency="EUR",
        audited=_maybe(rng, True),
        confidence=_maybe(rng, _pick(rng, 1.0, 0.9, 0.5), 0.5),
        **lines,
        **more,
    )
    tables["statements"].append(
        row | {"known_at": row["known_at"] + timedelta(days=int(rng.integers(20, 220)), seconds=len(tables["statements"]))}
    )


def _add_series(rng, tables):
    for month in range(24):
        end = START + timedelta(days=30 * month)
        for name, industry in (("gdp", None), ("orders", "retail"), ("orders", "steel")):
            tables["series"].append(
                {
                    "name": name,
                    "industry": industry,
                    "period_end": end,
                    "known_at": end + timedelta(days=int(rng.integers(5, 50))),
                    "value": _maybe(rng, float(rng.integers(1, 100)), 0.0),
                    "unit": "index",
                }
            )


def running_counts(levels, code, known, fraud_code, fraud_known, *, begin, end):
    """Counterparties from single transactions, code (n,) into ascending levels and known (n,) seconds, and the frauds among them by the moment each
    became known."""
    frauds = np.concatenate([np.zeros(len(code), dtype=np.int64), np.ones(len(fraud_code), dtype=np.int64)])
    both = np.concatenate([code, fraud_code]), np.concatenate([known, fraud_known])
    return added_counts(levels, *both, 1 - frauds, frauds, begin=begin, end=end)
