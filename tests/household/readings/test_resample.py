"""Averaging readings into steps, against a plain loop over seconds."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from household.core.schema import Float64, Times
from household.core.step import Step
from household.readings.intervals import usual_interval
from household.readings.resample import Resampler
from household.readings.text_format import TextFormat

POWER_READINGS = TextFormat(columns={}, time_columns=())
STEPS = [Step(1), Step(2), Step(5), Step(30)]
Readings = Sequence[tuple[int, float | None]]
POWER = st.one_of(st.none(), st.integers(-5, 11_000).map(lambda watts: watts / 1000))


def resampled(
    readings: Readings, step: Step, interval: int, parts: int = 1
) -> dict[int, float | None]:
    """Return the power by the second at which its step begins."""
    resampler = Resampler(step, 1000 * interval, POWER_READINGS)
    steps: list[tuple[Times, Float64]] = []
    for part in np.array_split(np.arange(len(readings)), parts):
        if len(part):
            stamps = np.array([1000 * readings[row][0] for row in part], "datetime64[ms]")
            values = np.array([[readings[row][1]] for row in part], float)
            steps.append(resampler.add(stamps, values))
    steps.append(resampler.finish())
    return {
        stamp.astype(int) // 1000: None if np.isnan(value) else value
        for stamps, values in steps
        for stamp, (value, *_) in zip(stamps, values.tolist(), strict=True)
    }


def naive(readings: Readings, step: Step, interval: int) -> dict[int, float | None]:
    """Do the same second by second."""
    length = 60 * step.minutes
    seconds: dict[int, list[float | None]] = defaultdict(list)
    for (begin, power), following in zip(readings, [*readings[1:], None], strict=True):
        distance = following[0] - begin if following else interval
        lasts = distance if distance <= 1.5 * interval else interval
        if 2 * interval <= length:
            seconds[begin // length * length] += interval * [power]
        else:
            for second in range(begin, begin + lasts):
                seconds[second // length * length].append(power)
    if seconds and readings[-1][0] + 1.5 * interval < max(seconds) + length:
        del seconds[max(seconds)]
    found: dict[int, float | None] = {}
    for begin, values in seconds.items():
        known = [value for value in values if value is not None]
        found[begin] = sum(known) / len(known) if 2 * len(known) >= length else None
    return found


@given(
    rows=st.lists(st.tuples(st.integers(1, 400), POWER), min_size=1, max_size=60),
    step=st.sampled_from(STEPS),
    interval=st.integers(1, 600),
    parts=st.integers(1, 9),
)
def test_a_step_is_the_mean_of_its_readings_by_time(
    rows: list[tuple[int, float | None]], step: Step, interval: int, parts: int
) -> None:
    second, readings = 0, []
    for wait, power in rows:
        second += wait
        readings.append((second, power))
    expected = naive(readings, step, interval)
    for found in (resampled(readings, step, interval, n) for n in (1, parts)):
        assert found.keys() == expected.keys()
        for begin, power in expected.items():
            assert found[begin] == (None if power is None else pytest.approx(power, abs=1e-9))


@pytest.mark.parametrize(
    ("interval", "step", "found"),
    [
        (600, Step(30), {0: 0.2, 1800: None, 3600: 0.8}),  # 2 of 3, 1 of 3 and 3 of 3 readings
        (1800, Step(30), {0: 0.1, 1800: 0.6, 3600: 0.7}),
        (1830, Step(30), {0: 0.1, 1800: 0.6, 3600: 0.7}),
    ],
)
def test_a_step_needs_readings_for_half_of_it(
    interval: int, step: Step, found: dict[int, float | None]
) -> None:
    times = {600: (0, 600, 1800, 3600, 4200, 4800), 1800: (0, 1800, 3600), 1830: (0, 1800, 3600)}
    powers = {600: (0.1, 0.3, 0.6, 0.7, 0.8, 0.9)}.get(interval, (0.1, 0.6, 0.7))
    readings = list(zip(times[interval], powers, strict=True))
    assert resampled(readings, step, interval) == pytest.approx(found)


def test_a_step_that_is_not_over_is_dropped() -> None:
    readings = [(second, 1.0) for second in range(0, 90, 10)]
    assert resampled(readings, Step(1), 10) == {0: 1.0}
    assert resampled([*readings, (110, 1.0)], Step(1), 10) == {0: 1.0, 60: 1.0}


def test_readings_a_little_further_apart_than_a_step_leave_no_gap() -> None:
    readings = [(61 * n, n / 10) for n in range(200)]
    found = resampled(readings, Step(1), 61)
    assert sorted(found) == list(range(0, 60 * len(found), 60))
    assert None not in found.values()


def test_an_eager_resampler_returns_a_step_with_its_last_reading() -> None:
    resampler = Resampler(Step(1), 20_000, POWER_READINGS, eager=True)
    counts = []
    for second in (0, 20, 40, 59, 60, 80, 100):
        stamps = np.array([1000 * second], "datetime64[ms]")
        counts.append(len(resampler.add(stamps, np.ones((1, 1)))[0]))
    # The reading at 59 s comes after its step has been returned.
    assert counts == [0, 0, 1, 0, 0, 0, 1]


def test_the_usual_interval_is_the_median_between_different_times() -> None:
    stamps = np.array([0, 0, 10, 10, 20, 30, 3600], "datetime64[s]")
    assert usual_interval(stamps) == 10_000
    assert usual_interval(stamps[:2]) is None
