"""A file in Weka's attribute-relation format as Arrow."""

import numpy as np
import pyarrow as pa

from features.errors import RiskError
from pipeline.readers.place import existing


def read(spec, folder):
    """The file's rows: numeric attributes DOUBLE, nominal ones text, dates timestamps; `?` is null.

    Raises RiskError for what is no ARFF, a sparse or relational file, a text attribute, and an attribute named twice.
    """
    from scipy.io import arff

    path = existing(spec.file, folder)
    try:
        with path.open(encoding="utf-8") as stream:
            rows, about = arff.loadarff(stream)
    except (arff.ArffError, ValueError, NotImplementedError, StopIteration, IndexError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else "it has no @data"
        raise RiskError(f"{path} cannot be read as ARFF ({reason}): correct it, or save it as CSV.") from None
    names = about.names()
    _check_names(names, path)
    return pa.table([_column(rows[name]) for name in names], names=names)


def _check_names(names, path):
    lowered = [name.lower() for name in names]
    twice = next((name for place, name in enumerate(names) if name.lower() in lowered[:place]), None)
    if twice is not None:
        raise RiskError(f"{path}: the attribute {twice} is there twice (capitals do not count): rename one of them.")


def _column(values):
    if values.dtype.kind == "S":
        return pa.array([None if value == b"?" else value.decode("utf-8") for value in values.tolist()], pa.string())
    if values.dtype.kind == "M":
        return pa.array(values.astype("datetime64[us]"), pa.timestamp("us"))
    return pa.array(values.astype(np.float64), pa.float64(), mask=np.isnan(values))
