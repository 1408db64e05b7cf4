"""Gradient-boosted trees as a baseline. Needs the extra `trees`: lock/trees.txt."""

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from household.forecast import baselines, windows
from household.forecast.baselines import Given, persistence
from household.forecast.scores import Power
from household.forecast.windows import Starts
from household.pipeline.failure import Failure

# LightGBM reads this at import. Its threads would else burn a core each while they wait: two
# trainings at once on two cores took four to seventeen times as long as one.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

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

    With a horizon of more than a minute the step is one input more, and of each training window
    the trees see one step, drawn at random: trees for each step alone would take as many times
    longer.

    Ke et al. (2017), LightGBM: a highly efficient gradient boosting decision tree, NeurIPS 30.
    Raises Failure where LightGBM is not installed.
    """
    return forecast(train(given), given, starts)


def train(given: Given, after_each: Callable[[Any], None] = lambda _: None) -> Any:
    """LightGBM's booster; `after_each` of the trees is called with what LightGBM tells of it."""
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

        def __len__(self) -> int:
            return len(starts)

        def __getitem__(self, which: Any) -> npt.NDArray[np.float64]:
            rows: npt.NDArray[np.float64] = _inputs(
                given, np.atleast_1d(starts[which]), np.atleast_1d(drawn[which])
            )
            return rows if isinstance(which, slice | list) else rows[0]

    starts = np.sort(given.train)
    drawn = np.random.default_rng(0).integers(given.shape.horizon, size=len(starts))
    last = windows.last_input_minutes(starts, given.shape.lookback)
    change = given.values[last + 1 + drawn, 0] - given.values[last, 0]
    data = lightgbm.Dataset(Inputs(), change)
    return lightgbm.train(SETTINGS, data, ROUNDS, callbacks=[after_each])


def forecast(booster: Any, given: Given, starts: Starts, rounds: int = ROUNDS) -> Power:
    """What the first `rounds` of the trees of `booster` give: (windows, horizon), in kW."""
    change = [
        np.column_stack(
            [
                booster.predict(_inputs(given, chunk, np.full(len(chunk), step)), 0, rounds)
                for step in range(given.shape.horizon)
            ]
        )
        for chunk in baselines.chunks(starts)
    ]
    return persistence(given, starts) + np.concatenate(change).astype(np.float32)


def _inputs(given: Given, starts: Starts, steps: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """All minutes and features of each window, and its step where there are several."""
    inputs = windows.inputs(given.values, starts, given.shape.lookback).astype(np.float64)
    rows = inputs.reshape(len(starts), -1)
    return rows if given.shape.horizon == 1 else np.hstack([rows, steps[:, np.newaxis]])
