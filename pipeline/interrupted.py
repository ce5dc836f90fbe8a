"""Completes what a killed promotion left: the ledger is written first and the pointer moved after it, so the pointer may be one entry behind."""

from features.errors import RiskError
from pipeline.datasets import read_json
from pipeline.state import bundle_path, point_to, pointer_path

# Entries of the ledger that say who is champion.
MOVES = ("promote", "rollback")


def complete_promotion(store, source, use_case):
    """Move the champion pointer to the ledger's last entry where it is behind, and return a sentence about it, or None where it is not.

    Raises RiskError when the bundle that the ledger names is gone.
    """
    moves = [entry.bundle for entry in store.promotions(use_case=use_case, source=source) if entry.action in MOVES]
    if not moves or moves[-1] == read_json(pointer_path(source, use_case)).get("bundle"):
        return None
    if not bundle_path(moves[-1]).is_dir():
        raise RiskError(f"{use_case}: the ledger's champion {moves[-1][:12]} is not in {bundle_path(moves[-1])}: restore that folder, or run "
                        "`risk rollback --reason ...`.")
    from pipeline.registry import set_champion

    point_to(moves[-1], source=source, use_case=use_case)
    set_champion(moves[-1], source=source, use_case=use_case)
    return f"{use_case}: the pointer was behind the promotion ledger and names its champion {moves[-1][:12]} now."
