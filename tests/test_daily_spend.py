"""The day's budget in the service: automatic approvals of all workers together, and transactions sent to review, stay within what the policy allows a day."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta

import numpy as np
import pytest
import sqlalchemy as sa
from databases import ticking
from serving_world import AS_OF, BOOK_AS_OF, NOW, POLICY, SOURCE, features_of, local_client, published, records, transaction

from features.errors import RiskError
from models import policy as rules
from models.decision_in_force import Held, decide_in_force
from models.overrides import Change, Override, Said
from models.policy_file import LETTERS, ROUTES
from serving.app import create_app
from serving.current import Current
from serving.daily_spend import Draw
from serving.published import BookRow
from serving.scorer import Question
from serving.settings import Settings
from serving.store import Entry, Store
from serving.values import parse_moment

BUDGET = 2_000
TIGHT = POLICY.replace("daily_loss_budget: 50000", f"daily_loss_budget: {BUDGET}")
FREE = {"exposure": 0, "capacity": 900_000_000}
GOOD = {"stmt_current_ratio": 0.1, "inv_days_late_mean_90d": 0.0, "inv_overdue_amount": 0.0}


@pytest.fixture
def store(url):
    with Store(url, clock=ticking()).open() as opened:
        yield opened


def entry(decide, **changes):
    values = {"use_case": "default", "source": "simulated", "customer_id": "C1", "bundle": "b", "policy": "p", "context": "c", "payload": None}
    return Entry(**values | {"draw": Draw("CNY", decide)} | changes)


def taking(most, each):
    """Takes `each` while it fits below `most`."""
    return lambda spent: ({"spent": spent, "automatic": spent + each <= most}, each if spent + each <= most else 0)


def sums(store, **filters):
    return {(one.use_case, one.unit, one.day): one.spent for one in store.spends(**filters)}


# --- the table ----------------------------------------------------------------------------------------------------------------


def test_each_decision_sees_what_its_day_has_spent_before(store):
    made = store.record_decisions([entry(taking(25, 10)) for _ in range(3)]) + [store.record_decision(entry(taking(25, 5)))]
    assert [one.payload for one in made] == [{"spent": 0, "automatic": True}, {"spent": 10, "automatic": True}, {"spent": 20, "automatic": False},
                                             {"spent": 20, "automatic": True}]
    assert sums(store) == {("default", "CNY", date(2026, 3, 31)): 25}
    assert store.verify() == []


def test_a_new_day_a_source_a_currency_and_a_use_case_each_start_anew(url):
    moments = iter([datetime(2026, 3, 31, 23, 59, 59), datetime(2026, 4, 1), *[datetime(2026, 4, 1, 1)] * 3])
    with Store(url, clock=lambda: next(moments)).open() as store:
        others = ({}, {}, {"source": "other"}, {"use_case": "fraud"}, {"draw": Draw("EUR", taking(10, 10))})
        assert [store.record_decision(entry(taking(10, 10), **each)).payload["spent"] for each in others] == [0] * 5
        assert sums(store, source="simulated", since=date(2026, 4, 1)) == {
            ("default", "CNY", date(2026, 4, 1)): 10, ("default", "EUR", date(2026, 4, 1)): 10, ("fraud", "CNY", date(2026, 4, 1)): 10}


def test_a_decision_that_cannot_be_recorded_spends_nothing(store):
    with pytest.raises(RiskError, match="payload of a ledger row cannot be written as JSON"):
        store.record_decisions([entry(taking(100, 10)), entry(lambda _: ({"what": object()}, 10))])
    assert sums(store) == {}
    assert store.history() == []


def test_threads_of_several_stores_never_spend_more_than_the_day_has(url):
    with Store(url).open() as one, Store(url).open() as two, ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda number: (one, two)[number % 2].record_decision(entry(taking(95, 10))), range(40)))
        assert sum(each.payload["automatic"] for each in made) == 9
        assert sorted(each.payload["spent"] for each in made) == [*range(0, 90, 10), *[90] * 31]
        assert sum(sums(one).values()) == 90


# --- the service --------------------------------------------------------------------------------------------------------------


def client_of(var, *, database=None, use_cases=("default",), clock=lambda: NOW):
    return local_client(create_app(Settings(SOURCE, use_cases, var, database or var / "risk.db"), clock=clock))


def ask(client, amount, **changes):
    return client.post("/v1/score", json={"customer_id": "C1", "features": GOOD, "standing": FREE, "requested_amount": amount} | changes).json()


def granted(answers):
    """Expected loss of what was approved automatically, by the policy's loss given default, in minor units."""
    passed = [one for one in answers if one["decision"]["route"] == "automatic"]
    return sum(int(np.ceil(one["probability"] * 0.6 * one["decision"]["limit"])) for one in passed)


