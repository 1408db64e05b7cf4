"""What a forecast reads, and that nothing of it is newer than the forecast."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from household.core.step import Step
from household.dataset.inputs import InputColumns, Inputs
from household.dataset.windows import WindowShape

HOUR = Step(60)
COLUMNS = InputColumns(
    3, (1, 2), ("hour", "holiday"), True, known_ahead=("temperature",), country="FR"
)
BEGIN = np.datetime64("2013-12-20T07:00", "ms")


@given(st.integers(0, 60), st.integers(2, 20), st.integers(1, 30), st.booleans())
def test_only_what_is_known_ahead_is_read_of_later_steps(
    start: int, lookback: int, horizon: int, is_anchored: bool
) -> None:
    shape, rows = WindowShape(lookback, horizon), 120
    columns = COLUMNS._replace(is_anchored=is_anchored)
    stamps = BEGIN + np.arange(rows) * HOUR.delta
    # The power, another feature, and the temperature.
    features = np.random.default_rng(start).uniform(0, 5, (rows, 3)).astype(np.float32)
    later = features.copy()
    later[start + lookback :, :2] = 99
    starts = np.array([start], np.int32)
    read, unchanged = (
        Inputs.of(stamps, each, columns, step=HOUR, horizon=horizon).windows(starts, shape)
        for each in (features, later)
    )
    assert read.keys() == unchanged.keys()
    for name in read:
        assert np.array_equal(read[name], unchanged[name])

    # The profile, two days before, the temperature of each target, and its calendar.
    known = read["known"]
    assert known.shape == (1, horizon, columns.known_width) == (1, horizon, 3 + 1 + 5)
    targets = slice(start + lookback, start + lookback + horizon)
    assert known[0, :, 3].tolist() == features[targets, 2].tolist()
    days = stamps[targets].astype("datetime64[D]")
    holidays = np.isin(days, np.array(["2013-12-25", "2014-01-01"], "datetime64[D]"))
    assert known[0, :, -1].tolist() == holidays.tolist()


@given(st.integers(1, 30))
def test_what_is_known_ahead_may_reach_beyond_the_readings(horizon: int) -> None:
    stamps = BEGIN + np.arange(50) * HOUR.delta
    features = np.random.default_rng(horizon).uniform(0, 5, (50 + horizon, 2)).astype(np.float32)
    inputs = Inputs.of(
        stamps, features[:50], COLUMNS, step=HOUR, horizon=horizon, ahead=features[50:, 1:]
    )
    known = inputs.targets(np.array([49]), horizon)["known"]
    assert known[0, :, 3].tolist() == features[50:, 1].tolist()
