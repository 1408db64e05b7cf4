"""Looking back by whole days against a plain search among the readings that are known by then."""

import datetime as dt
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from household.core import arrow
from household.core.schema import Power, Times
from household.core.step import Step
from household.dataset.history import HALF_SPAN_MINUTES, History

STEPS = st.sampled_from([Step(10), Step(20), Step(30), Step(60), Step(360), Step(1440)])
# Readings have a zone where a step is at most an hour.
SHORT_STEPS = st.sampled_from([Step(10), Step(20), Step(30), Step(60)])
DAY = dt.timedelta(days=1)
# Clocks go forward on 31 March and back on 27 October 2013.
BEGINS = st.sampled_from(["2013-03-28T00:00", "2013-10-24T00:00", "2013-10-27T01:00"])
STEPS_AND_ZONES = st.one_of(
    st.tuples(STEPS, st.none()), st.tuples(SHORT_STEPS, st.just("Europe/London"))
)


def readings(begin: str, step: Step, present: list[bool], seed: int) -> tuple[Times, Power]:
    """Return the times and the power of a meter that has written some of the steps."""
    stamps = np.datetime64(begin, "ms") + np.arange(len(present)) * step.delta
    power = np.random.default_rng(seed).uniform(0, 5, len(present)).astype(np.float32)
    return stamps[np.array(present)], power[np.array(present)]


def local(stamp: np.datetime64, timezone: str | None) -> dt.datetime:
    time = stamp.astype("datetime64[s]").item()
    if timezone is None:
        return time
    return time.replace(tzinfo=dt.UTC).astimezone(ZoneInfo(timezone)).replace(tzinfo=None)


def look_back(
    stamps: Times, power: Power, *, step: Step, days: int, horizon: int, timezone: str | None
) -> History:
    upcoming = stamps[-1] + np.arange(1, horizon + 1) * step.delta
    times = arrow.to_local(np.append(stamps, upcoming), timezone)
    return History.of(times, power, stamps, step=step, profile_days=days)


class Known:
    """What can be known at a row: the power by local time, up to a last local time."""

    def __init__(self, stamps: Times, power: Power, row: int, timezone: str | None) -> None:
        self.times = [local(stamp, timezone) for stamp in stamps]
        self.origin, self.timezone = stamps[row], timezone
        later = self.times[row + 1 :]
        self.power = {
            time: value
            for time, value in zip(self.times[: row + 1], power.tolist(), strict=False)
            if not later or time < min(later)
        }
        self.last = min([self.times[row], *(time - dt.timedelta(microseconds=1) for time in later)])
        self.recent = [
            value
            for stamp, value in zip(stamps[: row + 1], power.tolist(), strict=False)
            if stamp > stamps[row] - np.timedelta64(1, "D")
        ]

    def target(self, ahead: np.timedelta64) -> dt.datetime:
        return local(self.origin + ahead, self.timezone)

    def look_back(self, target: dt.datetime, days: int, margin: dt.timedelta) -> dt.datetime:
        time = target - days * DAY
        while time + margin > self.last:
            time -= days * DAY
        return time


@given(
    STEPS_AND_ZONES,
    BEGINS,
    st.lists(st.sampled_from([True, True, True, False]), min_size=3, max_size=160).filter(any),
    st.integers(1, 7),
    st.data(),
)
def test_a_forecast_looks_back_at_what_is_known_by_then(
    step_and_zone: tuple[Step, str | None],
    begin: str,
    present: list[bool],
    days: int,
    data: st.DataObject,
) -> None:
    step, timezone = step_and_zone
    stamps, power = readings(begin, step, present, seed=days)
    horizon = data.draw(st.integers(1, 3 * step.per_day if step.minutes > 60 else 30))
    row = data.draw(st.integers(0, len(stamps) - 1))
    # Rows are one step apart from the origin on, as in a window.
    after = stamps[row] + np.arange(1, horizon + 1) * step.delta
    extra = np.random.default_rng(row).uniform(0, 5, horizon).astype(np.float32)
    stamps, power = np.append(stamps[: row + 1], after), np.append(power[: row + 1], extra)
    history = look_back(stamps, power, step=step, days=days, horizon=horizon, timezone=timezone)
    known = Known(stamps, power, row, timezone)
    half_span = (HALF_SPAN_MINUTES - 1) // step.minutes * step.duration
    rows = np.array([row])
    lag, profile = history.days_before(rows, horizon, days), history.profile(rows, horizon)
    assert lag.shape == profile.shape == (1, horizon)
    for i in range(horizon):
        target = known.target((i + 1) * step.delta)
        before = known.look_back(target, days, dt.timedelta())
        assert lag[0, i] == pytest.approx(known.power.get(before, np.nan), nan_ok=True)
        latest = known.look_back(target, 1, half_span)
        of_profile = [
            value
            for time, value in known.power.items()
            if any(abs(time - (latest - n * DAY)) <= half_span for n in range(days))
        ]
        assert profile[0, i] == pytest.approx(np.mean(of_profile or known.recent), rel=1e-4)


@given(STEPS_AND_ZONES, BEGINS, st.integers(1, 150), st.integers(1, 100))
def test_nothing_after_a_forecast_is_made_changes_it(
    step_and_zone: tuple[Step, str | None], begin: str, row: int, horizon: int
) -> None:
    step, timezone = step_and_zone
    stamps, power = readings(begin, step, [True] * (row + horizon + 1), seed=row)
    other = power.copy()
    other[row + 1 :] = 99
    rows = np.array([row])
    found, changed = (
        look_back(stamps, each, step=step, days=3, horizon=horizon, timezone=timezone)
        for each in (power, other)
    )
    assert np.array_equal(found.profile(rows, horizon), changed.profile(rows, horizon))
    for days in (1, 7):
        assert np.array_equal(
            found.days_before(rows, horizon, days),
            changed.days_before(rows, horizon, days),
            equal_nan=True,
        )
