"""The service: score a customer with reasons, look one up, say what answers and whether it can; every decision is recorded before it is told."""

import uuid
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Annotated

import msgspec
from fastapi import Depends, FastAPI, Query, Request, Response

from features.errors import RiskError
from models.life_cycle_file import BY_POLICY, STATES
from serving import inbound, openapi, problems
from serving.current import Current
from serving.life_cycle import LifeCycleLedger, held_of
from serving.overrides import Overrides
from serving.problems import Unknown, problem
from serving.scorer import Question
from serving.settings import Settings
from serving.store import Entry, Store, utc_now

MAX_BODY_BYTES = 5_000_000
SCORE_FIELDS = frozenset({"customer_id", "use_case", "purpose", "as_of", "requested_amount", "records", "features", "standing", "transaction", "observation"})


async def _body(request: Request):
    """The request's JSON object. Raises Refused; a body beyond the limit is not read to its end."""
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > MAX_BODY_BYTES:
            raise problems.TooLarge(f"The request's body is larger than {MAX_BODY_BYTES:,} bytes; send fewer rows.")
    return inbound.decode(bytes(content))


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

        The ledger keeps the request, the features and the standing the answer rests on, and the body, which names the decision's id but not its time.
        """
        answer, decision_id = scored.answer, str(uuid.uuid4())
        body = {"decision_id": decision_id, "source": self.settings.source, **msgspec.structs.asdict(answer), "faults": state.faults}
        entry = Entry(
            use_case=answer.use_case,
            source=self.settings.source,
            customer_id=answer.customer_id,
            bundle=answer.versions["bundle"],
            policy=answer.versions["policy"],
            context=answer.versions["context"],
            payload={"request": request, "features": scored.values, "standing": scored.standing, "answer": body},
            decision_id=decision_id,
        )
        return {**body, "made_at": self.ledger().record_decision(entry).made_at}

    def why_not_ready(self):
        """Why not every question can be answered and recorded now, in sentences; none when all can."""
        checks = [lambda: self.ledger().check(), *(current.state for current in self._current.values())]
        return [str(error) for check in checks if (error := _error_of(check))]


def create_app(settings=None, *, clock=utc_now):
    """The application. settings: serving.settings.Settings, from the environment when left out; clock gives naive UTC."""
    service = Service(settings or Settings.from_environment(), clock=clock)
    app = FastAPI(title="Customer risk", version="1", description=openapi.DESCRIPTION, lifespan=_lifespan(service))
    app.state.service = service
    problems.install(app)
    _add_health(app, service)
    _add_scores(app, service)
    _add_model(app, service)
    return app


def _lifespan(service):
    @asynccontextmanager
    async def lifespan(_app):
        # Loading now spares the first caller the wait; what cannot be loaded yet must not keep /live and /ready from saying so.
        service.why_not_ready()
        yield
        service.close()

    return lifespan


def _add_health(app, service):
    @app.get("/live", summary="Whether the process runs", tags=["health"])
    def live():
        return {"status": "live"}

    @app.get("/ready", summary="Whether questions can be answered and decisions recorded", tags=["health"], responses=openapi.PROBLEMS)
    def ready():
        causes = service.why_not_ready()
        return problem(503, " ".join(causes)) if causes else {"status": "ready"}


def _add_scores(app, service):
    @app.post("/v1/score", summary="Score a customer with reasons and a decision", tags=["scores"], **openapi.SCORE)
    def score(body: Annotated[dict, Depends(_body)]):
        use_case = _use_case(body)
        state = service.state(use_case)
        question = service.in_force(state, _question(body, state.scorer, service.clock()))
        return _json(service.answer(state, _scored(state.scorer, question, body), body))

    @app.get("/v1/customers/{customer_id}", summary="A known customer's current risk", tags=["scores"], **openapi.ANSWER)
    def customer(customer_id: str, requested_amount: int = Query(0, ge=0, lt=inbound.MAX_MONEY)):
        return _json(_looked_up(service, "default", customer_id, "customer", requested_amount))

    @app.get("/v1/transactions/{transaction_id}", summary="A known transaction's risk of fraud", tags=["scores"], **openapi.ANSWER)
    def transaction(transaction_id: str):
        return _json(_looked_up(service, "fraud", transaction_id, "transaction", 0))


def _add_model(app, service):
    @app.get("/v1/model", summary="What answers now: bundle, columns, grades, policy", tags=["model"], responses=openapi.PROBLEMS)
    def model(use_case: str = "default"):
        state = service.state(use_case)
        book = {"as_of": state.published.as_of, "rows": state.published.manifest["rows"]}
        return _json(state.scorer.describe() | {"source": service.settings.source, "book": book, "faults": state.faults})


def _use_case(body):
    use_case = body.get("use_case", "default")
    if not isinstance(use_case, str):
        raise inbound.Refused([inbound.Fault("/use_case", "text", "something else")])
    return use_case


def _question(body, scorer, now):
    """The Question in a body whose every field fits. Raises Refused with all that do not."""
    faults = inbound.envelope_faults(body, known=SCORE_FIELDS, required=["customer_id"], now=now) + _content_faults(body, scorer, now)
    if faults:
        raise inbound.Refused(faults)
    own = body.get("transaction", {}) | body.get("observation", {})
    return Question(body["customer_id"], _as_of(body, now), body.get("requested_amount") or 0, own)


def _content_faults(body, scorer, now):
    """Faults of what is to be scored: records or features, one of them, and what goes with them."""
    if ("records" in body) == ("features" in body):
        return [inbound.Fault("", "either records or features", "both" if "records" in body else "neither")]
    faults = []
    if "records" in body:
        faults += inbound.record_faults(body["records"], customer_id=body.get("customer_id"), now=now)
    if "features" in body:
        faults += inbound.feature_faults(body["features"], columns=scorer.kinds)
    if "standing" in body:
        faults += inbound.standing_faults(body["standing"])
    if "observation" in body:
        faults += inbound.observation_faults(body["observation"], columns=scorer.own)
    if "transaction" in body and not scorer.judges_transactions:
        faults.append(inbound.Fault("/transaction", "nothing, since this model judges customers", "a transaction"))
    elif "transaction" in body or ("records" in body and scorer.judges_transactions):
        faults += inbound.transaction_faults(body.get("transaction"), customer_id=body.get("customer_id"), now=now)
    return faults


def _as_of(body, now):
    """The moment to be judged from: as given; the second before the transaction; or now."""
    if body.get("as_of"):
        return inbound.parse_moment(body["as_of"])
    if body.get("transaction"):
        return inbound.parse_moment(body["transaction"]["occurred_at"]).replace(microsecond=0) - timedelta(seconds=1)
    return now.replace(microsecond=0)


def _scored(scorer, question, body):
    if "features" in body:
        return scorer.score_features(body["features"], question, standing=body.get("standing"))
    return scorer.score_records(body["records"], question, standing=body.get("standing"))


def _looked_up(service, use_case, subject_id, what, requested_amount):
    state = service.state(use_case)
    row = state.published.find(subject_id)
    if row is None:
        raise Unknown(f"The {what} '{subject_id}' is not in the book of {state.published.as_of}; score it from its records with POST /v1/score.")
    question = Question(row.customer_id, inbound.parse_moment(row.score.get("as_of") or state.published.as_of), requested_amount)
    question = service.in_force(state, question)
    scored = state.scorer.score_features(row.features, question, records=row.records, standing=row.score.get("standing"))
    return service.answer(state, scored, {what: subject_id, "requested_amount": requested_amount, "publication": state.published.hash})


def _error_of(check):
    try:
        check()
    except RiskError as error:
        return error
    return None


def _json(body):
    return Response(msgspec.json.encode(body), media_type="application/json")
