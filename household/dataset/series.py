"""Build the series of complete minutes of a meter, and find its windows."""

import math
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from household.core import arrow, files, schema, store
from household.core.errors import UserError
from household.core.parallel import prefetch
from household.core.params import WindowParams
from household.core.schema import TARGET
from household.dataset import windows


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
    settings: WindowParams


class WindowCounts(NamedTuple):
    """Count the complete minutes and the windows of a meter."""

    minutes: int
    windows: int


def build_windows(job: Job) -> WindowCounts:
    """Write the complete minutes and the starts of the windows of a meter; count both.

    Raises:
        UserError: There is no window.
    """
    finder, window = windows.WindowFinder(), job.settings

    # One month at a time, since decades of minutes do not fit into a laptop's memory.
    def tables() -> Iterator[pa.Table]:
        return store.iter_months(job.parsed, ["timestamp", *job.features])

    with files.atomic_write(job.series) as partial:
        columns = schema.schema(job.features)
        with pq.ParquetWriter(partial, columns, **files.parquet_options(columns)) as parquet:
            for table in prefetch(complete_minutes(tables, job.features, window.use_fraction)):
                finder.add(arrow.to_numpy(table["timestamp"]))
                parquet.write_table(table)
        if TARGET not in job.features or not finder.minutes:
            missing = " and ".join(job.features or window.features)
            raise UserError(f"{job.parsed}: no minute has a value for {missing}")
        starts = finder.starts(
            windows.WindowShape(window.lookback, window.horizon), window.across_gaps
        )
        if not len(starts):
            raise UserError(
                f"no window of window.lookback {window.lookback} and window.horizon "
                f"{window.horizon} in {finder.minutes:,} minutes"
                f"{'' if window.across_gaps else ' without crossing a gap'}; shorten them, or use "
                "more minutes (window.use_fraction, fetch.source)"
            )
    windows.write_starts(job.windows, starts)
    return WindowCounts(finder.minutes, len(starts))


def available_features(parsed: Iterable[pq.FileMetaData], features: Sequence[str]) -> list[str]:
    """Return those of `features` with at least one value in the `parsed` files."""
    groups = [file.row_group(i) for file in parsed for i in range(file.num_row_groups)]
    indices = {name: schema.SCHEMA.get_field_index(name) for name in features}
    return [
        name
        for name, i in indices.items()
        if any(group.column(i).statistics.null_count < group.num_rows for group in groups)
    ]


def complete_minutes(
    tables: Callable[[], Iterator[pa.Table]], features: Sequence[str], fraction: float = 1.0
) -> Iterator[pa.Table]:
    """Yield the first `fraction` of the minutes in which all `features` have a value.

    Args:
        tables: Returns the tables of a series, with columns of SCHEMA, from the start at each call.
        features: The columns to keep.
        fraction: Which share of the n complete minutes to yield. As in the tutorial, that is the
            first ceil(fraction * n).

    Yields:
        Tables of `schema(features)`.
    """

    def complete() -> Iterator[pa.Table]:
        for table in tables():
            yield table.select(["timestamp", *features]).drop_null()

    n_left = sys.maxsize
    if fraction < 1:
        n_left = math.ceil(fraction * sum(table.num_rows for table in complete()))
    for table in complete():
        yield table[:n_left].cast(schema.schema(features))
        n_left -= min(n_left, table.num_rows)


def to_array(table: pa.Table) -> schema.Values:
    """Return the features of a series, without the timestamp, as an array (minutes, features)."""
    return np.column_stack([arrow.to_numpy(table[name]) for name in table.column_names[1:]])
