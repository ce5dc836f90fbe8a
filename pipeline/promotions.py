"""`risk champion` and `risk promotions`: who was champion when, who made it so, on what evidence."""

import json
from dataclasses import asdict
from datetime import datetime, time

from features.errors import RiskError
from pipeline.operational import open_store
from pipeline.params import load_params


def champion_lines(use_cases, *, on=None):
    """A line for each use case: the champion at the end of a day (a date, UTC), or now, since when, by whom and why."""
    source = load_params().source.name
    with open_store() as store:
        moment = store.now() if on is None else datetime.combine(on, time.max)
        return [_champion_line(case, store.champion_on(moment, use_case=case, source=source), on) for case in use_cases]


def list_lines(use_cases):
    """A line for each entry of the promotion ledger, newest first."""
    return [_line(entry) for entry in reversed(_entries(use_cases))] or ["nothing was promoted yet."]


def list_json(use_cases):
    """The entries of the promotion ledger as JSON, newest first."""
    return json.dumps([_plain(entry) for entry in reversed(_entries(use_cases))], ensure_ascii=False, indent=2)


def show_lines(number):
    """One entry with its checks and measurements. Raises: RiskError for a number that is none."""
    entry = _entry(number)
    evidence = entry.evidence
    lines = [_line(entry), f"  bundle {entry.bundle}", f"  champion before {entry.previous_bundle or 'none'}", f"  policy {entry.policy or 'not recorded'}"]
    if evidence.get("policy_restored"):
        lines.append(f"  policy.yaml was brought back with it; {evidence['policy_replaced'] or 'a faulty file'} was there")
    lines += [f"  {'passed' if each['passed'] else 'FAILED'}  {each['check']}: {each['detail']}" for each in evidence.get("reasons", [])]
    lines += ["  overridden by the person named"] if evidence.get("override") else []
    return lines + _measured(evidence) + _trial_lines(evidence) + [f"  dossier {evidence.get('dossier') or 'not kept'}", f"  row hash {entry.hash}"]


def show_json(number):
    """One entry with all its evidence, as JSON."""
    return json.dumps(_plain(_entry(number)), ensure_ascii=False, indent=2)


def _entries(use_cases):
    with open_store() as store:
        found = store.promotions(source=load_params().source.name, every=True)
    return [entry for entry in found if entry.use_case in use_cases]


def _entry(number):
    with open_store() as store:
        found = [entry for entry in store.promotions(every=True) if entry.sequence == number]
    if not found:
        raise RiskError(f"the promotion ledger has no row {number}: `risk promotions list` shows those there are.")
    return found[0]


def _champion_line(use_case, entry, on):
    when = "now" if on is None else f"at the end of {on} (UTC)"
    if entry is None:
        return f"{use_case}: no champion {when}."
    how = "made so" if entry.action == "promote" else "rolled back to"
    policy = f", policy {entry.policy[:12]}" if entry.policy else ""
    return f"{use_case}: {entry.bundle} {when}, {how} on {entry.made_at:%Y-%m-%d %H:%M} UTC by {_persons(entry)} (row {entry.sequence}{policy}): {entry.reason}"


def _line(entry):
    return (f"{entry.sequence:>4}  {entry.made_at:%Y-%m-%d %H:%M}  {entry.use_case}  {entry.action:<10}  {entry.bundle[:12]}  by {_persons(entry)}"
            + (f": {entry.reason}" if entry.reason else ""))


def _persons(entry):
    approver = entry.evidence.get("approver")
    return f"{entry.actor}, approved by {approver}" if approver else entry.actor


def _measured(evidence):
    parity = evidence.get("parity")
    if not parity:
        return []
    rival = f", champion {parity['champion_median']:.1f} and {parity['champion_p99']:.1f}" if parity.get("champion_median") is not None else ""
    return [f"  {parity['rows']} rows alone and in a batch: the same bits; milliseconds a row, median and 99 %: {parity['milliseconds_median']:.1f} and "
            f"{parity['milliseconds_p99']:.1f}{rival}"]


def _trial_lines(evidence):
    found = evidence.get("shadow")
    if not found:
        return []
    return [f"  on trial since {found['since'][:10]}: {len(found['nights'])} books, {found['answers']['cases'] if found['answers'] else 0} answers"]


def _plain(entry):
    return asdict(entry) | {"made_at": entry.made_at.isoformat()}
