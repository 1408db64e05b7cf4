"""Times as text, and the clocks of time zones, against Python's own zones."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from household.core.schema import Times
from household.readings import timestamps
from household.readings.timestamps import Clock

MINUTES = [1, 10, 15, 30, 60]


def texts(*each: str) -> pa.ChunkedArray:
    return pa.chunked_array([list(each)], pa.string())


def utc(zone: str, minutes: int, days: int, begin: datetime) -> tuple[Times, Times]:
    """Return times in UTC every so many minutes, and what a clock of the zone shows then."""
    count = days * 1440 // minutes
    times = [begin + timedelta(minutes=minutes * n) for n in range(count)]
    local = [time.astimezone(ZoneInfo(zone)).replace(tzinfo=None) for time in times]
    return (
        np.array([time.replace(tzinfo=None) for time in times], "datetime64[ms]"),
        np.array(local, "datetime64[ms]"),
    )


CHANGES = [
    ("Europe/Vienna", datetime(2022, 10, 29)),
    ("Europe/Vienna", datetime(2022, 3, 26)),
    ("Europe/London", datetime(2022, 10, 29)),
    ("America/New_York", datetime(2022, 11, 5)),
    ("America/New_York", datetime(2022, 3, 12)),
    ("Australia/Sydney", datetime(2022, 4, 2)),
    ("Australia/Sydney", datetime(2022, 10, 1)),
    ("Australia/Lord_Howe", datetime(2022, 4, 2)),
    ("Asia/Kolkata", datetime(2022, 10, 29)),
    ("UTC", datetime(2022, 10, 29)),
]


@given(change=st.sampled_from(CHANGES), minutes=st.sampled_from(MINUTES), parts=st.integers(1, 9))
def test_a_clock_that_is_changed_is_read_back(
    change: tuple[str, datetime], minutes: int, parts: int
) -> None:
    zone, begin = change
    if zone == "Australia/Lord_Howe" and minutes == 60:
        return  # its clocks go back by half an hour, which no hourly reading shows
    expected, local = utc(zone, minutes, 3, begin.replace(tzinfo=UTC))
    clock = Clock(zone)
    found = [clock.to_utc(part, 60_000 * minutes) for part in np.array_split(local, parts)]
    assert np.array_equal(np.concatenate(found), expected)


def test_a_time_that_clocks_skip_is_none() -> None:
    local = np.array(
        ["2022-03-27T01:45", "2022-03-27T02:00", "2022-03-27T02:15", "2022-03-27T03:00"],
        "datetime64[ms]",
    )
    # The end of a quarter may be written as 2:00.
    for are_ends, second in ((False, "NaT"), (True, "2022-03-27T01:00")):
        found = Clock("Europe/Vienna", are_ends=are_ends).to_utc(local, 900_000)
        expected = ["2022-03-27T00:45", second, "NaT", "2022-03-27T01:00"]
        assert np.array_equal(found, np.array(expected, "datetime64[ms]"), equal_nan=True)


@pytest.mark.parametrize(
    ("text", "form", "expected"),
    [
        ("2014-03-01", "iso", "2014-03-01T00:00"),
        ("2014-03-01T24:00:00", "iso", "2014-03-02T00:00"),
        ("2014-03-01 22:24:00", "iso", "2014-03-01T22:24"),
        ("31/12/2014 24:00", "%d/%m/%Y %H:%M", "2015-01-01T00:00"),
        ("2014-03-01 23:58:00.0000000", "%Y-%m-%d %H:%M:%S.%f", "2014-03-01T23:58"),
        ("2014-03-01 23:58:00.123456", "%Y-%m-%d %H:%M:%S.%f", "2014-03-01T23:58"),
        (" 2014-03-01 23:58 ", "iso", "2014-03-01T23:58"),
        ("1393718280000000", "epoch_us", "2014-03-01T23:58"),
        ("1393718280000000000", "epoch_ns", "2014-03-01T23:58"),
        ("3/1/14 23:58", "%m/%d/%y %H:%M", "2014-03-01T23:58"),
        ("3/1/14 11:58 PM", "%m/%d/%y %I:%M %p", "2014-03-01T23:58"),
        ("6/1/2012 1", "%m/%d/%Y %H", "2012-06-01T01:00"),
        ("24:00", "iso", "NaT"),
        ("2014-02-31", "iso", "NaT"),
    ],
)
def test_times_are_written_in_many_ways(text: str, form: str, expected: str) -> None:
    (found,) = timestamps.parse_timestamps(texts(text), form)
    assert str(found) == str(np.datetime64(expected, "ms"))


def test_times_with_an_offset_are_in_utc_if_there_is_a_zone() -> None:
    given_texts = texts("2024-10-27T02:30:00+02:00", "2024-10-27T02:30:00+01:00")
    local, are_utc = timestamps.parse(given_texts, "iso", None)
    assert not are_utc.any()
    assert local.tolist() == [datetime(2024, 10, 27, 2, 30)] * 2
    stamps, are_utc = timestamps.parse(given_texts, "iso", "Europe/Paris")
    assert are_utc.all()
    assert stamps.tolist() == [datetime(2024, 10, 27, 0, 30), datetime(2024, 10, 27, 1, 30)]
    mixed = texts("2024-10-27 02:30", "2024-10-27T02:30Z")
    assert timestamps.parse(mixed, "iso", "Europe/Paris")[1].tolist() == [False, True]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("00:00Z", 0), ("00:00:00 UTC", 0), ("00:00-0330", -12_600_000), ("00:00:00.5+02", 7_200_000)],
)
def test_offsets_are_written_in_many_ways(text: str, expected: int) -> None:
    found = timestamps.offsets(texts(f"2024-10-27T{text}"))
    assert found.tolist() == [expected]
    assert np.isnan(timestamps.offsets(texts("2024-10-27"))).all()
