"""Questions that are answered together: each has the answer, the time limit and the errors that it would have alone, and all share one transaction."""

from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from serving_world import AS_OF, NOW, POLICY, SOURCE, bundle, features_of, invoice, published, records

from features.errors import RiskError
from serving import deadline
from serving.database import StoreUnavailable
from serving.deadline import Deadline, TooLate
from serving.repeats import KeyReused, claim
from serving.scorer import Asked, Question, Unreadable
from serving.service import Service
from serving.settings import Settings
from serving.together import Call, _each

# One approval of 1.5 million fits, the next does not.
TIGHT = POLICY.replace("daily_loss_budget: 50000", "daily_loss_budget: 2000")
GOOD = {"stmt_current_ratio": 0.1, "inv_days_late_mean_90d": 0.0, "inv_overdue_amount": 0.0}
FREE = {"exposure": 0, "capacity": 900_000_000}
CLOCKS = records(invoices=[invoice("I1", "2026-01-05T00:00:00Z", "2026-01-20"), invoice("I2", "2026-01-15T00:00:00", "2026-02-14")])


@contextmanager
def service_of(var, url, **world):
    published(var, **world)
    service = Service(Settings(SOURCE, ("default",), var, url), clock=lambda: NOW)
    yield service
    service.close()


@pytest.fixture
def service(tmp_path, url):
    with service_of(tmp_path, url) as made:
        yield made


def call(service, customer="C1", *, key=None, body=b"{}", amount=0, state=None, **what):
    """A Call as an endpoint makes it; key: of its Idempotency-Key."""
    given = {} if "values" in what or "records" in what else {"records": records()}
    asked = Asked(Question(customer, AS_OF, amount), **given, **what)
    named = claim([] if key is None else [key], caller="", path="/v1/score", body=body)
    return Call(state or service.state("default"), asked, {"customer_id": customer}, named, copy_context())


def history(service):
    assert service.ledger().verify() == []
    return service.ledger().history(limit=100)[::-1]


def content(body):
    """A body without what differs from one decision to the next of the same question."""
    return {name: value for name, value in body.items() if name not in ("decision_id", "made_at")}


def test_answers_and_rows_are_those_of_each_alone(service):
    asked = [call(service), call(service, values=features_of(records())), call(service, amount=700_000), call(service, amount=900_000, languages=())]
    together, alone = _each(service, asked), [_each(service, [each])[0] for each in asked]
    assert [content(each) for each in together] == [content(each) for each in alone]
    assert [one.id for one in history(service)] == [body["decision_id"] for body in [*together, *alone]]
    assert [one.payload["answer"] for one in history(service)] == [in_json(each) for each in [*together, *alone]]


def in_json(body):
    """A body as the ledger gives it back."""
    return msgspec.json.decode(msgspec.json.encode({name: value for name, value in body.items() if name != "made_at"}))


def test_a_group_spends_its_day_one_after_the_other(tmp_path, url):
    with service_of(tmp_path, url, policy=TIGHT) as service:
        answers = _each(service, [call(service, values=GOOD, standing=FREE, amount=1_500_000) for _ in range(3)])
        assert [each["decision"]["route"] for each in answers] == ["automatic", "one_person", "one_person"]
        (day,) = service.ledger().spends()
        assert [one.payload["spent"] for one in history(service)] == [0, day.spent, day.spent]


def test_whose_rows_cannot_be_read_is_told_so_and_the_others_are_answered(service):
    first, wrong, last = _each(service, [call(service), call(service, records=CLOCKS), call(service)])
    assert isinstance(wrong, Unreadable)
    assert [one.id for one in history(service)] == [first["decision_id"], last["decision_id"]]


def transactions(service):
    """How many groups are recorded, counted from now on."""
    before, counted = service.record_each, []

    def counting(*arguments):
        counted.append(arguments)
        return before(*arguments)

    service.record_each = counting
    return counted


def test_those_beside_an_unreadable_one_are_still_answered_together(service):
    counted = transactions(service)
    found = _each(service, [call(service), call(service, records=CLOCKS), call(service), call(service)])
    assert [isinstance(each, dict) for each in found] == [True, False, True, True]
    # The first try, which found out, and the others.
    assert len(counted) == 2
    assert len(history(service)) == 3


def test_states_that_say_the_same_are_answered_together(service):
    counted = transactions(service)
    states = [replace(service.state("default"), faults=("The published book is old.",)) for _ in range(3)]
    answers = _each(service, [call(service, state=state) for state in states])
    assert [each["faults"] for each in answers] == [("The published book is old.",)] * 3
    assert len(counted) == 1


def test_an_id_that_the_database_does_not_take_is_refused_alone(service):
    rng = np.random.default_rng(0)
    long = "".join(map(chr, rng.integers(0x4E00, 0x9FFF, 1500)))
    found = _each(service, [call(service), call(service, long), call(service)])
    taken = service.ledger().database.is_sqlite
    assert [isinstance(each, StoreUnavailable) for each in found] == [False, not taken, False]
    assert len(history(service)) == 2 + taken


def test_a_failure_of_ours_over_one_of_them_is_nobody_elses(service):
    before = service._entry

    def failing(state, scored, request):
        if request["customer_id"] == "C7":
            raise TypeError("a bug")
        return before(state, scored, request)

    service._entry = failing
    first, wrong, last = _each(service, [call(service), call(service, "C7"), call(service)])
    assert isinstance(wrong, TypeError)
    assert [one.id for one in history(service)] == [first["decision_id"], last["decision_id"]]


def test_a_request_that_comes_twice_in_a_group_is_decided_once(service):
    one, other, again = _each(service, [call(service, key="k"), call(service, key="k", body=b"[]"), call(service, key="k")])
    assert isinstance(other, KeyReused)
    assert (in_json(one), one["made_at"]) == (in_json(again), again["made_at"])
    assert len(history(service)) == 1


def test_who_was_told_to_be_late_is_not_recorded(service):
    late, during = Deadline(), Deadline()
    calls = [call(service), with_deadline(service, late), with_deadline(service, during), call(service)]
    late.expire()
    before = service.record_each

    def meanwhile(*arguments):
        during.expire()
        return before(*arguments)

    service.record_each = meanwhile
    first, *both, last = _each(service, calls)
    assert [type(each) for each in both] == [TooLate, TooLate]
    assert [one.id for one in history(service)] == [first["decision_id"], last["decision_id"]]


def with_deadline(service, limit):
    made = call(service)
    made.context.run(deadline._current.set, limit)
    return made


def test_questions_of_two_champions_are_each_answered_by_their_own(tmp_path, service):
    old = call(service)
    published(tmp_path, model=bundle(seed=1))
    answers = _each(service, [old, call(service), old])
    assert [each["versions"]["bundle"] for each in answers] == [bundle().hash, bundle(seed=1).hash, bundle().hash]
    assert len(history(service)) == 3


def test_a_database_that_is_gone_is_told_to_all_at_once(tmp_path):
    with service_of(tmp_path, f"sqlite:///{tmp_path / 'risk.db'}") as service:
        calls = [call(service) for _ in range(3)]
        _each(service, calls[:1])
        service.close()
        (tmp_path / "risk.db").write_bytes(b"no database" * 1000)
        assert [type(each) for each in _each(service, calls)] == [StoreUnavailable] * 3


def test_an_answer_in_a_crowd_is_raised_where_it_is_an_error(service):
    with pytest.raises(RiskError):
        service.answer(service.state("default"), Asked(Question("C1", AS_OF), records=CLOCKS), {})
