"""What `risk replay` and `risk ledger` print: decisions rebuilt, ledgers verified, heads anchored. Only the serving extra is needed."""

import os
from pathlib import Path

import msgspec

from features.errors import RiskError
from serving.anchors import append_anchor, read_anchors
from serving.database import parse_url
from serving.promotions import production_faults
from serving.replay import replay
from serving.store import STORED, Store

# More features or paths than a person reads in one answer; the rest are counted.
MOST = 20


def open_ledger(database, var):
    """The operational database: the URL or file given, else risk.db in the var folder. Raises: RiskError when there is none; none is created."""
    place = database or Path(var) / "risk.db"
    url = parse_url(place)
    if url.get_backend_name() == "sqlite" and not os.path.isfile(url.database):
        raise RiskError(f"There is no operational database {url.database}; name it with --database, or its folder with --var.")
    return Store(place).open()


def replay_lines(decision_id, *, database, var):
    """What a replay found, as lines, and whether the answer is the same."""
    with open_ledger(database, var) as store:
        found = replay(store, var, decision_id)
    decision = found.decision
    lines = [f"decision {decision.id} of {decision.made_at:%Y-%m-%d %H:%M:%S} UTC, {decision.use_case}, customer {decision.customer_id}"]
    lines += _answer_lines(found) + _feature_lines(found.features)
    return lines, found.identical


def verify_lines(*, database, var, anchors):
    """What a walk along all chains found, and what of production is not as the promotion ledger says, as lines, and whether all is whole; anchors: files of
    `risk ledger anchor`."""
    known = [anchor for path in anchors for anchor in read_anchors(path)]
    with open_ledger(database, var) as store:
        faults, heads = store.verify(anchors=list(dict.fromkeys(head for anchor in known for head in anchor.heads))), store.heads()
        faults = [*faults, *production_faults(store, var)]
    if faults:
        return [f"{fault.kind}: {fault.detail}" for fault in faults], False
    rows = ", ".join(f"{head.chain} {head.count:,}" for head in heads)
    anchored = f"; {len(known):,} anchors fit, the last of {known[-1].at[:16]}" if known else "; no anchor was compared, so a cut end with its head is not seen"
    return [f"the ledgers are whole: {rows}{anchored}"], True


def anchor_line(path, *, database, var):
    """A sentence about the anchor that was appended to a file."""
    with open_ledger(database, var) as store:
        anchor = append_anchor(store, path)
    return f"{sum(head.count for head in anchor.heads):,} rows in {len(anchor.heads)} ledgers are anchored in {path} as of {anchor.at[:19]} UTC."


def decision_text(decision_id, *, database, var):
    """A recorded decision as JSON, indented. Raises: RiskError for an unknown one."""
    with open_ledger(database, var) as store:
        found = store.find_decision(decision_id)
    if found is None:
        raise RiskError(f"There is no decision {decision_id} in the ledger; `risk ledger list` names the latest.")
    kept = {name: getattr(found, name) for name in STORED}
    return msgspec.json.format(msgspec.json.encode(kept | {"payload": found.payload}), indent=2).decode()


def list_lines(*, database, var, customer, use_case, limit):
    """The latest decisions, a line each, newest first."""
    with open_ledger(database, var) as store:
        found = store.history(customer_id=customer, use_case=use_case, limit=limit)
    return [_decision_line(each) for each in found] or ["no decision is recorded" + (f" on {customer}." if customer else ".")]


def _decision_line(decision):
    start = f"{decision.made_at:%Y-%m-%d %H:%M:%S}  {decision.id}  {decision.use_case}"
    if decision.compressed is None:
        return f"{start}  erased"
    told = decision.payload["answer"]
    return f"{start}  {decision.customer_id}  {told['grade']}  {told['probability_name']} {told['probability']:.4f}  {told['decision']['action']}"


def _answer_lines(found):
    lines = ["the answer is rebuilt bit for bit." if found.identical else f"the rebuilt answer differs in {len(found.differences)} places:"]
    lines += _differing(found.differences)
    if not found.records:
        lines.append("freshness and the tables present are taken as recorded: the records are not kept any more.")
    if found.reworded:
        lines.append(f"{len(found.reworded)} texts are worded otherwise today; the ledger keeps what was told.")
    if found.gained:
        lines.append(f"fields that answers did not have then: {', '.join(found.gained)}.")
    return lines


def _feature_lines(features):
    if features.why_not:
        return [features.why_not]
    gone = [f"not declared any more: {', '.join(features.undeclared)}."] if features.undeclared else []
    if not features.differences:
        return [f"today's feature code gives the same {len(features.names)} features from the records of then.", *gone]
    return [f"today's feature code gives {len(features.differences)} other values from the records of then:", *_differing(features.differences), *gone]


def _differing(differences):
    shown = [f"  {each.path}: {_shown(each.then)} then, {_shown(each.now)} now" for each in differences[:MOST]]
    return shown + ([f"  and {len(differences) - MOST} more"] if len(differences) > MOST else [])


def _shown(value):
    return "nothing" if value is msgspec.UNSET else msgspec.json.encode(value).decode()[:200]
