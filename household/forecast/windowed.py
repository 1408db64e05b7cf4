"""Build the series of complete minutes of a meter, and find its windows."""

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
    """Describe a meter whose windows are to be found.

    Attributes:
        parsed: The parsed minutes.
        series: The file to write the complete minutes to.
        windows: The file to write the starts of the windows to.
        features: The columns that every minute must have.
        settings: The parameters of the window stage.
    """

    parsed: Path
    series: Path
    windows: Path
    features: list[str]
    settings: Window


class Found(NamedTuple):
    """Count the complete minutes and the windows of a meter."""

    minutes: int
    windows: int


def cut(job: Job) -> Found:
    """Write the complete minutes and the starts of the windows of a meter; count both.

    Raises:
        Failure: There is no window.
    """
    finder, window = windows.Series(), job.settings

    # One month at a time, since decades of minutes do not fit into a laptop's memory.
    def tables() -> Iterator[pa.Table]:
        return months.read(job.parsed, ["timestamp", *job.features])

    with files.atomic_write(job.series) as partial:
        schema = series.schema(job.features)
        with pq.ParquetWriter(partial, schema, **files.encoding(schema)) as parquet:
            for table in ahead(series.valid(tables, job.features, window.fraction)):
                finder.add(arrays.of(table["timestamp"]))
                parquet.write_table(table)
        if TARGET not in job.features or not finder.minutes:
            missing = " and ".join(job.features or window.features)
            raise Failure(f"{job.parsed}: no minute has a value for {missing}")
        starts = finder.starts(windows.Shape(window.lookback, window.horizon), window.gaps)
        if not len(starts):
            raise Failure(
                f"no window of window.lookback {window.lookback} and window.horizon "
                f"{window.horizon} in {finder.minutes:,} minutes with window.gaps {window.gaps}; "
                "shorten them, or use more minutes (window.fraction, fetch.source)"
            )
    windows.write(job.windows, starts)
    return Found(finder.minutes, len(starts))
