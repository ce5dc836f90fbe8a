"""The policies that were in force with a champion, kept under `var/policies/<hash>.yaml`: a rollback brings back the model and the policy together."""

import hashlib
import json
from pathlib import Path

from features.errors import RiskError
from models.policy import load_policy, parse_policy
from pipeline.datasets import replacing
from pipeline.places import POLICY, VAR
from serving.promotions import kept_policy
from serving.published import POINTER, folder_of


def keep_in_force(store, path=POLICY):
    """Keep policy.yaml as it is, under var/policies and in the database, and return {"policy" (its hash), "policy_sha256" (of the text kept under it)}.

    A policy that is kept already stays with its first text: comments are no part of the hash. Raises: RiskError for a faulty policy, or where what is kept
    under its hash was changed.
    """
    text = Path(path).read_text(encoding="utf-8")
    return keep_text(store, load_policy(path).hash, text)


def keep_text(store, policy, text):
    """As `keep_in_force`, of a text whose policy hash is known."""
    place = VAR / "policies" / f"{policy}.yaml"
    store.record_policy(policy, text)
    if not place.exists():
        with replacing(place) as beside:
            beside.write_text(text, encoding="utf-8")
    return {"policy": policy, "policy_sha256": hashlib.sha256(kept_policy(VAR, policy).encode()).hexdigest()}


def keep_published(store, source, use_case):
    """Keep the policy of the publication in force, by which the champion decides now, and return its hash; None where nothing is published."""
    policy = published_policy(source, use_case)
    text = None if policy is None else store.find_policy(policy)
    if text is None or parse_policy(text).hash != policy:
        return None
    keep_text(store, policy, text)
    return policy


def published_policy(source, use_case):
    """The hash of the policy that the publication in force decides by; None where nothing is published, or nothing readable."""
    try:
        return json.loads((folder_of(VAR, source, use_case) / POINTER).read_bytes())["policy"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def policy_text(store, policy, digest=None):
    """A kept policy's text: of the file, or where that is gone, of the database. Raises: RiskError where neither has it as it was."""
    if (VAR / "policies" / f"{policy}.yaml").exists():
        return kept_policy(VAR, policy, digest)
    text = store.find_policy(policy)
    if text is None or parse_policy(text).hash != policy:
        raise RiskError(f"the policy {policy[:12]}, in force with the champion before, is kept neither under {VAR / 'policies'} nor in the database: "
                        "roll back the model alone with --model-only.")
    return text


def policy_now(path=POLICY):
    """The hash of policy.yaml, None where it is faulty or not there."""
    try:
        return load_policy(path).hash
    except (RiskError, OSError):
        return None


def put_in_force(text, path=POLICY):
    """Make a text policy.yaml; what was there is kept by `keep_in_force`, or where it is faulty under the sha256 of its text."""
    path = Path(path)
    if path.exists() and policy_now(path) is None:
        content = path.read_bytes()
        with replacing(VAR / "policies" / f"{hashlib.sha256(content).hexdigest()}.yaml") as beside:
            beside.write_bytes(content)
    with replacing(path) as beside:
        beside.write_text(text, encoding="utf-8")
