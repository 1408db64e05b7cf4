"""Windows as offsets against windows as the tutorial builds them: lists of lists."""

from fractions import Fraction

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from household.forecast import windows
from household.forecast.windows import Shape
from household.meter import series
from household.pipeline.columns import TARGET

# The source's resolution: whole watts, up to 11 kW.
POWER = st.integers(0, 11_000).map(lambda watts: float(np.float32(watts / 1000)))
START = np.datetime64("2006-12-16T17:24", "ms")


def tutorial_windows(power: list[float], lookback: int) -> list[list[float]]:
    length = lookback + 1
    return [power[index : index + length] for index in range(len(power) - length)]


def minutes(n: int) -> npt.NDArray[np.datetime64]:
    return START + np.arange(n) * np.timedelta64(1, "m")


def column(power: list[float]) -> series.Values:
    return np.array(power, np.float32).reshape(-1, 1)


@given(st.lists(POWER, max_size=60), st.integers(1, 11))
def test_joined_windows_are_those_of_the_tutorial(power: list[float], lookback: int) -> None:
    starts = windows.starts(minutes(len(power)), Shape(lookback, 1), "join")
    found = [power[start : start + lookback + 1] for start in starts.tolist()]
    assert found == tutorial_windows(power, lookback)


@given(
    st.lists(st.booleans(), min_size=1, max_size=60).filter(any),
    st.builds(Shape, st.integers(1, 5), st.integers(1, 5)),
)
def test_with_break_exactly_the_windows_of_consecutive_minutes_stay(
    present: list[bool], shape: Shape
) -> None:
    stamps = minutes(len(present))[np.array(present)]
    expected = [
        start
        for start in range(len(stamps) - shape.length)
        if all(
            stamps[start + step + 1] - stamps[start + step] == np.timedelta64(1, "m")
            for step in range(shape.length - 1)
        )
    ]
    assert windows.starts(stamps, shape, "break").tolist() == expected
    in_parts = windows.Series()
    for part in np.array_split(stamps, 3):
        in_parts.add(part)
    assert in_parts.minutes == len(stamps)
    assert in_parts.starts(shape, "break").tolist() == expected


def column_of(power: list[float]) -> pa.ChunkedArray:
    """In chunks, as a file gives it."""
    cut = len(power) // 2
    return pa.chunked_array([power[:cut], power[cut:]], pa.float32())


@given(st.lists(POWER, min_size=3, max_size=60), st.integers(1, 11))
def test_the_mean_is_that_of_the_tutorials_windows_within_one_ulp(
    power: list[float], lookback: int
) -> None:
    built = tutorial_windows(power, lookback)
    if not built:
        return
    shape = Shape(lookback, 1)
    starts = windows.starts(minutes(len(power)), shape, "join")
    mean = windows.mean(column_of(power), windows.times_held(starts, shape))
    total = sum((Fraction(value) for window in built for value in window), Fraction(0))
    exact = total / (len(built) * (lookback + 1))
    assert abs(Fraction(mean) - exact) <= Fraction(float(np.spacing(mean)))
    assert mean == pytest.approx(np.array(built).mean(), rel=1e-13)


@given(st.data())
def test_mean_and_deviation_of_some_windows_count_each_minute_as_often_as_they_hold_it(
    data: st.DataObject,
) -> None:
    power = data.draw(st.lists(POWER, min_size=6, max_size=40))
    shape = Shape(data.draw(st.integers(1, 3)), data.draw(st.integers(1, 2)))
    possible = list(range(len(power) - shape.length))
    chosen = data.draw(st.lists(st.sampled_from(possible), min_size=1, unique=True))
    starts = np.array(chosen, np.int32)
    times = windows.times_held(starts, shape)
    mean = windows.mean(column_of(power), times)
    deviation = windows.deviation(column_of(power), times)
    held = [value for start in chosen for value in power[start : start + shape.length]]
    assert mean == pytest.approx(float(np.mean(held)), rel=1e-13)
    assert deviation == pytest.approx(float(np.std(held)), rel=1e-12, abs=1e-12)


@given(st.lists(POWER, min_size=4, max_size=40), st.integers(1, 7), st.integers(1, 4))
def test_the_targets_of_a_window_follow_its_last_input_minute(
    power: list[float], lookback: int, horizon: int
) -> None:
    shape = Shape(lookback, horizon)
    starts = windows.starts(minutes(len(power)), shape, "join")
    built = tutorial_windows(power, shape.length - 1)
    values = column(power)
    assert windows.targets(values, starts, shape).tolist() == [w[lookback:] for w in built]
    last = values[windows.last_input_minutes(starts, lookback), 0]
    assert last.tolist() == [w[lookback - 1] for w in built]
    assert windows.last_minutes(starts, shape).tolist() == [s + shape.length - 1 for s in starts]


@given(st.integers(1, 3_000_000), st.integers(1, 1440))
def test_windows_are_scored_further_apart_only_where_their_targets_are_many(
    count: int, horizon: int
) -> None:
    every = windows.apart(count, horizon)
    scored = count * horizon / every
    if horizon == 1 or count * horizon <= windows.SCORED:
        assert every == 1
    else:
        assert windows.SCORED / 8 <= scored <= windows.SCORED
        # So they begin at each minute of the day in turn.
        assert len({start % 1440 for start in range(0, 1440 * every, every)}) == 1440


@given(
    st.lists(st.one_of(st.none(), POWER), min_size=1, max_size=40),
    st.floats(0.01, 1.0),
)
def test_fraction_stops_where_the_tutorials_reader_stops(
    power: list[float | None], fraction: float
) -> None:
    most = fraction * sum(value is not None for value in power)
    read: list[float] = []
    for value in power:
        if value is not None:
            read.append(value)
        if len(read) >= most:
            break
    table = pa.table({"timestamp": minutes(len(power)), TARGET: pa.array(power, pa.float32())})
    cut = len(power) // 3
    kept = pa.concat_tables(
        series.valid(lambda: iter([table[:cut], table[cut:]]), [TARGET], fraction)
    )
    assert kept[TARGET].to_pylist() == read


def test_a_minute_counts_only_where_every_feature_has_a_value() -> None:
    table = pa.table(
        {
            "timestamp": minutes(4),
            TARGET: pa.array([1, None, 3, 4], pa.float32()),
            "voltage": pa.array([240, 241, None, 243], pa.float32()),
        }
    )
    kept, *_ = series.valid(lambda: iter([table]), [TARGET, "voltage"])
    assert series.values(kept).tolist() == [[1, 240], [4, 243]]
    assert kept["timestamp"].to_numpy().tolist() == minutes(4)[[0, 3]].tolist()
