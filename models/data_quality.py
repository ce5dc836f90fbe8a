"""Whether a feed is whole: months judged against their own history, and each fault named as one of the data, not of the customers."""
import msgspec
import numpy as np

# Standard errors beyond which a month is no chance: with some 60 columns and tables judged over 24 months, one false alarm in 1,000 feeds of normal noise.
BEYOND = 5.0
# What the calendar does to payments is bounded, so fewer are enough there.
PAID_BEYOND = 4.0
# Months that a judgement needs before it, and rows that a month needs, or its figures are chance.
LEAST_MONTHS, LEAST_ROWS = 6, 15
# Powers of ten of the slips that are looked for in a part of a month: cents, thousands, ten thousands (万), and back.
POWERS = (2, 3, 4)


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One fault of the data: its kind, the table, the column and the month (YYYY-MM) where it has one, and what a person reads."""

    kind: str
    table: str
    column: str | None = None
    month: str | None = None
    sentence: str


class FeedRules(msgspec.Struct, frozen=True, kw_only=True):
    """When a month counts as faulty.

    judged_months: the last ones, which are judged; history_months: those before each, which it is judged by; volume_low, volume_high: ratios of rows to the
    usual; paid_low: of payments to what invoices ask for; slip_share: of a month's rows in another unit; step: factor by which all amounts of a month move at
    once; repeated_share: of a month's rows that came before; missing_rise: of the missing share; error_share: of a table's rows with an impossible date.
    """

    judged_months: int = 24
    history_months: int = 36
    volume_low: float = 0.7
    volume_high: float = 1.6
    paid_low: float = 0.85
    slip_share: float = 0.02
    step: float = 4.0
    repeated_share: float = 0.2
    missing_rise: float = 0.2
    error_share: float = 0.0005


def month_name(month):
    """YYYY-MM of a month counted from the year 0."""
    return f"{month // 12:04d}-{month % 12 + 1:02d}"


def judged_in_turn(count, judge, rules):
    """Faulty places among `count` months in their order: each of the last `judged_months` is judged by the months before it that were found whole.

    judge(place, before): what is wrong with a month, or None, given the places of whole months before it. Months that stay faulty do not become their own
    history, until too few whole ones are left in `history_months`: then the new state is taken as usual. Returns {place: what is wrong}.
    """
    wrong = {}
    for place in range(max(count - rules.judged_months, 0), count):
        before = np.array([each for each in range(max(place - rules.history_months, 0), place) if each not in wrong], dtype=np.int64)
        if len(before) >= LEAST_MONTHS and (found := judge(place, before)) is not None:
            wrong[place] = found
    return wrong


def volume_faults(table, first, rows, rules):
    """Months of a table without rows, or with far too few or too many.

    rows: (months,) of complete months from `first` (counted from the year 0), none left out. A table that does not come every month is judged by the quarter,
    half year or year in which it does.
    """
    rows = np.asarray(rows, dtype=np.float64)
    length = cadence(rows)
    if length is None:
        return []
    spare = len(rows) % length
    sums = rows[spare:].reshape(-1, length).sum(axis=1)
    longer = msgspec.structs.replace(rules, judged_months=-(-rules.judged_months // length), history_months=max(rules.history_months // length, LEAST_MONTHS))
    wrong = judged_in_turn(len(sums), lambda place, before: _volume(sums, place, before, 12 // length, rules), longer)
    return [_volume_fault(table, first + spare + place * length, length, *found) for place, found in sorted(wrong.items())]


def cadence(rows):
    """Of how many months a table's deliveries are, 1, 3, 6 or 12: the least of which no more than one in ten was empty; None where none is."""
    for length in (1, 3, 6, 12):
        blocks = rows[len(rows) % length:].reshape(-1, length).sum(axis=1)
        blocks = blocks[np.argmax(blocks > 0):] if blocks.any() else blocks[:0]
        if len(blocks) > LEAST_MONTHS and np.count_nonzero(blocks == 0) <= 0.1 * len(blocks):
            return length
    return None


