"""Where the file of an input lies."""

from pathlib import Path

from features.errors import RiskError


def existing(file, folder):
    """Path of an input's file, which starts at the source's data folder unless it is absolute.

    Raises RiskError when there is no such file.
    """
    path = Path(folder) / file
    if not path.is_file():
        raise RiskError(f"{path} does not exist: correct `file:` of the input in source.yaml, or the data folder given to `risk use`.")
    return path
