"""Compute LightGBM's forecast as a baseline. Needs the extra `trees`: lock/trees.txt."""

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from household.core.errors import UserError
from household.core.progress_bar import progress_bar
from household.core.quantiles import interpolate_levels
from household.core.schema import REPORTED_QUANTILES, Float32, Float64, Power
from household.dataset import batches, windows
from household.dataset.inputs import KNOWN
from household.dataset.windows import Starts
from household.evaluation import baselines
from household.evaluation.baselines import ForecastContext
from household.model import anchor
from household.model.forecast import Forecast

# LightGBM reads this at import. Otherwise its threads would use a core each while they wait: two
# trainings at once on two cores took 4 to 17 times as long as one.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

NAME = "LightGBM"
ROUNDS = 300
# The trees see so many rows or more, if the horizon has several steps.
MIN_ROWS = 60_000
# With a horizon of several steps the trees read so many last steps of the features besides the
# power. More of them take minutes without improving the scores.
OTHER_STEPS = 12
SETTINGS: dict[str, Any] = {
    "objective": "regression",  # squared error, which RMSE and skill measure
    "learning_rate": 0.06,
    "num_leaves": 63,
    "min_data_in_leaf": 40,
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
}


def forecast_distribution(
    context: ForecastContext, starts: Starts, levels: Sequence[float]
) -> Forecast:
    """Forecast the anchor of the network plus what gradient-boosted trees predict.

    They read the features in the lookback and what the network knows of the target. With a horizon
    of several steps the step is an additional input, and the trees see some random steps of each
    training window. Separate trees for each step would take as many times longer. Ke et al. (2017),
    LightGBM: a highly efficient gradient boosting decision tree, NeurIPS 30.

    There are trees for the mean and for each of REPORTED_QUANTILES. Other quantiles lie on a line
    between their neighbours, since trees for each level would take three times as long.

    Args:
        context: The series and the training windows.
        starts: The starts of the windows.
        levels: The levels of the quantiles.

    Raises:
        UserError: LightGBM is not installed.
    """
    train_windows = batches.in_memory(context.inputs, context.train)
    shares = anchor.fit_shares(train_windows, context.shape)
    data = make_dataset(context, shares)
    objectives = (None, *REPORTED_QUANTILES)
    with progress_bar("evaluate: LightGBM", ROUNDS * len(objectives), "trees") as bar:
        boosters = [train(data, level, lambda _: bar.update()) for level in objectives]
    mean, *by_level = forecast(boosters, context, starts, shares)
    quantiles = np.sort(np.stack(by_level, axis=-1), axis=-1)
    interpolated = interpolate_levels(quantiles, REPORTED_QUANTILES, levels)
    return Forecast.of_distribution(mean, interpolated)


def make_dataset(context: ForecastContext, shares: Sequence[float]) -> Any:
    """Return LightGBM's dataset of the training windows, which keeps only the bins of the inputs.

    Args:
        context: The series and the training windows.
        shares: The share of the last power in the anchor of each step.

    Raises:
        UserError: LightGBM is not installed.
    """
    try:
        import lightgbm  # noqa: PLC0415 (an extra, and a second to import)
    except ModuleNotFoundError:
        raise UserError(
            "evaluate.lightgbm needs LightGBM: python -m pip install --require-hashes -r "
            "lock/trees.txt"
        ) from None

    class Inputs(lightgbm.Sequence):
        """Gather windows as rows on demand."""

        batch_size = baselines.CHUNK

        def __len__(self) -> int:
            return len(starts)

        def __getitem__(self, indices: Any) -> Float64:
            gathered = _gather(context, np.atleast_1d(starts[indices]))
            rows: Float64 = _inputs(*gathered, np.atleast_1d(steps[indices]))
            return rows if isinstance(indices, slice | list) else rows[0]

    horizon, count = context.shape.horizon, len(context.train)
    starts = np.repeat(np.sort(context.train), min(horizon, -(-MIN_ROWS // count)))
    steps = np.random.default_rng(0).integers(horizon, size=len(starts))
    last = windows.last_input_row(starts, context.shape.lookback)
    of_steps = anchor.anchors(context.inputs, last, shares)[np.arange(len(starts)), steps]
    difference = context.values[last + 1 + steps, 0] - of_steps
    return lightgbm.Dataset(Inputs(), difference, params=SETTINGS)


def train(
    data: Any, level: float | None = None, after_each: Callable[[Any], None] = lambda _: None
) -> Any:
    """Return LightGBM's booster.

    Args:
        data: The result of `make_dataset`.
        level: The level of the quantile to predict; by default the mean.
        after_each: A callback of LightGBM, called after each tree.
    """
    import lightgbm  # noqa: PLC0415

    objective = {} if level is None else {"objective": "quantile", "alpha": level}
    return lightgbm.train(SETTINGS | objective, data, ROUNDS, callbacks=[after_each])


def forecast(
    boosters: Sequence[Any],
    context: ForecastContext,
    starts: Starts,
    shares: Sequence[float],
    *,
    rounds: int = ROUNDS,
) -> Power:
    """Return the forecasts of the first `rounds` trees in kW: (boosters, windows, horizon).

    Args:
        boosters: LightGBM's boosters.
        context: The series.
        starts: The starts of the windows.
        shares: The share of the last power in the anchor of each step.
        rounds: The number of trees.
    """
    differences = []
    for chunk in baselines.split_starts(starts):
        gathered = _gather(context, chunk)
        by_step = []
        for step in range(context.shape.horizon):
            rows = _inputs(*gathered, np.full(len(chunk), step))
            by_step.append([booster.predict(rows, 0, rounds) for booster in boosters])
        differences.append(np.moveaxis(np.array(by_step, np.float32), 0, -1))
    last = windows.last_input_row(starts, context.shape.lookback)
    return anchor.anchors(context.inputs, last, shares) + np.concatenate(differences, axis=1)


def _gather(context: ForecastContext, starts: Starts) -> tuple[Float32, Float32]:
    """Return what is read of each window, and of each of its targets: (windows, horizon, known)."""
    lookback, horizon = context.shape
    features = windows.inputs(context.values, starts, lookback)
    rows = windows.last_input_row(starts, lookback)
    parts = [
        features[:, :, 0],
        features[:, -OTHER_STEPS if horizon > 1 else 0 :, 1:].reshape(len(starts), -1),
        context.inputs.values[rows, context.values.shape[1] :],
    ]
    nothing = np.empty((len(starts), horizon, 0), np.float32)
    return np.hstack(parts), context.inputs.targets(rows, horizon).get(KNOWN, nothing)


def _inputs(fixed: Float32, known: Float32, steps: npt.NDArray[np.int64]) -> Float64:
    """Return a row for each window and one of its steps, with the step if there are several."""
    number = steps[:, np.newaxis] if known.shape[1] > 1 else np.empty((len(steps), 0))
    return np.hstack([fixed, number, known[np.arange(len(steps)), steps]], dtype=np.float64)
