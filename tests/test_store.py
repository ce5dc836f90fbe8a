"""The operational database: one chain from several writers, nothing lost, every way of tampering named."""

import sqlite3
import subprocess
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from databases import NOON, ticking

from features.errors import RiskError
from serving.chain import Head, payload_hash, row_hash
from serving.database import StoreUnavailable
from serving.schema import REVISION, metadata
from serving.store import Entry, Store


def entry(customer_id="C1", **changes):
    values = {
        "use_case": "default",
        "source": "simulated",
        "customer_id": customer_id,
        "bundle": "b" * 64,
        "policy": "p" * 64,
        "context": "c" * 64,
    }
    return Entry(**(values | {"payload": {"pd_12m": 0.0123, "values": {"stmt_current_ratio": None}}} | changes))


def promotion(bundle, **changes):
    values = {"use_case": "default", "source": "simulated", "bundle": bundle, "previous_bundle": None, "actor": "lin"}
    return values | {"reason": "first champion", "evidence": {"auc": 0.81}} | changes


@pytest.fixture
def store(url):
    with Store(url, clock=ticking()).open() as opened:
        yield opened


@pytest.fixture
def sqlite_store(tmp_path):
    with Store(tmp_path / "risk.db", clock=ticking()).open() as opened:
        yield opened


# --- decisions ----------------------------------------------------------------------------------------------------------------


def test_a_decision_is_found_again_as_it_was_recorded(store):
    recorded = store.record_decision(entry(decision_id="d-1", payload={"名称": "海州纺织", "pd_12m": 0.1 + 0.2, "missing": None}))
    assert recorded == store.find_decision("d-1")
    assert recorded.payload == {"名称": "海州纺织", "pd_12m": 0.30000000000000004, "missing": None}
    assert (recorded.sequence, recorded.made_at, recorded.customer_id) == (1, NOON, "C1")


def test_an_unknown_decision_is_none(store):
    assert store.find_decision("nowhere") is None


def test_a_decision_without_id_gets_one(store):
    assert uuid.UUID(store.record_decision(entry()).id).version == 4


@pytest.mark.parametrize("ids", [("d-1",), ("d-2", "d-2")], ids=["recorded before", "twice in a batch"])
def test_an_id_that_is_taken_is_refused_with_all_that_comes_with_it(store, ids):
    store.record_decision(entry(decision_id="d-1"))
    with pytest.raises(StoreUnavailable):
        store.record_decisions([entry("B"), *(entry(decision_id=each) for each in ids)])
    assert [one.id for one in store.history()] == ["d-1"]
    assert store.verify() == []


def test_a_batch_is_recorded_in_order(store):
    made = store.record_decisions([entry("A", decision_id="x"), entry("B"), entry("C", decision_id="y")])
    assert [(one.sequence, one.customer_id) for one in made] == [(1, "A"), (2, "B"), (3, "C")]
    assert store.verify() == []


def test_a_batch_longer_than_a_statement_is_one_chain(store):
    store.record_decisions([entry(f"C{number}") for number in range(1203)])
    assert [head.count for head in store.heads() if head.chain == "decisions"] == [1203]
    assert store.verify() == []


def test_a_batch_with_one_bad_payload_records_nothing(store):
    with pytest.raises(RiskError, match="payload of a ledger row cannot be written as JSON"):
        store.record_decisions([entry(), entry(payload={"what": object()})])
    assert store.history() == []


def test_an_empty_batch_is_no_error(store):
    assert store.record_decisions([]) == []


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, ["C3", "C2", "C1"]),
        ({"customer_id": "C2"}, ["C2"]),
        ({"use_case": "fraud"}, ["C3"]),
        ({"source": "elsewhere"}, []),
        ({"since": NOON + timedelta(minutes=1)}, ["C3", "C2"]),
        ({"until": NOON + timedelta(minutes=1)}, ["C1"]),
        ({"limit": 1}, ["C3"]),
    ],
)
def test_history_is_newest_first_and_filtered(store, filters, expected):
    for one in (entry("C1"), entry("C2"), entry("C3", use_case="fraud")):
        store.record_decision(one)
    assert [one.customer_id for one in store.history(**filters)] == expected


