"""Forecast by a ridge regression on all that the network reads."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from household.core.parallel import prefetch
from household.core.schema import Float64, Power
from household.dataset import windows
from household.dataset.inputs import KNOWN, PROFILE
from household.dataset.windows import Starts
from household.evaluation.baselines import ForecastContext, persistence, split_starts

# Relative to a correlation of 1. Enough for equal columns to share their weight.
RIDGE = 1e-3
# Values of what is known of the targets that are in memory at a time.
MAX_KNOWN = 2**23


class Covariances(NamedTuple):
    """Hold means and covariances over the training windows.

    A window has inputs, and for each step of the horizon known values and last the target.

    Attributes:
        input_mean: (inputs,).
        step_mean: (horizon, known + 1).
        inputs: (inputs, inputs).
        mixed: Of the inputs with the values of the steps: (inputs, horizon, known + 1).
        steps: Of the values of a step with each other: (horizon, known + 1, known + 1).
    """

    input_mean: Float64
    step_mean: Float64
    inputs: Float64
    mixed: Float64
    steps: Float64


class Weights(NamedTuple):
    """Hold the weights of the regressions, one for each step.

    Attributes:
        inputs: (inputs, horizon).
        known: (horizon, known).
        bias: (horizon,).
    """

    inputs: Float64
    known: Float64
    bias: Float64


def ridge(context: ForecastContext, starts: Starts) -> Power:
    """Forecast the last value plus a ridge regression.

    There is one regression for each step of the horizon. It reads all features of the lookback and
    what the network knows of the target. It minimises the squared error of the change over the
    training windows plus `RIDGE` times the squared weights, with standardised inputs. The weights
    follow from sums of products, which one pass over the windows collects. Hoerl and Kennard
    (1970), Ridge regression: biased estimation for nonorthogonal problems, Technometrics 12(1).
    """
    weights = solve(_covariances(context))
    changes = [
        inputs @ weights.inputs + np.einsum("nhk,hk->nh", known, weights.known) + weights.bias
        for inputs, known in _gather(context, starts)
    ]
    return persistence(context, starts) + np.concatenate(changes).astype(np.float32)


def solve(found: Covariances) -> Weights:
    """Return the weights that minimise the squared error plus the penalty.

    All regressions share the inputs, so these are eliminated once, and only the few known values of
    each step are solved for by themselves.
    """
    input_scale = _deviations(np.diagonal(found.inputs))
    step_scale = _deviations(np.diagonal(found.steps, axis1=1, axis2=2))
    step_scale[:, -1] = 1  # the target keeps its unit
    inputs = found.inputs / np.outer(input_scale, input_scale)
    mixed = found.mixed / input_scale[:, np.newaxis, np.newaxis] / step_scale
    steps = found.steps / step_scale[:, :, np.newaxis] / step_scale[:, np.newaxis]
    size = len(inputs)
    of_inputs = np.linalg.solve(inputs + RIDGE * np.eye(size), mixed.reshape(size, -1))
    of_inputs = of_inputs.reshape(mixed.shape)
    rest = steps - np.einsum("ihk,ihl->hkl", mixed, of_inputs)
    known, target = rest[:, :-1, :-1], rest[:, :-1, -1:]
    by_known = np.linalg.solve(known + RIDGE * np.eye(known.shape[1]), target)[..., 0]
    by_input = of_inputs[..., -1] - np.einsum("ihk,hk->ih", of_inputs[..., :-1], by_known)
    by_input, by_known = by_input / input_scale[:, np.newaxis], by_known / step_scale[:, :-1]
    bias = found.step_mean[:, -1] - found.input_mean @ by_input
    return Weights(by_input, by_known, bias - (found.step_mean[:, :-1] * by_known).sum(axis=1))


def _covariances(context: ForecastContext) -> Covariances:
    """Return the means and covariances over the training windows."""
    sums: list[Float64] = []
    rows = (
        (inputs, np.concatenate([known, change[..., np.newaxis]], axis=-1))
        for inputs, known, change in _gather_training(context)
    )
    # OpenBLAS uses one thread, so a second thread gathers the next rows meanwhile.
    for inputs, steps in prefetch(rows):
        products = [
            inputs.sum(axis=0),
            steps.sum(axis=0),
            inputs.T @ inputs,
            (inputs.T @ steps.reshape(len(steps), -1)).reshape(-1, *steps.shape[1:]),
            np.einsum("nhk,nhl->hkl", steps, steps),
        ]
        if sums:
            products = [total + each for total, each in zip(sums, products, strict=True)]
        sums = products
    input_mean, step_mean, inputs, mixed, steps = (each / len(context.train) for each in sums)
    return Covariances(
        input_mean,
        step_mean,
        inputs - np.outer(input_mean, input_mean),
        mixed - input_mean[:, np.newaxis, np.newaxis] * step_mean,
        steps - step_mean[:, :, np.newaxis] * step_mean[:, np.newaxis],
    )


def _gather_training(context: ForecastContext) -> Iterator[tuple[Float64, Float64, Float64]]:
    """Yield the inputs, the known values and the change of training windows, some at a time."""
    chunks = split_starts(context.train, _chunk(context))
    for chunk, (inputs, known) in zip(chunks, _gather(context, context.train), strict=True):
        target = windows.targets(context.values, chunk, context.shape).astype(np.float64)
        yield inputs, known, target - persistence(context, chunk)


def _gather(context: ForecastContext, starts: Starts) -> Iterator[tuple[Float64, Float64]]:
    """Yield the inputs (windows, inputs) and the known values (windows, horizon, known)."""
    values = context.values
    # Values near 0 keep the sums precise.
    origin = values[0].astype(np.float64)
    lookback, horizon = context.shape
    for chunk in split_starts(starts, _chunk(context)):
        inputs = (windows.inputs(values, chunk, lookback) - origin).reshape(len(chunk), -1)
        targets = context.inputs.targets(windows.last_input_row(chunk, lookback), horizon)
        profile = targets.get(PROFILE, np.empty((len(chunk), horizon, 0)))
        known = targets.get(KNOWN, profile.reshape(len(chunk), horizon, -1))
        yield inputs, known.astype(np.float64)


def _chunk(context: ForecastContext) -> int:
    """Return how many windows are gathered at a time."""
    width = context.shape.horizon * max(context.inputs.columns.known_width, 1)
    return max(1, MAX_KNOWN // width)


def _deviations(variances: Float64) -> Float64:
    """Return the standard deviations, 1 for a constant, which gets no weight."""
    deviations = np.sqrt(np.maximum(variances, 0))
    return np.where(deviations > 1e-9, deviations, 1)
