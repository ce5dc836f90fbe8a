"""Columns of a catalogue of one's own, for rows of one's own, outside the stages."""

import tempfile
from pathlib import Path

from features.feeders.duck import featurize as feed
from pipeline.columns import read_columns
from pipeline.datasets import TABLES
from pipeline.frames import write_frame


def computed(rows, catalogue, *, threads):
    """The catalogue's columns of rows (observation_id, customer_id, as_of), each as of its moment, from the tables by the features' kernel: {name: values}."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_frame(folder / "observations.parquet", rows[["observation_id", "customer_id", "as_of"]])
        feed(TABLES, folder / "observations.parquet", folder / "columns.parquet", catalogue=catalogue, threads=threads)
        return read_columns(folder / "columns.parquet")