def test_hashes_of_a_row_by_hand():
    # printf '["00..0",3,"x",null]' | sha256sum, with 64 zeros; printf 'salt"C1"\n{}' | sha256sum
    assert row_hash("0" * 64, {"sequence": "x", "a": 3, "z": None}) == "c942e08f0ec3d8e75352484f0294357952d1de3283a18162bd7da3833c866773"
    assert payload_hash(b"salt", "C1", b"{}") == "4cb4c6fc88770a85ce50e8ad03e35d4caa5f84bf516e87b4a2029a6e0a4aa177"


# --- several writers ----------------------------------------------------------------------------------------------------------

WRITER = """
import sys
from serving.store import Entry, Store
store = Store(sys.argv[1], busy_seconds=60).open()
one = lambda number: Entry("default", "simulated", f"{sys.argv[2]}-{number}", "b", "p", "c", {"n": number})
for number in range(25):
    store.record_decision(one(number))
    if number % 5 == 0:
        store.record_decisions([one(f"{number}+{more}") for more in range(7)])
        store.record_promotion(use_case="default", source="simulated", bundle=str(number), previous_bundle=None, actor="lin", reason="r", evidence={})
"""


def test_processes_that_start_together_write_one_chain(url):
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, url, str(number)]) for number in range(4)]
    assert [writer.wait(timeout=60) for writer in writers] == [0, 0, 0, 0]
    with Store(url) as store:
        recorded = store.history(limit=1000)
        assert (len(recorded), len({one.customer_id for one in recorded}), len(store.promotions())) == (240, 240, 20)
        assert store.verify() == []


def test_threads_write_one_chain(store):
    store._clock = lambda: NOON
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: store.record_decision(entry(f"C{number}")), range(40)))
    assert [one.sequence for one in store.history(limit=100)] == list(range(40, 0, -1))
    assert store.verify() == []


def test_verifying_while_others_write_finds_nothing(store):
    with ThreadPoolExecutor(2) as pool:
        writing = pool.submit(lambda: [store.record_decision(entry()) for _ in range(40)])
        found = []
        while not writing.done():
            found += store.verify()
    assert found == []


# --- tampering ----------------------------------------------------------------------------------------------------------------


def tampered(store, *statements):
    with store.database.engine.begin() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))
    return [(fault.kind, fault.sequence) for fault in store.verify()]


COPY_OF_3 = """
insert into decisions (sequence, made_at, id, use_case, source, bundle, policy, context, payload_hash, customer_id, salt, payload, previous_hash, hash)
select {sequence}, made_at, 'forged', use_case, source, bundle, policy, context, payload_hash, customer_id, salt, payload, {links}
from decisions where sequence = 3
"""


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        (["update decisions set bundle = 'other' where sequence = 2"], [("changed", 2)]),
        (["update decisions set made_at = '2020-01-01 00:00:00.000000' where sequence = 5"], [("changed", 5)]),
        (["update decisions set customer_id = 'C9' where sequence = 2"], [("changed", 2)]),
        (["update decisions set payload = salt where sequence = 2"], [("changed", 2)]),
        (["delete from decisions where sequence in (2, 3)"], [("removed", 2)]),
        (["delete from decisions where sequence >= 4"], [("truncated", 4)]),
        (["delete from decisions"], [("truncated", 1)]),
        ([COPY_OF_3.format(sequence=6, links="hash, hash")], [("inserted", 6)]),
        (["delete from decisions where sequence = 2", COPY_OF_3.format(sequence=2, links="previous_hash, hash")], [("changed", 2)]),
        (["update decisions set payload = null, salt = null, customer_id = null where sequence = 3"], [("erased", 3)]),
        (["update heads set count = 4 where chain = 'decisions'"], [("inserted", 5)]),
        (["update promotions set actor = 'wang'"], [("changed", 1)]),
        (["delete from heads where chain = 'decisions'"], [("removed", 0)]),
    ],
)
def test_tampering_is_named(store, statements, expected):
    store.record_decisions([entry(f"C{number}") for number in range(1, 6)])
    store.record_promotion(**promotion("b1"))
    assert tampered(store, *statements) == expected


