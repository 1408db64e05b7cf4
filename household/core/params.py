"""Load and validate params.yaml: names, types, units and ranges of all parameters."""

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from household.core import paths
from household.core.errors import UserError
from household.core.schema import TARGET, Feature


class Section(BaseModel):
    """Refuse unknown keys, wrong types, NaN and infinity in a section of params.yaml."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, defer_build=True
    )


class SampleParams(Section):
    """Hold the parameters of the simulated data, `fetch.sample`."""

    seed: int = Field(ge=0)
    days: float = Field(ge=1 / 1440, le=50_000)
    start: dt.date
    households: int = Field(ge=1, le=100_000)

    @field_validator("start", mode="before")
    @classmethod
    def _quoted_or_not(cls, start: Any) -> Any:
        # YAML reads an unquoted date as a date and a quoted one as a string.
        date = dt.date.fromisoformat(start) if isinstance(start, str) else start
        if type(date) is dt.date and not 1900 <= date.year <= 2200:
            raise ValueError("the year should be from 1900 to 2200")
        return date


class FetchParams(Section):
    """Hold the parameters of the fetch stage."""

    source: str | list[str]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None
    meters: Literal["one", "each"]
    sample: SampleParams

    @field_validator("source", mode="before")
    @classmethod
    def _one_or_several(cls, source: Any) -> Any:
        sources = source if isinstance(source, list) else [source]
        if not sources or not all(isinstance(text, str) and text for text in sources):
            raise ValueError("should be a string or a list of strings")
        return source


class ColumnHeaders(Section):
    """Map each column to its header in the file, null if the meter does not have it."""

    global_active_power: str
    global_reactive_power: str | None
    voltage: str | None
    global_intensity: str | None
    sub_metering_1: str | None
    sub_metering_2: str | None
    sub_metering_3: str | None


class TextFormatParams(Section):
    """Describe how the file of a meter is written."""

    # A tab or a printable ASCII character, except the quotes that may enclose a field.
    delimiter: str = Field(pattern=r"^[\t !#-~]$")
    decimal: Literal[".", ","]
    time: list[str] = Field(min_length=1)
    format: str = Field(min_length=1)
    columns: ColumnHeaders
    kilowatts: float = Field(ge=1e-9, le=1e9)
    missing: list[str]
    resample: Literal["minute"] | None

    @model_validator(mode="after")
    def _each_header_once(self) -> Self:
        headers = [*self.time, *filter(None, self.columns.model_dump().values())]
        repeated = sorted({header for header in headers if headers.count(header) > 1})
        if repeated:
            raise ValueError(f"time and columns name {', '.join(repeated)} more than once")
        return self


class ParseParams(Section):
    """Hold the parameters of the parse stage."""

    on_bad_line: Literal["fail", "skip"]
    layout: TextFormatParams


class WindowParams(Section):
    """Hold the parameters of the window stage, and of the scaling in the split stage."""

    lookback: int = Field(ge=1)
    horizon: int = Field(ge=1, le=1440)
    features: list[Feature] = Field(min_length=1)
    gaps: Literal["join", "break"]
    fraction: float = Field(gt=0, le=1)
    center: Literal["all", "train", "none"]
    scale: Literal["train", "none"]

    @field_validator("features")
    @classmethod
    def _target_first(cls, features: list[Feature]) -> list[Feature]:
        if len(set(features)) < len(features):
            raise ValueError("duplicate column")
        if features[0] != TARGET:
            raise ValueError(f"the first must be {TARGET}, which is also the target")
        return features


class SplitParams(Section):
    """Hold the parameters of the split stage."""

    train: float = Field(gt=0, lt=1)
    validation: float = Field(ge=0, lt=1)
    validation_from: Literal["shuffled", "tail"]
    embargo: bool
    unseen_households: float = Field(ge=0, lt=1)


class TrainParams(Section):
    """Hold the parameters of the train stage."""

    warm_start: Annotated[str, Field(min_length=1)] | None
    changes: bool
    target: Literal["change", "level"]
    supervision: Literal["every_minute", "window"]
    stretch: int = Field(ge=1)
    members: int = Field(ge=1)
    units: list[Annotated[int, Field(ge=1)]] = Field(min_length=1)
    dropout: float = Field(ge=0, lt=1)
    loss: Literal["mse", "mae", "huber"]
    huber_delta: float = Field(gt=0)
    optimizer: Literal["rmsprop", "adam", "sgd"]
    learning_rate: float = Field(gt=0)
    schedule: Literal["constant", "cosine"]
    clip_norm: Annotated[float, Field(gt=0)] | None
    batch_size: int = Field(ge=1)
    epochs: int = Field(ge=1)
    patience: Annotated[int, Field(ge=1)] | None


class EvaluateParams(Section):
    """Hold the parameters of the evaluate stage."""

    against: Annotated[str, Field(min_length=1)] | None
    trees: bool


class PlotParams(Section):
    """Hold the parameters of the plot stage."""

    steps: int = Field(ge=2, le=5_000)
    start: Literal["busiest", "first"]


class Params(Section):
    """Hold all parameters of params.yaml."""

    seed: int = Field(ge=0, lt=2**32)
    fetch: FetchParams
    parse: ParseParams
    window: WindowParams
    split: SplitParams
    train: TrainParams
    evaluate: EvaluateParams
    plot: PlotParams

    @model_validator(mode="after")
    def _changes_are_seen(self) -> Self:
        if self.train.changes and self.window.lookback == 1:
            raise ValueError("train.changes needs a window.lookback of 2 or more")
        return self


def load(path: Path = paths.PARAMS) -> Params:
    """Read and validate all parameters, whichever stage asks.

    Raises:
        UserError: A parameter is missing, unknown, of the wrong type or out of range. The message
            names each of them and the value found.
    """
    try:
        # DVC reads the file with the same library, so both see the same types (YAML 1.2).
        record = YAML(typ="safe").load(path)
    except FileNotFoundError:
        raise UserError(f"{path} not found; run from the project's root") from None
    # Bytes that are not UTF-8 and dates such as 30 February raise ValueError.
    except (YAMLError, ValueError) as error:
        raise UserError(f"{path} is not YAML: {error}") from None
    return _validate(record, str(path))


def with_overrides(given: Params, sections: Mapping[str, Any]) -> Params:
    """Return a copy of `given` with the values of `sections`.

    Args:
        given: The parameters to start from.
        sections: New values by section and key, such as {"train": {"epochs": 3}}.

    Raises:
        UserError: As in `load`.
    """
    return _validate(_deep_merge(given.model_dump(), sections), "the parameters")


def _deep_merge(record: dict[str, Any], sections: Mapping[str, Any]) -> dict[str, Any]:
    return record | {
        key: _deep_merge(record[key], new)
        if isinstance(new, Mapping) and isinstance(record.get(key), dict)
        else new
        for key, new in sections.items()
    }


def _validate(record: Any, name: str) -> Params:
    try:
        return Params.model_validate(record)
    except ValidationError as invalid:
        errors = "; ".join(
            f"{'.'.join(map(str, entry['loc'])) or 'the file'}: {entry['msg']}"
            + (
                ""
                if entry["type"] == "missing" or not entry["loc"]
                else f", found {entry['input']!r}"
            )
            for entry in invalid.errors()
        )
        raise UserError(f"{name}: {errors}; correct it and run again") from None
