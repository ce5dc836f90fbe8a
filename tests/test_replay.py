"""A decision rebuilt after everything it rested on has moved on: bit for bit, and a plain word where something is gone."""

import gzip
import json
import shutil
import subprocess
import sys
from datetime import date, datetime

import msgspec
import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from serving_world import BOOK_AS_OF, NOW, POLICY, SOURCE, bundle, features_of, local_client, published, records, transaction

from features.context import Context
from features.errors import RiskError
from models.life_cycle import load_life_cycle
from models.overrides import Change, Said
from models.policy import parse_policy
from pipeline.cli import main
from serving import messages, replay
from serving.app import create_app
from serving.current import Current
from serving.life_cycle import LifeCycleLedger, Move
from serving.overrides import Overrides
from serving.published import BookRow
from serving.scorer import Question
from serving.settings import Settings
from serving.store import Entry, Store


@pytest.fixture
def var(tmp_path):
    published(tmp_path)
    published(tmp_path, use_case="fraud")
    return tmp_path


def client_of(var):
    return local_client(create_app(Settings(SOURCE, ("default", "fraud"), var, var / "risk.db"), clock=lambda: NOW))


def store_of(var):
    return Store(var / "risk.db", clock=lambda: NOW).open()


def asked(var, path="/v1/score", **body):
    """The decision id of an answer to a request."""
    with client_of(var) as client:
        answer = client.get(path) if path != "/v1/score" else client.post(path, json={"customer_id": "C1"} | body)
    assert answer.status_code == 200, answer.text
    return answer.json()["decision_id"]


def move_on(var):
    """Another model, policy, context and book of both use cases, as often as it takes to have the old publications deleted."""
    for use_case in ("default", "fraud"):
        for seed in (7, 8, 9):
            published(var, use_case=use_case, model=bundle(use_case, seed=seed), rows=[BookRow(f"D{seed}", {}, {"as_of": BOOK_AS_OF}, {}, f"X{seed}")],
                      policy=POLICY.replace("review_at: 0.02", f"review_at: 0.0{seed}"), context=Context().to_rows())


def replayed(var, decision_id):
    with store_of(var) as store:
        return replay.replay(store, var, decision_id)


REQUESTS = {
    "records": {"records": records(), "requested_amount": 1_000_000, "purpose": "onboarding"},
    "features": {"features": features_of(records()), "standing": {"exposure": 5, "capacity": None}},
    "fraud records": {"use_case": "fraud", "records": {}, "transaction": transaction()},
    "customer": {"path": "/v1/customers/C1?requested_amount=70000"},
    "transaction": {"path": "/v1/transactions/T1"},
    "nothing known": {"path": "/v1/customers/C2"},
}


@pytest.mark.parametrize("name", REQUESTS)
def test_an_answer_is_rebuilt_bit_for_bit_after_everything_moved_on(var, name):
    decision_id = asked(var, **REQUESTS[name])
    move_on(var)
    found = replayed(var, decision_id)
    assert (found.identical, found.differences, found.reworded, found.gained) == (True, (), (), ())
    assert found.records == ("path" not in REQUESTS[name])


@pytest.mark.parametrize("name", ["records", "fraud records", "customer"])
def test_today_s_feature_code_gives_the_same_features_while_there_are_records(var, name):
    features = replayed(var, asked(var, **REQUESTS[name])).features
    assert (features.differences, features.undeclared, features.why_not) == ((), (), "")
    assert len(features.names) == (4 if "fraud" in name else 6)


def test_a_transaction_of_the_book_is_computed_from_its_customer_s_records(tmp_path):
    known = {"transactions": [transaction(known_at="2026-03-30T23:30:00"), transaction(transaction_id="T8", occurred_at="2026-03-30T10:00:00",
                                                                                      known_at="2026-03-30T10:00:00")]}
    when = datetime(2026, 3, 30, 23, 29, 59)
    published(tmp_path, use_case="fraud")
    scorer = Current(tmp_path, source=SOURCE, use_case="fraud").state().scorer
    values = scorer.score_records(known, Question("C1", when, own=transaction())).values
    published(tmp_path, use_case="fraud", rows=[BookRow("C1", values, {"as_of": when.isoformat()}, known, "T9")])
    features = replayed(tmp_path, asked(tmp_path, "/v1/transactions/T9")).features
    assert (features.differences, len(features.names), values["txn_count_1d"]) == ((), 4, 1.0)


