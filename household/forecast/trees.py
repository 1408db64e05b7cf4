"""Gradient-boosted trees as a baseline. Needs the extra `trees`: lock/trees.txt."""

from typing import Any

import numpy as np
import numpy.typing as npt

from household.forecast import baselines, windows
from household.forecast.baselines import Given, persistence
from household.forecast.scores import Power
from household.forecast.windows import Starts
from household.pipeline.failure import Failure

NAME = "LightGBM"
ROUNDS = 300
SETTINGS = {
    "objective": "regression",  # squared error, which RMSE and the skill are of
    "learning_rate": 0.06,
    "num_leaves": 63,
    "min_data_in_leaf": 40,
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
}


def boosted(given: Given, starts: Starts) -> Power:
    """The last value plus the change that LightGBM's trees give for all minutes and features.

    Ke et al. (2017), LightGBM: a highly efficient gradient boosting decision tree, NeurIPS 30.
    Raises Failure where LightGBM is not installed.
    """
    try:
        import lightgbm  # noqa: PLC0415 (an extra, and a second to import)
    except ModuleNotFoundError:
        raise Failure(
            "evaluate.trees needs LightGBM: python -m pip install --require-hashes -r "
            "lock/trees.txt"
        ) from None

    class Inputs(lightgbm.Sequence):
        """The windows as rows, each gathered when it is due; only their bins stay in memory."""

        batch_size = baselines.CHUNK

        def __init__(self, starts: Starts) -> None:
            self._starts = starts

        def __len__(self) -> int:
            return len(self._starts)

        def __getitem__(self, which: Any) -> npt.NDArray[np.float64]:
            rows = _inputs(given, np.atleast_1d(self._starts[which]))
            return rows if isinstance(which, slice | list) else rows[0]

    train = np.sort(given.train)
    change = windows.targets(given.values, train, given.lookback) - persistence(given, train)
    booster = lightgbm.train(SETTINGS, lightgbm.Dataset(Inputs(train), change), ROUNDS)
    forecast = [booster.predict(_inputs(given, chunk)) for chunk in baselines.chunks(starts)]
    return persistence(given, starts) + np.concatenate(forecast).astype(np.float32)


def _inputs(given: Given, starts: Starts) -> npt.NDArray[np.float64]:
    rows = windows.inputs(given.values, starts, given.lookback)
    return rows.reshape(len(starts), -1).astype(np.float64)
