"""Load and validate params.yaml: names, types, units and ranges of all parameters."""

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from household.core import paths
from household.core.errors import UserError
from household.core.layout import LayoutParams, Section
from household.core.renamed import RENAMED
from household.core.schema import REPORTED_QUANTILES, TARGET, Covariate, Feature
from household.core.step import Step


class SampleParams(Section):
    """Hold the parameters of the simulated data, `fetch.sample`."""

    seed: int = Field(ge=0)
    days: float = Field(ge=1 / 1440, le=50_000)
    start: dt.date
    meters: int = Field(ge=1, le=100_000)

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
    one_meter_per_file: bool
    sample: SampleParams

    @field_validator("source", mode="before")
    @classmethod
    def _one_or_several(cls, source: Any) -> Any:
        sources = source if isinstance(source, list) else [source]
        if not sources or not all(isinstance(text, str) and text for text in sources):
            raise ValueError("should be a string or a list of strings")
        return source


class ParseParams(Section):
    """Hold the parameters of the parse stage."""

    layout: LayoutParams
    step: str

    @field_validator("step")
    @classmethod
    def _divides_a_day(cls, step: str) -> str:
        return str(Step.parse(step))


class WindowParams(Section):
    """Hold the parameters of the window stage."""

    lookback: int = Field(ge=1)
    horizon: int = Field(ge=1, le=1440)
    features: list[Feature] = Field(min_length=1)
    across_gaps: bool
    profile_days: int = Field(ge=1, le=366)
    lag_days: list[Annotated[int, Field(ge=1, le=3660)]]
    calendar: list[Literal["hour", "weekday", "season", "holiday"]]
    country: Annotated[str, Field(pattern=r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$")] | None
    known_ahead: list[Covariate]
    use_fraction: float = Field(gt=0, le=1)

    @property
    def columns(self) -> list[str]:
        """Return the columns of a series: the features, and what is known ahead."""
        return [*self.features, *self.known_ahead]

    @field_validator("lag_days", "calendar", "known_ahead")
    @classmethod
    def _each_once(cls, values: list[Any]) -> list[Any]:
        if len(set(values)) < len(values):
            raise ValueError("each value once")
        return values

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

    train_fraction: float = Field(gt=0, lt=1)
    validation_fraction: float = Field(ge=0, lt=1)
    validation_sample: Literal["last", "random"]
    purge: bool
    holdout_meters: float = Field(ge=0, lt=1)


class ScalingParams(Section):
    """Hold the parameters of the scaling, which the split stage fits."""

    center: Literal["all", "train", "none"]
    scale: Literal["train", "none"]


class TrainParams(Section):
    """Hold the parameters of the train stage."""

    warm_start: Annotated[str, Field(min_length=1)] | None
    difference_inputs: bool
    target: Literal["difference", "level"]
    loss_at: Literal["every_step", "last_step"]
    chunk_length: int = Field(ge=1)
    burn_in: int = Field(ge=0)
    ensemble_size: int = Field(ge=1)
    units: list[Annotated[int, Field(ge=1)]] = Field(min_length=1)
    head_units: list[Annotated[int, Field(ge=1)]] = Field(min_length=1)
    dropout: float = Field(ge=0, lt=1)
    loss: Literal["quantile", "mse", "mae", "huber"]
    quantiles: list[Annotated[float, Field(gt=0, lt=1)]]
    mean_weight: float = Field(ge=0)
    huber_delta: float = Field(gt=0)
    optimizer: Literal["rmsprop", "adam", "sgd"]
    learning_rate: float = Field(gt=0)
    lr_schedule: Literal["constant", "cosine"]
    global_clip_norm: Annotated[float, Field(gt=0)] | None
    batch_size: int = Field(ge=1)
    epochs: int = Field(ge=1)
    patience: Annotated[int, Field(ge=1)] | None

    @field_validator("quantiles")
    @classmethod
    def _symmetric(cls, levels: list[float]) -> list[float]:
        if levels != sorted(set(levels)):
            raise ValueError("should increase, each level once")
        if any(abs(low + high - 1) > 1e-9 for low, high in zip(levels, levels[::-1], strict=True)):
            raise ValueError("should be symmetric: with 0.1 also 0.9")
        if missing := [level for level in REPORTED_QUANTILES if level not in levels]:
            raise ValueError(f"the report needs {', '.join(map(str, missing))} as well")
        return levels

    @property
    def levels(self) -> list[float]:
        """Return the levels of the quantiles that a network forecasts, none with another loss."""
        return self.quantiles if self.loss == "quantile" else []


class EvaluateParams(Section):
    """Hold the parameters of the evaluate stage."""

    origin: str = Field(pattern=r"^(every|([01]\d|2[0-3]):[0-5]\d)$")
    previous_model: Annotated[str, Field(min_length=1)] | None
    lightgbm: bool


class PlotParams(Section):
    """Hold the parameters of the plot stage."""

    steps: int = Field(ge=2, le=5_000)
    start: Literal["busiest", "first"]


class Params(Section):
    """Hold all parameters of params.yaml."""

    seed: int = Field(ge=0, lt=2**32)
    on_error: Literal["fail", "skip"]
    fetch: FetchParams
    parse: ParseParams
    window: WindowParams
    split: SplitParams
    scaling: ScalingParams
    train: TrainParams
    evaluate: EvaluateParams
    plot: PlotParams

    @property
    def step(self) -> Step:
        """Return the time from one reading to the next."""
        return Step.parse(self.parse.step)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.train.difference_inputs and self.window.lookback == 1:
            raise ValueError("train.difference_inputs needs a window.lookback of 2 or more")
        if "holiday" in self.window.calendar and self.window.country is None:
            raise ValueError("window.calendar has holiday, which needs window.country, such as FR")
        chunk = self.train.chunk_length if self.train.loss_at == "every_step" else 1
        if self.train.burn_in > max(chunk - 2, 0):
            raise ValueError(
                f"train.burn_in should leave two or more of the {chunk} steps of a chunk "
                "(train.chunk_length, train.loss_at)"
            )
        return self


def load(path: Path = paths.PARAMS) -> Params:
    """Read and validate all parameters, whichever stage asks.

    Raises:
        UserError: A parameter is missing, unknown, of the wrong type or out of range. The message
            names each of them and the value found, or the new name of a key that was renamed.
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


def with_overrides(base: Params, sections: Mapping[str, Any]) -> Params:
    """Return a copy of `base` with the values of `sections`.

    Args:
        base: The parameters to start from.
        sections: New values by section and key, such as {"train": {"epochs": 3}}.

    Raises:
        UserError: As in `load`.
    """
    return _validate(_deep_merge(base.model_dump(exclude_unset=True), sections), "the parameters")


def _deep_merge(record: dict[str, Any], sections: Mapping[str, Any]) -> dict[str, Any]:
    return record | {
        key: _deep_merge(record[key], new)
        # A layout says itself which one it extends.
        if isinstance(new, Mapping) and isinstance(record.get(key), dict) and key != "layout"
        else new
        for key, new in sections.items()
    }


def _validate(record: Any, name: str) -> Params:
    try:
        return Params.model_validate(record)
    except ValidationError as invalid:
        unknown = [".".join(map(str, entry["loc"])) for entry in invalid.errors()]
        if old := [f"{key} is now {RENAMED[key]}" for key in unknown if key in RENAMED]:
            raise UserError(
                f"{name}: {', '.join(old)}; rename them, with the values that CHANGELOG.md lists"
            ) from None
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
