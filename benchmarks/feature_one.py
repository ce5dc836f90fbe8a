"""Part `one` of `benchmarks.features`: all default features of one customer in memory, as the service computes them, on one thread."""

import json
import time
from datetime import UTC, datetime, timedelta

import numpy as np

from benchmarks.measuring import measured, serve_work
from features.catalogue import build_catalogue
from features.compute import compute
from features.context import Context
from features.feeders.bases import bases_of, knots_of
from features.feeders.records import from_rows, observations_of
from features.tables import LINES, TABLES

MODULE = "benchmarks.feature_one"
CUSTOMERS, SEED = 50, 1
TRANSACTIONS, INVOICES, STATEMENTS, CONTRACTS, EVENTS, EXPOSURES, SERIES_MONTHS = 300, 50, 12, 12, 20, 24, 36
AS_OF = datetime(2024, 12, 31, 23, 59, 59)
KINDS, INDUSTRIES = ("transfer", "card", "cash", "fee"), ("C", "F", "G")
SERIES = (("rate", None), ("sales", "C"), ("sales", "F"))
# What a lender mostly holds of a customer, and what else the contract has room for.
FEW = ("customers", "statements", "invoices", "payments", "transactions")
ALL = (*FEW, "contracts", "events", "exposures", "series")


class Maker:
    """Rows of one customer as an interface sends them: decoded JSON, moments as ISO 8601 strings."""

    def __init__(self, number):
        self.id, self.draw = f"C{number:07d}", np.random.default_rng([SEED, number])

    def day(self, back, spread=0):
        """A moment some days before as_of, at most `spread` days later."""
        return AS_OF - timedelta(days=back) + timedelta(seconds=int(self.draw.integers(0, spread * 86_400 + 1)))

    def pick(self, values):
        return values[int(self.draw.integers(len(values)))]

    def amount(self, scale=100_000):
        return int(self.draw.integers(1, scale))

    def tables(self):
        """{table: rows}, invoices with the payments that settle nine of ten."""
        invoices = [self._invoice(number) for number in range(INVOICES)]
        return {
            "customers": [{"known_at": _text(self.day(1_400)), "kind": "company", "industry": self.pick(INDUSTRIES), "ownership": "private", "region": "north",
                           "founded_on": "2001-05-01", "onboarded_on": _text(self.day(1_400))}],
            "statements": [self._statement(number) for number in range(STATEMENTS)],
            "invoices": invoices,
            "payments": [self._payment(invoice) for invoice in invoices if self.draw.random() < 0.9],
            "transactions": [self._transaction(number) for number in range(TRANSACTIONS)],
            "contracts": [self._contract(number) for number in range(CONTRACTS)],
            "events": [self._event(number) for number in range(EVENTS)],
            "exposures": [{"known_at": _text(self.day(30 * number + 1)), "limit": 5_000_000, "exposure": self.amount(4_000_000), "collateral": self.amount()}
                          for number in range(EXPOSURES)],
            "series": [self._point(*about, month) for about in SERIES for month in range(SERIES_MONTHS)],
        }

    def _statement(self, number):
        end = self.day(92 * number + 60)
        lines = {name: float(self.draw.uniform(1e5, 1e7)) for name in LINES}
        return {"period_end": _text(end), "period_months": 3, "basis": "separate", "source": "erp", "known_at": _text(end + timedelta(days=45)),
                "audited": False, **lines}

    def _invoice(self, number):
        issued = self.day(14 * (number + 1), 10)
        return {"invoice_id": f"{self.id}-{number}", "issued_at": _text(issued), "due_at": _text(issued + timedelta(days=30)), "known_at": _text(issued),
                "amount": self.amount(), "currency": "EUR"}

    def _payment(self, invoice):
        paid = datetime.fromisoformat(invoice["due_at"]) + timedelta(days=int(self.draw.integers(-10, 40)))
        return {"payment_id": f"P{invoice['invoice_id']}", "invoice_id": invoice["invoice_id"], "occurred_at": _text(paid),
                "known_at": _text(paid + timedelta(days=1)), "amount": invoice["amount"], "kind": "payment"}

    def _transaction(self, number):
        at = self.day(730, 729)
        return {"transaction_id": f"T{number}", "occurred_at": _text(at), "known_at": _text(at + timedelta(days=self.pick((0, 1, 2)))),
                "amount": self.amount() * self.pick((-1, 1)), "currency": "EUR", "kind": self.pick(KINDS), "counterparty_id": f"P{self.amount(60)}",
                "channel": self.pick(("online", "branch")), "balance": self.amount(10_000_000)}

    def _contract(self, number):
        due = self.day(60 * (number + 1), 20)
        kept = self.draw.random() < 0.8
        return {"contract_id": f"K{number}", "known_at": _text(due + timedelta(days=5 if kept else 1)), "signed_on": _text(due - timedelta(days=200)),
                "due_on": _text(due), "fulfilled_on": _text(due + timedelta(days=4)) if kept else None, "amount": self.amount(),
                "status": "fulfilled" if kept else "open"}

    def _event(self, number):
        at = self.day(40 * (number + 1), 30)
        return {"event_id": f"E{number}", "occurred_at": _text(at), "known_at": _text(at + timedelta(days=2)),
                "kind": self.pick(("complaint", "dispute", "lawsuit", "inquiry", "credit_report")), "amount": self.amount(), "severity": 2.0,
                "source": "desk", "confidence": 0.9}

    def _point(self, name, industry, month):
        end = self.day(30 * month + 40)
        known = end + timedelta(days=20)
        return {"name": name, "industry": industry, "period_end": _text(end), "known_at": _text(known), "value": 100.0 + month, "unit": "index"}


