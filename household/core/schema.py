"""Define the series of a meter: names, types and units of its columns, and Arrow schemas."""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

# A series as an array (steps, features), the target first, each in its column's unit.
Values = npt.NDArray[np.float32]
# Power in kW: (windows, horizon), or (windows,) for a horizon of one step.
Power = npt.NDArray[np.float32]
Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Times = npt.NDArray[np.datetime64]
Mask = npt.NDArray[np.bool_]
# Coverages of the prediction intervals.
LEVELS = (0.8, 0.95)
# The levels of the median and of the ends of these intervals.
REPORTED_QUANTILES = (0.025, 0.1, 0.5, 0.9, 0.975)
Feature = Literal[
    "global_active_power",
    "global_reactive_power",
    "voltage",
    "global_intensity",
    "sub_metering_1",
    "sub_metering_2",
    "sub_metering_3",
]
# Columns whose values are known before a forecast is made, as a weather forecast is.
Covariate = Literal["temperature", "radiation", "price"]
TARGET: Feature = "global_active_power"


class Column(NamedTuple):
    """Describe a column: our name, UCI's name if it has one, unit and meaning."""

    name: Feature | Covariate
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
COVARIATES = (
    Column("temperature", "", "°C", "outdoor temperature"),
    Column("radiation", "", "W/m²", "solar radiation"),
    Column("price", "", "per kWh", "price of energy"),
)
NAMES = tuple(column.name for column in COLUMNS)
UNITS: dict[str, str] = {column.name: column.unit for column in COLUMNS + COVARIATES}
HEADER = ("Date", "Time", *(column.source for column in COLUMNS))
TIMESTAMP = pa.field(
    "timestamp",
    pa.timestamp("ms"),  # the coarsest that Parquet knows
    nullable=False,
    metadata={"meaning": "start of the minute, local time as in the source"},
)
FIELDS: dict[str, pa.Field] = {
    column.name: pa.field(
        column.name, pa.float32(), metadata={"unit": column.unit, "meaning": column.meaning}
    )
    for column in COLUMNS + COVARIATES
}
SCHEMA = pa.schema([TIMESTAMP, *(FIELDS[name] for name in NAMES)])


def timestamp(timezone: str | None) -> pa.Field:
    """Return the field of the time: local time as in the source, or UTC shown in a time zone."""
    return TIMESTAMP if timezone is None else TIMESTAMP.with_type(pa.timestamp("ms", timezone))


def readings(timezone: str | None, covariates: Sequence[str] = ()) -> pa.Schema:
    """Return SCHEMA with times in a time zone, None for local time as in the source.

    Args:
        timezone: The time zone.
        covariates: The names of further columns, those of COVARIATES that the meter's file has.
    """
    further = [FIELDS[name] for name in covariates]
    return pa.schema([timestamp(timezone), *list(SCHEMA)[1:], *further])


def schema(features: Sequence[str], timezone: str | None = None) -> pa.Schema:
    """Return the schema of a series of complete steps: timestamp and `features`, never null."""
    columns = (FIELDS[name].with_nullable(False) for name in features)
    return pa.schema([timestamp(timezone), *columns])


def power_table(
    timestamps: Times, power: Mapping[str, Float32], timezone: str | None = None
) -> pa.Table:
    """Return a row for each target step of each window: its time and columns of power in kW.

    A column `step` counts the steps of the horizon from 1, if there are several.

    Args:
        timestamps: The time of each target step: (windows, horizon), in UTC with a `timezone`.
        power: The power by column: (windows, horizon).
        timezone: The time zone in which the times are shown, if they are not local.
    """
    fields = [
        pa.field(name, pa.float32(), nullable=False, metadata={"unit": "kW"}) for name in power
    ]
    table = pa.table(
        [timestamps.ravel(), *(values.ravel() for values in power.values())],
        schema=pa.schema([timestamp(timezone), *fields]),
    )
    count, horizon = timestamps.shape
    if horizon > 1:
        steps = np.tile(np.arange(1, horizon + 1, dtype=np.int16), count)
        table = table.add_column(1, pa.field("step", pa.int16(), nullable=False), [steps])
    return table
