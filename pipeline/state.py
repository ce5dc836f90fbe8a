"""What an installation keeps under `var/`: the champion pointers, the bundles, the training cutoffs."""

import hashlib
import json
import os
import re
import shutil

from features.errors import RiskError
from pipeline.datasets import case_path, read_json, replacing, write_json
from pipeline.places import VAR, bundle_path, dossier_path, pages_path, pointer_path, training_path, watermark_path


def pages_folder(source, use_case):
    """The folder of the report pages to read: those in force where there are some, else the stage's."""
    published = pages_path(source, use_case)
    return published if (published / "index.html").exists() else case_path(use_case, "reports")


def bundle_folder(use_case, bundle):
    """The folder of the bundle that scored: of one that was promoted once, else the candidate's."""
    kept = bundle_path(bundle)
    return kept if kept.is_dir() else case_path(use_case, "shipped")


def read_champion(source, use_case):
    """Hash of the champion's bundle, or None while there is no champion.

    Raises RiskError when the pointer is missing, damaged, or names a bundle that is not there or whose folder holds another.
    """
    path = pointer_path(source, use_case)
    pointer = read_json(path, remedy=f"restore it from the promotion ledger by deleting it and calling `risk use {source}`")
    if not isinstance(pointer, dict) or "bundle" not in pointer:
        raise RiskError(f"{path} is no pointer to a bundle: delete it and call `risk use {source}`, which restores it from the promotion ledger.")
    bundle = pointer["bundle"]
    if bundle is None:
        return None
    if not re.fullmatch("[0-9a-f]{64}", str(bundle)) or not bundle_path(bundle).is_dir():
        raise RiskError(f"{path} names the bundle {bundle}, which is not in {VAR / 'bundles'}: restore that folder, or run `risk rollback --reason ...`.")
    refuse_other_bundle(bundle)
    return bundle


def refuse_other_bundle(bundle):
    """Raise RiskError where the folder of a bundle holds another one than it is named by."""
    from models.bundle import bundle_hash

    found = bundle_hash(bundle_path(bundle))
    if found != bundle:
        raise RiskError(f"{bundle_path(bundle)} holds the bundle {found[:12]} and not the one it is named by: restore that folder, "
                        "or run `risk rollback --reason ...`.")


def twin_path(bundle, validated):
    """The folder of the bundle that was judged: a promoted bundle's own, or where it was refitted that of the validated one behind it.

    Raises RiskError when that one is gone.
    """
    if not bundle_path(validated).is_dir():
        raise RiskError(f"the champion {bundle[:12]} was refitted, and the validated bundle {validated[:12]}, by which alone it can be judged, is not in "
                        f"{VAR / 'bundles'}: restore that folder, or run `risk rollback --reason ...`.")
    return bundle_path(validated)


def point_to(bundle, *, source, use_case):
    """Make a bundle (a hash, or None) the champion."""
    write_json(pointer_path(source, use_case), {"bundle": bundle})


def keep_bundle(folder, bundle):
    """Copy a candidate's folder to `var/bundles/<hash>/`; a bundle that is there already stays as it is. Raises: RiskError where its folder holds another."""
    if bundle_path(bundle).is_dir():
        refuse_other_bundle(bundle)
        return
    with replacing(bundle_path(bundle)) as beside:
        shutil.copytree(folder, beside)


def keep_dossier(folder, bundle, *, write=None):
    """Copy the dossier of a bundle that goes into production to `var/dossiers/<hash>/`, where the next candidate's does not replace it.

    write: called with the copy to write its pages anew. Returns the sha256 of its English page, or None where the dossier is not made or describes another
    bundle: the ledger then says so.
    """
    page = folder / "index.html"
    content = page.read_bytes() if page.is_file() else b""
    if bundle[:12].encode() not in content:
        return None
    with replacing(dossier_path(bundle)) as beside:
        shutil.copytree(folder, beside)
        if write is not None:
            write(beside)
    return hashlib.sha256((dossier_path(bundle) / "index.html").read_bytes()).hexdigest()


def ensure_state(source, cutoff):
    """Create what a source needs under `var/` and is not there yet: empty champion pointers, the training cutoffs, a watermark that says nothing."""
    for use_case in source.use_cases:
        if not pointer_path(source.name, use_case).exists():
            point_to(_last_promoted(source.name, use_case), source=source.name, use_case=use_case)
        if not training_path(source.name, use_case).exists():
            move_cutoff(source.name, use_case, cutoff)
    if not watermark_path(source.name).exists():
        write_json(watermark_path(source.name), {})
    (VAR / "inbox").mkdir(parents=True, exist_ok=True)


def _last_promoted(source, use_case):
    """The champion that the promotion ledger knows, so that a lost pointer is restored and not replaced; None before the first promotion."""
    url = os.environ.get("CUSTOMER_RISK_DATABASE_URL")
    if not url and not (VAR / "risk.db").exists():
        return None
    from serving.store import Store

    with Store(url or VAR / "risk.db").open() as store:
        ledger = store.promotions(use_case=use_case, source=source)
    return ledger[-1].bundle if ledger and bundle_path(ledger[-1].bundle).is_dir() else None


def move_cutoff(source, use_case, cutoff):
    """Write the training file of a plain refit: nothing known after the cutoff (a text, YYYY-MM-DD) is used to train."""
    write_training(training_path(source, use_case), cutoff=cutoff)


def write_training(path, *, cutoff, action="refit", **how):
    """Write a training file; how: the other fields of `pipeline.params.Training`, one that is None being left out."""
    said = {"cutoff": cutoff, "action": action, **{name: value for name, value in how.items() if value is not None}}
    lines = ["# How the next candidate is made: nothing known after the cutoff is used to train. `risk retrain` writes it.",
             *(f"{name}: {json.dumps(value)}" for name, value in said.items())]
    with replacing(path) as beside:
        beside.write_text("\n".join(lines) + "\n", encoding="utf-8")
