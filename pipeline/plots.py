"""The few plots that notebooks make of frames with intervals; everything simpler is a frame's own `plot`."""

from matplotlib import pyplot
from pandas.api.types import is_numeric_dtype

BAND = 0.2


def band(frame, *, x, y, low="low", high="high", title, diagonal=False):
    """A curve with its interval: a shaded band over numbers, bars around points over levels; `diagonal` draws where x and y are equal.

    Rows without a value of x (missing) are left out of a band: they have no place on the axis. Returns the axes.
    """
    axes = pyplot.subplots()[1]
    if is_numeric_dtype(frame[x]):
        drawn = frame[frame[x].notna()].sort_values(x)
        axes.plot(drawn[x], drawn[y], marker="o", label=y)
        axes.fill_between(drawn[x], drawn[low], drawn[high], alpha=BAND, label=f"{low} to {high}")
    else:
        _points(axes, frame[x].astype(str), frame, y, low, high)
        axes.tick_params(axis="x", rotation=45)
    if diagonal:
        axes.axline((0, 0), slope=1, linestyle="--", linewidth=1, color="grey", label="equal")
    axes.set(title=title, xlabel=x, ylabel=y)
    axes.legend()
    return axes


def ranges(frame, *, middle, low, high, title):
    """One row's value and interval beside the other's, by the frame's index, with a line at zero. Returns the axes."""
    axes = pyplot.subplots()[1]
    _points(axes, frame.index.astype(str), frame, middle, low, high)
    axes.axhline(0, linestyle="--", linewidth=1, color="grey")
    axes.set(title=title, ylabel=middle)
    return axes


def _points(axes, places, frame, middle, low, high):
    lengths = (frame[middle] - frame[low], frame[high] - frame[middle])
    # An interval of quantiles may lie beside the mean it belongs to: a bar has no negative length.
    axes.errorbar(places, frame[middle], yerr=[length.clip(lower=0) for length in lengths], fmt="o", capsize=4, label=middle)
