"""A folder in which bundles are promoted without a run: candidates made by hand with a gate that lets them pass, MLflow aside."""

import json
import shutil
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from small_bundle import bundle, columns

from models.bundle import make_bundle, save_bundle
from pipeline import promotion_steps
from pipeline.datasets import case_path, write_json
from pipeline.params import change_params
from pipeline.state import point_to, read_champion
from serving.store import Store

ROOT = Path(__file__).parent.parent
SOURCE, CASE = "simulated", "default"
PASSED = [{"check": "discrimination", "passed": True, "detail": "it ranks as well", "values": {}}]


class World:
    """A workspace in the working directory; `clock` gives the store its time."""

    def __init__(self, folder, monkeypatch, clock):
        self.clock = clock
        monkeypatch.chdir(folder)
        monkeypatch.setattr(promotion_steps, "mirror", lambda *_: None)
        monkeypatch.setattr("pipeline.promote.mirror", lambda *_: None)
        monkeypatch.setattr("serving.store.utc_now", clock)
        for module in ("pipeline.promote", "pipeline.rollback", "pipeline.shadow", "pipeline.promotions"):
            monkeypatch.setattr(f"{module}.open_store", self.store)
        for name in ("params.yaml", "policy.yaml"):
            shutil.copy(ROOT / name, name)
        point_to(None, source=SOURCE, use_case=CASE)
        case_path(CASE, "book").mkdir(parents=True)
        named = columns(30)
        pq.write_table(pa.table({name: values.strings() if hasattr(values, "strings") else values for name, values in named.items()}),
                       case_path(CASE, "book", "features.parquet"))

    def store(self, _url=None):
        return Store("var/risk.db", clock=self.clock).open()

    @property
    def champion(self):
        return read_champion(SOURCE, CASE)

    @property
    def entries(self):
        with self.store() as store:
            return store.promotions(every=True)

    def candidate(self, number, *, verdict="promote", reasons=PASSED):
        """Make the number-th candidate, judged against today's champion, and return its hash."""
        made = numbered(number)
        for name in ("model", "shipped"):
            save_bundle(made, case_path(CASE, name))
        champion = self.champion
        write_json(case_path(CASE, "gate.json"), {"bundle": made.hash, "validated": made.hash, "champion": champion, "champion_judged": champion,
                                                  "verdict": verdict, "first": champion is None, "reasons": reasons})
        return made.hash

    def change(self, **rules):
        change_params([(f"promote.{name}", value) for name, value in rules.items()])

    def change_policy(self, find, put):
        path = Path("policy.yaml")
        text = path.read_text(encoding="utf-8")
        assert find in text
        path.write_text(text.replace(find, put), encoding="utf-8")

    def published(self, policy):
        """Let a publication say that it decides by this policy."""
        path = Path("var/published/simulated-default/current.json")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"policy": policy}), encoding="utf-8")


def numbered(number):
    """A bundle that differs from others in a note and in its curve."""
    made = bundle()
    curve = msgspec.structs.replace(made.manifest.knots, y=tuple(min(y * (1 + number / 10), 1 - 1e-5) for y in made.manifest.knots.y))
    return make_bundle(made.booster_text, msgspec.structs.replace(made.manifest, knots=curve, training={"rows": 3000, "number": number}))
