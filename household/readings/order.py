"""Put readings in time order, each time once."""

from typing import NamedTuple

import numpy as np

from household.core.errors import UserError
from household.core.schema import Float64, Mask, Times

HOUR, DAY = np.timedelta64(1, "h"), np.timedelta64(1, "D")


class Readings(NamedTuple):
    """Hold readings.

    Attributes:
        stamps: Times (readings,), in UTC if the layout has a time zone, else local.
        values: Values (readings, columns), NaN where missing.
    """

    stamps: Times
    values: Float64

    def select(self, rows: Mask | slice) -> "Readings":
        """Return some of the readings."""
        return Readings(self.stamps[rows], self.values[rows])


def equals_first(values: Float64, is_first: Mask) -> Mask:
    """Return whether each reading has the values of the first one with its time: (readings,).

    Args:
        values: Values (readings, columns), NaN where missing.
        is_first: Whether each reading is the first one with its time: (readings,).
    """
    firsts = values[np.maximum.accumulate(np.where(is_first, np.arange(len(values)), 0))]
    same: Mask = np.all((values == firsts) | (np.isnan(values) & np.isnan(firsts)), axis=1)
    return same


def are_newest_first(stamps: Times) -> bool:
    """Return whether most of the times (readings,) come before the one before them."""
    distances = np.diff(stamps)
    return bool((distances < np.timedelta64(0)).sum() > (distances > np.timedelta64(0)).sum())


def move_midnights(stamps: Times, last: np.datetime64, interval: int) -> Times:
    """Return times with 24:00, the end of a day, in place of 0:00 with the date of that day.

    Args:
        stamps: Times in the order of the text: (readings,).
        last: The time before them.
        interval: The usual time between two of them in milliseconds.
    """
    usual = np.timedelta64(interval, "ms")
    before = np.append(last, stamps[:-1])
    is_end = (stamps == stamps.astype("datetime64[D]")) & (before + usual - stamps == DAY)
    return stamps + (is_end & (usual < DAY)) * DAY


def repeats_hour(earlier: np.datetime64, stamp: np.datetime64, interval: int) -> bool:
    """Return whether `stamp` comes an hour too early after `earlier`, as when clocks go back."""
    usual = np.timedelta64(interval, "ms")
    late = earlier + usual - stamp
    return bool(usual <= HOUR and abs(late - HOUR) < usual / 2)


def sort(readings: Readings, name: str, *, average: bool) -> Readings:
    """Return readings in time order.

    Args:
        readings: The readings.
        name: The name of the text in messages.
        average: Whether to average readings with the same time and other values.

    Raises:
        UserError: Two readings have the same time and other values.
    """
    order = np.argsort(readings.stamps, kind="stable")
    stamps, values = readings.stamps[order], readings.values[order]
    if average:
        return average_equal_times(Readings(stamps, values))
    is_first = np.append(True, np.diff(stamps) > np.timedelta64(0))
    differs = np.flatnonzero(~equals_first(values, is_first))
    if len(differs):
        raise UserError(
            f"{name}: several readings at {stamps[differs[0]].astype('datetime64[s]')} have "
            "other values, as when clocks go back or several meters are in one text; set "
            "parse.layout.timezone or parse.layout.meter, or remove the wrong ones"
        )
    return Readings(stamps[is_first], values[is_first])


def average_equal_times(readings: Readings) -> Readings:
    """Return readings, which are in time order, each time once with the mean of its values."""
    stamps, firsts = np.unique(readings.stamps, return_index=True)
    if len(stamps) == len(readings.stamps):
        return readings
    is_known = np.isfinite(readings.values)
    counts = np.add.reduceat(is_known, firsts, axis=0, dtype=np.int64)
    sums = np.add.reduceat(np.where(is_known, readings.values, 0), firsts, axis=0)
    means = np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)
    return Readings(stamps, means)