def recorded(url):
    with Store(url) as store:
        return {one.id: one for one in store.history(limit=1000)}, sum(one.spent for one in store.spends())


def test_automatic_approvals_of_several_workers_together_stay_within_the_days_budget(tmp_path, url):
    published(tmp_path, policy=TIGHT)
    with client_of(tmp_path, database=url) as one, client_of(tmp_path, database=url) as two, ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda number: ask((one, two)[number % 2], 500_000 + 10_000 * number), range(30)))
    routes = [answer["decision"]["route"] for answer in answers]
    kept, spent = recorded(url)
    assert set(routes) == {"automatic", "one_person"}
    assert all("route.daily_loss_budget" in answer["decision"]["reasons"] for answer in answers if answer["decision"]["route"] == "one_person")
    assert spent == granted(answers) <= BUDGET * 100
    assert all(kept[answer["decision_id"]].payload["answer"] == {name: value for name, value in answer.items() if name != "made_at"} for answer in answers)


def test_the_budget_is_whole_again_on_the_next_day(tmp_path):
    published(tmp_path, policy=TIGHT)
    now = [datetime(2026, 3, 31, 23)]
    with client_of(tmp_path, clock=lambda: now[0]) as client:
        before = [ask(client, 1_500_000)["decision"]["route"] for _ in range(3)]
        now[0] += timedelta(hours=1)
        assert [*before, ask(client, 1_500_000)["decision"]["route"]] == ["automatic", "one_person", "one_person", "automatic"]


def test_a_recorded_answer_is_rebuilt_from_what_the_day_had_spent(tmp_path):
    published(tmp_path, policy=TIGHT)
    with client_of(tmp_path) as client:
        answers = [ask(client, 1_500_000) for _ in range(2)]
    kept, _ = recorded(tmp_path / "risk.db")
    scorer = Current(tmp_path, source=SOURCE, use_case="default").state().scorer
    for answer in answers:
        payload = kept[answer["decision_id"]].payload
        question = Question("C1", parse_moment(answer["as_of"]), 1_500_000, day=NOW.date(), spent=payload["spent"])
        again = scorer.score_features(payload["features"], question, standing=payload["standing"])
        assert (again.answer.decision | {"reasons": list(again.answer.decision["reasons"])}) == answer["decision"]
    assert [answer["decision"]["route"] for answer in answers] == ["automatic", "one_person"]


def test_looking_a_customer_up_with_an_amount_sees_the_day_and_takes_nothing_of_it(tmp_path):
    published(tmp_path, policy=TIGHT, rows=[BookRow("C2", features_of(records()) | GOOD, {"as_of": BOOK_AS_OF, "standing": FREE}, None)])
    with client_of(tmp_path) as client:
        looks = [client.get("/v1/customers/C2", params={"requested_amount": 1_500_000}).json()["decision"] for _ in range(2)]
        assert recorded(tmp_path / "risk.db")[1] == 0
        batch = client.post("/v1/score/batch", json={"items": [{"customer_id": "C2", "requested_amount": 1_500_000}]}).json()["answers"][0]["decision"]
        taken = recorded(tmp_path / "risk.db")[1]
        after = client.get("/v1/customers/C2", params={"requested_amount": 1_500_000}).json()["decision"]
    assert looks[0] == looks[1] == batch
    assert (looks[0]["route"], taken > 0) == ("automatic", True)
    assert "route.daily_loss_budget" in after["reasons"]