def test_an_override_and_a_state_that_held_then_are_part_of_the_answer(tmp_path):
    rules = load_life_cycle("life_cycle.yaml")
    published(tmp_path, life_cycle=rules)
    with store_of(tmp_path) as store:
        said = Said("approve", 1_000_000, "one_person", "B", 0.02, 0, "p", "b")
        made = Overrides(store, source=SOURCE).grant(
            "C1", Change(action="approve", limit=30_000_000), said, reason_code="security", reason="guarantee", author="anna", approver="ben",
            expires_on=date(2026, 6, 1), policy=parse_policy(POLICY))
        move = Move("C1", date(2026, 3, 30), None, "restrict", date(2026, 3, 30), "inv_late", "finance", date(2026, 4, 6))
        LifeCycleLedger(store, SOURCE).record(rules, [move])
    decision_id = asked(tmp_path, records=records(), requested_amount=1_000_000)
    with store_of(tmp_path) as store:
        Overrides(store, source=SOURCE).revoke(made.id, reason="gone", author="anna")
    move_on(tmp_path)
    found = replayed(tmp_path, decision_id)
    told = found.decision.payload["answer"]["decision"]
    assert (told["override"]["id"], told["life_cycle"]["state"]) == (made.id, "restrict")
    assert found.identical


def test_a_policy_whose_text_was_changed_is_refused(var):
    decision_id = asked(var, records=records(), requested_amount=1_000_000)
    with store_of(var) as store:
        policy = store.find_decision(decision_id).policy
        with store.database.writing() as connection:
            connection.execute(sa.text("update policies set content = :text where hash = :hash"), {"text": POLICY.replace("200000", "300000"), "hash": policy})
    with pytest.raises(RiskError, match=f"The policy kept as {policy[:12]} has the hash .*: its text was changed"):
        replayed(var, decision_id)


def test_the_policy_is_in_the_database_once_a_decision_names_it(var):
    decision_id = asked(var, records={})
    with store_of(var) as store:
        assert store.find_policy(store.find_decision(decision_id).policy) == POLICY


def test_a_policy_that_the_database_lost_is_the_publication_s(var):
    decision_id = asked(var, records={})
    with store_of(var) as store, store.database.writing() as connection:
        connection.execute(sa.text("delete from policies"))
    assert replayed(var, decision_id).identical


def test_an_answer_that_cannot_come_of_its_features_differs_by_path(var):
    found = replayed(var, forged(var, grade="A+", sub_scores={"financial": 0.5}))
    assert [each.path for each in found.differences][:2] == ["/grade", "/sub_scores/financial"]
    assert (found.identical, found.differences[0].then) == (False, "A+")


def forged(var, *, reasons_lack=(), **changes):
    """A decision in the ledger, whole in itself, whose answer is not what its features give, or lacks fields of its reasons."""
    with client_of(var) as client:
        client.post("/v1/score", json={"customer_id": "C1", "records": records()})
    with store_of(var) as store:
        (decision,) = store.history()
        payload = decision.payload
        payload["answer"] |= {"decision_id": "forged"} | changes
        payload["answer"]["reasons"] = [{name: value for name, value in reason.items() if name not in reasons_lack} for reason in payload["answer"]["reasons"]]
        kept = {name: getattr(decision, name) for name in ("use_case", "source", "customer_id", "bundle", "policy", "context")}
        return store.record_decision(Entry(**kept, payload=payload, decision_id="forged")).id


def test_a_decision_from_before_comparisons_replays(var):
    found = replayed(var, forged(var, reasons_lack=("comparison",)))
    assert found.identical
    assert found.gained[0] == "/reasons/0/comparison"
    assert all(path.endswith("/comparison") for path in found.gained)


def test_words_of_another_day_are_no_difference_but_are_counted(var, monkeypatch):
    decision_id = asked(var, records=records())
    monkeypatch.setattr(messages, "reason_sentence", lambda *_arguments, **_options: "said otherwise")
    found = replayed(var, decision_id)
    assert found.identical
    assert found.reworded[0] == "/reasons/0/sentence/en"


def test_a_feature_whose_code_changed_is_named_with_both_values(var, monkeypatch):
    decision_id = asked(var, records=records())
    build = replay.build_catalogue

    def changed(*arguments, **options):
        today = build(*arguments, **options)
        return today.of([msgspec.structs.replace(today["inv_days_late_mean_180d"], name="inv_days_late_mean_90d")
                         if each.name == "inv_days_late_mean_90d" else each for each in today.features if each.name != "evt_lawsuit_count_365d"])

    monkeypatch.setattr(replay, "build_catalogue", changed)
    found = replayed(var, decision_id)
    assert found.identical
    assert found.features.undeclared == ("evt_lawsuit_count_365d",)
    assert len(found.features.names) == 5


def test_features_that_were_given_leave_nothing_to_compute(var):
    found = replayed(var, asked(var, features=features_of(records())))
    assert found.features.why_not == "Nothing to compute today's features from: its features were given, not computed."


def test_a_book_that_is_gone_leaves_nothing_to_compute_and_says_so(var):
    decision_id = asked(var, "/v1/customers/C1")
    move_on(var)
    assert replayed(var, decision_id).features.why_not.endswith("the book it was looked up in is not kept any more.")


