"""`risk ledger`: every kind of tampering is told in a line with exit code 1, and what the database alone cannot show an anchor outside it does."""

import json

import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from databases import NOON, ticking

from features.errors import RiskError
from pipeline.cli import main
from serving.anchors import append_anchor, read_anchors
from serving.chain import ERASABLE, row_hash
from serving.schema import CHAINS
from serving.store import Entry, Store

ANSWER = {"grade": "B", "probability_name": "pd_12m", "probability": 0.0123, "decision": {"action": "approve"}}


@pytest.fixture
def store(url):
    with Store(url, clock=ticking()).open() as opened:
        decided(opened, *(f"C{number}" for number in range(1, 6)))
        opened.record_promotion(use_case="default", source="simulated", bundle="b1", previous_bundle=None, actor="lin", reason="first", evidence={})
        yield opened


def decided(store, *customers):
    entry = {"use_case": "default", "source": "simulated", "bundle": "b", "policy": "p", "context": "c", "payload": {"answer": ANSWER}}
    store.record_decisions([Entry(customer_id=customer, decision_id=f"d-{customer}", **entry) for customer in customers])


def risk(url, *arguments):
    done = CliRunner().invoke(main, ["ledger", *arguments, "--database", url, "--var", "no-installation"])
    return done.exit_code, done.output.splitlines()


def run(store, *statements):
    with store.database.engine.begin() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))


def rewrite(store, sequence, **changes):
    """Change a row as one would who knows how hashes are made: with its own hash anew."""
    table = CHAINS["decisions"]
    with store.database.engine.begin() as connection:
        row = dict(connection.execute(sa.select(table).where(table.c.sequence == sequence)).mappings().one()) | changes
        row["hash"] = row_hash(row["previous_hash"], {name: row[name] for name in row if name not in ERASABLE | {"previous_hash", "hash"}})
        connection.execute(sa.update(table).where(table.c.sequence == sequence).values(row))
    return row["hash"]


INSERTED = """
insert into decisions (sequence, made_at, id, use_case, source, bundle, policy, context, payload_hash, customer_id, salt, payload, previous_hash, hash)
select 6, made_at, 'forged', use_case, source, bundle, policy, context, payload_hash, customer_id, salt, payload, hash, hash
from decisions where sequence = 5
"""


@pytest.mark.parametrize(("tamper", "line"), [
    (lambda store: run(store, "update decisions set policy = 'softer' where sequence = 2"), "changed: row 2 of decisions differs from its own hash"),
    (lambda store: run(store, "update decisions set customer_id = 'C9' where sequence = 2"), "changed: row 2 of decisions has a payload or customer that"),
    (lambda store: rewrite(store, 2, policy="softer"), "changed: row 3 of decisions does not follow row 2: that one was replaced"),
    (lambda store: rewrite(store, 5, policy="softer"), "changed: row 5 of decisions is not the one its head names"),
    (lambda store: run(store, "delete from decisions where sequence = 3"), "removed: rows 3 to 3 of decisions are gone"),
    (lambda store: run(store, "delete from decisions where sequence > 3"), "truncated: rows 4 to 5 of decisions are gone from the end"),
    (lambda store: run(store, INSERTED), "inserted: row 6 of decisions stands after the head, which counts 5 rows"),
    (lambda store: run(store, "update decisions set payload = null, salt = null, customer_id = null where id = 'd-C1'"),
     "erased: row 1 of decisions lost its payload without a row in erasures"),
    (lambda store: run(store, "delete from promotions"), "truncated: rows 1 to 1 of promotions are gone from the end"),
    (lambda store: run(store, "delete from heads where chain = 'promotions'"), "removed: the head of promotions is gone from the table heads"),
])
def test_tampering_is_told_in_a_line(store, url, tamper, line):
    tamper(store)
    code, lines = risk(url, "verify")
    assert (code, len(lines)) == (1, 1)
    assert lines[0].startswith(line)


def test_every_fault_has_its_line(store, url):
    run(store, "update decisions set policy = 'softer' where sequence in (1, 4)", "update promotions set actor = 'wang'")
    assert risk(url, "verify") == (1, [f"changed: row {row} differs from its own hash" for row in ("1 of decisions", "4 of decisions", "1 of promotions")])


