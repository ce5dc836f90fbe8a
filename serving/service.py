"""What every endpoint shares: what answers now for each use case, and the ledger that every decision is written to before it is told."""

import time
import uuid
from dataclasses import replace

import msgspec

from features.errors import RiskError
from models.life_cycle_file import BY_POLICY, STATES
from serving.current import Current
from serving.incoming import Incoming
from serving.life_cycle import LifeCycleLedger, held_of
from serving.metrics import Metrics
from serving.overrides import Overrides
from serving.problems import Unknown
from serving.store import Entry, Store, utc_now


class Kept:
    """An iterator that remembers what passed, and when the last did: a batch's decisions are sealed one by one while the next are still being scored."""

    def __init__(self, source):
        self.passed, self.ended, self._source = [], None, source

    def __iter__(self):
        for each in self._source:
            self.passed.append(each)
            yield each
        self.ended = time.perf_counter()


class Service:
    """What the endpoints share: the state of each use case and the ledger."""

    def __init__(self, settings, *, clock=utc_now):
        """settings: see serving.settings; clock gives naive UTC."""
        self.settings, self.clock, self.metrics = settings, clock, Metrics()
        self._store, self._migrated = Store(settings.database, clock=clock), False
        self.current = {name: Current(settings.var, source=settings.source, use_case=name) for name in settings.use_cases}

    def ledger(self):
        """The operational database, its tables up to date. Raises StoreUnavailable, a RiskError, while it is down."""
        if not self._migrated:
            self._store.migrate()
            self._migrated = True
        return self._store

    def incoming(self):
        """The events of known customers that came between two books."""
        return Incoming(self.ledger(), source=self.settings.source)

    def close(self):
        """Close the database's connections."""
        self._store.close()

    def state(self, use_case):
        """What answers for a use case now. Raises Unknown for one that is not served, NothingToServe when nothing can answer."""
        if use_case not in self.current:
            raise Unknown(f"The use case '{use_case}' is not served here; use one of {', '.join(self.current)}.")
        return self.current[use_case].state()

    def in_force(self, state, questions):
        """Each question with the override of its customer that holds today and where it stands in its life cycle, if there is any. What a state leaves of new
        credit is what was published with the policy; without that, as before there were states, the policy alone.

        Raises StoreUnavailable while the database is down: an answer that passes over either would be another decision than the one in force.
        """
        if state.scorer.judges_transactions:
            return questions
        customers = [question.customer_id for question in questions]
        today, rules = self.clock().date(), state.published.manifest.get("life_cycle")
        new_credit = rules["new_credit"] if rules else dict.fromkeys(STATES, BY_POLICY)
        standings = LifeCycleLedger(self.ledger(), self.settings.source).standings_of(customers)
        overrides = Overrides(self.ledger(), source=self.settings.source).in_force_of(customers, today)
        return [
            replace(question, override=overrides.get(customer), day=today, held=held_of(standings.get(customer), new_credit))
            for question, customer in zip(questions, customers, strict=True)
        ]

    def answer(self, state, asked, request):
        """Score, record and answer one question; see answer_all."""
        return self.answer_all(state, [asked], [request])[0]

    def answer_all(self, state, asked, requests):
        """Score what is asked (serving.scorer.Asked), record it with the requests that asked for it, all or none, and return the bodies to answer with."""
        return self.record(state, self.scored(state, asked), requests)

    def scored(self, state, asked):
        """Yield what is asked as it is scored, by the overrides and states in force."""
        questions = self.in_force(state, [each.question for each in asked])
        return state.scorer.scored([replace(each, question=question) for each, question in zip(asked, questions, strict=True)])

    def record(self, state, scored, requests, *, also=None):
        """Record what is scored with the requests that asked for it, all or none, and return the bodies to answer with. also: see Store.record_decisions.

        The ledger keeps the request, the features and the standing the answer rests on, and the body, which names the decision's id but not its time.
        """
        entries = Kept(self._entry(state, each, request) for each, request in zip(scored, requests, strict=True))
        recorded = self.ledger().record_decisions(entries, also=also)
        self.metrics.ledger.observe(time.perf_counter() - entries.ended)
        bodies = [{**entry.payload["answer"], "made_at": decision.made_at} for entry, decision in zip(entries.passed, recorded, strict=True)]
        self.metrics.decided(bodies)
        return bodies

    def _entry(self, state, scored, request):
        answer, decision_id = scored.answer, str(uuid.uuid4())
        body = {"decision_id": decision_id, "source": self.settings.source, **msgspec.structs.asdict(answer), "faults": state.faults}
        return Entry(
            use_case=answer.use_case,
            source=self.settings.source,
            customer_id=answer.customer_id,
            bundle=answer.versions["bundle"],
            policy=answer.versions["policy"],
            context=answer.versions["context"],
            payload={"request": request, "features": scored.values, "standing": scored.standing, "answer": body},
            decision_id=decision_id,
        )

    def why_not_ready(self):
        """Why not every question can be answered and recorded now, in sentences; none when all can."""
        checks = [lambda: self.ledger().check(), *(current.state for current in self.current.values())]
        return [str(error) for check in checks if (error := _error_of(check))]


def _error_of(check):
    try:
        check()
    except RiskError as error:
        return error
    return None
