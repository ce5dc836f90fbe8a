"""Whether what is in production is what the promotion ledger says: pointers, bundle folders and kept policies held against it."""

import hashlib
import json
from pathlib import Path

from features.errors import RiskError
from models.bundle import bundle_hash
from models.policy import parse_policy
from serving.chain import Fault

LEDGER = "promotions"


def production_faults(store, var):
    """Faults of what lies under `var` against the promotion ledger, a list of chain.Fault: a pointer that names another champion than the last entry, a bundle
    folder or a kept policy that is gone or whose content is not what its name says. Nothing is compared where `var` holds no pointers at all."""
    home = Path(var)
    if not (home / "champion").is_dir():
        return []
    changes = store.promotions()
    last = {(entry.source, entry.use_case): entry for entry in changes}
    faults = [fault for key, entry in last.items() for fault in _pointer_faults(home, *key, entry)]
    faults += _unknown_pointers(home, last)
    bundles = {entry.bundle: entry.sequence for entry in changes}
    champions = {entry.bundle for entry in last.values()}
    faults += [fault for bundle, sequence in bundles.items() for fault in _bundle_faults(home, bundle, sequence, needed=bundle in champions)]
    kept = {(entry.policy, entry.evidence["policy_sha256"]): entry.sequence for entry in changes if entry.policy and "policy_sha256" in entry.evidence}
    return faults + [fault for (policy, digest), sequence in kept.items() for fault in _policy_faults(home, policy, digest, sequence)]


def pointed(path):
    """The bundle a champion pointer names, None where it names none. Raises: RiskError where it is gone or unreadable."""
    try:
        return json.loads(path.read_bytes())["bundle"]
    except (OSError, ValueError, KeyError, TypeError):
        raise RiskError(f"{path} is gone or no pointer to a bundle: `risk rollback` or `risk promote` writes it anew.") from None


def kept_policy(home, policy, digest=None):
    """The text of a policy kept under its hash. Raises: RiskError where it is gone, or its text is another policy or not the text it was (sha256 `digest`)."""
    path = Path(home) / "policies" / f"{policy}.yaml"
    try:
        content = path.read_bytes()
        same = parse_policy(content.decode("utf-8"), where=str(path)).hash == policy
    except FileNotFoundError:
        raise RiskError(f"{path}, the policy in force with a past champion, is gone: restore it from a backup.") from None
    except (OSError, UnicodeDecodeError, RiskError) as error:
        raise RiskError(f"{path} is damaged ({str(error).splitlines()[0]}): restore it from a backup.") from None
    if not same or digest not in (None, hashlib.sha256(content).hexdigest()):
        raise RiskError(f"{path} is not the policy it is named by any more: restore it from a backup.")
    return content.decode("utf-8")


def _pointer_faults(home, source, use_case, entry):
    path = home / "champion" / f"{source}-{use_case}.json"
    try:
        found = pointed(path)
    except RiskError as error:
        yield Fault(LEDGER, entry.sequence, "pointer", str(error))
        return
    if found != entry.bundle:
        named = "no bundle" if found is None else f"the bundle {str(found)[:12]}"
        yield Fault(LEDGER, entry.sequence, "pointer", f"{path} names {named}, row {entry.sequence} of promotions made {entry.bundle[:12]} the champion of "
                                                       f"{source}, {use_case}: calling `risk promote` or `risk rollback` again mends it if one was interrupted")


def _unknown_pointers(home, last):
    """Pointers to a champion that nobody promoted."""
    known = {f"{source}-{use_case}.json" for source, use_case in last}
    for path in sorted((home / "champion").glob("*.json")):
        if path.name not in known:
            try:
                found = pointed(path)
            except RiskError as error:
                found, detail = "", str(error)
            else:
                detail = f"{path} names the bundle {str(found)[:12]}, which the promotion ledger never made champion"
            if found is not None:
                yield Fault(LEDGER, 0, "pointer", detail)


def _bundle_faults(home, bundle, sequence, *, needed):
    folder = home / "bundles" / bundle
    if not folder.is_dir():
        if needed:
            yield Fault(LEDGER, sequence, "bundle", f"{folder}, the champion's bundle by row {sequence} of promotions, is gone")
        return
    try:
        found = bundle_hash(folder)
    except RiskError as error:
        yield Fault(LEDGER, sequence, "bundle", str(error))
        return
    if found != bundle:
        yield Fault(LEDGER, sequence, "bundle", f"{folder} holds the bundle {found[:12]} and not the one it is named by, of row {sequence} of promotions")


def _policy_faults(home, policy, digest, sequence):
    try:
        kept_policy(home, policy, digest)
    except RiskError as error:
        yield Fault(LEDGER, sequence, "policy", f"row {sequence} of promotions: {error}")
