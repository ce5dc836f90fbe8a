"""The same number everywhere: for ten thousand customers and some thousand transactions, a row alone, in a batch, over HTTP, from the reloaded bundle, from raw
records, in the DVC stage and on a processor without AVX-512 gives the same bits; with nulls, categories never seen and Chinese text among them."""

import json
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from serving_world import local_client
from small_run import SMALL

from models.bundle import load_bundle
from models.scoring import encode, score
from pipeline.book import book
from pipeline.columns import read_columns
from pipeline.datasets import TABLES, case_path
from pipeline.featurize import featurize
from pipeline.ingest import ingest
from pipeline.observe import observe
from pipeline.publish import publish
from pipeline.sample import sample
from pipeline.score import score as score_stage
from pipeline.state import keep_bundle, point_to
from pipeline.train import train
from pipeline.workspace import workspace
from serving.app import create_app
from serving.current import Current
from serving.scorer import Asked, Question
from serving.settings import Settings

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parent.parent
CASES = ("default", "fraud")
# Simulated customers; four of five are in the book.
CUSTOMERS = 12_900
# Every so manieth is asked for one by one, where that takes a hundredth of a second each; all are in batches.
SPARSE, BATCH = {"default": 10, "fraud": 4}, 500
# The level of each that no training saw, one of them in Chinese.
UNSEEN = {"industry": "月球开采", "region": "南极", "kind": "cooperative", "ownership": "社区"}
# What of numpy and of the C library would compute by other instructions where the processor has them.
WITHOUT_AVX512 = {"NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
                  "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX512DQ,-AVX512BW,-AVX512CD,-AVX512ER"}


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    """{use case: bundle folder} of a small run."""
    folder = tmp_path_factory.mktemp("learned")
    with workspace(folder, SMALL):
        ingest()
        for case in CASES:
            for stage in (observe, featurize, sample, train):
                stage(case)
    return {case: folder / "data" / case / "model" for case in CASES}


@pytest.fixture(scope="module")
def place(learned, tmp_path_factory):
    """A workspace with a published book of ten thousand customers that no model learned from."""
    changes = [("simulated.customers", CUSTOMERS), ("simulated.months", 15), ("simulated.seed", 77), ("simulated.reference_every_months", 15),
               ("book.fraud_days", 1)]
    with workspace(tmp_path_factory.mktemp("served"), changes) as folder:
        ingest()
        _make_strange()
        for case in CASES:
            bundle = load_bundle(learned[case])
            keep_bundle(learned[case], bundle.hash)
            point_to(bundle.hash, source="simulated", use_case=case)
            book(case)
            # Nobody was observed earlier: the score stage looks there for what the book's customers are compared with.
            case_path(case, "development").mkdir()
            pq.write_table(pa.table({"observation_id": pa.array([], pa.string())}), case_path(case, "development", "features.parquet"))
            score_stage(case)
            publish(case)
        yield folder


def _make_strange():
    """Every seventh customer has a level never seen, every eleventh lacks one, and every thirteenth statement lacks some lines."""
    path = TABLES / "customers.parquet"
    rows = pq.read_table(path)
    number = np.arange(len(rows))
    for column, level in UNSEEN.items():
        if column in rows.column_names:
            values = rows[column].to_pylist()
            changed = [None if n % 11 == 0 else level if n % 7 == 0 else value for n, value in zip(number, values, strict=True)]
            rows = rows.set_column(rows.column_names.index(column), column, pa.array(changed, rows.schema.field(column).type))
    pq.write_table(rows, path)


def expected(case):
    """{subject: figures} of the score stage's file."""
    rows = pq.read_table(case_path(case, "scores.parquet")).to_pylist()
    name = "transaction_id" if case == "fraud" else "customer_id"
    figures = ("raw_score", load_bundle(bundle_folder(case)).manifest.probability_name, "pd_low", "pd_high", "points", "grade")
    return {row[name]: [*(row[figure] for figure in figures), *_subs(row), row["action"], *_kept(row)] for row in rows}


def _kept(row):
    """The reasons of a row of the file: what each says, by how much, and the columns behind it."""
    return [[each["message_id"], each["contribution"], [[part["name"], part["value"] if part["text"] is None else part["text"]] for part in each["features"]]]
            for each in (*row["adverse"], *row["favourable"])]


def _subs(row):
    return [row[name] for name in sorted(row) if name.startswith("sub_")]


def bundle_folder(case):
    champion = json.loads(Path(f"var/champion/simulated-{case}.json").read_text())["bundle"]
    return Path("var/bundles") / champion


def figures(answer):
    """The same of an answer, as JSON gives it."""
    subs = [answer["sub_scores"][name] for name in sorted(answer["sub_scores"])]
    why = [[each["message_id"], each["contribution"], [[part["name"], part["value"]] for part in each["values"]]] for each in answer["reasons"]]
    return [*(answer[name] for name in ("raw_score", "probability", "pd_low", "pd_high", "points", "grade")), *subs, answer["decision"]["action"], *why]


def assert_same(found, wanted):
    """Both hold the same subjects with the same bits; JSON carries a float exactly."""
    assert found.keys() == wanted.keys()
    different = {subject: (found[subject], wanted[subject]) for subject in wanted if found[subject] != wanted[subject]}
    assert not different, (len(different), next(iter(different.items())))


def state_of(case):
    return Current(Path("var"), source="simulated", use_case=case).state()


