"""A meter's minutes that count, and the windows in them."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from household.forecast import windows
from household.meter import months, series
from household.meter.ahead import ahead
from household.pipeline import arrays, files
from household.pipeline.columns import TARGET
from household.pipeline.failure import Failure
from household.pipeline.params import Window


class Job(NamedTuple):
    """A meter whose windows are to be found."""

    parsed: Path
    series: Path  # a file to be written: the minutes in which each of the features has a value
    windows: Path  # another: the start of each window in them
    features: list[str]
    settings: Window


class Found(NamedTuple):
    minutes: int
    windows: int


def cut(job: Job) -> Found:
    """Writes the minutes that count and the windows; raises Failure where there is no window."""
    found, window = windows.Series(), job.settings

    # One at a time: the minutes of decades are more than a laptop's memory.
    def tables() -> Iterator[pa.Table]:
        return months.read(job.parsed, ["timestamp", *job.features])

    with files.atomic_write(job.series) as partial:
        schema = series.schema(job.features)
        with pq.ParquetWriter(partial, schema, **files.encoding(schema)) as parquet:
            for table in ahead(series.valid(tables, job.features, window.fraction)):
                found.add(arrays.of(table["timestamp"]))
                parquet.write_table(table)
        if TARGET not in job.features or not found.minutes:
            due = " and ".join(job.features or window.features)
            raise Failure(f"{job.parsed}: no minute has a value for {due}")
        starts = found.starts(windows.Shape(window.lookback, window.horizon), window.gaps)
        if not len(starts):
            raise Failure(
                f"{found.minutes:,} minutes hold no window of window.lookback {window.lookback} "
                f"and window.horizon {window.horizon} with window.gaps {window.gaps}; shorten "
                "them, or use more minutes (window.fraction, fetch.source)"
            )
    windows.write(job.windows, starts)
    return Found(found.minutes, len(starts))
