"""Whether the feed is whole: each table's months against their own history, and every fault named, so that nobody takes it for drift or learns from it."""

from calendar import monthrange
from datetime import date

import msgspec
import numpy as np

from features.tables import TABLES as CONTRACTS
from models.data_quality import Fault, FeedRules, likest, missing_faults, month_name, paid_faults, repeated_faults, share_faults, volume_faults
from models.unit_slips import slip_faults
from pipeline import feed_counts
from pipeline.feed_counts import Feed

# Tables that business fills all the time; a customer master may rightly stand still. The slowest, quarterly statements, are filed within 150 days.
FLOWS = ("statements", "contracts", "invoices", "payments", "transactions")
STALE_DAYS = 400
# Their rows follow from how much business there is; how many events and outcomes there are says something of customers, so only a month without any is odd.
BY_VOLUME, BY_PRESENCE = (*FLOWS, "exposures"), ("events", "outcomes")
# Rows of these happen at a moment and come once.
ONCE = ("invoices", "payments", "transactions", "events")
# What became of somebody is filled in later, so its last months are emptier by nature.
FILLED_LATER = ("outcomes", "observations")
# A clock is wrong where a few rows are known so many days after everything else has ended.
AHEAD_DAYS, FEW = 31, 0.05
# The longest windows of most features: an older fault has left them.
WINDOW_MONTHS = 12
SAME_AGAIN = "duplicate key: the same row again"


def judge_feed(about, *, tables, rules, rejects=None, findings=None, until=None):
    """The feed's own verdict: whole, rejects, stale or faulty.

    about: what `data/ingest.json` holds; tables, rejects, findings: the folders that ingest wrote (the last two may be left out); rules: the parameters
    `monitor.feed`; until: a day (YYYY-MM-DD) after which nothing is known yet, to judge as it would have been on that day.

    Returns {"verdict", "faults": [{"kind", "table", "column", "month", "sentence"}], "stale", "with_rejects", "today", "tables": {name: {"rows", "rejected",
    "known_to"}}}. Kinds: no_data, volume, column_gone, column_renamed, column_missing, unit_slip, duplicated_month, future_clock, early_outcomes, broken_feed.
    """
    limits = FeedRules(**msgspec.structs.asdict(rules))
    with Feed(tables, until=until) as feed:
        known = {name: feed.known(name) for name in feed.columns if name in about["tables"] and name != "observations" and "known_at" in feed.columns[name]}
        clock = _clock_faults(feed, known)
        end = _last_day(until or about["today"], known, clock)
        faults = clock + [fault for name in known for fault in _table_faults(feed, name, end, limits, findings)]
        faults += _early_outcomes(feed, known, limits) + _paid(feed, end, limits) + _rejected(feed, about, rejects, limits)
    return _verdict(about, faults, known, until or about["today"])


def explained_columns(faults, catalogue):
    """Names of the catalogue's features that read what one of the last faults concerns: its column, or its table where it names none."""
    last = max((fault["month"] for fault in faults if fault["month"]), default=None)
    recent = [fault for fault in faults if fault["month"] is None or _months(last) - _months(fault["month"]) < WINDOW_MONTHS]
    return sorted({each.name for each in catalogue.features for fault in recent if _reads(each.needs, fault)})


def _reads(needs, fault):
    return fault["table"] in needs and (fault["column"] is None or fault["column"] in needs[fault["table"]])


def _months(name):
    return 12 * int(name[:4]) + int(name[5:]) - 1


def _last_day(today, known, clock):
    """The last day that counts: today, or where a clock runs ahead, the last day of the tables whose clocks do not."""
    ahead = {fault.table for fault in clock}
    right = [last for name, (_, last) in known.items() if name not in ahead and name not in BY_PRESENCE and last]
    return date.fromisoformat(min(today, max(right)) if ahead and right else today)


def _table_faults(feed, name, end, rules, findings):
    columns = _judged_columns(feed, name)
    counted = feed_counts.filled_by_month(feed, name, columns)
    if counted is None:
        return []
    first, rows, filled = counted
    length = 12 * end.year + end.month - first
    if length < 1:
        return []
    rows, filled = _fitted(rows, length), {column: _fitted(counts, length) for column, counts in filled.items()}
    faults = _volumes(name, first, rows[: _complete(length, end)], rules)
    faults += _columns(feed, name, first, rows, filled, rules) + _slips(feed, name, first, length, rules)
    if name in ONCE and {"customer_id", "amount"} <= set(feed.columns[name]):
        again, moved = feed_counts.repeats_by_month(feed, name, first, length)
        faults += repeated_faults(name, first, rows, again, rules, earlier=False) or repeated_faults(name, first, rows, moved, rules, earlier=True)
    if name == "statements" and findings is not None:
        faults += share_faults(name, first, rows, feed_counts.slips_found(feed, findings, first, length), rules)
    return faults


def _judged_columns(feed, name):
    """Columns that may be missing and should not begin to be; dates that are filled once something has happened, and free text, are not."""
    contract, fixed = CONTRACTS[name], ("known_at", *CONTRACTS[name].required)
    kinds = {column.name: column.kind for column in contract.columns}
    return [] if name in FILLED_LATER else [each for each in feed.columns[name] if each not in fixed and kinds.get(each) not in ("time", "text")]


def _fitted(counts, length):
    return np.concatenate([counts, np.zeros(max(length - len(counts), 0))])[:length]


def _complete(length, end):
    """How many months are over: the last one, too, when no more than two days of it are left."""
    return length if end.day >= monthrange(end.year, end.month)[1] - 2 else length - 1


def _volumes(name, first, rows, rules):
    if name not in (*BY_VOLUME, *BY_PRESENCE):
        return []
    faults = volume_faults(name, first, rows, rules)
    return faults if name in BY_VOLUME else [fault for fault in faults if fault.kind == "no_data"]


