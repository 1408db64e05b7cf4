"""The calendar against Python's own dates."""

import datetime as dt
import math
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from household.core.errors import UserError
from household.dataset import calendar

NEW_YEAR = np.array(["2012-12-31T23:30", "2013-01-01T00:00", "2013-01-01T23:30"], "datetime64[ms]")


@given(st.lists(st.datetimes(dt.datetime(1990, 1, 1), dt.datetime(2100, 1, 1)), min_size=1))
def test_columns_are_those_of_the_date_and_the_time_of_day(times: list[dt.datetime]) -> None:
    minutes = [time.replace(second=0, microsecond=0) for time in times]
    stamps = np.array(minutes, "datetime64[ms]")
    found = calendar.columns(stamps, ["weekday", "hour", "season"])
    assert found.shape == (len(times), 7 + 4 + 2)
    for row, time in zip(found, minutes, strict=True):
        assert row[:7].tolist() == [day == time.weekday() for day in range(7)]
        day = 2 * math.pi * (60 * time.hour + time.minute) / 1440
        harmonics = [math.sin(day), math.cos(day), math.sin(2 * day), math.cos(2 * day)]
        assert row[7:11].tolist() == pytest.approx(harmonics, abs=1e-5)
        year = 2 * math.pi * (time.timetuple().tm_yday - 1) / 365.25
        assert row[11:].tolist() == pytest.approx([math.sin(year), math.cos(year)], abs=1e-5)


def test_public_holidays_are_those_of_the_country_or_of_a_part_of_it() -> None:
    assert calendar.columns(NEW_YEAR, ["holiday"], "FR").tolist() == [[0], [1], [1]]
    # The Melbourne Cup is raced on the first Tuesday of November.
    cup = np.array(["2013-11-04", "2013-11-05", "2013-11-06"], "datetime64[ms]")
    assert calendar.columns(cup, ["holiday"], "AU-VIC").tolist() == [[0], [1], [0]]
    assert calendar.columns(cup, ["holiday"], "AU").tolist() == [[0], [0], [0]]


@pytest.mark.parametrize("country", ["XX", "FR-ZZ"])
def test_an_unknown_country_is_reported(country: str) -> None:
    with pytest.raises(UserError, match=rf"^window\.country: .* does not know {country}; use"):
        calendar.columns(NEW_YEAR, ["holiday"], country)


def test_holidays_without_the_library_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "holidays", None)
    with pytest.raises(UserError, match=r"^window\.calendar: .* lock/holidays\.txt$"):
        calendar.columns(NEW_YEAR, ["holiday"], "FR")
    assert calendar.columns(NEW_YEAR, ["hour"], "FR").shape == (3, 4)
