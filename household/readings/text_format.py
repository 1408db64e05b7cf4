"""Describe how a text of readings is written."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from household.core import schema
from household.core.schema import TARGET

# What to multiply a power by to get kW, and an energy to get kWh.
FACTORS = {"W": 0.001, "kW": 1.0, "MW": 1000.0, "Wh": 0.001, "kWh": 1.0, "MWh": 1000.0}
# What to multiply a value in another unit by to get that of its column.
OTHER_FACTORS = {"var": 0.001, "mV": 0.001, "kV": 1000.0, "mA": 0.001, "kWh": 1000.0}
MILLISECONDS = {"s": 1000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}


class TextFormat(NamedTuple):
    """Describe how a text of readings is written; see `household.core.layout.LayoutParams`.

    Attributes:
        columns: The headers of each column that the meter has. Several are added, or subtracted if
            they begin with a minus sign.
        meter: The header of the column that names the meter of a reading.
        meter_names: The names of the meters to read, all if it is empty.
        max_kw: The largest power that is no error.
        trim_zeros: Whether to leave out zeros at the beginning and the end of the series.
        accept: Kinds of doubts that do not stop the parse stage.
        factors: What to multiply the values of a column other than the power by, if not by 1.
        hold: The longest time in milliseconds for which a reading holds until the next one; None
            for readings at regular times.
    """

    columns: Mapping[str, tuple[str, ...]]
    time_columns: tuple[str, ...]
    time_format: str = "iso"
    delimiter: str = ","
    decimal: str = "."
    quantity: str = "power"
    unit: str = "kW"
    factors: Mapping[str, float] = MappingProxyType({})
    hold: int | None = None
    encoding: str | None = None
    timezone: str | None = None
    stamp: str = "start"
    header: tuple[str, ...] | None = None
    comment: str | None = None
    thousands: str | None = None
    meter: str | None = None
    meter_names: tuple[str, ...] = ()
    max_kw: float | None = None
    trim_zeros: bool = False
    accept: tuple[str, ...] = ()
    null_values: tuple[str, ...] = ("",)

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> "TextFormat":
        """Return the layout of a record as `layouts.resolve` returns it."""
        columns = {
            name: (headers,) if isinstance(headers, str) else tuple(headers)
            for name, headers in record["columns"].items()
            if headers
        }
        tuples = {
            name: tuple(record[name])
            for name in ("time_columns", "null_values", "meter_names", "header", "accept")
            if record.get(name) is not None
        }
        hold = milliseconds(record["hold"]) if record["hold"] else None
        factors = {
            name: OTHER_FACTORS[unit]
            for name, unit in record.get("units", {}).items()
            if unit in OTHER_FACTORS
        }
        given = {key: value for key, value in record.items() if key != "units"}
        return cls(**{**given, **tuples, "columns": columns, "factors": factors, "hold": hold})

    @property
    def headers(self) -> list[str]:
        """Return the headers of all columns: those of the time first."""
        values = (header for headers in self.columns.values() for header in headers)
        return [*self.time_columns, *(header.removeprefix("-") for header in values)]

    @property
    def covariates(self) -> list[str]:
        """Return the columns of `schema.COVARIATES` that the text has."""
        return [column.name for column in schema.COVARIATES if column.name in self.columns]

    @property
    def names(self) -> list[str]:
        """Return the columns of values of `schema.readings`."""
        return [*schema.NAMES, *self.covariates]

    @property
    def is_uci(self) -> bool:
        """Return whether a text is written as UCI's, whatever is done with the readings."""
        return self._replace(max_kw=None, trim_zeros=False, accept=()) == UCI_FORMAT

    @property
    def pattern(self) -> str:
        """Return the header of the power or energy, which may be a pattern such as MT_*."""
        return self.columns[TARGET][0] if TARGET in self.columns else ""

    @property
    def has_column_per_meter(self) -> bool:
        """Return whether each of several columns is the power or energy of a meter."""
        return "*" in self.pattern

    @property
    def has_several_meters(self) -> bool:
        """Return whether a text may hold the readings of several meters."""
        return self.has_column_per_meter or bool(self.meter and len(self.meter_names) != 1)

    @property
    def factor(self) -> float:
        """Return what to multiply a power or energy by to get kW or kWh."""
        return FACTORS[self.unit]


# The layout of UCI's data set 235, by its name `uci`.
UCI: dict[str, Any] = {
    "delimiter": ";",
    "time_columns": ["Date", "Time"],
    "time_format": "%d/%m/%Y %H:%M:%S",
    "columns": {column.name: column.source for column in schema.COLUMNS},
    "null_values": ["?", ""],
}
UCI_FORMAT = TextFormat.of(UCI | {"hold": None})


def milliseconds(duration: str) -> int:
    """Return the length of a duration such as 90s, 10min or 2h in milliseconds."""
    digits = duration.rstrip("abcdefghijklmnopqrstuvwxyz")
    return int(digits) * MILLISECONDS[duration.removeprefix(digits)]
