"""What `risk source check` says, as a colleague would: what came in, what did not, what it is good for, what to do next."""

from features.tables import LINES
from pipeline.source_outlook import TYPICAL_AUC

FEW_CUSTOMERS = 0.5


def how_to_use(name, path):
    """The command that chooses what was checked; empty when it is chosen already."""
    return "" if name is None and path is None else f"risk use {name or 'NAME'}{f' --data {path}' if path else ''}"


def check_lines(found, *, command):
    """The report of a Check, line by line; `command` is how the source is chosen next."""
    yield f"source {found.name}: {found.description}"
    yield f"files: {found.path}"
    if found.tables:
        yield ""
        yield from _intake(found.tables)
        yield from _rejects(found.tables)
        yield ""
        yield from _filled(found.tables)
        yield from _findings(found.findings)
        yield ""
        yield from _customers(found)
    for use_case, outlook in found.outlooks.items():
        if outlook.rows:
            yield from _outlook(use_case, outlook, found)
    yield ""
    yield from _verdict(found, command)


def _intake(tables):
    rows = [("table", "read", "kept", "rejected", "customers", "happened", "known")]
    for name, facts in tables.items():
        coverage = "" if facts.coverage is None else f"{facts.coverage:.0%}"
        happened = [_span(days) for column, days in facts.dates.items() if column != "known_at"]
        rows.append((name, f"{facts.read:,}", f"{facts.kept:,}", f"{facts.read - facts.kept:,}", coverage, *(happened or ["as known"]),
                     _span(facts.dates.get("known_at", (None, None)))))
    yield from _aligned(rows, right=(1, 2, 3, 4))


def _span(days):
    return "" if days[0] is None else f"{days[0]} to {days[1]}"


def _aligned(rows, *, right=()):
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    for row in rows:
        cells = enumerate(zip(row, widths, strict=True))
        yield "  " + "  ".join(cell.rjust(width) if place in right else cell.ljust(width) for place, (cell, width) in cells).rstrip()


def _rejects(tables):
    for name, facts in tables.items():
        for rule, count in sorted(facts.rejected.items(), key=lambda item: -item[1]):
            number, value = facts.examples.get(rule, (None, None))
            example = f", first in row {number:,}{f': {value}' if value else ''}" if number is not None else ""
            yield f"  rejected: {name}, {rule}: {count:,} of {facts.read:,} rows{example}"


def _filled(tables):
    yield "filled columns of the contract (share of the kept rows):"
    width = max(map(len, tables))
    for name, facts in tables.items():
        whole = [column for column, share in facts.filled.items() if share is not None and share >= 0.995]
        partly = [f"{column} {share:.1%}" for column, share in facts.filled.items() if share is not None and 0 < share < 0.995]
        empty, absent = ([column for column, share in facts.filled.items() if share == nothing] for nothing in (0, None))
        parts = [f"all of {_few(whole)}" if whole else "", ", ".join(partly), f"empty: {_few(empty)}" if empty else "",
                 f"not given: {_few(absent)}" if absent else ""]
        yield f"  {name:<{width}}  {'; '.join(part for part in parts if part)}"


def _few(names):
    lines = [name for name in names if name in LINES]
    if len(lines) > 6:
        names = [*(name for name in names if name not in LINES), f"{len(lines)} lines of account"]
    return ", ".join(names)


def _findings(findings):
    if not findings:
        return
    yield ""
    yield "worth a look:"
    for finding in findings:
        rows = f" ({finding['rows']:,} row{'s' if finding['rows'] > 1 else ''})" if finding.get("rows") else ""
        where = " ".join(filter(None, (finding.get("table"), finding.get("file"))))
        yield f"  {where}: {finding['rule']}{rows}, for example {finding['example']}" if finding.get("example") else f"  {where}: {finding['rule']}{rows}"
        yield from (f"    {finding[key]}" for key in ("meaning", "remedy") if finding.get(key))


