"""Baselines against the same said with lists, and what each of them may know."""

import sys

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from household.core import arrow
from household.core.errors import UserError
from household.core.schema import Power, Times, Values
from household.core.step import MINUTE
from household.dataset import windows
from household.dataset.inputs import InputColumns, InputReader
from household.dataset.windows import Starts, WindowShape
from household.evaluation import baselines, lightgbm
from household.evaluation import ridge as ridges
from household.evaluation.baselines import Baseline, ForecastContext
from household.evaluation.ridge import ridge

LEVELS = [0.01, 0.025, 0.1, 0.5, 0.9, 0.975, 0.99]


def trees(given: ForecastContext, starts: Starts) -> Power:
    return lightgbm.forecast_distribution(given, starts, LEVELS).mean


ALL = [*baselines.NAIVE.values(), ridge, trees]
BEGIN = np.datetime64("2007-01-01T00:00", "ms")
PLAIN, ANCHORED = InputColumns(), InputColumns(2, is_anchored=True)
COLUMNS = InputColumns(2, (1,), ("hour", "weekday"), is_anchored=True)
DAY = np.timedelta64(1, "D").item()


def house(
    minutes: int,
    features: int = 3,
    lookback: int = 4,
    horizon: int = 1,
    seed: int = 0,
    columns: InputColumns = COLUMNS,
) -> ForecastContext:
    """Minutes with gaps whose next power depends on the last two and on another column."""
    draw = np.random.default_rng(seed)
    values = draw.uniform(0, 5, (minutes, features)).astype(np.float32)
    for minute in range(2, minutes):
        values[minute, 0] = (
            0.6 * values[minute - 1, 0]
            - 0.3 * values[minute - 2, 0]
            + values[minute - 1, 1]
            + 0.1 * draw.normal()
        )
    clock = np.cumsum(draw.choice([1, 1, 1, 7], minutes))
    shape = WindowShape(lookback, horizon)
    starts = windows.find_starts(BEGIN + np.arange(minutes), MINUTE, shape, across_gaps=True)
    timestamps, train = BEGIN + clock * np.timedelta64(1, "m"), starts[: minutes // 2]
    return context(timestamps, values, train, shape, columns)


def context(
    timestamps: Times, values: Values, train: Starts, shape: WindowShape, columns: InputColumns
) -> ForecastContext:
    arrays = [pa.array(timestamps, pa.timestamp("ms")), *values.T]
    series = pa.table(arrays, names=["timestamp", *(f"f{i}" for i in range(values.shape[1]))])
    reader = InputReader(shape, columns, MINUTE)
    return ForecastContext(series, reader.of_table(series), train, shape, MINUTE)


def with_values(given: ForecastContext, values: Values) -> ForecastContext:
    return context(times(given), values, given.train, given.shape, given.inputs.columns)


def times(given: ForecastContext) -> Times:
    return arrow.to_numpy(given.series["timestamp"])


def due(given: ForecastContext) -> Starts:
    """Return the windows after the training split."""
    return np.arange(len(given.train), len(given.values) - given.shape.length + 1, dtype=np.int32)


@given(st.integers(20, 300), st.integers(1, 9), st.integers(1, 5), st.integers(0, 9))
def test_the_window_mean_is_the_mean_of_its_power(
    minutes: int, lookback: int, horizon: int, seed: int
) -> None:
    made = house(minutes, lookback=lookback, horizon=horizon, seed=seed)
    power = made.values[:, 0].tolist()
    means = [sum(power[start : start + lookback]) / lookback for start in due(made).tolist()]
    expected = np.transpose([means] * horizon)
    assert baselines.window_mean(made, due(made)) == pytest.approx(expected, rel=1e-5)


@given(st.integers(40, 3000), st.integers(1, 5), st.integers(0, 9))
def test_daily_naive_takes_the_value_of_24_hours_before(
    minutes: int, horizon: int, seed: int
) -> None:
    made = house(minutes, horizon=horizon, seed=seed)
    at = dict(zip(times(made).tolist(), made.values[:, 0].tolist(), strict=True))
    expected = [
        [
            at.get(
                times(made)[start + made.shape.lookback + step].item() - DAY,
                made.values[start + made.shape.lookback - 1, 0].item(),
            )
            for step in range(horizon)
        ]
        for start in due(made).tolist()
    ]
    found = baselines.NAIVE["day before"](made, due(made))
    assert found.tolist() == expected


@pytest.mark.parametrize("columns", [PLAIN, ANCHORED, COLUMNS], ids=["", "anchored", "known"])
@pytest.mark.parametrize(("train", "horizon"), [(900, 1), (6000, 1), (900, 3)])
def test_the_linear_weights_are_those_of_least_squares(
    columns: InputColumns, train: int, horizon: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Numpy's solver of the same problem, with a row more for each weight as its penalty."""
    monkeypatch.setattr(ridges, "MAX_KNOWN", 2**15)
    made = house(2 * train, horizon=horizon, columns=columns)
    starts = made.train
    rows = windows.input_rows(starts, made.shape.lookback)
    known = made.inputs.targets(rows[:, -1], horizon)
    of_steps = known.get(
        "known", known.get("profile", np.empty((len(rows), horizon, 0)))[..., None]
    )
    last = made.values[rows[:, -1:], 0].astype(np.float64)
    change = made.values[rows[:, -1:] + np.arange(1, horizon + 1), 0] - last
    expected = []
    for step in range(horizon):
        read = [made.values[rows].reshape(len(rows), -1), of_steps[:, step].reshape(len(rows), -1)]
        inputs = np.hstack(read).astype(np.float64)
        mean, deviation = inputs.mean(axis=0), inputs.std(axis=0)
        inputs = (inputs - mean) / np.where(deviation > 1e-9, deviation, 1)
        penalty = np.sqrt(ridges.RIDGE * len(rows)) * np.eye(inputs.shape[1])
        target = change[:, step]
        weights, *_ = np.linalg.lstsq(
            np.vstack([inputs, penalty]),
            np.append(target - target.mean(), np.zeros(len(penalty))),
            rcond=None,
        )
        expected.append(last[:, 0] + inputs @ weights + target.mean())
    found = ridge(made, starts)
    assert found == pytest.approx(np.transpose(expected), rel=1e-5, abs=1e-5)


def test_a_column_that_never_changes_has_no_linear_weight() -> None:
    made = house(400)
    constant = np.column_stack([made.values, np.full(400, 240, np.float32)])
    assert ridge(with_values(made, constant), due(made)) == pytest.approx(
        ridge(made, due(made)), rel=1e-5, abs=1e-5
    )


@pytest.mark.parametrize("baseline", [ridge, trees])
@pytest.mark.parametrize(("horizon", "least"), [(1, 3), (2, 1.3)])
def test_each_trained_forecaster_beats_persistence_on_a_pattern(
    baseline: Baseline, horizon: int, least: float
) -> None:
    pytest.importorskip("lightgbm")
    made = house(3000, horizon=horizon)
    actual = windows.targets(made.values, due(made), made.shape)
    errors, naive = (
        np.abs(forecast - actual).mean(axis=0)
        for forecast in (baseline(made, due(made)), baselines.persistence(made, due(made)))
    )
    assert np.all(errors < naive / least)


@pytest.mark.parametrize("baseline", ALL)
@pytest.mark.parametrize("horizon", [1, 3])
def test_no_baseline_reads_a_target_or_later_minutes(baseline: Baseline, horizon: int) -> None:
    pytest.importorskip("lightgbm")
    made = house(1500, horizon=horizon)
    (start,) = starts = due(made)[-200:-199]
    other = made.values.copy()
    other[start + made.shape.lookback :] = 99
    expected = baseline(made, starts)
    assert expected.dtype == np.float32
    assert baseline(with_values(made, other), starts).tolist() == expected.tolist()


def test_missing_lightgbm_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    made = house(400)
    with pytest.raises(UserError, match=r"-r lock/trees\.txt$"):
        trees(made, due(made))


@pytest.mark.parametrize("horizon", [1, 2])
def test_trees_forecast_quantiles_that_increase(horizon: int) -> None:
    pytest.importorskip("lightgbm")
    made = house(3000, horizon=horizon)
    actual = windows.targets(made.values, due(made), made.shape)
    found = lightgbm.forecast_distribution(made, due(made), LEVELS)
    assert found.quantiles is not None
    assert found.quantiles.shape == (*actual.shape, len(LEVELS))
    assert np.all(np.diff(found.quantiles) >= 0)
    assert np.array_equal(found.median, found.quantiles[..., 3])
    inside = (actual >= found.quantiles[..., 2]) & (actual <= found.quantiles[..., 4])
    # Not calibrated, and trained on noise as well.
    assert 0.4 < inside.mean() < 0.9
    # Beyond the quantiles that have trees there are none.
    assert np.array_equal(found.quantiles[..., 0], found.quantiles[..., 1])
