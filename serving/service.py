"""What every endpoint shares: what answers now for each use case, and the ledger that every decision is written to before it is told."""

import uuid
from dataclasses import replace
from functools import partial

import msgspec

from features.errors import RiskError
from models.life_cycle_file import BY_POLICY, STATES
from serving.current import Current
from serving.daily_spend import Draw
from serving.life_cycle import LifeCycleLedger, held_of
from serving.overrides import Overrides
from serving.problems import Unknown
from serving.store import Entry, Store, utc_now


class Service:
    """What the endpoints share: the state of each use case and the ledger."""

    def __init__(self, settings, *, clock=utc_now):
        """settings: see serving.settings; clock gives naive UTC."""
        self.settings, self.clock = settings, clock
        self._store, self._migrated = Store(settings.database, clock=clock), False
        self._current = {name: Current(settings.var, source=settings.source, use_case=name) for name in settings.use_cases}

    def ledger(self):
        """The operational database, its tables up to date. Raises StoreUnavailable, a RiskError, while it is down."""
        if not self._migrated:
            self._store.migrate()
            self._migrated = True
        return self._store

    def close(self):
        """Close the database's connections."""
        self._store.close()

    def state(self, use_case):
        """What answers for a use case now. Raises Unknown for one that is not served, NothingToServe when nothing can answer."""
        if use_case not in self._current:
            raise Unknown(f"The use case '{use_case}' is not served here; use one of {', '.join(self._current)}.")
        return self._current[use_case].state()

    def in_force(self, state, question):
        """The question with the override of its customer that holds today and where it stands in its life cycle, if there is any. What a state leaves of new
        credit is what was published with the policy; without that, as before there were states, the policy alone.

        Raises StoreUnavailable while the database is down: an answer that passes over either would be another decision than the one in force.
        """
        if state.scorer.judges_transactions:
            return question
        today, rules = self.clock().date(), state.published.manifest.get("life_cycle")
        standing = LifeCycleLedger(self.ledger(), self.settings.source).standing(question.customer_id)
        held = held_of(standing, rules["new_credit"] if rules else dict.fromkeys(STATES, BY_POLICY))
        return replace(question, override=Overrides(self.ledger(), source=self.settings.source).in_force(question.customer_id, today), day=today, held=held)

    def answer(self, state, scored, request):
        """Record what was scored with the request that asked for it, and return the body to answer with.

        The ledger keeps the request, the features and the standing the answer rests on, and the body, which names the decision's id but not its time; and
        `spent`, what the day had spent before, of a decision that draws on it: such a one is decided anew when it is recorded.
        """
        answer, decision_id, unit = scored.answer, str(uuid.uuid4()), state.scorer.draws_on(scored)
        payload_of = partial(_payload, request=request, decision_id=decision_id, source=self.settings.source, faults=state.faults)
        payload = None if unit else payload_of(scored)

        def decide(spent):
            drawn = state.scorer.decided_after(scored, spent)
            return {**payload_of(drawn), "spent": spent}, drawn.takes

        entry = Entry(
            use_case=answer.use_case,
            source=self.settings.source,
            customer_id=answer.customer_id,
            bundle=answer.versions["bundle"],
            policy=answer.versions["policy"],
            context=answer.versions["context"],
            payload=payload,
            decision_id=decision_id,
            draw=Draw(unit, decide) if unit else None,
        )
        recorded = self.ledger().record_decision(entry)
        return {**(payload or recorded.payload)["answer"], "made_at": recorded.made_at}

    def why_not_ready(self):
        """Why not every question can be answered and recorded now, in sentences; none when all can."""
        checks = [lambda: self.ledger().check(), *(current.state for current in self._current.values())]
        return [str(error) for check in checks if (error := _error_of(check))]


def _payload(scored, *, request, decision_id, source, faults):
    body = {"decision_id": decision_id, "source": source, **msgspec.structs.asdict(scored.answer), "faults": faults}
    return {"request": request, "features": scored.values, "standing": scored.standing, "answer": body}


def _error_of(check):
    try:
        check()
    except RiskError as error:
        return error
    return None
