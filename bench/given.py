"""The data that every benchmark of training gets."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from household.core import arrow, files, params, paths
from household.core.params import Params
from household.core.schema import Values
from household.dataset import scaling, series, windows
from household.dataset.history import History
from household.dataset.scaling import Scaler
from household.dataset.windows import Starts, WindowShape
from household.evaluation.baselines import ForecastContext

Floats = npt.NDArray[np.float32]


class Given(NamedTuple):
    """Hold what every method gets.

    Attributes:
        settings: The parameters.
        shape: The shape of the windows.
        values: The series: (minutes, features), the target first.
        context: What a baseline may read.
        scaled: The scaling of the features.
        train: The starts of the training windows.
        validation: The starts of the validation windows.
        test: The starts of the test windows.
        seconds: No epoch is begun after so many seconds.
    """

    settings: Params
    shape: WindowShape
    values: Values
    context: ForecastContext
    scaled: Scaler
    train: Starts
    validation: Starts
    test: Starts
    seconds: float

    def standard(self) -> Floats:
        """Return the series, standardised by the mean and deviation of the training split."""
        return ((self.values - self.scaled.center) / self.scaled.scale).astype(np.float32)

    def kilowatts(self, standard: Floats) -> Floats:
        """Return standardised power in kW."""
        return standard * np.float32(self.scaled.scale[0]) + np.float32(self.scaled.center[0])


def read_given(seconds: float) -> Given:
    """Return the output of the split stage in the current folder."""
    read = params.load()
    minutes = files.read_table(paths.SERIES / "power.parquet")
    shape, values = WindowShape.of(read.window), series.to_array(minutes)
    train = windows.read_starts(paths.TRAIN / "power.parquet")
    timestamps = arrow.to_numpy(minutes["timestamp"])
    history = History.of(
        timestamps,
        values[:, 0],
        step=read.step,
        profile_days=read.window.profile_days,
        horizon=shape.horizon,
    )
    return Given(
        read,
        shape,
        values,
        ForecastContext(values, timestamps, train, shape, read.step, history),
        scaling.read(paths.SCALING, minutes.column_names[1:]),
        train,
        windows.read_starts(paths.VALIDATION / "power.parquet"),
        windows.read_starts(paths.TEST / "power.parquet"),
        seconds,
    )