# --- what cannot be replayed --------------------------------------------------------------------------------------------------


def test_an_unknown_decision_is_named(var):
    asked(var, records={})
    with pytest.raises(RiskError, match="There is no decision nowhere in the ledger"):
        replayed(var, "nowhere")


def test_an_erased_decision_says_so(var):
    decision_id = asked(var, records={})
    with store_of(var) as store:
        store.erase_customer("C1", actor="privacy desk", reason="request")
    with pytest.raises(RiskError, match=f"Decision {decision_id} of 2026-03-31 12:00 was erased: its hash stays"):
        replayed(var, decision_id)


@pytest.mark.parametrize(("statement", "message"), [
    ("update decisions set bundle = 'other'", "is not as it was recorded: row 1 of decisions differs from its own hash"),
    ("update decisions set payload = salt", "is not as it was recorded: row 1 of decisions has a payload or customer that differs"),
    ("update decisions set payload = null, salt = null, customer_id = null", "is not as it was recorded: row 1 of decisions lost its payload"),
])
def test_a_row_that_was_tampered_with_is_not_replayed(var, statement, message):
    decision_id = asked(var, records={})
    with store_of(var) as store, store.database.writing() as connection:
        connection.execute(sa.text(statement))
    with pytest.raises(RiskError, match=message):
        replayed(var, decision_id)


def test_a_bundle_that_is_gone_is_named(var):
    decision_id = asked(var, records={})
    shutil.rmtree(var / "bundles" / bundle().hash)
    with pytest.raises(RiskError, match="booster.txt cannot be read"):
        replayed(var, decision_id)


@pytest.mark.parametrize(("damage", "message"), [
    (lambda path: path.unlink(), "is not there; restore it from a backup"),
    (lambda path: path.write_bytes(b"no gzip"), "cannot be read .*; restore it from a backup"),
    (lambda path: path.write_bytes(gzip.compress(b"{}")), "has another content than its name says"),
])
def test_a_kept_part_that_is_gone_or_damaged_is_named(var, damage, message):
    decision_id = asked(var, records={})
    move_on(var)
    with store_of(var) as store:
        publication = store.find_decision(decision_id).payload["answer"]["versions"]["publication"]
    manifest = json.loads((var / "kept" / "publications" / f"{publication}.json").read_bytes())
    damage(var / "kept" / "parts" / f"{manifest['files']['context']}.gz")
    with pytest.raises(RiskError, match=message):
        replayed(var, decision_id)


def test_parts_that_did_not_change_are_kept_once(var):
    before = len(list((var / "kept" / "parts").iterdir()))
    published(var, model=bundle(seed=1))
    assert len(list((var / "kept" / "parts").iterdir())) == before
    assert len(list((var / "kept" / "publications").iterdir())) == 3


def test_a_damaged_part_is_not_kept_in_the_place_of_a_whole_one(var):
    manifest = published(var)
    (var / "published" / f"{SOURCE}-default" / manifest["hash"] / "context.json").write_text("{half")
    (var / "kept" / "parts" / f"{manifest['files']['context']}.gz").unlink()
    with pytest.raises(RiskError, match="context.json is not what its publication says; delete .* and run `risk publish`"):
        published(var)


# --- the command --------------------------------------------------------------------------------------------------------------


def risk(var, *arguments):
    done = CliRunner().invoke(main, [*arguments, "--var", str(var), "--database", str(var / "risk.db")])
    return done.exit_code, done.output


def test_the_command_says_that_the_answer_is_the_same(var):
    code, said = risk(var, "replay", asked(var, records=records()))
    assert code == 0
    assert "the answer is rebuilt bit for bit." in said
    assert "today's feature code gives the same 6 features from the records of then." in said


def test_the_command_names_what_differs_and_exits_with_1(var):
    code, said = risk(var, "replay", forged(var, grade="A+"))
    assert code == 1
    assert 'the rebuilt answer differs in 1 places:\n  /grade: "A+" then, ' in said


def test_the_command_needs_no_pandas(var):
    decision_id = asked(var, records=records())
    heavy = ("pandas", "pyarrow", "duckdb", "sklearn", "mlflow", "dvc")
    code = f"import sys\nfrom pipeline.cli import main\ntry:\n    main()\nfinally:\n    print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code, "replay", decision_id, "--var", str(var)], capture_output=True, text=True)
    assert done.stdout.endswith("[]\n"), done.stdout + done.stderr


def test_a_database_that_is_not_there_is_not_made(tmp_path):
    code, said = risk(tmp_path, "replay", "d-1")
    assert (code, "There is no operational database" in said) == (1, True)
    assert not (tmp_path / "risk.db").exists()