def test_who_asks_for_nothing_touches_no_days_sum(tmp_path):
    published(tmp_path)
    client, statements = client_of(tmp_path), []
    sa.event.listen(client.app.state.service.ledger().database.engine, "before_cursor_execute", lambda *said: statements.append(said[2]))
    with client:
        client.get("/v1/customers/C1")
        assert any("decisions" in statement for statement in statements)
        assert not any("daily_spend" in statement for statement in statements)
        client.get("/v1/customers/C1", params={"requested_amount": 500})
        assert any("daily_spend" in statement for statement in statements)
    assert ["spent" in one.payload for one in recorded(tmp_path / "risk.db")[0].values()] == [True, False]


def test_reviewers_get_no_more_transactions_of_a_day_than_they_can_look_at(tmp_path, url):
    # Whatever is not blocked is for review, as far as there is capacity.
    policy = POLICY.replace("block_at: 0.50", "block_at: 0.999").replace("review_at: 0.02", "review_at: 0.0001")
    policy = policy.replace("daily_capacity: 50", "daily_capacity: 5")
    published(tmp_path, use_case="fraud", policy=policy)
    with client_of(tmp_path, database=url, use_cases=("fraud",)) as client, ThreadPoolExecutor(4) as pool:
        looked_up = [client.get("/v1/transactions/T2").json()["decision"]["action"] for _ in range(2)]
        body = {"customer_id": "C1", "use_case": "fraud", "records": {}}
        asked = [body | {"transaction": transaction(transaction_id=f"T{number}")} for number in range(12)]
        actions = [answer.json()["decision"]["action"] for answer in pool.map(lambda each: client.post("/v1/score", json=each), asked)]
    assert looked_up == ["review", "review"]
    assert (actions.count("review"), actions.count("pass")) == (5, 7)
    assert recorded(url)[1] == 5


# --- the rule -----------------------------------------------------------------------------------------------------------------


def override(rng, day):
    said = Said("decline", 0, "committee", "C", 0.02, 0, "p" * 64, "b" * 64)
    change = Change(limit=int(rng.integers(1, 50) * 10**7), route=str(rng.choice(ROUTES[:2])))
    return Override("o1", "C1", change, said, "security", "guarantee", "anna", "ben", day, day)


@pytest.mark.parametrize("seed", range(5))
def test_with_the_same_spend_a_worse_pd_is_never_decided_more_softly_and_nothing_passes_beyond_the_budget(seed):
    rng, policy, day = np.random.default_rng(seed), rules.parse_policy(TIGHT), AS_OF.date()
    for _ in range(300):
        place = int(rng.integers(0, 5))
        worse = int(rng.integers(place, 5))
        exposure, amount, spent = (int(each) for each in rng.integers(0, (10**7, 10**7, 2 * BUDGET * 100)))
        pd_12m = float(rng.uniform(0.001, 0.2))
        held = None if rng.random() < 0.5 else Held("watch", day, "sales", None, str(rng.choice(["by_policy", "one_person", "decline"])))
        common = {"exposure": exposure, "amount": amount, "spent": spent, "capacity": float(rng.integers(10**7, 10**10)), "held": held, "day": day,
                  "override": None if rng.random() < 0.7 else override(rng, day)}
        cases = ((LETTERS[place], pd_12m), (LETTERS[worse], pd_12m * float(rng.uniform(1, 3))))
        better, harder = (decide_in_force(policy, grade=grade, pd_12m=p, **common)[0] for grade, p in cases)
        assert ROUTES.index(harder.route) >= ROUTES.index(better.route)
        assert harder.limit <= better.limit
        for decided, (_, p) in zip((better, harder), cases, strict=True):
            assert spent + rules.spent_by(policy, decided, pd_12m=p, exposure=exposure) <= max(spent, BUDGET * 100)


def test_a_book_and_one_case_count_the_same_as_spent():
    policy, rng = rules.parse_policy(TIGHT), np.random.default_rng(3)
    amount, exposure = rng.integers(0, 10**7, (2, 200))
    case = {"grade": rng.choice(list("ABC"), 200), "pd_12m": rng.uniform(0.001, 0.05, 200), "amount": amount, "exposure": exposure}
    decided = rules.decide_book(policy, **case)
    taken = rules.budget_spent(policy, decided, pd_12m=case["pd_12m"], exposure=case["exposure"])
    alone = [rules.spent_by(policy, decided.one(i), pd_12m=case["pd_12m"][i], exposure=int(case["exposure"][i])) for i in range(200)]
    assert taken.tolist() == alone
    assert taken.any()
