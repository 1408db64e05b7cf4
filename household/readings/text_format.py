"""Describe how a text of readings is written."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from household.core import schema

# What to multiply a power by to get kW, and an energy to get kWh.
FACTORS = {"W": 0.001, "kW": 1.0, "MW": 1000.0, "Wh": 0.001, "kWh": 1.0, "MWh": 1000.0}
MILLISECONDS = {"s": 1000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}


class TextFormat(NamedTuple):
    """Describe how a text of readings is written; see `household.core.layout.LayoutParams`.

    Attributes:
        columns: The headers of each column that the meter has. Several are added, or subtracted if
            they begin with a minus sign.
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
    hold: int | None = None
    null_values: tuple[str, ...] = ("",)

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> "TextFormat":
        """Return the layout of a record as `layouts.resolve` returns it."""
        columns = {
            name: (headers,) if isinstance(headers, str) else tuple(headers)
            for name, headers in record["columns"].items()
            if headers
        }
        tuples = {name: tuple(record[name]) for name in ("time_columns", "null_values")}
        hold = milliseconds(record["hold"]) if record["hold"] else None
        return cls(**{**record, **tuples, "columns": columns, "hold": hold})

    @property
    def headers(self) -> list[str]:
        """Return the headers of all columns: those of the time first."""
        values = (header for headers in self.columns.values() for header in headers)
        return [*self.time_columns, *(header.removeprefix("-") for header in values)]

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
