"""A publication: written whole or not at all, read back as it was, replaced by moving one pointer."""

import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from features.catalogue import build_catalogue
from features.context import Context
from features.errors import RiskError
from models.policy import parse_policy
from serving.published import BookRow, Published, folder_of, publish, published_cases, write_book

POLICY = (Path(__file__).parent.parent / "policy.yaml").read_text(encoding="utf-8")
CATALOGUE = build_catalogue("default", {"customers": {"customer_id": "id", "known_at": "time", "industry": "category"}})
CONTEXT = Context({("stmt_roa", None): (np.array([86400]), np.linspace(0, 1, 21)[None, :])})
PARTS = {"source": "simulated", "use_case": "default", "as_of": "2026-03-31T00:00:00", "bundle": "b" * 64, "policy": POLICY}
PARTS |= {"catalogue": CATALOGUE.to_dict(), "context": CONTEXT.to_rows()}


def row(customer_id, **changes):
    values = {"features": {"stmt_current_ratio": 1.25, "industry": "纺织", "late": None}, "score": {"pd_12m": 0.1 + 0.2, "grade": "B"}}
    return BookRow(customer_id, **(values | {"records": {"invoices": [{"invoice_id": "I1", "amount": 100}]}} | changes))


def test_a_row_is_read_back_as_it_was_published(tmp_path):
    manifest = publish(tmp_path, [row("C1"), row("C2", score={"pd_12m": 0.5})], **PARTS)
    opened = Published.open(tmp_path, "simulated", "default")
    assert opened.find("C1") == row("C1", subject_id="C1")
    assert opened.find("C2").score == {"pd_12m": 0.5}
    assert opened.find("C3") is None
    assert (opened.hash, opened.as_of, manifest["rows"]) == (manifest["hash"], "2026-03-31T00:00:00", 2)


def test_policy_context_and_catalogue_are_read_back_as_they_were_published(tmp_path):
    manifest = publish(tmp_path, [row("C1")], **PARTS)
    opened = Published.open(tmp_path, "simulated", "default")
    assert opened.policy().hash == parse_policy(POLICY).hash == manifest["policy"]
    assert opened.context().digest() == CONTEXT.digest() == manifest["context"]
    assert opened.catalogue().features == CATALOGUE.features


def test_transactions_share_their_customers_records(tmp_path):
    publish(tmp_path, [row("C1", subject_id="T1"), row("C1", subject_id="T2", records=None)], **PARTS)
    opened = Published.open(tmp_path, "simulated", "default")
    assert opened.subjects("C1") == ["T1", "T2"]
    assert opened.find("T2").records == row("C1").records
    assert opened.subjects("C2") == []


def test_numpy_values_become_plain_ones(tmp_path):
    values = {"a": np.float64(0.1), "b": np.float64("nan"), "c": np.int64(7), "d": np.datetime64("2026-03-31"), "e": np.datetime64("NaT")}
    publish(tmp_path, [row("C1", features=values)], **PARTS)
    assert Published.open(tmp_path, "simulated", "default").find("C1").features == {
        "a": 0.1,
        "b": None,
        "c": 7,
        "d": "2026-03-31",
        "e": None,
    }


def test_the_same_content_gets_the_same_hash_and_another_a_new_one(tmp_path):
    first = publish(tmp_path, [row("C1")], **PARTS)
    assert publish(tmp_path, [row("C1")], **PARTS) == first
    assert publish(tmp_path, [row("C2")], **PARTS)["hash"] != first["hash"]
    assert publish(tmp_path, [row("C1")], **(PARTS | {"bundle": "c" * 64}))["hash"] != first["hash"]


def test_an_open_publication_outlives_its_successors(tmp_path):
    publish(tmp_path, [row("C1")], **PARTS)
    opened = Published.open(tmp_path, "simulated", "default")
    for number in range(4):
        publish(tmp_path, [row(f"D{number}")], **PARTS)
    assert opened.find("C1").customer_id == "C1"
    assert Published.open(tmp_path, "simulated", "default").find("D3") is not None
    assert len([path for path in folder_of(tmp_path, "simulated", "default").iterdir() if path.is_dir()]) == 2


def test_a_failed_publication_leaves_the_one_before(tmp_path):
    publish(tmp_path, [row("C1")], **PARTS)
    with pytest.raises(RiskError, match="The book has C2 twice"):
        publish(tmp_path, [row("C2"), row("C2", records=None)], **PARTS)
    with pytest.raises(RiskError, match="cannot be written as JSON: a value of type object"):
        publish(tmp_path, [row("C2", score={"bad": object()})], **PARTS)
    assert Published.open(tmp_path, "simulated", "default").find("C1") is not None
    assert [path.name for path in folder_of(tmp_path, "simulated", "default").iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize(
    ("pointer", "message"),
    [
        (None, "Nothing is published for simulated, default .*run `risk publish`"),
        (b"{half", "cannot be read"),
        (b'{"format": 1, "hash": "gone"}', "names no publication this program can read"),
        (b'{"format": 99, "hash": "gone"}', "names no publication this program can read"),
    ],
)
def test_a_damaged_pointer_is_named(tmp_path, pointer, message):
    home = folder_of(tmp_path, "simulated", "default")
    home.mkdir(parents=True)
    if pointer is not None:
        (home / "current.json").write_bytes(pointer)
    with pytest.raises(RiskError, match=message):
        Published.open(tmp_path, "simulated", "default")


def test_a_damaged_book_is_named(tmp_path):
    manifest = publish(tmp_path, [row("C1")], **PARTS)
    (folder_of(tmp_path, "simulated", "default") / manifest["hash"] / "book.sqlite").write_bytes(b"broken" * 1000)
    with pytest.raises(RiskError, match="book.sqlite cannot be read"):
        Published.open(tmp_path, "simulated", "default")


def test_published_cases_are_listed_and_damaged_ones_left_out(tmp_path):
    assert published_cases(tmp_path) == []
    publish(tmp_path, [row("C1")], **PARTS)
    publish(tmp_path, [row("C1")], **(PARTS | {"use_case": "fraud"}))
    broken = tmp_path / "published" / "broken"
    broken.mkdir()
    (broken / "current.json").write_bytes(b"{")
    assert published_cases(tmp_path) == [("simulated", "default"), ("simulated", "fraud")]


def test_a_policy_that_breaks_its_rules_is_not_published(tmp_path):
    with pytest.raises(RiskError, match="policy.yaml"):
        publish(tmp_path, [row("C1")], **(PARTS | {"policy": "version: 1"}))
    assert not (tmp_path / "published").exists()


def test_the_pointer_repeats_the_manifest(tmp_path):
    manifest = publish(tmp_path, [row("C1")], **PARTS)
    home = folder_of(tmp_path, "simulated", "default")
    assert json.loads((home / "current.json").read_bytes()) == manifest == json.loads((home / manifest["hash"] / "manifest.json").read_bytes())


def test_memory_does_not_grow_with_the_book(tmp_path):
    records = {"transactions": [{"transaction_id": f"T{number}", "amount": number} for number in range(50)]}

    def peak(rows):
        tracemalloc.start()
        write_book(tmp_path, (row(f"C{number}", records=records) for number in range(rows)))
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return highest

    assert peak(4000) < 1.5 * peak(1000)
