"""Build the series of complete steps of a meter, and find its windows."""

import math
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from household.core import arrow, files, meters, schema, store
from household.core.errors import UserError
from household.core.parallel import prefetch
from household.core.schema import TARGET
from household.core.step import Step
from household.dataset import windows

if TYPE_CHECKING:  # pydantic is not installed where a model is only used
    from household.core.params import WindowParams


class WindowCounts(NamedTuple):
    """Count the complete steps and the windows of a meter."""

    steps: int
    windows: int


def build_windows(
    meter: str,
    *,
    parsed: Path,
    series: Path,
    starts: Path,
    features: Sequence[str],
    settings: "WindowParams",
    step: Step,
) -> WindowCounts:
    """Write the complete steps and the starts of the windows of a meter; count both.

    Args:
        meter: The name of the meter.
        parsed: Where the meter's folder of parsed steps is.
        series: Where to write the meter's file of complete steps.
        starts: Where to write the meter's file of window starts.
        features: The columns that every step must have.
        settings: The parameters of the window stage.
        step: The length of a step.

    Raises:
        UserError: There is no window.
    """
    finder = windows.WindowFinder(step)

    # One month at a time, since decades of minutes do not fit into a laptop's memory.
    def tables() -> Iterator[pa.Table]:
        return store.iter_months(parsed / meter, ["timestamp", *features])

    with files.atomic_write(series / meters.file_name(meter)) as partial:
        columns = schema.schema(features, store.timezone(parsed / meter))
        with pq.ParquetWriter(partial, columns, **files.parquet_options(columns)) as parquet:
            for table in prefetch(complete_steps(tables, features, settings.use_fraction)):
                finder.add(arrow.to_numpy(table["timestamp"]))
                parquet.write_table(table)
        if TARGET not in features or not finder.count:
            missing = " and ".join(features or settings.features)
            raise UserError(f"no {step.noun} has a value for {missing}")
        found = finder.starts(windows.WindowShape.of(settings), settings.across_gaps)
        if not len(found):
            raise UserError(
                f"no window of window.lookback {settings.lookback} and window.horizon "
                f"{settings.horizon} in {finder.count:,} {step.nouns}"
                f"{'' if settings.across_gaps else ' without crossing a gap'}; shorten them, or "
                f"use more {step.nouns} (window.use_fraction, fetch.source)"
            )
    windows.write_starts(starts / meters.file_name(meter), found)
    return WindowCounts(finder.count, len(found))


def available_features(parsed: Iterable[pq.FileMetaData], features: Sequence[str]) -> list[str]:
    """Return those of `features` with at least one value in the `parsed` files."""
    found = set[str]()
    for file in parsed:
        names = file.schema.names
        for i in range(file.num_row_groups):
            group = file.row_group(i)
            found |= {
                name
                for name in features
                if name in names
                and group.column(names.index(name)).statistics.null_count < group.num_rows
            }
    return [name for name in features if name in found]


def check_known_ahead(features: Sequence[str], known_ahead: Sequence[str]) -> None:
    """Raise UserError if one of the columns that are known ahead is not in `features`."""
    if absent := [name for name in known_ahead if name not in features]:
        raise UserError(
            f"window.known_ahead: the readings have no {' and no '.join(absent)}; name the column "
            "in parse.layout.columns, or set window.known_ahead to []"
        )


def complete_steps(
    tables: Callable[[], Iterator[pa.Table]], features: Sequence[str], fraction: float = 1.0
) -> Iterator[pa.Table]:
    """Yield the first `fraction` of the steps in which all `features` have a value.

    Args:
        tables: Returns the tables of a series, with columns of SCHEMA, from the start at each call.
        features: The columns to keep.
        fraction: Which share of the n complete steps to yield. As in the tutorial, that is the
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
        yield table[:n_left].cast(schema.schema(features, table["timestamp"].type.tz))
        n_left -= min(n_left, table.num_rows)


def to_array(table: pa.Table) -> schema.Values:
    """Return the features of a series, without the timestamp, as an array (steps, features)."""
    return np.column_stack([arrow.to_numpy(table[name]) for name in table.column_names[1:]])
