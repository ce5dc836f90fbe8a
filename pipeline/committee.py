"""`risk committee decide`, `close` and `list`: the committee's decisions, recorded and read."""

import json
from contextlib import contextmanager
from dataclasses import asdict

from pipeline.params import load_params
from pipeline.promote import open_store
from serving.committee import Committee


def decide(text, *, owner, department, due_on, customer, actor):
    """Record a decision and return a sentence about it. Raises: RiskError as `serving.committee.Committee.decide`."""
    with opened() as committee:
        made = committee.decide(text, owner=owner, department=department, due_on=due_on, customer_id=customer, actor=actor)
        return _line(made, committee.today())


def close(decision_id, *, outcome, note, actor):
    """Close a decision and return a sentence about it. Raises: RiskError as `serving.committee.Committee.close`."""
    with opened() as committee:
        return _line(committee.close(decision_id, outcome=outcome, note=note, actor=actor), committee.today())


def listed(*, everything, as_of, as_json):
    """Open decisions, or all, as lines or JSON, as they stood on a day (today unless given)."""
    with opened() as committee:
        day = as_of or committee.today()
        found = [each for each in committee.listed(as_of=day) if everything or each.outcome is None]
    if as_json:
        return json.dumps([_plain(each, day) for each in found], ensure_ascii=False, indent=2)
    return "\n".join(_line(each, day) for each in found) or f"no committee decision {'was ever taken' if everything else 'is open'}."


@contextmanager
def opened():
    """The committee's decisions on the chosen source in the opened store."""
    with open_store() as store:
        yield Committee(store, source=load_params().source.name)


def _plain(decision, day):
    values = {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in asdict(decision).items()}
    return values | {"state": decision.state(day)}


def _line(decision, day):
    about = f" on {decision.customer_id}" if decision.customer_id else ""
    end = f"; {decision.note} ({decision.closed_by}, {decision.closed_at.date()})" if decision.outcome else ""
    return (f"committee decision {decision.id}{about}, {decision.state(day)}: {decision.text} ({decision.owner}, {decision.department}, due {decision.due_on}; "
            f"decided {decision.decided_at.date()}){end}")
