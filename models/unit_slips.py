"""Amounts in another unit: a month, or a part of it, that lies a factor off what the same customers' amounts usually are."""
import numpy as np

from models.data_quality import BEYOND, LEAST_MONTHS, LEAST_ROWS, POWERS, Fault, judged_in_turn, month_name

# Tenths of a power of ten, from 10^-6 to 10^6 times a customer's usual amount.
STEPS, REACH = 10, 6
BINS = 2 * REACH * STEPS + 1
# Half the width, in tenths of a power of ten, of what counts as one factor.
NEAR = 4
# A move so near to a whole power of ten is called that power.
CLEAN = 0.15


def slip_faults(table, column, first, counts, rules):
    """Months whose amounts, or a share of them, are a factor off.

    counts: (months, BINS) rows by amount over the customer's own median, in tenths of a power of ten, the middle bin being about equal. All amounts moving
    by `step` at once are a slip, whatever the factor (a currency); a share of them only where it lies near a hundred, a thousand or ten thousand times, or
    parts. What grows by half is neither. The usual months are shifted by the month's own move first, so that growth does not pass for a tail of slips.
    """
    counts = np.asarray(counts, dtype=np.float64)

    def judge(place, before):
        before = before[counts[before].sum(axis=1) >= LEAST_ROWS]
        if counts[place].sum() < LEAST_ROWS or len(before) < LEAST_MONTHS:
            return None
        return _whole(counts, place, before, rules) or _part(counts, place, before, rules)

    wrong = judged_in_turn(len(counts), judge, rules)
    return [_fault(table, column, month_name(first + place), *found) for place, found in sorted(wrong.items())]


def _whole(counts, place, before, rules):
    """(1, power of ten) where the month's middle amount moved by `step` or more, and further than it ever strays."""
    middles = np.array([_middle(counts[month]) for month in before])
    move = _middle(counts[place]) - float(np.median(middles))
    if abs(move) < np.log10(rules.step) or abs(move) < BEYOND * float(np.std(middles)):
        return None
    return 1.0, move


def _part(counts, place, before, rules):
    """(share, power of ten) of the rows that lie a power of ten off, beyond what usual months have there; None where no share is large enough."""
    rows = counts[place].sum()
    usual = counts[before] / counts[before].sum(axis=1)[:, None]
    move = round((_middle(counts[place]) - float(np.median([_middle(counts[month]) for month in before]))) * STEPS)
    moved = np.roll(usual, move, axis=1)
    found = []
    for power in (sign * power for power in POWERS for sign in (1, -1)):
        middle = REACH * STEPS + move + power * STEPS
        near = slice(max(middle - NEAR, 0), max(middle + NEAR + 1, 0))
        share, before_shares = counts[place][near].sum() / rows, np.maximum(usual[:, near].sum(axis=1), moved[:, near].sum(axis=1))
        expected = float(before_shares.mean())
        noise = np.sqrt(np.var(before_shares) + max(expected, 1 / rows) / rows)
        if share - expected > max(rules.slip_share, BEYOND * noise) and share > 2 * before_shares.max():
            found.append((share - expected, float(power)))
    return max(found, default=None)


def _middle(counts):
    """The median power of ten of one month's rows, interpolated within its bin."""
    total = np.cumsum(counts)
    half = total[-1] / 2
    place = int(np.searchsorted(total, half))
    inside = (half - (total[place] - counts[place])) / max(counts[place], 1e-9)
    return (place - REACH * STEPS - 0.5 + inside) / STEPS


def _fault(table, column, month, share, power):
    which = "all amounts" if share == 1 else f"{share:.0%} of the amounts"
    return Fault(kind="unit_slip", table=table, column=column, month=month,
                 sentence=f"{table}: {which} in {column} of {month} are about {_factor(power)} the same customers' usual ones, as in another unit or currency: "
                          "bring them to minor units.")


def _factor(power):
    size, nearest = abs(power), round(abs(power))
    times = 10.0**nearest if nearest in POWERS and abs(size - nearest) < CLEAN else 10.0**size
    said = f"{times:,.0f}" if times >= 10 else f"{times:.2g}"
    return f"1/{said} of" if power < 0 else f"{said} times"
