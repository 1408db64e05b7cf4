"""Windows as offsets against windows as the tutorial builds them: lists of lists."""

import datetime as dt

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from household.core import schema
from household.core.schema import TARGET
from household.core.step import MINUTE
from household.dataset import series, windows
from household.dataset.windows import WindowShape

# The source's resolution: whole watts, up to 11 kW.
POWER = st.integers(0, 11_000).map(lambda watts: float(np.float32(watts / 1000)))
START = np.datetime64("2006-12-16T17:24", "ms")


def tutorial_windows(power: list[float], lookback: int) -> list[list[float]]:
    length = lookback + 1
    return [power[index : index + length] for index in range(len(power) - length)]


def minutes(n: int) -> npt.NDArray[np.datetime64]:
    return START + np.arange(n) * np.timedelta64(1, "m")


def column(power: list[float]) -> schema.Values:
    return np.array(power, np.float32).reshape(-1, 1)


@given(st.lists(st.integers(0, 1959), max_size=60), st.integers(0, 23), st.integers(0, 59))
def test_windows_made_at_a_time_have_their_first_target_then(
    starts: list[int], hour: int, minute: int
) -> None:
    clock = minutes(2000)
    found = windows.made_at(np.array(starts, np.int32), clock, 40, f"{hour:02}:{minute:02}")
    times = [clock[start + 40 - 1].item() for start in starts]  # of the last input
    expected = [
        start
        for start, last in zip(starts, times, strict=True)
        if (last + dt.timedelta(minutes=1)).time() == dt.time(hour, minute)
    ]
    assert found.tolist() == expected


@given(st.lists(POWER, max_size=60), st.integers(1, 11))
def test_windows_across_gaps_equal_those_of_the_tutorial(power: list[float], lookback: int) -> None:
    starts = windows.find_starts(
        minutes(len(power)), MINUTE, WindowShape(lookback, 1), across_gaps=True
    )
    found = [power[start : start + lookback + 1] for start in starts.tolist()]
    assert found == tutorial_windows(power, lookback)


@given(
    st.lists(st.booleans(), min_size=1, max_size=60).filter(any),
    st.builds(WindowShape, st.integers(1, 5), st.integers(1, 5)),
)
def test_without_across_gaps_windows_have_consecutive_minutes(
    present: list[bool], shape: WindowShape
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
    assert windows.find_starts(stamps, MINUTE, shape, across_gaps=False).tolist() == expected
    in_parts = windows.WindowFinder(MINUTE)
    for part in np.array_split(stamps, 3):
        in_parts.add(part)
    assert in_parts.count == len(stamps)
    assert in_parts.starts(shape, False).tolist() == expected


@pytest.mark.parametrize("block", [1, 3, 99])
def test_window_counts_equal_a_naive_count(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "BLOCK_ROWS", block)
    starts = np.array([4, 0, 3, 9], np.int32)
    times = windows.window_counts(starts, WindowShape(2, 1))
    assert times.tolist() == [1, 1, 1, 1, 2, 2, 1, 0, 0, 1, 1, 1]


@given(st.lists(POWER, min_size=4, max_size=40), st.integers(1, 7), st.integers(1, 4))
def test_the_targets_of_a_window_follow_its_last_input_minute(
    power: list[float], lookback: int, horizon: int
) -> None:
    shape = WindowShape(lookback, horizon)
    starts = windows.find_starts(minutes(len(power)), MINUTE, shape, across_gaps=True)
    built = tutorial_windows(power, shape.length - 1)
    values = column(power)
    assert windows.targets(values, starts, shape).tolist() == [w[lookback:] for w in built]
    last = values[windows.last_input_row(starts, lookback), 0]
    assert last.tolist() == [w[lookback - 1] for w in built]
    assert windows.last_row(starts, shape).tolist() == [s + shape.length - 1 for s in starts]


@given(st.integers(1, 3_000_000), st.integers(1, 1440))
def test_the_evaluation_stride_grows_only_with_many_targets(count: int, horizon: int) -> None:
    every = windows.evaluation_stride(count, horizon, MINUTE)
    scored = count * horizon / every
    if horizon == 1 or count * horizon <= windows.MAX_SCORED_TARGETS:
        assert every == 1
    else:
        assert windows.MAX_SCORED_TARGETS / 8 <= scored <= windows.MAX_SCORED_TARGETS
        # So they begin at each minute of the day in turn.
        assert len({start % 1440 for start in range(0, 1440 * every, every)}) == 1440


@given(
    st.lists(st.one_of(st.none(), POWER), min_size=1, max_size=40),
    st.floats(0.01, 1.0),
)
def test_use_fraction_keeps_the_minutes_that_the_tutorial_keeps(
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
        series.complete_steps(lambda: iter([table[:cut], table[cut:]]), [TARGET], fraction)
    )
    assert kept[TARGET].to_pylist() == read


def test_a_complete_minute_has_a_value_of_every_feature() -> None:
    table = pa.table(
        {
            "timestamp": minutes(4),
            TARGET: pa.array([1, None, 3, 4], pa.float32()),
            "voltage": pa.array([240, 241, None, 243], pa.float32()),
        }
    )
    kept, *_ = series.complete_steps(lambda: iter([table]), [TARGET, "voltage"])
    assert series.to_array(kept).tolist() == [[1, 240], [4, 243]]
    assert kept["timestamp"].to_numpy().tolist() == minutes(4)[[0, 3]].tolist()