def _volume(rows, place, before, year, rules):
    """(rows, usual rows) where a month's are beyond chance, None where not: against the last months, and against the same month of years before."""
    usual = [_level(rows, before)]
    for ago in range(year, place + 1, year):
        earlier = before[(before < place - ago) & (before >= place - ago - 6)]
        if place - ago in before and len(earlier) >= 3:
            usual.append(rows[place - ago] / max(_level(rows, earlier), 0.5) * usual[0])
    low, high = min(usual), max(usual)
    noise = _noise(rows, before)
    found = rows[place]
    few = found == 0 if low >= LEAST_ROWS else False
    few = few or (low >= LEAST_ROWS and found < rules.volume_low * low and np.log((found + 0.5) / low) < -BEYOND * np.hypot(noise, low**-0.5))
    many = high >= LEAST_ROWS and found > rules.volume_high * high and np.log(found / high) > BEYOND * np.hypot(noise, high**-0.5)
    return (found, low if few else high) if few or many else None


def _level(rows, before):
    return float(np.median(rows[before[-6:]]))


def _noise(rows, before):
    """How much a month's log rows stray from the level of the months before it, sampling aside: the larger of two robust figures."""
    strays = []
    for number in range(3, len(before)):
        level = _level(rows, before[:number])
        strays.append(np.log((rows[before[number]] + 0.5) / (level + 0.5)))
    if not strays:
        return 0.3
    strays = np.abs(np.asarray(strays))
    return float(max(1.4826 * np.median(strays), np.quantile(strays, 0.9) / 1.645))


def _volume_fault(table, month, length, found, usual):
    when = month_name(month) if length == 1 else f"the {length} months to {month_name(month + length - 1)}"
    if found == 0:
        return Fault(kind="no_data", table=table, month=month_name(month + length - 1),
                     sentence=f"{table}: nothing became known in {when}, where {usual:,.0f} rows are usual: deliver them.")
    side, remedy = ("only", "a part was not delivered") if found < usual else ("", "a part came twice, or another system was added")
    many = f"{side} {found:,.0f}".strip()
    return Fault(kind="volume", table=table, month=month_name(month + length - 1),
                 sentence=f"{table}: {many} rows became known in {when}, where {usual:,.0f} are usual: find out whether {remedy}.")


def missing_faults(table, column, first, rows, filled, rules, *, looks_like=None):
    """Months in which a column that used to be filled is missing, altogether or in far more rows.

    rows, filled: (months,) of the table, and of those with a value. looks_like(month): the name of a new column that seems to hold its values, or None.
    """
    rows, filled = (np.asarray(values, dtype=np.float64) for values in (rows, filled))
    share = 1 - filled / np.maximum(rows, 1)

    def judge(place, before):
        before = before[rows[before] >= LEAST_ROWS]
        if rows[place] < LEAST_ROWS or len(before) < LEAST_MONTHS:
            return None
        usual, noise = _usual_share(share[before], rows[place])
        return (usual, share[place]) if share[place] - usual > max(rules.missing_rise, BEYOND * noise) else None

    wrong = judged_in_turn(len(rows), judge, rules)
    return [_missing_fault(table, column, first + place, *found, looks_like) for place, found in sorted(wrong.items())]


def _missing_fault(table, column, month, usual, share, looks_like):
    when = month_name(month)
    if share < 1:
        return Fault(kind="column_missing", table=table, column=column, month=when,
                     sentence=f"{table}: {column} is missing in {share:.0%} of the rows of {when}, where {usual:.0%} are usual: deliver it.")
    other = looks_like(month) if looks_like else None
    if other is None:
        return Fault(kind="column_gone", table=table, column=column, month=when,
                     sentence=f"{table}: {column} is gone: no row of {when} has it, where {1 - usual:.0%} usually do: deliver it.")
    return Fault(kind="column_renamed", table=table, column=column, month=when,
                 sentence=f"{table}: {column} is gone in {when}, and the new column {other} looks like it: select it under its old name.")


def likest(old, candidates):
    """Of candidates {name: profile} the name whose values look most like the old column's, None where none does.

    A profile is {"name", "levels": set of its most frequent texts} or {"name", "quantiles": five of its numbers, rising}.
    """
    scores = {name: _likeness(old, profile) for name, profile in candidates.items()}
    best = max(scores, key=scores.get, default=None)
    return best if best is not None and scores[best] >= 0.5 else None


