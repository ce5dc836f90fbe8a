"""The inputs of a source that DuckDB cannot open itself: registered under their names, so that its SQL can read them like tables."""


def open_inputs(connection, source):
    """Make every input of the source that its SQL names readable on the connection."""
    if source.inputs:
        raise NotImplementedError("inputs are read by the readers of pipeline/readers")
