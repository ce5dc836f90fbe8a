"""A batch over HTTP: each answer to the bit the one it would have got alone, every fault of every item told at once, all recorded or nothing."""

from datetime import date, timedelta

import numpy as np
import pytest
import sqlalchemy as sa
from serving_world import BOOK_AS_OF, NOW, POLICY, SOURCE, bundle, features_of, invoice, local_client, published, records, transaction

from models.overrides import Change, Said
from models.policy import parse_policy
from serving.app import create_app
from serving.endpoints.batches import MAX_ITEMS
from serving.overrides import Overrides
from serving.published import BookRow
from serving.scorer import PART
from serving.settings import Settings
from serving.store import Store

# What two answers to one question differ in.
OWN = ("decision_id", "made_at")


@pytest.fixture
def client(tmp_path):
    published(tmp_path)
    with client_of(tmp_path) as opened:
        yield opened


def client_of(var, *, use_cases=("default",)):
    return local_client(create_app(Settings(SOURCE, use_cases, var, var / "risk.db"), clock=lambda: NOW))


def batch(client, *items, **body):
    return client.post("/v1/score/batch", json={"items": items} | body)


def ledger(var):
    with Store(var / "risk.db").open() as store:
        return store.history(limit=10_000)


def said(answer):
    return {name: value for name, value in answer.items() if name not in OWN}


def random_features(rng):
    """Features with nulls, categories never seen and Chinese ones; now and then one is left out."""
    values = {name: rng.choice(["纺织", "steel", "航天", None]) if name == "bg_industry" else rng.choice([rng.gamma(2.0), None]) for name in bundle().names}
    values.pop(rng.choice(list(values)))
    return values


def random_records(rng):
    """Records in which every customer's ids are those of every other."""
    days = [str(date(2026, 1, 1) + timedelta(days=int(each))) for each in rng.integers(0, 60, 4)]
    bills = [invoice(f"I{place}", issued, "2026-03-01", amount=int(rng.integers(1, 10**6))) for place, issued in enumerate(days)]
    paid = [{"payment_id": f"P{place}", "known_at": "2026-03-20", "occurred_at": "2026-03-20", "invoice_id": f"I{place}", "amount": 5} for place in (0, 2)]
    return records(invoices=bills, payments=paid, events=[] if rng.random() < 0.5 else records()["events"])


# --- the same number ----------------------------------------------------------------------------------------------------------


def test_a_row_in_a_batch_is_answered_as_alone(tmp_path):
    # Without the day's budget, which what is asked alone would find spent by the batch.
    published(tmp_path, policy=POLICY.replace("daily_loss_budget: 50000", "daily_loss_budget: null"))
    client, rng = client_of(tmp_path), np.random.default_rng(7)
    items = [{"customer_id": f"客户{place}", "features": random_features(rng), "requested_amount": int(rng.integers(0, 10**8))} for place in range(PART + 20)]
    items += [{"customer_id": f"R{place}", "records": random_records(rng), "standing": {"in_default": int(rng.integers(0, 2))}} for place in range(20)]
    together = batch(client, *items).json()["answers"]
    alone = [client.post("/v1/score", json=item).json() for item in items]
    assert [said(each) for each in together] == [said(each) for each in alone]


def test_a_known_customer_in_a_batch_is_answered_as_looked_up(client):
    items = [{"customer_id": "C1", "requested_amount": 500}, {"customer_id": "C1", "records": records()}, {"customer_id": "C2"}]
    known, scored, unlike = batch(client, *items).json()["answers"]
    assert said(known) == said(client.get("/v1/customers/C1", params={"requested_amount": 500}).json())
    assert (known["as_of"], scored["as_of"], unlike["customer_id"]) == (BOOK_AS_OF, "2026-03-31T12:00:00", "C2")


def test_transactions_are_judged_together(tmp_path):
    published(tmp_path, use_case="fraud")
    with client_of(tmp_path, use_cases=("fraud",)) as client:
        items = [{"customer_id": "C1", "records": {}, "transaction": transaction(amount=amount)} for amount in (-5, -70_000)] + [{"transaction_id": "T2"}]
        answers = batch(client, *items, use_case="fraud").json()["answers"]
        alone = [client.post("/v1/score", json=item | {"use_case": "fraud"}).json() for item in items[:2]] + [client.get("/v1/transactions/T2").json()]
    assert [said(each) for each in answers] == [said(each) for each in alone]


