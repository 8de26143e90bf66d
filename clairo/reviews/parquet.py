"""Writing a stream of frames as one parquet file."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import polars as pl
from polars.io.plugins import register_io_source

_ROWS = 1 << 16  # of a row group: enough for the encodings to pay, few enough to be held


def sink(frames: Iterator[pl.DataFrame], schema: Mapping[str, pl.DataType], path: Path) -> None:
    """Write `frames`, all of `schema`, to `path`, holding a few of them at a time.

    What `frames` raises comes through as it is.
    """
    source = register_io_source(lambda *_: frames, schema=dict(schema))
    source.sink_parquet(path, row_group_size=_ROWS, compression="lz4")
