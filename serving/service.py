"""What every endpoint shares: what answers now for each use case, and the ledger that every decision is written to before it is told."""

import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context, copy_context
from dataclasses import replace
from functools import partial

import msgspec

from features.errors import RiskError
from models.life_cycle_file import BY_POLICY, STATES
from serving import deadline, logs
from serving.access import Access
from serving.alerts import Alerts
from serving.clocks import refuse_book_ahead
from serving.current import Current, NothingToServe
from serving.daily_spend import Draw
from serving.human_reviews import how_to_ask
from serving.incoming import Incoming
from serving.life_cycle import LifeCycleLedger, held_of
from serving.metrics import Metrics
from serving.overrides import Overrides
from serving.problems import Unknown
from serving.pseudonyms import Pseudonyms
from serving.repeats import AnswerErased
from serving.shadow import Shadow
from serving.store import Entry, Recording, Store, utc_now
from serving.together import Call, together

# Look-ups of what is in force at a time: as many as the store has connections.
LOOKUPS = 8


class Passing:
    """An iterator that notes when the last passed: a batch's decisions are sealed one by one while the next are still being scored."""

    def __init__(self, source):
        self.ended, self._source = None, source

    def __iter__(self):
        yield from self._source
        self.ended = time.perf_counter()


class Service:
    """What the endpoints share: the state of each use case and the ledger."""

    def __init__(self, settings, *, clock=utc_now):
        """settings: see serving.settings; clock gives naive UTC."""
        self.settings, self.clock, self.metrics = settings, clock, Metrics()
        self._store, self._migrated, self._kept_policies = Store(settings.database, clock=clock), False, set()
        self.pseudonyms = Pseudonyms(settings.var)
        self.access = Access(self.ledger, clock=clock, limits=settings.limits)
        self._threads, self._together = _threads(), {name: together(self) for name in settings.use_cases}
        self.current = {name: Current(settings.var, source=settings.source, use_case=name) for name in settings.use_cases}
        self.shadow = Shadow(self)

    def ledger(self):
        """The operational database, its tables up to date. Raises StoreUnavailable, a RiskError, while it is down."""
        if not self._migrated:
            self._store.migrate()
            self._migrated = True
        return self._store

    def incoming(self):
        """The events of known customers that came between two books."""
        return Incoming(self.ledger(), source=self.settings.source)

    def alerts(self):
        """The alerts of the source that is served."""
        return Alerts(self.ledger(), source=self.settings.source)

    def close(self):
        """End what runs beside requests and close the database's connections; a later use opens new ones."""
        self.shadow.close()
        self._threads.shutdown()
        self._threads = _threads()
        self._store.close()

    def state(self, use_case):
        """What answers for a use case now. Raises Unknown for one that is not served, NothingToServe when nothing can answer, ClockBehind."""
        state = self.book_state(use_case)
        if not state.scorer.whole:
            raise NothingToServe(state.faults[0])
        return state

    def book_state(self, use_case):
        """What tells the risk of those the book knows: as `state`, or a LastGood where nothing can score. A book older than it may be is one of its faults.

        Raises as `state`, and TooLate (serving.deadline).
        """
        deadline.check()
        if use_case not in self.current:
            raise Unknown(f"The use case '{use_case}' is not served here; use one of {', '.join(self.current)}.")
        state, now = self.current[use_case].state(), self.clock()
        as_of, allowed = state.published.moment, state.published.manifest.get("stale_days")
        refuse_book_ahead(now, as_of)
        age = (now - as_of).days
        if allowed is None or age <= allowed:
            return state
        stale = f"The published book is of {as_of:%Y-%m-%d}, {age:,} days ago, and may be {allowed} days old (publish.stale_days): publish a newer one."
        return replace(state, faults=(*state.faults, stale))

    def in_force(self, questions, rules):
        """Each question with the override of its customer that holds today and where it stands in its life cycle, if there is any. rules: what was published
        of the life cycle with the policy, which says what a state leaves of new credit; None, as before there were states: the policy alone.

        Raises StoreUnavailable while the database is down: an answer that passes over either would be another decision than the one in force.
        """
        customers, today = [question.customer_id for question in questions], self.clock().date()
        new_credit = rules["new_credit"] if rules else dict.fromkeys(STATES, BY_POLICY)
        store, source = self.ledger(), self.settings.source
        with store.database.reading() as connection:
            standings = LifeCycleLedger(store, source).standings_of(customers, connection=connection)
            overrides = Overrides(store, source=source).in_force_of(customers, today, connection=connection)
        return [
            replace(question, override=overrides.get(customer), day=today, held=held_of(standings.get(customer), new_credit))
            for question, customer in zip(questions, customers, strict=True)
        ]

    def answered(self, claim):
        """The bodies that a request was first answered with, or None for a new one and for one that names no key (claim None).

        Raises KeyReused, AnswerErased; see serving.repeats.
        """
        found = None if claim is None else self.ledger().answered(claim)
        return found and [told(decision) for decision in found]

    def answer(self, state, asked, request, *, claim=None):
        """Score, record and answer one question; see answer_all. Questions that come while others are answered are answered together next."""
        return self._together[state.published.manifest["use_case"]](Call(state, asked, request, claim, copy_context()))

    def answer_all(self, state, asked, requests, *, claim=None):
        """Score what is asked (serving.scorer.Asked), record it with the requests that asked for it, all or none, and return the bodies to answer with."""
        return self.record(state, self.scored(state, asked), requests, claim=claim)

    def scored(self, state, asked):
        """Yield what is asked as it is scored, by the overrides and states in force; a decision that draws on its day may be left to `record`."""
        if state.scorer.judges_transactions:
            return state.scorer.scored(asked)
        # The database answers while LightGBM, which needs no interpreter, explains.
        in_force = self._threads.submit(self.in_force, [each.question for each in asked], state.published.manifest.get("life_cycle"))
        return state.scorer.scored(asked, settled=in_force.result, undrawn=True)

    def record(self, state, scored, requests, *, claim=None, also=None):
        """Record what is scored with the requests that asked for it, all or none, and return the bodies to answer with: the first ones where a request of the
        same claim was answered meanwhile. also: see Store.record_decisions.

        The ledger keeps the request, the question made of it, the features and the standing the answer rests on, and the body, which names the decision's id
        but not its time: with the bundle, the publication's parts and the policy, all that `serving.replay` needs. A decision that draws on its day is decided
        anew when it is recorded, and `spent` says what the day had spent before.

        Raises KeyReused, AnswerErased; see serving.repeats.
        """
        self._keep_policy(state)
        entries = Passing(self._entry(state, each, request) for each, request in zip(scored, requests, strict=True))
        recorded = self.ledger().record_decisions(entries, claim=claim, also=also)
        self.metrics.ledger.observe(time.perf_counter() - entries.ended)
        return self.bodies(recorded)

    def record_each(self, state, scored, requests, claims, begins):
        """As record, of several requests with one decision each: returns for each its decisions, or the RiskError that left it out. begins: see Recording in
        serving.store. Raises as Store.record_each."""
        self._keep_policy(state)
        entries = Passing([self._entry(state, each, request)] for each, request in zip(scored, requests, strict=True))
        recorded = self.ledger().record_each([Recording(*each) for each in zip(entries, claims, begins, strict=True)])
        self.metrics.ledger.observe(time.perf_counter() - entries.ended)
        return recorded

    def bodies(self, recorded):
        """The bodies of a request's decisions, counted, noted in its line of the log and shown to the shadow."""
        bodies = [told(decision) for decision in recorded]
        self.metrics.decided([body for body, decision in zip(bodies, recorded, strict=True) if decision.given is not None])
        self.shadow.offer(recorded)
        logs.note(decision_id=bodies[0]["decision_id"], decisions=len(bodies), bundle=bodies[0]["versions"]["bundle"][:12])
        return bodies

    def _entry(self, state, scored, request):
        answer, decision_id, unit = scored.answer, str(uuid.uuid4()), state.scorer.draws_on(scored)
        kept_of = partial(payload_of, request=request, decision_id=decision_id, source=self.settings.source, faults=state.faults)

        def decide(spent):
            drawn = state.scorer.decided_after(scored, spent)
            return {**kept_of(drawn), "spent": spent}, drawn.takes

        return Entry(
            use_case=answer.use_case,
            source=self.settings.source,
            customer_id=answer.customer_id,
            bundle=answer.versions["bundle"],
            policy=answer.versions["policy"],
            context=answer.versions["context"],
            payload=None if unit else kept_of(scored),
            decision_id=decision_id,
            draw=Draw(unit, decide) if unit else None,
        )

    def _keep_policy(self, state):
        """Have the text of the policy in the database before the first decision that names it."""
        policy = state.scorer.policy.hash
        if policy not in self._kept_policies:
            # In a context of its own: this writing is not yet the request's, which may still be late.
            Context().run(self.ledger().record_policy, policy, state.published.policy_text())
            self._kept_policies.add(policy)

    def readiness(self):
        """(why a use case cannot be answered or recorded at all, what is less than it should be of those that can), both in sentences."""
        causes, faults = [], []
        for check in (lambda: self.ledger().check(), *(partial(self.book_state, use_case) for use_case in self.current)):
            try:
                state = check()
            except RiskError as error:
                causes.append(str(error))
            else:
                faults += () if state is None else state.faults
        # One book too old is one sentence, however many use cases are served from it.
        return list(dict.fromkeys(causes)), list(dict.fromkeys(faults))


def _threads():
    return ThreadPoolExecutor(LOOKUPS, thread_name_prefix="in-force")


def payload_of(scored, *, request, decision_id, source, faults):
    """What the ledger keeps of a decision; `answer` is the body the caller gets, but for the time at which it was recorded."""
    body = body_of(scored.answer, decision_id=decision_id, source=source, faults=(*faults, *scored.faults))
    question = msgspec.to_builtins(scored.question)
    told = {} if scored.published is None else {"published": scored.published}
    return {"request": request, "question": question, "features": scored.values, "standing": scored.standing, **told, "answer": body}


def told(decision):
    """The body that a recorded decision was answered with. Raises AnswerErased."""
    if decision.compressed is None:
        raise AnswerErased("An answer first given under this Idempotency-Key was erased with its customer; send a new request under another key.")
    payload = decision.payload if decision.given is None else decision.given
    return {**payload["answer"], "made_at": decision.made_at}


def body_of(answer, *, decision_id, source, faults):
    """The body of an answer, but for the time at which it was recorded."""
    body = {"decision_id": decision_id, "source": source, **msgspec.structs.asdict(answer), "faults": faults}
    return {**body, "human_review": how_to_ask(answer.decision)}
