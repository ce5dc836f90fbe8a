"""Stage gate: the candidate against the champion, by the rule of `models.gate` on what evaluate and effect measured."""

import msgspec

from features.errors import RiskError
from models.bundle import load_bundle
from models.gate import Margins, decide
from pipeline.datasets import case_path, read_json, write_json
from pipeline.params import load_params
from pipeline.stage import run_stage


def gate(use_case):
    """Write `gate.json`: bundle (the one that would be promoted) and validated (the one that was judged), champion and champion_judged likewise, verdict
    (promote or keep), first, and the checks with their reasons."""
    full, shipped = read_json(case_path(use_case, "evaluation", "full.json")), load_bundle(case_path(use_case, "shipped"))
    if shipped.validated != full["bundle"]:
        raise RiskError(f"{use_case}: what is shipped stands on the bundle {shipped.validated[:12]}, evaluated is {full['bundle'][:12]}: run `dvc repro`.")
    champion = full["champion"] or {}
    judged = {"bundle": shipped.hash, "validated": full["bundle"], "champion": champion.get("bundle"), "champion_judged": champion.get("judged")}
    write_json(case_path(use_case, "gate.json"), {**judged, **_verdict(use_case, full, champion, shipped)})


def _verdict(use_case, full, champion, shipped):
    if champion.get("bundle") == shipped.hash:
        return _keep("identity", True, "the candidate is the champion")
    if champion.get("lacking"):
        gone = champion["lacking"]
        return _keep("comparison", False, f"the champion cannot be scored here: {len(gone)} of its columns are gone, first {gone[0]}")
    # Directions are asked of the trees that would be promoted; all else can be measured on the validated ones only.
    # What the policy makes of it is asked of what would be promoted, on today's book.
    margins, audit = Margins(**msgspec.structs.asdict(load_params().gate)), shipped.manifest.training["audit"]
    return decide(full, champion.get("metrics"), comparison=champion.get("comparison"), audit=audit, stability=full["stability"], moved=full["moved"],
                  fairness=champion.get("fairness"), effect=_effect(use_case, champion, shipped) if champion else None, margins=margins)


def _effect(use_case, champion, shipped):
    """What the stage effect measured of these two. Raises: RiskError when it measured others."""
    found = read_json(case_path(use_case, "effect.json"))
    if (found["bundle"], found["champion"]) != (shipped.hash, champion["bundle"]):
        raise RiskError(f"{use_case}: the effect on decisions was measured of other bundles: run `dvc repro`.")
    return found["effect"]


def _keep(check, passed, detail):
    return {"verdict": "keep", "first": False, "reasons": [{"check": check, "passed": passed, "detail": detail, "values": {}}]}


if __name__ == "__main__":
    run_stage(gate)
