"""Define the series of a meter: names, types and units of its columns."""

import math
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from household.pipeline import arrays
from household.pipeline.columns import Feature

# A series as an array (minutes, features), the target first, each in its column's unit.
Values = npt.NDArray[np.float32]


class Column(NamedTuple):
    """Describe a column: our name, UCI's name, unit and meaning."""

    name: Feature
    source: str
    unit: str
    meaning: str


COLUMNS = (
    Column("global_active_power", "Global_active_power", "kW", "mean active power of the minute"),
    Column("global_reactive_power", "Global_reactive_power", "kvar", "mean reactive power"),
    Column("voltage", "Voltage", "V", "mean voltage"),
    Column("global_intensity", "Global_intensity", "A", "mean current"),
    Column("sub_metering_1", "Sub_metering_1", "Wh", "active energy of the minute, kitchen"),
    Column("sub_metering_2", "Sub_metering_2", "Wh", "active energy of the minute, laundry room"),
    Column(
        "sub_metering_3",
        "Sub_metering_3",
        "Wh",
        "active energy of the minute, water heater and air conditioner",
    ),
)
NAMES = tuple(column.name for column in COLUMNS)
UNITS: dict[str, str] = {column.name: column.unit for column in COLUMNS}
HEADER = ("Date", "Time", *(column.source for column in COLUMNS))
TIMESTAMP = pa.field(
    "timestamp",
    pa.timestamp("ms"),  # the coarsest that Parquet knows
    nullable=False,
    metadata={"meaning": "start of the minute, local time as in the source"},
)
SCHEMA = pa.schema(
    [
        TIMESTAMP,
        *(
            pa.field(
                column.name,
                pa.float32(),
                metadata={"unit": column.unit, "meaning": column.meaning},
            )
            for column in COLUMNS
        ),
    ]
)


def schema(features: Sequence[str]) -> pa.Schema:
    """Return the schema of a series of complete minutes: timestamp and `features`, never null."""
    return pa.schema([TIMESTAMP, *(SCHEMA.field(name).with_nullable(False) for name in features)])


def present(parsed: Iterable[pq.FileMetaData], features: Sequence[str]) -> list[str]:
    """Return those of `features` with at least one value in the `parsed` files."""
    groups = [file.row_group(i) for file in parsed for i in range(file.num_row_groups)]
    indices = {name: SCHEMA.get_field_index(name) for name in features}
    return [
        name
        for name, i in indices.items()
        if any(group.column(i).statistics.null_count < group.num_rows for group in groups)
    ]


def valid(
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
        yield table[:n_left].cast(schema(features))
        n_left -= min(n_left, table.num_rows)


def values(table: pa.Table) -> Values:
    """Return the features of a series, without the timestamp, as an array (minutes, features)."""
    return np.column_stack([arrays.of(table[name]) for name in table.column_names[1:]])
