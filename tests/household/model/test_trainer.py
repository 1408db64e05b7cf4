"""The calibration of a trained network by the validation split."""

import numpy as np
import pytest

from household.core.step import MINUTE
from household.dataset import batches
from household.dataset.inputs import Inputs
from household.dataset.scaling import Scaler
from household.dataset.windows import Starts, WindowShape
from household.model import calibration, trainer
from household.model.forecast import Forecast
from household.model.loop import TrainingData
from tests.household.model.keras_model import PLAIN, series

LEVELS = [0.025, 0.1, 0.5, 0.9, 0.975]
SHAPE = WindowShape(lookback=1, horizon=1)
MIN_WINDOWS = calibration.MIN_DAYS * 1440


def too_wide(_: Inputs, starts: Starts) -> Forecast:
    """Forecast a uniform distribution from -1 to 3 kW where it is one from 0 to 2."""
    quantiles = 4 * np.array(LEVELS, np.float32) - 1
    return Forecast.of_distribution(
        np.ones((len(starts), 1), np.float32), np.tile(quantiles, (len(starts), 1, 1))
    )


def calibrate(size: int, lowest: float = 0, meters: int = 1) -> calibration.Calibration:
    power = np.random.default_rng(0).uniform(0, 2, (size + 1, 1)).astype(np.float32)
    known = series(power, PLAIN)
    data = TrainingData(
        Scaler(np.zeros(1), np.ones(1)),
        PLAIN,
        batches.in_memory(known, np.empty(0, np.int32)),
        batches.in_memory(known, np.arange(size, dtype=np.int32)),
    )
    limits = np.full(meters, lowest, np.float32)
    return trainer.calibrate(too_wide, data, SHAPE, levels=LEVELS, step=MINUTE, lowest=limits)


def test_four_weeks_calibrate_a_network() -> None:
    stretch = calibrate(MIN_WINDOWS).stretch[:, 0]
    assert stretch == pytest.approx([0.5, 0.5, 1, 0.5, 0.5], abs=0.02)


@pytest.mark.parametrize("size", [0, 1000, MIN_WINDOWS - 1])
def test_less_than_four_weeks_calibrate_no_network(size: int) -> None:
    """They may be a holiday, in which the quantiles of other days are too wide."""
    assert (calibrate(size).stretch == 1).all()
    assert (calibrate(2 * size, meters=2).stretch == 1).all()


def test_the_lower_limit_is_that_of_training_and_validation() -> None:
    assert calibrate(1000).lower_limit == 0
    assert calibrate(1000, lowest=-0.5).lower_limit == -np.inf