def _likeness(old, new):
    if ("levels" in old) != ("levels" in new):
        return 0.0
    if "levels" in old:
        both = old["levels"] | new["levels"]
        return len(old["levels"] & new["levels"]) / len(both) if both else 0.0
    (low, *_, high), (new_low, *_, new_high) = old["quantiles"], new["quantiles"]
    width = max(high, new_high) - min(low, new_low)
    return 1.0 if width == 0 else max(min(high, new_high) - max(low, new_low), 0.0) / width


def repeated_faults(table, first, rows, again, rules, *, earlier):
    """Months of which a far larger part than usual came before: the same customer, amount and moment, whatever the ids.

    rows, again: (months,) of the table, and of those that came before; earlier: whether `again` counts rows of the month before, else the same rows.
    """
    of = "those of the month before, moved by a month" if earlier else "rows that had come before"
    return [Fault(kind="duplicated_month", table=table, month=month,
                  sentence=f"{table}: {found:.0%} of the rows of {month} are {of} (same customer, amount and moment), where {usual:.0%} are usual: take one of "
                           "the two deliveries out.")
            for month, found, usual in _shares_beyond(first, rows, again, rules, rise=rules.repeated_share)]


def share_faults(table, first, rows, slipped, rules):
    """Months of which a far larger part than usual is in another unit, as ingest found row by row. rows, slipped: (months,)."""
    return [Fault(kind="unit_slip", table=table, month=month,
                  sentence=f"{table}: {found:.0%} of the rows of {month} are in another unit than the customers' other ones, where {usual:.0%} are usual: "
                           "bring them to one unit.")
            for month, found, usual in _shares_beyond(first, rows, slipped, rules, rise=rules.slip_share)]


def _usual_share(before, rows):
    """The median of earlier months' shares, and the standard deviation around it of a month of so many rows."""
    usual = float(np.median(before))
    return usual, np.sqrt(np.var(before) + max(usual * (1 - usual), 1 / rows) / rows)


def _shares_beyond(first, rows, part, rules, *, rise):
    """[(month's name, its share, the usual one)] where a part of a month's rows is larger than usual by `rise` and beyond every month before."""
    rows, part = (np.asarray(values, dtype=np.float64) for values in (rows, part))
    share = part / np.maximum(rows, 1)

    def judge(place, before):
        before = before[rows[before] >= LEAST_ROWS]
        if rows[place] < LEAST_ROWS or len(before) < LEAST_MONTHS:
            return None
        usual, noise = _usual_share(share[before], rows[place])
        beyond = share[place] > max(usual + max(rise, BEYOND * noise), 1.5 * float(share[before].max()))
        return (share[place], usual) if beyond else None

    return [(month_name(first + place), *found) for place, found in sorted(judged_in_turn(len(rows), judge, rules).items())]


def paid_faults(first, open_at, paid, rules):
    """Months in which far fewer payments came than the invoices before them ask for.

    open_at, paid: (months, ages) over the days of a month from `first`, invoices that were so many days old, and payments that came on such invoices. What
    invoices ask for is how many were paid at that age, a day and invoice, over the months before that were found whole: months of 28 and 31 days, more or
    less business and slower payment from one year to the next are in it.
    """
    open_at, paid = (np.asarray(values, dtype=np.float64) for values in (open_at, paid))
    came, grown = paid.sum(axis=1), paid.shape[1] / 30

    def due(places, before):
        rate = paid[before].sum(axis=0) / np.maximum(open_at[before].sum(axis=0), 1)
        return open_at[places] @ rate

    def judge(place, before):
        # The oldest invoices that are paid are not yet there in the first months.
        before = before[before >= grown]
        if len(before) < LEAST_MONTHS or (asked := float(due(place, before))) < LEAST_ROWS:
            return None
        strays = np.log((came[before] + 0.5) / (due(before, before) + 0.5))
        noise = np.hypot(1.4826 * np.median(np.abs(strays - np.median(strays))), asked**-0.5)
        ratio = came[place] / asked
        return ratio if ratio < rules.paid_low and np.log(max(ratio, 1e-9)) < -PAID_BEYOND * noise else None

    return [Fault(kind="broken_feed", table="payments", month=month_name(first + place),
                  sentence=f"payments: {ratio:.0%} of what the invoices ask for came in {month_name(first + place)}, by how earlier ones were paid; "
                           f"some {1 - ratio:.0%} were not delivered: repair the feed, and deliver them.")
            for place, ratio in sorted(judged_in_turn(len(came), judge, rules).items())]
