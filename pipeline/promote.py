"""Moves the champion pointer, and writes down who moved it and on what evidence."""

import os

from features.errors import RiskError
from models.bundle import bundle_hash, load_bundle
from pipeline.datasets import case_path, read_json
from pipeline.params import load_params
from pipeline.parity import measure_parity
from pipeline.state import bundle_path, keep_bundle, keep_dossier, point_to, read_champion
from serving.store import Store

DATABASE = "var/risk.db"


def open_store(url=None):
    """The operational database: the given URL, the environment's CUSTOMER_RISK_DATABASE_URL, or `var/risk.db`."""
    return Store(url or os.environ.get("CUSTOMER_RISK_DATABASE_URL") or DATABASE).open()


def promote(use_case, *, actor, reason, override=False):
    """Make the candidate the champion when the gate says so, and return a sentence about it. Where it was refitted, the validated bundle is kept beside it:
    a later candidate can only be compared with that one.

    The ledger is written first and the pointer moved after it, so a crash between them is mended by promoting again.

    Raises RiskError when the gate says keep (unless `override`), or when the gate judged another bundle.
    """
    source = load_params().source.name
    folder, model = case_path(use_case, "shipped"), case_path(use_case, "model")
    candidate, champion = bundle_hash(folder), read_champion(source, use_case)
    if candidate == champion:
        _mirror(source, use_case, champion)
        return f"{use_case}: {candidate[:12]} is the champion already."
    evidence = _evidence(use_case, candidate, champion, override)
    # The shipped one first: where it is the validated one, too, its folder has what drift is judged by.
    keep_bundle(folder, candidate)
    keep_bundle(model, evidence["validated"])
    evidence["dossier"] = keep_dossier(case_path(use_case, "dossier"), candidate)
    _record(source, use_case, candidate, champion, actor=actor, reason=reason, evidence=evidence, action="promote")
    return f"{use_case}: {candidate[:12]} is the champion now" + (f", {champion[:12]} was." if champion else ".")


def rollback(use_case, *, actor, reason):
    """Make the bundle before the current champion the champion again, and return a sentence about it.

    Raises RiskError when there is none, or when its folder is gone.
    """
    source = load_params().source.name
    with open_store() as store:
        ledger = store.promotions(use_case=use_case, source=source)
    # The ledger, not the pointer: a rollback must also help when the pointer or the champion's folder is damaged.
    champion = ledger[-1].bundle if ledger else None
    past = [entry.previous_bundle for entry in ledger if entry.bundle == champion and entry.action == "promote"]
    previous = past[-1] if past else None
    if previous is None:
        raise RiskError(f"{use_case}: there is no champion before the current one: nothing to roll back to.")
    if not bundle_path(previous).is_dir():
        raise RiskError(f"{use_case}: the previous champion {previous[:12]} is not in {bundle_path(previous)}: restore that folder first.")
    _record(source, use_case, previous, champion, actor=actor, reason=reason, evidence={}, action="rollback")
    return f"{use_case}: {previous[:12]} is the champion again, {champion[:12]} was."


def _evidence(use_case, candidate, champion, override):
    gate = read_json(case_path(use_case, "gate.json"))
    if gate["bundle"] != candidate:
        raise RiskError(f"{use_case}: the gate judged another bundle than {candidate[:12]}: run `dvc repro` first.")
    if not gate["validated"] == load_bundle(case_path(use_case, "shipped")).validated == bundle_hash(case_path(use_case, "model")):
        raise RiskError(f"{use_case}: the gate judged {gate['validated'][:12]}, which is not the validated bundle behind {candidate[:12]}: "
                        "run `dvc repro` first.")
    if gate["champion"] != champion:
        raise RiskError(f"{use_case}: the gate judged {candidate[:12]} against another champion than today's: run `dvc repro` first.")
    if gate["verdict"] != "promote" and not override:
        raise RiskError(f"{use_case}: the gate says keep ({_failed(gate)}): improve the candidate, or promote with --override and a reason.")
    return {**gate, "override": override, "parity": measure_parity(use_case, case_path(use_case, "shipped"))}


def _failed(gate):
    return "; ".join(f"{check['check']}: {check['detail']}" for check in gate["reasons"] if not check["passed"]) or gate["reasons"][0]["detail"]


def _record(source, use_case, bundle, previous, *, actor, reason, evidence, action):
    with open_store() as store:
        ledger = store.promotions(use_case=use_case, source=source)
        if not ledger or ledger[-1].bundle != bundle:
            store.record_promotion(use_case=use_case, source=source, bundle=bundle, previous_bundle=previous, actor=actor, reason=reason,
                                   evidence=evidence, action=action)
    point_to(bundle, source=source, use_case=use_case)
    _mirror(source, use_case, bundle)


def _mirror(source, use_case, bundle):
    """Let MLflow's alias follow the pointer; doing it again mends what a crash left behind."""
    from pipeline.registry import set_champion

    set_champion(bundle, source=source, use_case=use_case)
