"""Figures of several parts at once, such as one ratio of four years: their spread, their trend, the largest of them."""

import numpy as np

LEAST_KNOWN = 3


def largest(parts):
    """The largest known value of each observation, (n,); NaN where none is known."""
    answer = parts[0]
    for part in parts[1:]:
        answer = np.fmax(answer, part)
    return answer


def spread(parts):
    """Sample standard deviation (n - 1) of the known values, (n,), two-pass; NaN below three of them."""
    count = _count(parts)
    centre = _total(parts) / np.maximum(count, 1)
    squares = _total([(part - centre) * (part - centre) for part in parts])
    return np.where(count >= LEAST_KNOWN, np.sqrt(squares / np.maximum(count - 1, 1)), np.nan)


def trend(parts):
    """Slope per step of the least-squares line through the known values, (n,), the latest given first; NaN below three of them."""
    count = _count(parts)
    steps = [np.where(np.isnan(part), np.nan, -float(place)) for place, part in enumerate(parts)]
    middle, centre = _total(steps) / np.maximum(count, 1), _total(parts) / np.maximum(count, 1)
    along = _total([(step - middle) * (part - centre) for step, part in zip(steps, parts, strict=True)])
    across = _total([(step - middle) * (step - middle) for step in steps])
    return np.where(count >= LEAST_KNOWN, along / np.where(across > 0, across, 1.0), np.nan)


def _count(parts):
    return _total([np.where(np.isnan(part), np.nan, 1.0) for part in parts])


def _total(parts):
    """The sum of the known values, in the parts' order; 0 where none is known."""
    total = np.zeros(len(parts[0]))
    for part in parts:
        total = total + np.where(np.isnan(part), 0.0, part)
    return total