def test_a_row_rewritten_with_its_own_hash_is_found_by_the_next_one(store):
    store.record_decisions([entry(f"C{number}") for number in range(1, 4)])
    rewrite(store, 2, customer_id="C2", bundle="other")
    assert [(fault.kind, fault.sequence) for fault in store.verify()] == [("changed", 2)]


def test_a_last_row_rewritten_with_its_own_hash_is_found_by_the_head(store):
    store.record_decisions([entry(f"C{number}") for number in range(1, 4)])
    rewrite(store, 3, bundle="other")
    assert [(fault.kind, fault.sequence) for fault in store.verify()] == [("changed", 3)]


def test_a_chain_rewritten_with_its_head_is_found_by_an_anchor_outside(store):
    store.record_decisions([entry(f"C{number}") for number in range(1, 4)])
    anchors = store.heads()
    digest = rewrite(store, 3, bundle="other")
    tampered(store, f"update heads set hash = '{digest}' where chain = 'decisions'")
    assert store.verify() == []
    assert [fault.kind for fault in store.verify(anchors=anchors)] == ["changed"]


def test_an_anchor_beyond_the_end_finds_a_truncation_that_moved_the_head(store):
    first = store.record_decision(entry())
    store.record_decision(entry())
    anchors = store.heads()
    tampered(store, "delete from decisions where sequence = 2", f"update heads set count = 1, hash = '{first.hash}' where chain = 'decisions'")
    assert [(fault.kind, fault.sequence) for fault in store.verify(anchors=anchors)] == [("truncated", 2)]


def test_an_anchor_of_an_empty_chain_fits_any(store):
    anchors = store.heads()
    store.record_decision(entry())
    assert Head("decisions", 0, "0" * 64) in anchors
    assert store.verify(anchors=anchors) == []


def rewrite(store, sequence, **changes):
    table = metadata.tables["decisions"]
    with store.database.engine.begin() as connection:
        row = dict(connection.execute(sa.select(table).where(table.c.sequence == sequence)).mappings().one()) | changes
        row["hash"] = row_hash(row["previous_hash"], {name: row[name] for name in row if name not in UNHASHED})
        connection.execute(sa.update(table).where(table.c.sequence == sequence).values(row))
    return row["hash"]


UNHASHED = {"customer_id", "salt", "payload", "previous_hash", "hash"}


# --- erasure ------------------------------------------------------------------------------------------------------------------


def test_an_erased_customer_leaves_hashes_and_a_whole_chain(store):
    store.record_decisions([entry("C1"), entry("C2"), entry("C1")])
    assert store.erase_customer("C1", actor="privacy desk", reason="request of 31 March") == 2
    left = store.history()
    assert [(one.customer_id, one.payload is None) for one in left] == [(None, True), ("C2", False), (None, True)]
    assert all(one.payload_hash for one in left)
    assert store.verify() == []


def test_erasing_an_unknown_customer_notes_nothing(store):
    assert store.erase_customer("C1", actor="privacy desk", reason="request") == 0
    assert {head.count for head in store.heads()} == {0}


def test_an_erased_payload_is_not_left_in_the_file(sqlite_store, tmp_path):
    sqlite_store.record_decision(entry("NAME-TO-FORGET"))
    sqlite_store.erase_customer("NAME-TO-FORGET", actor="privacy desk", reason="request")
    sqlite_store.close()
    assert not any(b"NAME-TO-FORGET" in path.read_bytes() for path in tmp_path.iterdir())


