"""What a committee asks of a scored book: how grades moved since an earlier date, who moved most, how concentrated it is. Arrays in, arrays out."""

import numpy as np

# Where a customer went who is not in the book now, and that one of it was not scored before.
DEFAULTED, LEFT, NEW = "defaulted", "left", "new"


def migration(before, now, *, letters, defaulted=()):
    """How many customers moved from which grade to which.

    before, now: {customer_id: grade letter} at the earlier date and in the book; letters: the scale, safest first; defaulted: ids of customers who defaulted
    between the two. Returns an integer array (letters + 1, letters + 2): a row per earlier letter and one of those not scored then (NEW), a column per letter
    now, then DEFAULTED and LEFT, of those who are not in the book. Its sum is the number of distinct customers of both.
    """
    place, defaulted = {letter: i for i, letter in enumerate(letters)}, set(defaulted)
    found = np.zeros((len(letters) + 1, len(letters) + 2), dtype=np.int64)
    for customer, letter in before.items():
        away = len(letters) + (customer not in defaulted)
        found[place[letter], place[now[customer]] if customer in now else away] += 1
    for customer, letter in now.items():
        if customer not in before:
            found[len(letters), place[letter]] += 1
    return found


def moved(matrix):
    """(worse, same, better, defaulted, left, new) of a matrix of `migration`, as counts; worse is a riskier letter in the book, a default aside."""
    size = len(matrix) - 1
    stayed = matrix[:size, :size]
    return (int(np.triu(stayed, 1).sum()), int(np.trace(stayed)), int(np.tril(stayed, -1).sum()), int(matrix[:size, size].sum()),
            int(matrix[:size, size + 1].sum()), int(matrix[size, :size].sum()))


def movers(notches, change, *, most):
    """Places of those who moved most, up to `most` in each direction: (worse, better).

    notches: (n,) grades moved, positive is riskier; change: (n,) of the log-odds. In order of notches and, among equals, of the change of log-odds, in which a
    doubling weighs the same wherever it happens; who moved in neither is left out, and so is one whose log-odds moved the other way.
    """
    order = np.lexsort((np.arange(len(change)), change, notches))
    worse = [int(i) for i in order[::-1] if change[i] > 0 and notches[i] >= 0][:most]
    better = [int(i) for i in order if change[i] < 0 and notches[i] <= 0][:most]
    return worse, better


def herfindahl(amounts):
    """Sum of squared shares: 1 where one holds all, 1/n where n hold alike; NaN where nothing is held. Missing amounts count as none (Herfindahl 1950)."""
    held = np.nan_to_num(np.asarray(amounts, dtype=np.float64))
    total = held.sum()
    return float(((held / total) ** 2).sum()) if total > 0 else float("nan")


def by_group(group, *sums):
    """Sums by group: (names, counts, one array per given array), in order of the first sum, the largest first, then of name. group: (n,) names; missing numbers
    count as none."""
    names, place = np.unique(np.asarray(group, dtype=str), return_inverse=True)
    totals = [np.bincount(place, np.nan_to_num(np.asarray(each, dtype=np.float64)), minlength=len(names)) for each in sums]
    order = np.lexsort((names, -totals[0]))
    return names[order].tolist(), np.bincount(place, minlength=len(names))[order], *(total[order] for total in totals)
