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
OF_DAY = tuple(daily_spend.c[name] == sa.bindparam(f"of_{name}") for name in ("source", "use_case", "unit", "day"))
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


def draw(connection, entry, made_at):
    """The payload of an entry that draws on the UTC day of made_at, decided with what that day has spent so far, to which it adds what it takes."""
    key = {"source": entry.source, "use_case": entry.use_case, "unit": entry.draw.unit, "day": made_at.date()}
    of_day = {f"of_{name}": value for name, value in key.items()}
    spent = connection.execute(SPENT, of_day).scalar()
    payload, takes = entry.draw.decide(spent or 0)
    if takes and spent is None:
        connection.execute(BEGIN_DAY, key | {"spent": takes})
    elif takes:
        connection.execute(ADD, of_day | {"takes": takes})
    return payload


def spends(connection, *, source=None, since=None):
    """Days' Spends, newest day first, of a source and from a day on; a filter left out does not filter."""
    query = sa.select(daily_spend).order_by(daily_spend.c.day.desc(), daily_spend.c.source, daily_spend.c.use_case, daily_spend.c.unit)
    query = query if source is None else query.where(daily_spend.c.source == source)
    query = query if since is None else query.where(daily_spend.c.day >= since)
    return [Spend(**row) for row in connection.execute(query).mappings()]
