"""Small networks and what they read, and forecasts in Keras to compare other runtimes with."""

from typing import Any

import numpy as np
import numpy.typing as npt

from household.core.params import TrainParams
from household.core.schema import Values
from household.core.step import MINUTE
from household.dataset.inputs import Arrays, InputColumns, Inputs
from household.dataset.scaling import Scaler
from household.dataset.windows import Starts, WindowShape
from household.model import network

BEGIN = np.datetime64("2007-03-31T21:58", "ms")
# Ahead of a minute the anchor is this share of the last power, and less of it further ahead.
SHARE = 0.75
PLAIN, ANCHORED = InputColumns(), InputColumns(is_anchored=True)

Design = tuple[WindowShape, Scaler, InputColumns, TrainParams]


def columns(settings: TrainParams) -> InputColumns:
    return ANCHORED if settings.target == "difference" else PLAIN


def design(shape: WindowShape, scaling: Scaler, settings: TrainParams) -> Design:
    """Return what a network is built from, with the anchor that the target needs."""
    shares = tuple(SHARE ** (step + 1) for step in range(shape.horizon))
    return shape, scaling._replace(shares=shares), columns(settings), settings


def series(values: Values, read: InputColumns = ANCHORED, horizon: int = 1) -> Inputs:
    """Return consecutive minutes of a meter."""
    clock = BEGIN + np.arange(len(values)) * MINUTE.delta
    return Inputs.of(clock, values, read, step=MINUTE, horizon=horizon)


def forecast(
    model: Any, values: Values, starts: Starts, read: InputColumns | None = None
) -> npt.NDArray[np.float32]:
    """Return the forecasts for windows of a series in kW: (windows, horizon)."""
    shape = network.window_shape(model)
    is_anchored = any(each.name == "profile" for each in model.inputs)
    known = series(values, read or (ANCHORED if is_anchored else PLAIN), shape.horizon)
    given = known.windows(starts, shape)
    forecasts: npt.NDArray[np.float32] = model.predict(
        given if len(given) > 1 else given["readings"], verbose=0
    )
    return forecasts


def chunks(
    values: Values, starts: Starts, minutes: int, read: InputColumns = ANCHORED, horizon: int = 1
) -> Arrays:
    """Return what a training model reads of `minutes` from each of `starts` on."""
    known = series(values, read, horizon)
    rows = starts[:, np.newaxis] + np.arange(minutes)
    return {"readings": known.values[rows], **known.targets(rows, horizon)}


def call(model: Any, given: Arrays) -> Any:
    """Return the outputs of a model for its inputs by name."""
    return model(given if len(given) > 1 else given["readings"])
