"""Validate the layout of a text, `parse.layout`: the keys, their types, and their defaults."""

import codecs
from collections.abc import Mapping
from typing import Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from household.core.schema import TARGET

POWER_UNITS = ("W", "kW", "MW")
ENERGY_UNITS = ("Wh", "kWh", "MWh")
# How exports write a missing value.
NULL_VALUES = (
    *("", "?", "-", "NA", "NaN", "nan", "null", "Null", "NULL", "None", "n/a"),
    *("unavailable", "unknown"),  # by Home Assistant
)
# One header, or several whose values are added, or subtracted if they begin with a minus sign.
Headers = str | list[str]
# What makes readings hardly the power of one household, unless it is accepted.
Doubted = Literal[
    "large_power", "only_grows", "constant", "mostly_missing", "several_sensors", "early_times"
]


class Section(BaseModel):
    """Refuse unknown keys, wrong types, NaN and infinity in a section of params.yaml."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, defer_build=True
    )


class ColumnHeaders(Section):
    """Map each column to its header in the file, null if the meter does not have it."""

    global_active_power: Headers | None = None
    global_reactive_power: Headers | None = None
    voltage: Headers | None = None
    global_intensity: Headers | None = None
    sub_metering_1: Headers | None = None
    sub_metering_2: Headers | None = None
    sub_metering_3: Headers | None = None
    temperature: Headers | None = None
    radiation: Headers | None = None
    price: Headers | None = None


class ColumnUnits(Section):
    """Map each column of the meter except the power to its unit in the file."""

    global_reactive_power: Literal["var", "kvar"] = "kvar"
    voltage: Literal["mV", "V", "kV"] = "V"
    global_intensity: Literal["mA", "A"] = "A"
    sub_metering_1: Literal["Wh", "kWh"] = "Wh"
    sub_metering_2: Literal["Wh", "kWh"] = "Wh"
    sub_metering_3: Literal["Wh", "kWh"] = "Wh"


class LayoutParams(Section):
    """Describe how the file of a meter is written; what is not given has a default.

    A layout may extend another one, by its name, and then needs only what differs.
    """

    extends: str | None = None
    # A tab or a printable ASCII character, except the quotes that may enclose a field.
    delimiter: str = Field(pattern=r"^[\t !#-~]$", default=",")
    decimal: Literal[".", ","] = "."
    time_columns: list[str] = []
    time_format: str = Field(min_length=1, default="iso")
    columns: ColumnHeaders = ColumnHeaders()
    quantity: Literal["power", "energy", "register"] = "power"
    unit: Literal["W", "kW", "MW", "Wh", "kWh", "MWh"] = "kW"
    units: ColumnUnits = ColumnUnits()
    hold: str | None = Field(pattern=r"^[1-9][0-9]{0,4}(s|min|h|d)$", default=None)
    encoding: str | None = None
    timezone: str | None = None
    stamp: Literal["start", "end"] = "start"
    header: list[str] | None = None
    comment: str | None = Field(min_length=1, default=None)
    thousands: Literal[",", ".", " ", "'"] | None = None
    meter: str | None = Field(min_length=1, default=None)
    meter_names: list[str] = []
    max_kw: float | None = Field(gt=0, default=None)
    trim_zeros: bool = False
    accept: list[Doubted] = []
    null_values: list[str] = list(NULL_VALUES)

    @model_validator(mode="before")
    @classmethod
    def _by_name(cls, layout: Any) -> Any:
        return {"extends": layout} if isinstance(layout, str) else layout

    @field_validator("columns", mode="before")
    @classmethod
    def _no_empty_sum(cls, columns: Any) -> Any:
        if isinstance(columns, Mapping) and [] in columns.values():
            raise ValueError("a list of headers should not be empty")
        return columns

    @field_validator("encoding")
    @classmethod
    def _is_known(cls, encoding: str | None) -> str | None:
        if encoding is not None:
            try:
                codecs.lookup(encoding)
            except LookupError:
                raise ValueError("should be an encoding such as latin-1") from None
        return encoding

    @field_validator("timezone")
    @classmethod
    def _exists(cls, timezone: str | None) -> str | None:
        if timezone is not None:
            try:
                ZoneInfo(timezone)
            except (ZoneInfoNotFoundError, ValueError, OSError):
                raise ValueError("should be a time zone such as Europe/Paris") from None
        return timezone

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.thousands == self.decimal:
            raise ValueError("thousands and decimal are the same character")
        if self.meter_names and not self.meter:
            raise ValueError("meter_names needs meter, the column that names the meter")
        headers = [*self.time_columns, *self.headers()]
        repeated = sorted({header for header in headers if headers.count(header) > 1})
        if repeated:
            raise ValueError(f"time_columns and columns name {', '.join(repeated)} more than once")
        return self

    def headers(self) -> list[str]:
        """Return the headers of all columns of values."""
        found: list[str] = []
        for headers in self.columns.model_dump().values():
            each = [headers] if isinstance(headers, str) else headers or []
            found += [header.removeprefix("-") for header in each]
        return found

    def check_complete(self) -> None:
        """Check a layout that extends no other one, or has been merged with that.

        Raises:
            ValueError: A key is missing, or the unit is not one of the quantity.
        """
        if not self.time_columns:
            raise ValueError("time_columns should name the column of the time")
        if not self.columns.global_active_power:
            raise ValueError(f"columns.{TARGET} should name the column of the power or energy")
        units = POWER_UNITS if self.quantity == "power" else ENERGY_UNITS
        if self.unit not in units:
            raise ValueError(
                f"the unit of {self.quantity} should be {', '.join(units)}, found {self.unit}"
            )