def test_an_override_holds_in_a_batch(client, tmp_path):
    with Store(tmp_path / "risk.db", clock=lambda: NOW).open() as store:
        before = Said("reduce", 10_000_000, "two_persons", "D1", 0.08, 40_000_000, "p", "b")
        Overrides(store, source=SOURCE).grant("C1", Change(action="decline"), before, reason_code="suspicion", reason="hearsay", author="anna", approver="ben",
                                              expires_on=date(2026, 4, 9), policy=parse_policy(POLICY))
    bound, free = batch(client, {"customer_id": "C1"}, {"customer_id": "C2", "features": features_of(records())}).json()["answers"]
    assert (bound["decision"]["action"], bound["decision"]["override"]["author"], free["decision"]["override"]) == ("decline", "anna", None)
    assert said(bound) == said(client.get("/v1/customers/C1").json())


def test_sentences_are_in_the_languages_asked_for(client):
    item = {"customer_id": "C1"}
    chinese, silent = (batch(client, item, languages=languages).json()["answers"][0] for languages in (["zh"], []))
    assert {*chinese["decision"]["words"]} == {"zh"} == {language for reason in chinese["reasons"] for language in reason["sentence"]}
    assert silent["decision"]["words"] is None
    assert silent["reasons"]
    assert all(reason["sentence"] == {} for reason in silent["reasons"])


# --- recorded -----------------------------------------------------------------------------------------------------------------


def test_a_batch_is_recorded_in_one_transaction_in_its_order(client, tmp_path):
    assert batch(client, {"customer_id": "C1"}).status_code == 200
    commits, engine = [], client.app.state.service.ledger().database.engine
    sa.event.listen(engine, "commit", lambda connection: commits.append(connection.get_execution_options().get("risk_writes")))
    items = [{"customer_id": f"N{place}", "features": features_of(records()), "purpose": "review"} for place in range(PART + 5)]
    answers = batch(client, *items, languages=["en"]).json()["answers"]
    assert commits.count(True) == 1
    recorded = ledger(tmp_path)[: len(items)][::-1]
    assert [each.id for each in recorded] == [answer["decision_id"] for answer in answers]
    assert recorded[3].payload["request"] == {"languages": ["en"], **items[3]}
    assert recorded[3].payload["answer"] == {name: value for name, value in answers[3].items() if name != "made_at"}
    with Store(tmp_path / "risk.db") as store:
        assert store.verify() == []


def test_nothing_is_recorded_when_one_cannot_be(client, tmp_path):
    moments = ("2026-03-01T12:00:00Z", "2026-03-02T12:00:00")
    mixed = [{"event_id": moment, "occurred_at": moment, "known_at": "2026-03-03", "kind": "lawsuit"} for moment in moments]
    items = [{"customer_id": "C1"}, {"customer_id": "C5", "records": {"events": mixed}}, {"customer_id": "C6", "records": {"events": mixed}}]
    answer = batch(client, *items)
    assert answer.status_code == 422
    assert [(each["pointer"], each["expected"][:60]) for each in answer.json()["errors"]] == [
        (f"/items/{place}/records", "Table events, column occurred_at: 1 of 2 moments carry a tim") for place in (1, 2)]
    assert ledger(tmp_path) == []


def test_whose_sums_leave_64_bits_is_told_and_others_are_not_blamed(client, tmp_path):
    # Each amount fits; of ten thousand such no sum does.
    many = [invoice(f"I{place}", "2026-01-05", "2026-01-20", amount=10**17) for place in range(200)]
    good = {"customer_id": "C5", "records": records()}
    answer = batch(client, good, {"customer_id": "C6", "records": {"invoices": many}}, good)
    assert [each["pointer"] for each in answer.json()["errors"]] == ["/items/1/records"]
    assert ledger(tmp_path) == []


def test_a_batch_sent_again_under_its_key_gets_the_first_answers(client, tmp_path):
    asked = {"items": [{"customer_id": "C1"}, {"customer_id": "C2"}]}
    first, again = (client.post("/v1/score/batch", json=asked, headers={"Idempotency-Key": "night-1"}) for _ in range(2))
    assert first.content == again.content
    assert len(ledger(tmp_path)) == 2
    assert client.post("/v1/score/batch", json=asked | {"languages": []}, headers={"Idempotency-Key": "night-1"}).status_code == 422


