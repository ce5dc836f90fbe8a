"""One step back: the champion before, and the policy that was in force with it, together."""

from hashlib import sha256

from features.errors import RiskError
from pipeline.kept_policies import keep_in_force, policy_now, policy_text
from pipeline.operational import open_store
from pipeline.params import load_params
from pipeline.places import POLICY, VAR, bundle_path
from pipeline.promotion_steps import carry_out, change_champion, unfinished
from pipeline.state import refuse_other_bundle


def rollback(use_case, *, actor, reason, model_only=False):
    """Make the bundle before the current champion the champion again, with the policy it decided by, and return a sentence about it.

    model_only: leave policy.yaml as it is. A rollback that was interrupted is ended, and goes no further back. Raises RiskError when there is no champion
    before, or when its folder or its policy is gone or damaged; nothing is changed then.
    """
    params = load_params()
    source = params.source.name
    with open_store() as store:
        begun = unfinished(store, source, use_case)
        if begun is not None and begun.action == "rollback":
            carry_out(store, begun)
            return f"{use_case}: {begun.bundle[:12]} is the champion again: an interrupted rollback was ended."
        # The ledger, not the pointer: a rollback must also help when the pointer or the champion's folder is damaged.
        ledger = store.promotions(use_case=use_case, source=source)
        champion, undone = _last(ledger)
        if undone is None or undone.previous_bundle is None:
            raise RiskError(f"{use_case}: there is no champion before the current one: nothing to roll back to.")
        previous = undone.previous_bundle
        if not bundle_path(previous).is_dir():
            raise RiskError(f"{use_case}: the previous champion {previous[:12]} is not in {bundle_path(previous)}: restore that folder first.")
        refuse_other_bundle(previous)
        policy = {"policy": policy_now()} if model_only else _policy(store, undone, ledger)
        evidence = {"undoes": undone.sequence, "model_only": model_only, **{name: value for name, value in policy.items() if name != "policy"}}
        change_champion(store, source, use_case, bundle=previous, previous=champion, action="rollback", actor=actor, reason=reason, evidence=evidence,
                        policy=policy["policy"])
    return f"{use_case}: {previous[:12]} is the champion again, {champion[:12]} was." + _said(policy, use_case, params.use_cases)


def _last(ledger):
    """The champion by the ledger, and the entry that promoted it."""
    champion = ledger[-1].bundle if ledger else None
    promoted = [entry for entry in ledger if entry.bundle == champion and entry.action == "promote"]
    return champion, promoted[-1] if promoted else None


def _policy(store, undone, ledger):
    """The policy to be in force with the previous champion, checked to be there before anything is changed: {"policy", "policy_restored", "policy_sha256",
    "policy_replaced" (the hash it takes the place of, None for a faulty file)}."""
    earlier = [entry for entry in ledger if entry.sequence < undone.sequence and entry.bundle == undone.previous_bundle]
    wanted = undone.evidence.get("policy_before") or (earlier[-1].policy if earlier else None)
    now = policy_now()
    if wanted is None or wanted == now:
        return {"policy": now, "policy_restored": False}
    text = policy_text(store, wanted)
    if now is not None:
        keep_in_force(store)
    return {"policy": wanted, "policy_restored": True, "policy_sha256": sha256(text.encode()).hexdigest(), "policy_replaced": now}


def _said(policy, use_case, use_cases):
    if not policy.get("policy_restored"):
        return ""
    replaced = policy["policy_replaced"]
    kept = f"; the one of now is kept as {VAR / 'policies' / replaced}.yaml" if replaced else f"; the faulty one of now is kept under {VAR / 'policies'}"
    others = [case for case in use_cases if case != use_case]
    also = f" It decides {' and '.join(others)} too." if others else ""
    return f" {POLICY} is the policy {policy['policy'][:12]} of then again{kept}.{also}"