def _columns(feed, name, first, rows, filled, rules):
    faults = []
    for column, counts in filled.items():
        def looks_like(month, column=column):
            return _looks_like(feed, name, column, month, first, rows, filled)
        faults += missing_faults(name, column, first, rows, counts, rules, looks_like=looks_like)
    return faults


def _looks_like(feed, name, column, month, first, rows, filled):
    """The new column that seems to hold the old one's values from a month on, or None."""
    place, candidates = month - first, {}
    old = feed_counts.profile(feed, name, column, f"m < {month}")
    for other, counts in filled.items():
        is_new = counts[:place].sum() <= 0.01 * rows[:place].sum() and counts[place] >= 0.5 * rows[place]
        if other != column and is_new:
            candidates[other] = feed_counts.profile(feed, name, other, f"m >= {month}")
    return likest(old, {other: found for other, found in candidates.items() if found}) if old else None


def _slips(feed, name, first, length, rules):
    money = [column.name for column in CONTRACTS[name].columns if column.kind == "money" and column.name in feed.columns[name]]
    if name in FILLED_LATER or "customer_id" not in feed.columns[name]:
        return []
    return [fault for column in money for fault in slip_faults(name, column, first, feed_counts.amounts_by_month(feed, name, column, first, length), rules)]


def _clock_faults(feed, known):
    """Tables of which a few rows are known long after everything else has ended."""
    ends = {name: last for name, (rows, last) in known.items() if last and name not in (*BY_PRESENCE, "series")}
    faults = []
    for name, last in ends.items():
        others = max((day for other, day in ends.items() if other != name), default=None)
        if others is None or (date.fromisoformat(last) - date.fromisoformat(others)).days <= AHEAD_DAYS:
            continue
        ahead = feed.one(f"SELECT count(*) FROM {feed.relation(name)} WHERE known_at >= DATE '{others}' + INTERVAL 1 DAY")[0]
        if ahead <= FEW * known[name][0]:
            faults.append(Fault(kind="future_clock", table=name, column="known_at", month=last[:7],
                                sentence=f"{name}: {ahead:,} rows are known up to {last}, and no other table after {others}: a clock runs ahead, correct it."))
    return faults


def _early_outcomes(feed, known, rules):
    rows = known.get("outcomes", (0, None))[0]
    return [Fault(kind="early_outcomes", table="outcomes", column="occurred_at",
                  sentence=f"outcomes: {found:,} of {rows:,} happened before {what}: correct their dates, or their ids.")
            for found, what in feed_counts.outcomes_before(feed) if found >= max(3, rules.error_share * rows)]


def _paid(feed, end, rules):
    if "invoice_id" not in feed.columns.get("payments", ()) or "invoices" not in feed.columns:
        return []
    first = feed.one(f"SELECT min(m) FROM {feed.relation('invoices')}")[0]
    length = 0 if first is None else _complete(12 * end.year + end.month - first, end)
    return paid_faults(first, *feed_counts.payments_by_age(feed, first, length), rules) if length > 0 else []


def _rejected(feed, about, rejects, rules):
    """Faults among the rows that ingest set aside."""
    faults = []
    for name, table in about["tables"].items():
        for rule, rows in table["rejected"].items():
            many = rows >= max(3, rules.error_share * table["read"])
            if many and rule.endswith("in the future"):
                faults.append(Fault(kind="future_clock", table=name, column=rule.split(" ")[0],
                                    sentence=f"{name}: {rows:,} rows have {rule} and were set aside: a clock runs ahead, correct it."))
            elif many and rule in ("known_at before occurred_at", "target_known_at before as_of") and name in FILLED_LATER:
                faults.append(Fault(kind="early_outcomes", table=name, column=rule.split(" ")[0],
                                    sentence=f"{name}: {rows:,} rows have {rule} and were set aside: correct their dates."))
            elif rule == SAME_AGAIN and rejects is not None and name in feed.columns:
                faults += _came_twice(feed, name, rows, rejects)
    return faults


def _came_twice(feed, name, rows, rejects):
    """A month's delivery that came twice with its ids, so that ingest kept it once."""
    usual = feed.one(f"SELECT median(n) FROM (SELECT count(*) AS n FROM {feed.relation(name)} GROUP BY m)")[0]
    if not usual or rows < 0.5 * usual:
        return []
    month = feed_counts.month_of_repeats(feed, name, rejects)
    when = "" if month is None else f", most of them of {month_name(month)}"
    return [Fault(kind="duplicated_month", table=name, month=None if month is None else month_name(month),
                  sentence=f"{name}: {rows:,} rows came twice with their ids{when}, and were kept once: take one of the two deliveries out.")]


def _verdict(about, faults, known, today):
    tables = {name: {"rows": known[name][0] if name in known else table["kept"], "rejected": sum(table["rejected"].values()),
                     "known_to": known[name][1] if name in known else table["known_to"]} for name, table in about["tables"].items()}
    stale = sorted(name for name in FLOWS if name in tables and _days(tables[name]["known_to"], today) > STALE_DAYS)
    rejected = sorted(name for name, table in tables.items() if table["rejected"])
    verdict = "faulty" if faults else "stale" if stale else "rejects" if rejected else "whole"
    told = sorted((msgspec.to_builtins(fault) for fault in faults), key=lambda fault: (fault["month"] or "", fault["table"], fault["kind"]), reverse=True)
    return {"verdict": verdict, "faults": told, "stale": stale, "with_rejects": rejected, "today": today, "tables": tables}


def _days(known_to, today):
    return (date.fromisoformat(today[:10]) - date.fromisoformat(known_to[:10])).days if known_to else 0
