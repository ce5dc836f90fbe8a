"""Progress bars on a terminal, silence elsewhere."""

import sys

from tqdm import tqdm


def progress(total, *, what, unit="it"):
    """A bar with `update(n)` and `close()`; it draws nothing when stderr is not a terminal."""
    return tqdm(total=total, desc=what, unit=unit, disable=not sys.stderr.isatty(), leave=False)
