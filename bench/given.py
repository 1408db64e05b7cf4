"""The data that every benchmark of training gets."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from household.core import files, params, paths
from household.core.params import Params
from household.core.schema import Values
from household.dataset import batches, scaling, series, windows
from household.dataset.inputs import InputReader, Inputs
from household.dataset.scaling import Scaler
from household.dataset.windows import Starts, WindowShape
from household.evaluation.baselines import ForecastContext
from household.model import anchor

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

    @property
    def inputs(self) -> Inputs:
        """Return what the network reads of the series."""
        return self.context.inputs

    def standard(self) -> Floats:
        """Return the series, standardised by the mean and deviation of the training split."""
        return ((self.values - self.scaled.center) / self.scaled.scale).astype(np.float32)

    def standard_inputs(self) -> Floats:
        """Return the standardised readings that the network reads, and last its anchor."""
        scaler = self.inputs.columns.scale_readings(self.scaled)
        readings = (self.inputs.values - scaler.center) / scaler.scale
        anchors = anchor.anchors(self.inputs, np.arange(len(self.values)), self.scaled.shares)
        standard = (anchors - self.scaled.center[0]) / self.scaled.scale[0]
        return np.column_stack([readings, standard]).astype(np.float32)

    def kilowatts(self, standard: Floats) -> Floats:
        """Return standardised power in kW."""
        return standard * np.float32(self.scaled.scale[0]) + np.float32(self.scaled.center[0])


def read_given(seconds: float) -> Given:
    """Return the output of the split stage in the current folder."""
    read = params.load()
    minutes, reader = files.read_table(paths.SERIES / "power.parquet"), InputReader.of(read)
    inputs = reader.of_table(minutes)
    train, validation, test = (
        windows.read_starts(split / "power.parquet")
        for split in (paths.TRAIN, paths.VALIDATION, paths.TEST)
    )
    shares = anchor.fit_shares(batches.in_memory(inputs, train), reader.shape)
    return Given(
        read,
        reader.shape,
        series.to_array(minutes),
        ForecastContext(minutes, inputs, train, reader.shape, read.step),
        scaling.read(paths.SCALING, minutes.column_names[1:])._replace(shares=shares),
        train,
        validation,
        test,
        seconds,
    )
