"""The one model of params.yaml: names, types, units and ranges."""

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

from household.pipeline import paths
from household.pipeline.columns import TARGET, Feature
from household.pipeline.failure import Failure


class Section(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, defer_build=True
    )


class Sample(Section):
    seed: int = Field(ge=0)
    days: float = Field(ge=1 / 1440, le=50_000)
    start: dt.date
    households: int = Field(ge=1, le=100_000)

    @field_validator("start", mode="before")
    @classmethod
    def _quoted_or_not(cls, start: Any) -> Any:
        # YAML gives a date where the text is not quoted and a string where it is.
        date = dt.date.fromisoformat(start) if isinstance(start, str) else start
        if type(date) is dt.date and not 1900 <= date.year <= 2200:
            raise ValueError("the year should be from 1900 to 2200")
        return date


class Fetch(Section):
    source: str | list[str]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None
    meters: Literal["one", "each"]
    sample: Sample

    @field_validator("source", mode="before")
    @classmethod
    def _one_or_several(cls, source: Any) -> Any:
        several = source if isinstance(source, list) else [source]
        if not several or not all(isinstance(each, str) and each for each in several):
            raise ValueError("should be a text, or a list of some")
        return source


class Columns(Section):
    """The header of each column, null where a meter lacks it."""

    global_active_power: str
    global_reactive_power: str | None
    voltage: str | None
    global_intensity: str | None
    sub_metering_1: str | None
    sub_metering_2: str | None
    sub_metering_3: str | None


class Layout(Section):
    # A tab or a character of ASCII that can be seen, but for the quotes that a field may stand in.
    delimiter: str = Field(pattern=r"^[\t !#-~]$")
    decimal: Literal[".", ","]
    time: list[str] = Field(min_length=1)
    format: str = Field(min_length=1)
    columns: Columns
    kilowatts: float = Field(ge=1e-9, le=1e9)
    missing: list[str]
    resample: Literal["minute"] | None

    @model_validator(mode="after")
    def _each_header_once(self) -> Self:
        headers = [*self.time, *filter(None, self.columns.model_dump().values())]
        twice = sorted({header for header in headers if headers.count(header) > 1})
        if twice:
            raise ValueError(f"time and columns name {', '.join(twice)} more than once")
        return self


class Parse(Section):
    on_bad_line: Literal["fail", "skip"]
    layout: Layout


class Window(Section):
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
            raise ValueError("a column is named twice")
        if features[0] != TARGET:
            raise ValueError(f"the first must be {TARGET}, which is also the target")
        return features


class Split(Section):
    train: float = Field(gt=0, lt=1)
    validation: float = Field(ge=0, lt=1)
    validation_from: Literal["shuffled", "tail"]
    embargo: bool
    unseen_households: float = Field(ge=0, lt=1)


class Train(Section):
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


class Evaluate(Section):
    against: Annotated[str, Field(min_length=1)] | None
    trees: bool


class Plot(Section):
    steps: int = Field(ge=2, le=5_000)
    start: Literal["busiest", "first"]


class Params(Section):
    seed: int = Field(ge=0, lt=2**32)
    fetch: Fetch
    parse: Parse
    window: Window
    split: Split
    train: Train
    evaluate: Evaluate
    plot: Plot

    @model_validator(mode="after")
    def _changes_are_seen(self) -> Self:
        if self.train.changes and self.window.lookback == 1:
            raise ValueError("train.changes needs a window.lookback of 2 or more")
        return self


def load(path: Path = paths.PARAMS) -> Params:
    """Reads and checks every parameter, whichever stage asks.

    Raises Failure, naming each parameter that is missing, unknown, of the wrong type or out of
    range, and what was found.
    """
    try:
        # The reader that DVC itself uses, so that both see the same types (YAML 1.2).
        values = YAML(typ="safe").load(path)
    except FileNotFoundError:
        raise Failure(f"{path} is not here; start from the project's root") from None
    except (YAMLError, ValueError) as error:  # ValueError of bytes that are no text, 30 February
        raise Failure(f"{path} is not YAML: {error}") from None
    return _checked(values, str(path))


def changed(given: Params, sections: Mapping[str, Any]) -> Params:
    """`given` with other values at the keys of `sections`, such as {"train": {"epochs": 3}}.

    Raises Failure as `load` does.
    """
    return _checked(_merged(given.model_dump(), sections), "the parameters")


def _merged(record: dict[str, Any], sections: Mapping[str, Any]) -> dict[str, Any]:
    return record | {
        key: _merged(record[key], value)
        if isinstance(value, Mapping) and isinstance(record.get(key), dict)
        else value
        for key, value in sections.items()
    }


def _checked(values: Any, name: str) -> Params:
    try:
        return Params.model_validate(values)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc'])) or 'the file'}: {fault['msg']}"
            + (
                ""
                if fault["type"] == "missing" or not fault["loc"]
                else f", found {fault['input']!r}"
            )
            for fault in error.errors()
        )
        raise Failure(f"{name}: {faults}; correct it and run again") from None
