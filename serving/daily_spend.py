"""What the decisions of a day take together of what the policy allows for a day: the loss budget of automatic approvals, the reviewers' queue.

Read and moved only in the transaction that appends the decisions, under the lock of their chain's head: of two workers the second sees what the first took.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import sqlalchemy as sa

from serving.schema import daily_spend

# The unit in which the day of the fraud reviewers is counted; that of credit is the policy's currency.
REVIEWS = "reviews"

# Built once, as in serving.store.
KEY = ("source", "use_case", "unit", "day")
OF_NAMES = tuple(f"of_{name}" for name in KEY)
OF_DAY = tuple(daily_spend.c[name] == sa.bindparam(of) for name, of in zip(KEY, OF_NAMES, strict=True))
SPENT = sa.select(daily_spend.c.spent).where(*OF_DAY)
BEGIN_DAY = sa.insert(daily_spend)
ADD = sa.update(daily_spend).where(*OF_DAY).values(spent=daily_spend.c.spent + sa.bindparam("takes"))


@dataclass(frozen=True)
class Draw:
    """A decision that draws on its day. unit: what is counted, a currency (minor units) or `reviews`; decide: from what the day has spent before to the
    decision's payload and what it takes itself, 0 or more. decide runs while all other writers wait, so it must be quick."""

    unit: str
    decide: Callable


@dataclass(frozen=True)
class Spend:
    """What a day has spent; spent in `unit`, see Draw."""

    source: str
    use_case: str
    unit: str
    day: date
    spent: int


class Days:
    """What days have spent, as one transaction draws on them: each read once, and kept with all that was taken."""

    def __init__(self, connection):
        self._connection, self._before, self._taken = connection, {}, {}

    def draw(self, entry, made_at):
        """The payload of an entry that draws on the UTC day of made_at, decided with what that day has spent so far, to which it adds what it takes."""
        key = (entry.source, entry.use_case, entry.draw.unit, made_at.date())
        if key not in self._taken:
            self._before[key], self._taken[key] = self._connection.execute(SPENT, _of(OF_NAMES, key)).scalar(), 0
        payload, takes = entry.draw.decide((self._before[key] or 0) + self._taken[key])
        self._taken[key] += takes
        return payload

    def keep(self):
        """Write what was taken."""
        for key, takes in self._taken.items():
            if takes and self._before[key] is None:
                self._connection.execute(BEGIN_DAY, _of(KEY, key) | {"spent": takes})
            elif takes:
                self._connection.execute(ADD, _of(OF_NAMES, key) | {"takes": takes})


def _of(names, key):
    return dict(zip(names, key, strict=True))


def spends(connection, *, source=None, since=None):
    """Days' Spends, newest day first, of a source and from a day on; a filter left out does not filter."""
    query = sa.select(daily_spend).order_by(daily_spend.c.day.desc(), daily_spend.c.source, daily_spend.c.use_case, daily_spend.c.unit)
    query = query if source is None else query.where(daily_spend.c.source == source)
    query = query if since is None else query.where(daily_spend.c.day >= since)
    return [Spend(**row) for row in connection.execute(query).mappings()]