def own_columns(state, subjects):
    """{subject: the judged transaction's own columns} as a caller sends them; empty for customers."""
    if not state.scorer.judges_transactions:
        return dict.fromkeys(subjects, {})
    names = list(state.scorer.own)
    rows = pq.read_table(TABLES / "transactions.parquet", columns=["transaction_id", *names]).to_pandas().set_index("transaction_id")
    rows = rows.loc[list(subjects)]
    return {subject: {name: _sent(value) for name, value in row.items()} for subject, row in rows.iterrows()}


def _sent(value):
    if value is None or value != value:
        return None
    return value.isoformat() if hasattr(value, "isoformat") else value.item() if hasattr(value, "item") else value


def questions(state, case):
    """(subject, row of the publication, Question) of every subject asked for."""
    own = own_columns(state, expected(case))
    for subject, given in own.items():
        row = state.published.find(subject)
        yield subject, row, Question(row.customer_id, datetime.fromisoformat(row.score["as_of"]), 0, given)


def in_json(scored):
    return json.loads(json.dumps(msgspec.to_builtins(scored.answer)))


@pytest.fixture(params=CASES)
def case(request, place):
    return request.param


def test_the_book_is_as_large_and_as_strange_as_is_said(place):
    assert len(expected("default")) > 10_000
    assert len(expected("fraud")) > 1000
    bundle = load_bundle(bundle_folder("default"))
    columns = read_columns(case_path("default", "book") / "features.parquet", bundle.names)
    matrix = encode(columns, bundle)
    unseen = [int((matrix[:, place] == len(column.levels)).sum()) for place, column in enumerate(bundle.manifest.columns) if column.levels]
    assert sum(unseen) > 1000
    assert np.isnan(matrix).any(axis=1).mean() > 0.5
    scopes = {column.scope for case in CASES for column in load_bundle(bundle_folder(case)).manifest.columns}
    assert {"own", "peer", "counterparty"} <= scopes


def test_the_stage_gives_what_the_reloaded_bundle_gives_its_columns(case):
    bundle, names = load_bundle(bundle_folder(case)), ("raw_score", "probability", "pd_low", "pd_high", "points")
    scores = score(bundle, encode(read_columns(case_path(case, "book") / "features.parquet", bundle.names), bundle))
    rows = zip(*(getattr(scores, name).tolist() for name in names), scores.grade_names().tolist(), strict=True)
    found = [[None if value != value else value for value in row] for row in rows]
    assert found == [row[:6] for row in expected(case).values()]


def test_a_row_alone_from_features_and_from_raw_records_gives_what_the_stage_gives(case):
    state, wanted = state_of(case), expected(case)
    features, records = {}, {}
    for place, (subject, row, question) in enumerate(questions(state, case)):
        features[subject] = figures(in_json(state.scorer.score_features(row.features, question, standing=row.score.get("standing"))))
        if place % SPARSE[case] == 0:
            scored = state.scorer.score_records(row.records, question)
            assert scored.values == row.features
            records[subject] = figures(in_json(scored))
    assert_same(features, wanted)
    assert_same(records, {subject: wanted[subject] for subject in records})


def test_rows_in_batches_from_raw_records_give_what_the_stage_gives(case):
    assert_same(in_batches(case), expected(case))


def in_batches(case):
    """{subject: figures} of every row from its raw records, so many at once."""
    state, found = state_of(case), {}
    asked = [(subject, row.features, Asked(question, None, row.records)) for subject, row, question in questions(state, case)]
    for start in range(0, len(asked), BATCH):
        part = asked[start : start + BATCH]
        for (subject, features, _), scored in zip(part, state.scorer.scored([each for *_, each in part]), strict=True):
            assert scored.values == features
            found[subject] = figures(in_json(scored))
    return found


def test_the_api_gives_what_the_stage_gives(case):
    asked = list(questions(state_of(case), case))[:: SPARSE[case]]
    with local_client(create_app(Settings("simulated", CASES, Path("var"), Path("var/risk.db")))) as client:
        found = {subject: figures(_asked(client, case, row, question)) for subject, row, question in asked}
    assert_same(found, {subject: row for subject, row in expected(case).items() if subject in found})


def _asked(client, case, row, question):
    body = {"customer_id": row.customer_id, "use_case": case, "records": row.records, "as_of": question.as_of.isoformat()}
    if case == "fraud":
        body["transaction"] = question.own
    answer = client.post("/v1/score", content=msgspec.json.encode(body), headers={"Content-Type": "application/json"})
    assert answer.status_code == 200, answer.text
    return answer.json()


ELSEWHERE = """
import json, sys
sys.path[:0] = sys.argv[1:3]
import numpy as np
from test_parity import in_batches
from numpy._core._multiarray_umath import __cpu_features__ as features
assert not any(features[name] for name in ("X86_V4", "AVX512_ICL", "AVX512_SPR")), features
case = sys.argv[3]
for item in in_batches(case).items():
    print(json.dumps(item))
"""


def test_a_process_without_avx512_gives_the_same_bits(case):
    done = subprocess.run([sys.executable, "-c", ELSEWHERE, str(ROOT), str(ROOT / "tests"), case], env={**os.environ, **WITHOUT_AVX512}, capture_output=True,
                          text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert_same(dict(json.loads(line) for line in done.stdout.splitlines()), expected(case))