def _customers(found):
    if found.customers is not None:
        defaults = found.with_default
        share = "" if defaults is None else f", {defaults:,} of them ({defaults / max(found.customers, 1):.1%}) with a default on record"
        yield f"customers: {found.customers:,}{share}"
    yield f"known up to {found.today}; outcomes complete to {found.complete_to}"


def _outlook(use_case, outlook, found):
    waits = outlook.horizon_days + outlook.lag_days
    yield f"{use_case}: {outlook.rows:,} observations of {outlook.customers:,} customers, as of {outlook.first} to {outlook.last}"
    rate = f", {outlook.bad:,} of them bad ({outlook.bad / outlook.matured:.2%}), of {outlook.bad_customers:,} customers" if outlook.matured else ""
    yield f"  matured     {outlook.matured:,}{f' (as of up to {outlook.last_matured})' if outlook.last_matured else ''}{rate}"
    yield (f"  immature    {outlook.immature:,}: {outlook.horizon_days} days and {outlook.lag_days} days of reporting lag have not passed for them by "
           f"{found.complete_to}" if outlook.immature else f"  immature    0: {waits} days have passed for all")
    if outlook.indeterminate:
        yield f"  without     {outlook.indeterminate:,}: their outcome is not given, or is a slip that was cured"
    if outlook.judged:
        yield from _judging(outlook)
    if outlook.matured:
        yield _enough(outlook, found)


def _judging(outlook):
    ways = {"time": "by later dates", "customer": "by customers held out (the fall-back)", "random": "by a random draw", "k_fold": "fold by fold",
            "grouped": "fold by fold, customers apart"}
    bad = f"{outlook.held_out_bad:,} bad from {outlook.held_out_customers_bad:,} customers"
    yield f"judged {ways.get(outlook.judged, outlook.judged)}: {outlook.held_out:,} rows judge, {bad}"
    yield from (f"  {note}" for note in outlook.notes)
    yield f"  an AUC of {TYPICAL_AUC:.2f} would be known there to within ±{outlook.auc_error:.3f} (95 %, a customer counted once)"


def _enough(outlook, found):
    bad = outlook.bad_customers
    if bad < found.few_bad:
        return f"{bad:,} bad customers are too few: with less than {found.few_bad} (decide.bad_to_recalibrate) what is learned is mostly chance"
    if bad < found.enough_bad:
        return f"{bad:,} bad customers are few: below {found.enough_bad} (decide.bad_to_refit) only small trees are grown, and the intervals are wide"
    return f"{bad:,} bad customers are enough to learn from (at least {found.enough_bad}, decide.bad_to_refit)"


def _verdict(found, command):
    if found.problems:
        yield "This source cannot be used yet:"
        yield from (f"  {problem}" for problem in found.problems)
        yield "next: correct that and check again"
        return
    advice = list(_advice(found))
    yield "This source can be used." if not advice else "This source can be used, with these in mind:"
    yield from (f"  {sentence}" for sentence in advice)
    yield f"next: {command}, then risk run" if command else "next: risk run"


def _advice(found):
    rejected = {name: facts.read - facts.kept for name, facts in found.tables.items() if facts.read > facts.kept}
    if rejected:
        yield f"rows set aside: {', '.join(f'{count:,} of {name}' for name, count in rejected.items())}; they are listed in data/rejects after a run"
    thin = [f"{name} ({facts.coverage:.0%})" for name, facts in found.tables.items()
            if facts.coverage is not None and facts.coverage < FEW_CUSTOMERS and name not in ("customers", "outcomes", "observations")]
    if thin:
        yield f"few customers have {', '.join(thin)}: what is computed from them is missing for the others"
    for use_case, outlook in found.outlooks.items():
        if outlook.judged in ("customer", "random", "k_fold", "grouped"):
            yield f"{use_case}: nothing is said about how a model ages, no later dates judge it"
        if outlook.bad_customers < found.enough_bad:
            yield f"{use_case}: {outlook.bad_customers:,} bad customers teach little, bring more outcomes or a longer history"
