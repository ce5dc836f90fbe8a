"""Moves the champion pointer, and writes down who moved it and on what evidence."""

from features.errors import RiskError
from models.bundle import bundle_hash, load_bundle
from pipeline.datasets import case_path, read_json
from pipeline.kept_dossier import keep_dossier_of
from pipeline.kept_policies import keep_in_force, keep_published
from pipeline.operational import DATABASE, open_store
from pipeline.params import load_params
from pipeline.parity import measure_parity
from pipeline.places import bundle_path
from pipeline.promotion_steps import carry_out, change_champion, mirror, unfinished
from pipeline.shadow import agreement, on_trial, start
from pipeline.state import keep_bundle, read_champion
from serving.store import CHANGES

__all__ = ["DATABASE", "approve", "open_store", "promote"]
REQUEST = "request"
NOBODY = "unnamed"


def promote(use_case, *, actor, reason, override=False, approver=None):
    """Take the candidate as far towards champion as the rules let it, and return a sentence about it. Where it was refitted, the validated bundle is kept
    beside it: a later candidate can only be compared with that one.

    Where promote.shadow_days asks for a trial, that is begun, or waited for, first; where promote.four_eyes asks for a second person and no approver is named,
    the promotion is requested (`approve`). The ledger is written first and the pointer moved after it, so a crash between them is mended by promoting again.

    Raises RiskError when the gate says keep (unless `override`, which passes over the trial too), when the gate judged another bundle, when actor and approver
    are one person, or when the trial has said nothing.
    """
    params = load_params()
    source = params.source.name
    with open_store() as store:
        begun = unfinished(store, source, use_case)
        if begun is not None:
            carry_out(store, begun)
        candidate, champion = bundle_hash(case_path(use_case, "shipped")), read_champion(source, use_case)
        if candidate == champion:
            mirror(source, use_case, champion)
            return f"{use_case}: {candidate[:12]} is the champion {'already' if begun is None else 'now: an interrupted promotion was ended'}."
        if params.promote.four_eyes or approver is not None:
            _refuse_one_person(use_case, actor, approver)
        case = _Case(store, source, use_case, candidate, champion, actor, reason)
        evidence = _evidence(use_case, candidate, champion, override, params.promote.milliseconds_max)
        # The shipped one first: where it is the validated one, too, its folder has what drift is judged by.
        keep_bundle(case_path(use_case, "shipped"), candidate)
        keep_bundle(case_path(use_case, "model"), evidence["validated"])
        if params.promote.shadow_days and champion is not None and not override:
            waits = _trial(case, evidence, params.promote.shadow_days)
            if waits:
                return waits
        if params.promote.four_eyes and approver is None:
            return _request(case, evidence)
        return _make_champion(case, evidence | {"approver": approver})


def approve(number, *, actor):
    """Carry out the promotion that row `number` of the ledger requests, as its second person, and return a sentence about it; it may be called again.

    Raises RiskError when the row requests none, actor is who asked, or another champion came since: the gate judged against the one before.
    """
    source = load_params().source.name
    with open_store() as store:
        entries = store.promotions(source=source, every=True)
        entry = next((each for each in entries if each.sequence == number and each.action == REQUEST), None)
        if entry is None:
            raise RiskError(f"row {number} of the promotion ledger requests no promotion of {source}: `risk promotions list` names those that do.")
        _refuse_one_person(entry.use_case, entry.actor, actor)
        last = next((each for each in reversed(entries) if each.use_case == entry.use_case and each.action in CHANGES), None)
        if last is not None and last.evidence.get("requested") == number:
            carry_out(store, last)
            return f"{entry.use_case}: {entry.bundle[:12]} is the champion already, by request {number}."
        champion = read_champion(source, entry.use_case)
        if champion != entry.previous_bundle:
            raise RiskError(f"{entry.use_case}: request {number} was judged against another champion than today's: run `dvc repro` and request it again.")
        if bundle_hash(bundle_path(entry.bundle)) != entry.bundle:
            raise RiskError(f"{bundle_path(entry.bundle)} holds another bundle than the one that was requested: restore that folder, or request again.")
        case = _Case(store, source, entry.use_case, entry.bundle, champion, entry.actor, entry.reason)
        return _make_champion(case, entry.evidence | {"requested": number, "approver": actor})


