"""Turn local times into columns of the calendar."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from household.core.errors import UserError
from household.core.schema import Float32, Float64, Mask, Times
from household.core.step import DAY

# The number of columns of each part of the calendar.
WIDTHS = {"hour": 4, "weekday": 7, "season": 2, "holiday": 1}
DAYS_A_YEAR = 365.25


def columns(times: Times, parts: Sequence[str], country: str | None = None) -> Float32:
    """Return the calendar as columns from -1 to 1: (times, columns).

    `hour` is two harmonics of the time of day, `weekday` a column for each day from Monday,
    `season` a harmonic of the day of the year, and `holiday` 1 on public holidays.

    Args:
        times: Local times: (times,).
        parts: The keys of WIDTHS.
        country: The country, or the part of a country, of the holidays, such as FR or US-CA.

    Raises:
        UserError: There are no holidays of the country, or the library is not installed.
    """
    minutes = times.astype("datetime64[m]").astype(np.int64)
    days = times.astype("datetime64[D]")
    day_of_year = (days - days.astype("datetime64[Y]")).astype(np.int64)
    weekday = (days.astype(np.int64) + 3) % 7  # 1970 began on a Thursday
    by_part: dict[str, list[Any]] = {
        "hour": _harmonics(minutes / DAY, 2),
        "weekday": [weekday == day for day in range(7)],
        "season": _harmonics(day_of_year / DAYS_A_YEAR, 1),
        "holiday": [_are_holidays(days, country)] if country and "holiday" in parts else [],
    }
    chosen = [column for part in parts for column in by_part[part]]
    return np.array(chosen, np.float32).reshape(len(chosen), len(times)).T


def _are_holidays(days: Times, country: str) -> Mask:
    """Return whether each day is a public holiday: (days,)."""
    try:
        import holidays  # noqa: PLC0415 (an extra)
    except ModuleNotFoundError:
        raise UserError(
            "window.calendar: holiday needs the package holidays: python -m pip install "
            "--require-hashes -r lock/holidays.txt"
        ) from None
    name, _, part = country.partition("-")
    distinct, indices = np.unique(days, return_inverse=True)
    try:
        found = holidays.country_holidays(name, subdiv=part or None)
    except NotImplementedError:
        raise UserError(
            f"window.country: the package holidays does not know {country}; use a country, "
            "or a part of it, such as FR or US-CA"
        ) from None
    return np.array([day in found for day in distinct.tolist()], np.bool_)[indices]


def _harmonics(periods: Float64, count: int) -> list[Float64]:
    """Return sine and cosine of the first `count` harmonics of an angle in periods."""
    angles = [2 * np.pi * (i + 1) * periods for i in range(count)]
    return [function(angle) for angle in angles for function in (np.sin, np.cos)]
