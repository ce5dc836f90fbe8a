"""Stage gate: the candidate against the champion, by the rule of `models.gate` on what evaluate measured."""

import msgspec

from models.gate import Margins, decide
from pipeline.datasets import case_path, read_json, write_json
from pipeline.params import load_params
from pipeline.stage import run_stage


def gate(use_case):
    """Write `gate.json`: bundle, verdict (promote or keep), first, and the checks with their reasons."""
    full = read_json(case_path(use_case, "evaluation", "full.json"))
    margins = Margins(**msgspec.structs.asdict(load_params().gate))
    champion = full["champion"] or {}
    if champion.get("bundle") == full["bundle"]:
        verdict = {"verdict": "keep", "first": False, "reasons": [{"check": "identity", "passed": True, "detail": "the candidate is the champion"}]}
    elif champion.get("lacking"):
        detail = f"the champion cannot be scored here: {len(champion['lacking'])} of its columns are gone, first {champion['lacking'][0]}"
        verdict = {"verdict": "keep", "first": False, "reasons": [{"check": "comparison", "passed": False, "detail": detail}]}
    else:
        verdict = decide(full, champion.get("metrics"), comparison=champion.get("comparison"), audit=full["audit"], stability=full["stability"], margins=margins)
    write_json(case_path(use_case, "gate.json"), {"bundle": full["bundle"], "champion": champion.get("bundle"), **verdict})


if __name__ == "__main__":
    run_stage(gate)