# --- promotions and policies --------------------------------------------------------------------------------------------------


def test_champion_on_a_date(store):
    store.record_promotion(**promotion("b1"))
    store.record_promotion(**promotion("f1", use_case="fraud"))
    store.record_promotion(**promotion("b2", previous_bundle="b1", reason="better"))
    store.record_promotion(**promotion("b1", previous_bundle="b2", reason="alarm", action="rollback"))

    def champion(minutes):
        found = store.champion_on(NOON + timedelta(minutes=minutes), use_case="default", source="simulated")
        return found and found.bundle

    assert [champion(minutes) for minutes in (-1, 0, 1, 2, 3, 60)] == [None, "b1", "b1", "b2", "b1", "b1"]
    assert [one.evidence for one in store.promotions(use_case="fraud")] == [{"auc": 0.81}]
    assert store.verify() == []


def test_a_policy_is_kept_once_with_its_first_text(store):
    store.record_policy("h1", "routes: []\n")
    store.record_policy("h1", "other")
    assert store.find_policy("h1") == "routes: []\n"
    assert store.find_policy("h2") is None


# --- the database itself ------------------------------------------------------------------------------------------------------


def test_opening_twice_changes_nothing(store, url):
    store.record_decision(entry())
    with Store(url).open() as again:
        assert again.revision() == REVISION
        assert len(again.history()) == 1


def test_migrations_and_tables_agree(store):
    with store.database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_the_revision_the_store_asks_for_is_the_newest():
    config = Config()
    config.set_main_option("script_location", "serving:migrations")
    assert ScriptDirectory.from_config(config).get_current_head() == REVISION


def test_a_database_of_a_newer_version_is_refused(store, url):
    with store.database.engine.begin() as connection:
        connection.execute(sa.text("update alembic_version set version_num = '9999'"))
    with pytest.raises(RiskError, match="of a version this program does not know.*use the newer program"):
        Store(url).open()


def test_a_file_that_is_no_database_is_refused(tmp_path):
    (tmp_path / "risk.db").write_bytes(b"not a database, but long enough to be taken for one" * 20)
    with pytest.raises(StoreUnavailable, match="cannot be used .file is not a database"):
        Store(tmp_path / "risk.db").open()


def test_a_database_that_is_not_migrated_is_refused(tmp_path):
    with pytest.raises(StoreUnavailable, match="no such table"):
        Store(tmp_path / "risk.db").check()


def test_a_database_that_is_locked_by_another_is_refused(sqlite_store, tmp_path):
    other = sqlite3.connect(tmp_path / "risk.db", isolation_level=None)
    other.execute("begin immediate")
    with Store(tmp_path / "risk.db", busy_seconds=0.1) as impatient, pytest.raises(StoreUnavailable, match="database is locked"):
        impatient.record_decision(entry())
    other.close()


def test_a_server_that_is_down_is_refused_without_naming_the_password():
    with pytest.raises(StoreUnavailable) as caught:
        Store("postgresql+psycopg://risk:secret@127.0.0.1:1/risk", busy_seconds=1).check()
    assert "cannot be used" in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("mysql://host/db", "names 'mysql'; use sqlite"),
        ("sqlite://", "database file '' has no folder"),
        ("sqlite:////nowhere/risk.db", "has no folder '/nowhere'"),
        ("://", "cannot be read"),
    ],
)
def test_a_wrong_url_is_refused(url, message):
    with pytest.raises(RiskError, match=message):
        Store(url)


def test_an_up_to_date_database_opens_without_alembic(sqlite_store, tmp_path):
    code = "import sys; from serving.store import Store; Store(sys.argv[1]).open(); sys.exit('alembic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path / "risk.db")]).returncode == 0
