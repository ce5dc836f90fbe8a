"""Parquet frames between stages."""

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from features.errors import RiskError
from pipeline.datasets import case_path, replacing


def write_frame(path, frame):
    """Write a frame as Parquet without its index."""
    with replacing(path) as beside:
        pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), beside, compression="zstd")


def read_frame(path, columns=None):
    """Read a Parquet file that a stage wrote; RiskError when it is missing or damaged."""
    try:
        return pd.read_parquet(path, columns=columns)
    except FileNotFoundError:
        raise RiskError(f"{path} is missing: run `risk run`.") from None
    except pa.ArrowInvalid as error:
        raise RiskError(f"{path} is not a readable Parquet file ({str(error).splitlines()[0]}): delete it and run `risk run`.") from None


def read_observations(use_case, columns=None):
    """The observations of the development branch in their order, those columns or all, and `sample`: what the row is used for."""
    development = case_path(use_case, "development")
    return read_frame(development / "observations.parquet", columns).assign(sample=read_frame(development / "samples.parquet")["sample"])