def _text(moment):
    return moment.replace(tzinfo=UTC).isoformat()


def catalogue_of(tables):
    """All default features over these tables with every column of the contract."""
    columns = {name: {column.name: column.kind for column in TABLES[name].columns} for name in tables}
    columns["transactions"] |= {f"kind={kind}": "flag" for kind in KINDS}
    if "series" in columns:
        columns["series"] |= {"market:rate": "number", "industry:sales": "number"}
    return build_catalogue("default", columns)


def context_of(catalogue, customers):
    """The context that these customers give each other, so that peer features are looked up as in the service."""
    bases, asked = bases_of(catalogue), [{"as_of": _text(AS_OF)}]
    found = [compute(bases, from_rows(tables, customer_id=name), observations_of(asked)) for name, tables in customers]
    numbers = {name: np.concatenate([each[name] for each in found]) for name in bases.names if name != "base:industry"}
    return Context(knots_of(numbers, np.full(len(customers), int(AS_OF.replace(tzinfo=UTC).timestamp()))))


def work_calls(clock, *, tables, calls):
    """Milliseconds of single calls, rotating over the customers: compute alone, and from decoded JSON rows; and the number of columns."""
    catalogue = catalogue_of(tables)
    customers = [_sent(number, tables) for number in range(1, CUSTOMERS + 1)]
    context = context_of(catalogue, customers)
    asked = [{"as_of": _text(AS_OF)}]
    ready = [(from_rows(rows, customer_id=name), observations_of(asked)) for name, rows in customers]

    def alone(place):
        return compute(catalogue, *ready[place], context=context)

    def from_json(place):
        name, rows = customers[place]
        return compute(catalogue, from_rows(rows, customer_id=name), observations_of(asked), context=context)

    known = sum(bool(np.isfinite(column[0])) for column in alone(0).values() if isinstance(column, np.ndarray))
    return {"columns": len(catalogue), "filled": known, "calls": calls, "compute": timed(alone, calls), "from_rows": timed(from_json, calls)}


def _sent(number, tables):
    """A customer's id and rows as JSON decodes them."""
    maker = Maker(number)
    rows = {name: each for name, each in maker.tables().items() if name in tables}
    return maker.id, json.loads(json.dumps(rows))


def timed(call, calls):
    """Percentiles in milliseconds of as many calls, the first round over all customers aside."""
    for place in range(CUSTOMERS):
        call(place)
    taken = np.empty(calls)
    for number in range(calls):
        begun = time.perf_counter()
        call(number % CUSTOMERS)
        taken[number] = time.perf_counter() - begun
    return {"p50_ms": float(np.quantile(taken, 0.5) * 1e3), "p99_ms": float(np.quantile(taken, 0.99) * 1e3)}


def one(folder, options):
    """Print both sets of tables; the figures."""
    rows = f"{TRANSACTIONS} transactions, {INVOICES} invoices, {STATEMENTS} quarterly statements"
    print(f"one: a customer of {rows}, {CUSTOMERS} customers in turn, one thread")
    result = {}
    for name, tables in (("few", FEW), ("all", ALL)):
        result[name] = found = measured(MODULE, "calls", tables=list(tables), calls=options.calls)["told"]
        words = "these tables" if name == "few" else "and contracts, events, exposures, series"
        figures = "".join(f"   {what} p50 {found[key]['p50_ms']:.2f} ms, p99 {found[key]['p99_ms']:.2f} ms"
                          for key, what in (("compute", "compute alone"), ("from_rows", "from decoded JSON")))
        print(f"  {words:42}{found['columns']:4} columns{figures}", flush=True)
    return result


if __name__ == "__main__":
    serve_work({"calls": work_calls})
