"""A change of champion in steps that a crash may part: the ledger first, then the policy where it changes too, then the pointer, and MLflow's alias last.

Each step may be done again. What was begun and not ended is ended by the next promotion or rollback.
"""

import json

from features.errors import RiskError
from pipeline.kept_policies import policy_now, policy_text, put_in_force
from pipeline.places import bundle_path, pointer_path
from pipeline.shadow import end_pointer
from pipeline.state import point_to


def change_champion(store, source, use_case, *, bundle, previous, action, actor, reason, evidence, policy):
    """Record a change of champion and carry it out; one whose record is the last already is only carried out."""
    ledger = store.promotions(use_case=use_case, source=source)
    if not ledger or ledger[-1].bundle != bundle:
        store.record_promotion(use_case=use_case, source=source, bundle=bundle, previous_bundle=previous, actor=actor, reason=reason, evidence=evidence,
                               policy=policy, action=action)
    carry_out(store, store.promotions(use_case=use_case, source=source)[-1])


def carry_out(store, entry):
    """Do what an entry of the ledger says, from wherever it was left."""
    if entry.evidence.get("policy_restored") and policy_now() != entry.policy:
        put_in_force(policy_text(store, entry.policy, entry.evidence.get("policy_sha256")))
    point_to(entry.bundle, source=entry.source, use_case=entry.use_case)
    end_pointer(entry.source, entry.use_case)
    mirror(entry.source, entry.use_case, entry.bundle)


def unfinished(store, source, use_case):
    """The last change of champion where its pointer still names the champion before it; None where there is none such."""
    ledger = store.promotions(use_case=use_case, source=source)
    if not ledger:
        return None
    found = _pointed(source, use_case)
    return ledger[-1] if found == ledger[-1].previous_bundle != ledger[-1].bundle else None


def end_interrupted(store, source, use_case):
    """Carry out a change of champion that was begun and not ended, and return a sentence about it; None where there is none such.

    Raises RiskError when the bundle that the ledger names is gone.
    """
    begun = unfinished(store, source, use_case)
    if begun is None:
        return None
    if not bundle_path(begun.bundle).is_dir():
        raise RiskError(f"{use_case}: the ledger's champion {begun.bundle[:12]} is not in {bundle_path(begun.bundle)}: restore that folder, or run "
                        "`risk rollback --reason ...`.")
    carry_out(store, begun)
    return f"{use_case}: the pointer was behind the promotion ledger and names its champion {begun.bundle[:12]} now."


def mirror(source, use_case, bundle):
    """Let MLflow's alias follow the pointer; doing it again mends what a crash left behind."""
    from pipeline.registry import set_champion

    set_champion(bundle, source=source, use_case=use_case)


def _pointed(source, use_case):
    """What the pointer names; a damaged one names nothing that any entry does."""
    try:
        return json.loads(pointer_path(source, use_case).read_text(encoding="utf-8"))["bundle"]
    except (OSError, ValueError, KeyError, TypeError):
        return False