def test_the_known_are_told_their_published_scores_while_no_bundle_answers(tmp_path):
    score = {"as_of": BOOK_AS_OF, "pd_12m": 0.02, "pd_low": None, "pd_high": None, "raw_score": -3.9, "points": 600.0, "grade": "B", "sub_financial": 0.1,
             "adverse": [], "favourable": [], "standing": {}}
    manifest = published(tmp_path, rows=[BookRow("C1", features_of(records()), score, records())])
    (tmp_path / "bundles" / manifest["bundle"] / "booster.txt").write_text("broken")
    with client_of(tmp_path) as client:
        (known,) = batch(client, {"customer_id": "C1"}, languages=["zh"]).json()["answers"]
        assert (known["probability"], known["grade"], {*known["decision"]["words"]}) == (0.02, "B", {"zh"})
        assert known["faults"]
        assert batch(client, {"customer_id": "C1"}, {"customer_id": "C2", "records": {}}).status_code == 503


# --- wrong batches ------------------------------------------------------------------------------------------------------------


def pointers(answer):
    assert answer.status_code == 422, answer.text
    return {error["pointer"]: error["expected"] for error in answer.json()["errors"]}


def test_all_faults_of_all_items_are_named_in_one_answer(client, tmp_path):
    items = [
        {"customer_id": "C1", "features": {"stmt_current_ratio": "1.2", "shoe_size": 4}},
        {"customer_id": "C1"},
        {"customer_id": "", "records": {"invoices": [invoice("I1", "2026-01-05", "2026-01-20"), {"amount": -1}]}},
        {"customer_id": "nobody"},
        {"customer_id": "C1", "as_of": "2026-01-01", "colour": 1},
        {"features": {"stmt_current_ratio": 1}, "records": {}},
        7,
    ]
    found = pointers(batch(client, *items))
    assert {
        "/items/0/features/stmt_current_ratio": "a finite number or null",
        "/items/0/features/shoe_size": "a feature the model uses, see /v1/model",
        "/items/2/customer_id": "text of 1 to 2000 bytes in UTF-8",
        "/items/2/records/invoices/1/amount": "an amount above 0",
        "/items/2/records/invoices/1/due_at": "a value",
        "/items/3/customer_id": f"The customer 'nobody' is not in the book of {BOOK_AS_OF}; score it from its records with POST /v1/score.",
        "/items/4/as_of": "nothing more than customer_id, purpose, requested_amount where records and features are left out",
        "/items/4/colour": "nothing more than customer_id, purpose, requested_amount where records and features are left out",
        "/items/5": "either records or features",
        "/items/5/customer_id": "a value",
        "/items/6": "an item as an object",
    }.items() <= found.items()
    assert not any(pointer.startswith("/items/1") for pointer in found)
    assert ledger(tmp_path) == []


@pytest.mark.parametrize(
    ("body", "pointer", "expected"),
    [
        ({}, "/items", "a list of 1 to 1000 items"),
        ({"items": []}, "/items", "a list of 1 to 1000 items"),
        ({"items": [{"customer_id": "C1"}] * (MAX_ITEMS + 1)}, "/items", "a list of 1 to 1000 items"),
        ({"items": [{"customer_id": "C1"}], "words": 1}, "/words", "one of items, languages, use_case"),
        ({"items": [{"customer_id": "C1"}], "languages": ["fr"]}, "/languages", "a list of en, zh, empty for an answer without words"),
        ({"items": [{"customer_id": "C1"}], "languages": "zh"}, "/languages", "a list of en, zh, empty for an answer without words"),
        ({"items": [{"customer_id": "C1"}], "use_case": None}, "/use_case", "text"),
    ],
)
def test_a_wrong_batch_is_named_by_its_path(client, body, pointer, expected):
    assert pointers(client.post("/v1/score/batch", json=body)) == {pointer: expected}


def test_a_thousand_are_answered(client):
    items = [{"customer_id": f"C{place}", "features": {"stmt_current_ratio": place / 7}} for place in range(MAX_ITEMS)]
    assert [each["customer_id"] for each in batch(client, *items, languages=[]).json()["answers"]] == [f"C{place}" for place in range(MAX_ITEMS)]
