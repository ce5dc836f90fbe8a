"""The nights that look at the whole book for early warnings: what they saw, and what they remember of it for the next."""

from dataclasses import dataclass
from datetime import date, timedelta

import msgspec
import numpy as np
import sqlalchemy as sa

from features.errors import RiskError
from models.alerts import all_crossings, terms_of
from serving import ledger
from serving.alerts import Alerts, Sighting
from serving.schema import alert_facts as table

SCORE = ("pd_12m", "grade")
# What stands for infinity, which JSON does not know: beyond every threshold, so that what was infinite is not crossed anew.
BEYOND = 1e300


@dataclass(frozen=True)
class Night:
    """What a night did: customers looked at, how many of them for the first time, and [(customer_id, Crossing, step)] of what it saw that was new."""

    customers: int
    new: int
    seen: list


@dataclass(frozen=True)
class Watched:
    """What the nights knew of a customer: the days of the first and the last, and those on which it was among the riskiest."""

    customer_id: str
    first_on: date
    last_on: date
    riskiest: tuple


class AlertNights:
    """The nights of one source in a store; every method is one transaction."""

    def __init__(self, store, *, source):
        """store: serving.store.Store."""
        self._store, self._source, self._alerts = store, source, Alerts(store, source=source)

    def run(self, rules, customers, facts, day, *, horizon_days):
        """Look at customers as of a day: raise what crossed a threshold since they were last looked at, and remember the facts. Returns Night.

        rules: LifeCycle; customers: ids, (n,); facts: {fact: (n,)} as `models.life_cycle.advance` takes them. A customer looked at for the first time raises
        nothing: who stands at a threshold then is the life cycle's. The same day again, with the same facts, changes nothing. horizon_days: within which a
        customer is named once when the riskiest are named beside. Raises: RiskError for a day before the last night.
        """
        with self._store.database.writing() as connection:
            # The lock comes first: of two nights at once the second has to see the first.
            ledger.locked_head(connection, "alert_steps")
            memory = self._memory(connection)
            last = max((row.last_on for row in memory.values()), default=None)
            _refuse_past(day, last)
            known = [memory.get(customer) for customer in customers]
            seen = self._seen(connection, rules, customers, known, facts, day)
            # What events raised since the last night is named by this one.
            raised = self._alerts.raised_since(connection, max((row.sequence for row in memory.values()), default=0))
            named = {customer for customer, row in zip(customers, known, strict=True) if customer in raised and not _is_named(row, "named", day, horizon_days)}
            riskiest = _riskiest(customers, known, facts, len(named), day, horizon_days)
            looked = ledger.head_of(connection, "alert_steps").count
            self._remember(connection, rules, customers, known, facts, day, named={"named": named, "riskiest": riskiest}, looked=looked)
        return Night(len(customers), sum(row is None for row in known), seen)

    def watched(self):
        """[Watched] of every customer that a night looked at, by customer_id."""
        columns = (table.c.customer_id, table.c.first_on, table.c.last_on, table.c.riskiest)
        with self._store.database.reading() as connection:
            rows = connection.execute(sa.select(*columns).where(table.c.source == self._source).order_by(table.c.customer_id)).all()
        return [Watched(row.customer_id, row.first_on, row.last_on, tuple(map(date.fromisoformat, msgspec.json.decode(row.riskiest)))) for row in rows]

    def _seen(self, connection, rules, customers, known, facts, day):
        before, earlier = ({name: _column(known, kept, name) for name in names} for kept, names in (("facts", facts), ("reference", SCORE)))
        crossed = [(row, crossing) for row, crossing in all_crossings(rules, before, facts, earlier) if known[row] is not None]
        sightings = [Sighting(customers[row], crossing, looked=known[row].sequence) for row, crossing in crossed]
        steps = self._alerts.sight(connection, rules, sightings, day)
        return [(each.customer_id, each.crossing, step) for each, (_, step) in zip(sightings, steps, strict=True) if step is not None]

    def _memory(self, connection):
        return {row.customer_id: _Memory(*row) for row in connection.execute(sa.select(*MEMORY).where(table.c.source == self._source))}

    def _remember(self, connection, rules, customers, known, facts, day, *, named, looked):
        names = [name for name in dict.fromkeys((*(trigger.fact for trigger in rules.spec.triggers), *SCORE)) if name in facts]
        columns = {name: np.nan_to_num(np.broadcast_to(facts[name], len(customers)), nan=np.nan, posinf=BEYOND).tolist() for name in names}
        days = terms_of(rules).reference_days
        rows = [self._row(customer, row, {name: columns[name][place] for name in names}, day, days, named, looked)
                for place, (customer, row) in enumerate(zip(customers, known, strict=True))]
        for start in range(0, len(rows), ledger.CHUNK):
            some = rows[start : start + ledger.CHUNK]
            ids = [row["customer_id"] for row in some]
            connection.execute(sa.delete(table).where(table.c.source == self._source, table.c.customer_id.in_(ids)))
            connection.execute(sa.insert(table), some)

    def _row(self, customer, known, facts, day, reference_days, named, looked):
        # What is unknown tonight and was known before is not new when it is known again.
        facts = (known.facts if known else {}) | {name: value for name, value in facts.items() if value == value}
        score = {name: facts[name] for name in SCORE if name in facts}
        keeps = known is not None and known.reference and (day - known.reference_on).days < reference_days
        days = {how: _json([*(getattr(known, how) if known else ()), *([day.isoformat()] if customer in who else ())]) for how, who in named.items()}
        return {"source": self._source, "customer_id": customer, "first_on": known.first_on if known else day, "last_on": day, "sequence": looked,
                "facts": _json(facts), "reference_on": known.reference_on if keeps else day, "reference": _json(known.reference if keeps else score),
                **days}