class _Case:
    """One promotion: what becomes champion of what, and who asks for it why."""

    def __init__(self, store, source, use_case, candidate, champion, actor, reason):
        self.store, self.source, self.use_case, self.candidate, self.champion = store, source, use_case, candidate, champion
        self.actor, self.reason = actor, reason

    def entries(self):
        """The ledger's entries of this use case, oldest first."""
        return self.store.promotions(use_case=self.use_case, source=self.source, every=True)

    @property
    def written(self):
        """What a row of the ledger names of it."""
        return {"bundle": self.candidate, "actor": self.actor, "reason": self.reason}


def _make_champion(case, evidence):
    # The policy until now is that of the publication: policy.yaml may have been changed together with the model.
    policy = keep_in_force(case.store)
    evidence |= {"policy_before": keep_published(case.store, case.source, case.use_case), "policy_sha256": policy["policy_sha256"]}
    evidence["dossier"] = keep_dossier_of(case, evidence, policy["policy"]) or evidence.get("dossier")
    change_champion(case.store, case.source, case.use_case, previous=case.champion, action="promote", evidence=evidence, policy=policy["policy"],
                    **case.written)
    approved = f", approved by {evidence['approver']}" if evidence.get("approver") else ""
    return f"{case.use_case}: {case.candidate[:12]} is the champion now{approved}" + (f", {case.champion[:12]} was." if case.champion else ".")


def _trial(case, evidence, days):
    """Begin the trial, or wait for its end: a sentence that says so; None once it is over, with what it said among the evidence."""
    entry = on_trial(case.store, case.source, case.use_case)
    if entry is None or entry.bundle != case.candidate:
        start(case.store, case.source, case.use_case, champion=case.champion, evidence=evidence, **case.written)
        return f"{case.use_case}: {case.candidate[:12]} is on trial beside {case.champion[:12]} for {days} days; `risk shadow` shows what it says."
    found = agreement(case.store, entry)
    if found["days"] < days:
        return f"{case.use_case}: {case.candidate[:12]} is on trial, {days - found['days']} of {days} days are left; `risk shadow` shows what it says."
    if not found["nights"] and found["answers"] is None:
        raise RiskError(f"{case.use_case}: in {found['days']} days of trial {case.candidate[:12]} has scored neither a book nor an answer: run `risk publish`, "
                        "or promote with --override and a reason.")
    evidence["shadow"] = found
    return None


def _request(case, evidence):
    entries = case.entries()
    last = entries[-1] if entries else None
    if last is None or (last.action, last.bundle, last.previous_bundle) != (REQUEST, case.candidate, case.champion):
        evidence |= {"dossier": keep_dossier_of(case, evidence, None)}
        last = case.store.record_promotion(use_case=case.use_case, source=case.source, previous_bundle=case.champion, evidence=evidence, action=REQUEST,
                                           **case.written)
    return (f"{case.use_case}: the promotion of {case.candidate[:12]} is requested by {last.actor}; a second person approves it with "
            f"`risk promote --approve {last.sequence} --by NAME`.")


def _refuse_one_person(use_case, actor, approver):
    names = [each.strip().casefold() for each in (actor, approver) if each is not None]
    if NOBODY in names or "" in names:
        raise RiskError(f"{use_case}: two persons must answer for this promotion, each by name: say --by NAME.")
    if len(names) != len(set(names)):
        raise RiskError(f"{use_case}: {actor} asked for this promotion and cannot approve it: another person must.")


def _evidence(use_case, candidate, champion, override, milliseconds_max):
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
    parity = measure_parity(use_case, case_path(use_case, "shipped"), champion=champion and bundle_path(champion),
                            milliseconds_max=None if override else milliseconds_max)
    return {**gate, "override": override, "parity": parity}


def _failed(gate):
    return "; ".join(f"{check['check']}: {check['detail']}" for check in gate["reasons"] if not check["passed"]) or gate["reasons"][0]["detail"]
