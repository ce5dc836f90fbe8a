"""Stage gate: the candidate against the champion, by the rule of `models.gate` on what evaluate measured."""

import msgspec

from models.gate import Margins, decide
from pipeline.datasets import case_path, read_json, write_json
from pipeline.params import load_params
from pipeline.stage import run_stage


def gate(use_case):
    """Write `gate.json`: bundle, verdict (promote or keep), first, and the checks with their reasons."""
    full = read_json(case_path(use_case, "evaluation", "full.json"))
    champion = full["champion"] or {}
    write_json(case_path(use_case, "gate.json"), {"bundle": full["bundle"], "champion": champion.get("bundle"), **_verdict(full, champion)})


def _verdict(full, champion):
    if champion.get("bundle") == full["bundle"]:
        return _keep("identity", True, "the candidate is the champion")
    if champion.get("lacking"):
        gone = champion["lacking"]
        return _keep("comparison", False, f"the champion cannot be scored here: {len(gone)} of its columns are gone, first {gone[0]}")
    margins = Margins(**msgspec.structs.asdict(load_params().gate))
    return decide(full, champion.get("metrics"), comparison=champion.get("comparison"), audit=full["audit"], stability=full["stability"], margins=margins)


def _keep(check, passed, detail):
    return {"verdict": "keep", "first": False, "reasons": [{"check": check, "passed": passed, "detail": detail}]}


if __name__ == "__main__":
    run_stage(gate)