MEMORY = tuple(table.c[name] for name in ("customer_id", "first_on", "last_on", "sequence", "facts", "reference_on", "reference", "named", "riskiest"))


class _Memory:
    """A row of the table, its JSON decoded."""

    __slots__ = ("customer_id", "first_on", "last_on", "sequence", "facts", "reference_on", "reference", "named", "riskiest")

    def __init__(self, customer_id, first_on, last_on, sequence, facts, reference_on, reference, named, riskiest):
        self.customer_id, self.first_on, self.last_on, self.sequence, self.reference_on = customer_id, first_on, last_on, sequence, reference_on
        self.facts, self.reference, self.named, self.riskiest = map(msgspec.json.decode, (facts, reference, named, riskiest))


def _is_named(known, how, day, horizon_days):
    """Whether a customer was named within the horizon; how: `named` or `riskiest`."""
    days = getattr(known, how) if known is not None else ()
    return bool(days) and days[-1] >= (day - timedelta(days=horizon_days)).isoformat()


def _column(known, kept, name):
    return np.array([np.nan if row is None else getattr(row, kept).get(name, np.nan) for row in known], dtype=np.float64)


def _json(value):
    return msgspec.json.encode(value).decode()


def _riskiest(customers, known, facts, count, day, horizon_days):
    """The customers of the highest PD, so many of them, who are not in default and were not named within the horizon; equal ones by their order."""
    pd_12m, in_default = (np.broadcast_to(facts.get(name, np.nan), len(customers)) for name in ("pd_12m", "in_default"))
    named = np.array([_is_named(row, "riskiest", day, horizon_days) for row in known], dtype=bool)
    risk = np.where(named | (in_default == 1) | np.isnan(pd_12m), -np.inf, pd_12m)
    order = np.argsort(-risk, kind="stable")[:count]
    return {customers[row] for row in order if np.isfinite(risk[row])}


def _refuse_past(day, last):
    if last is not None and day < last:
        raise RiskError(f"alerts were raised as of {last} already: a night before it cannot be run again, take {last} or later.")
