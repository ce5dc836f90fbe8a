"""Questions answered together: one matrix and one transaction for many requests, each with the answer, time limit and errors that it would have alone."""

from contextvars import Context
from dataclasses import dataclass
from functools import partial

from features.errors import RiskError
from serving import deadline
from serving.database import StoreUnavailable
from serving.gathering import Gathered
from serving.repeats import Claim
from serving.scorer import Unreadable

# So few that the first of a group does not wait long for the last.
MOST = 32


@dataclass(frozen=True)
class Call:
    """One request's question: what answers (serving.current.State), the Asked, the request to keep, its Claim, and the context it is asked in."""

    state: object
    asked: object
    request: dict
    claim: Claim | None
    context: Context


def together(service):
    """A callable of a Call that returns its body, and raises as `service.answer_all`."""
    return Gathered(partial(_each, service), most=MOST)


def _each(service, calls):
    """The body of each Call, or the exception in its place."""
    found = [_outcome(call, deadline.check) for call in calls]
    # Nobody waits any more for those that are late.
    left = [place for place, error in enumerate(found) if error is None]
    while left:
        group, left = _alike(calls, left)
        for place, outcome in zip(group, _group(service, [calls[place] for place in group]), strict=True):
            found[place] = outcome
    return found


def _alike(calls, places):
    """Places of those that go by the first one's state, no two with the same claim, and all others."""
    group, claims = [], set()
    for place in places:
        call = calls[place]
        key = call.claim and (call.claim.caller, call.claim.key)
        if call.state == calls[places[0]].state and (key is None or key not in claims):
            group.append(place)
            claims.add(key)
    return group, [place for place in places if place not in group]


def _group(service, calls):
    if len(calls) == 1:
        return [_outcome(calls[0], _alone, service, calls[0])]
    try:
        # In nobody's context: the time limit of whoever leads is not the others'.
        return Context().run(_answered, service, calls)
    except Unreadable as error:
        return _apart(service, calls, {place for place, _ in error.errors})
    except StoreUnavailable as error:
        # Either the database is gone for all, or it does not take what one of them brings.
        first = _outcome(calls[0], _alone, service, calls[0])
        return [error] * len(calls) if isinstance(first, StoreUnavailable) else [first, *_apart(service, calls[1:], range(len(calls) - 1))]
    except Exception:  # noqa: BLE001 - whoever brought it gets it, by itself
        return _apart(service, calls, range(len(calls)))


def _apart(service, calls, places):
    """Outcomes where those at some places are answered each by itself, and the others together again."""
    found = {place: _outcome(calls[place], _alone, service, calls[place]) for place in places}
    rest = [place for place in range(len(calls)) if place not in found]
    if rest:
        found |= zip(rest, _group(service, [calls[place] for place in rest]), strict=True)
    return [found[place] for place in range(len(calls))]


def _answered(service, calls):
    state, requests, claims = calls[0].state, [call.request for call in calls], [call.claim for call in calls]
    begins = [partial(call.context.run, deadline.begin_writing) for call in calls]
    recorded = service.record_each(state, service.scored(state, [call.asked for call in calls]), requests, claims, begins)
    return [_outcome(call, _body, service, each) for call, each in zip(calls, recorded, strict=True)]


def _alone(service, call):
    return service.answer_all(call.state, [call.asked], [call.request], claim=call.claim)[0]


def _body(service, recorded):
    return recorded if isinstance(recorded, RiskError) else service.bodies(recorded)[0]


def _outcome(call, what, *arguments):
    """What is returned, or the exception that is raised, in the context of a call: an error of one is nobody else's."""
    try:
        return call.context.run(what, *arguments)
    except Exception as error:  # noqa: BLE001
        return error
