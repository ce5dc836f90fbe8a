"""The bundle elsewhere: behind `mlflow models serve`, and where neither mlflow nor pandas nor scikit-learn is installed. The same bits in all places."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from chinese_bundle import QUESTIONS, bundle, split_json

from models.bundle import save_bundle
from models.scoring import encode, score
from pipeline.workspace import workspace

ROOT = Path(__file__).parent.parent
FIGURES = ("raw_score", "probability", "pd_low", "pd_high", "points")


def expected():
    """What the scoring path says of the questions: a dict a row, floats as they are."""
    scores = score(bundle(), encode(QUESTIONS, bundle()))
    figures = zip(*(getattr(scores, name).tolist() for name in FIGURES), scores.grade_names().tolist(), strict=True)
    return [dict(zip((*FIGURES, "grade"), row, strict=True)) for row in figures]


def test_the_questions_tell_levels_and_nulls_apart():
    asked = {"资产负债率": [0.5] * 5, "行业": [*bundle().manifest.columns[1].levels, None, "月球开采"]}
    assert len(set(score(bundle(), encode(asked, bundle())).raw_score.tolist())) >= 3


ALONE = """
import sys
sys.modules.update(dict.fromkeys(("mlflow", "pandas", "sklearn", "pyarrow", "duckdb", "venn_abers")))
import json
from models.bundle import load_bundle
from models.scoring import encode, score
bundle = load_bundle(sys.argv[1])
scores = score(bundle, encode(json.load(sys.stdin), bundle))
print(json.dumps([bundle.hash, scores.grade_names().tolist(), *(getattr(scores, name).tolist() for name in sys.argv[2:])]))
"""


def test_the_same_bits_without_mlflow_pandas_and_scikit_learn(tmp_path):
    save_bundle(bundle(), tmp_path)
    done = subprocess.run([sys.executable, "-c", ALONE, str(tmp_path), *FIGURES], input=json.dumps(QUESTIONS), cwd=ROOT, capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True)
    named, grades, *figures = json.loads(done.stdout)
    assert named == bundle().hash
    assert [dict(zip((*FIGURES, "grade"), row, strict=True)) for row in zip(*figures, grades, strict=True)] == expected()


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """Address of MLflow's own server over a logged bundle, run from a folder that holds none of the code."""
    from pipeline.registry import log_bundle

    folder = tmp_path_factory.mktemp("mlflow")
    save_bundle(bundle(), folder / "bundle")
    with workspace(folder / "project"):
        log_bundle(bundle().hash, folder / "bundle", source="test", use_case="default", parameters={}, metrics={}, tags={}, artifacts={})
    model, = (folder / "project" / "var").rglob("MLmodel")
    (folder / "elsewhere").mkdir()
    yield from serving(model.parent, folder / "elsewhere")


def serving(model, folder):
    """Start the server, yield its address when it answers, and end its whole process group."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]), "MLFLOW_DISABLE_TELEMETRY": "true",
                   "OMP_NUM_THREADS": "1"}
    environment.pop("PYTHONPATH", None)
    with open(folder / "log", "w", encoding="utf-8") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "models", "serve", "-m", str(model), "--env-manager", "local", "-h", "127.0.0.1", "-p", str(port)],
            cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        address = f"http://127.0.0.1:{port}"
        assert answers(address, process, seconds=180), (folder / "log").read_text(encoding="utf-8")[-3000:]
        yield address
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def answers(address, process, *, seconds):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/ping", timeout=5) as response:
                return response.status == 200
        except OSError:
            time.sleep(0.5)
    return False


@pytest.mark.slow
def test_mlflow_s_own_server_scores_chinese_levels_nulls_and_unseen_ones_to_the_last_bit(served):
    request = urllib.request.Request(f"{served}/invocations", split_json().encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as response:
        rows = json.load(response)["predictions"]
    assert [{("probability" if name == "pd_12m" else name): value for name, value in row.items()} for row in rows] == expected()