def test_whole_ledgers_are_counted(store, url):
    code, (line,) = risk(url, "verify")
    assert code == 0
    rows = dict.fromkeys(sorted(CHAINS), 0) | {"decisions": 5, "promotions": 1}
    assert line.startswith("the ledgers are whole: " + ", ".join(f"{name} {count}" for name, count in rows.items()) + ";")
    assert line.endswith("no anchor was compared, so a cut end with its head is not seen")


def test_a_cut_end_with_its_head_is_found_by_the_anchor_only(store, url, tmp_path):
    anchors = tmp_path / "anchors.jsonl"
    said = risk(url, "anchor", str(anchors))
    (anchor,) = read_anchors(anchors)
    assert said == (0, [f"6 rows in {len(CHAINS)} ledgers are anchored in {anchors} as of {anchor.at[:19]} UTC."])
    with store.database.engine.begin() as connection:
        fourth = connection.execute(sa.text("select hash from decisions where sequence = 4")).scalar()
    run(store, "delete from decisions where sequence = 5", f"update heads set count = 4, hash = '{fourth}' where chain = 'decisions'")
    assert risk(url, "verify")[0] == 0
    assert risk(url, "verify", "--anchor", str(anchors)) == (1, ["truncated: row 5 of decisions, anchored outside the database, is gone"])


def test_a_chain_rewritten_from_a_row_on_is_found_by_the_anchor_only(store, url, tmp_path):
    anchors = tmp_path / "anchors.jsonl"
    append_anchor(store, anchors)
    last = rewrite(store, 5, policy="softer")
    run(store, f"update heads set hash = '{last}' where chain = 'decisions'")
    assert risk(url, "verify")[0] == 0
    assert risk(url, "verify", "--anchor", str(anchors)) == (1, ["changed: decisions up to row 5 is not what was anchored outside the database"])


def test_anchors_of_ledgers_that_grew_fit(store, url, tmp_path):
    anchors = tmp_path / "anchors.jsonl"
    append_anchor(store, anchors)
    decided(store, "C6", "C7")
    append_anchor(store, anchors)
    assert [head.count for anchor in read_anchors(anchors) for head in anchor.heads if head.chain == "decisions"] == [5, 7]
    code, lines = risk(url, "verify", "--anchor", str(anchors))
    assert (code, "; 2 anchors fit, the last of 2026-03-31" in lines[0]) == (0, True)


def test_an_anchor_after_a_line_cut_short_stands_on_its_own(store, tmp_path):
    anchors = tmp_path / "anchors.jsonl"
    anchors.write_bytes(b'{"at": "2026-0')
    append_anchor(store, anchors)
    assert len(anchors.read_bytes().splitlines()) == 2
    with pytest.raises(RiskError, match=r"anchors.jsonl, line 1 is no anchor .*; restore the file from a copy"):
        read_anchors(anchors)


@pytest.mark.parametrize(("content", "message"), [
    (None, "cannot be read .No such file or directory.; name the file that `risk ledger anchor` writes"),
    ('{"at": "x", "heads": [{"chain": "later", "count": 0, "hash": "h"}]}', 'line 1 names the ledger "later", which this program does not know'),
    ('{"at": "x", "heads": [{"chain": "decisions", "count": "no", "hash": "h"}]}', "line 1 is no anchor"),
])
def test_a_file_that_is_no_anchor_is_named(tmp_path, content, message):
    path = tmp_path / "anchors.jsonl"
    if content is not None:
        path.write_text(content)
    with pytest.raises(RiskError, match=message):
        read_anchors(path)


def test_an_anchor_that_cannot_be_written_is_named(store, tmp_path):
    with pytest.raises(RiskError, match="cannot be written .Is a directory.; name a file outside the database"):
        append_anchor(store, tmp_path)


def test_decisions_are_listed_newest_first_and_shown_whole(store, url):
    store.erase_customer("C2", actor="privacy desk", reason="request")
    code, lines = risk(url, "list", "--limit", "4")
    assert (code, lines[0]) == (0, f"{NOON:%Y-%m-%d} 12:00:00  d-C5  default  C5  B  pd_12m 0.0123  approve")
    assert lines[3].endswith("d-C2  default  erased")
    assert risk(url, "list", "--customer", "C9") == (0, ["no decision is recorded on C9."])
    code, lines = risk(url, "show", "d-C1")
    assert json.loads("\n".join(lines))["payload"] == {"answer": ANSWER}
    assert risk(url, "show", "nowhere")[1] == ["error: There is no decision nowhere in the ledger; `risk ledger list` names the latest."]

