"""Measure the time between the readings of a series."""

import numpy as np
import numpy.typing as npt

from household.core.errors import UserError
from household.core.schema import Times
from household.core.step import Step, find_step

Integers = npt.NDArray[np.int64]
# A reading that comes later than so many usual intervals leaves a gap.
LATE = 1.5
# So many readings at another regular interval are no gap, but another interval.
MANY = 24


def usual_interval(stamps: Times) -> int | None:
    """Return the usual time between readings (readings,) in milliseconds; None for a single one.

    Half of the readings come at most so long after the one before. Readings at the same time do not
    count.
    """
    distances = np.diff(stamps.astype("datetime64[ms]").astype(np.int64))
    distances = np.sort(distances[distances > 0])
    return int(distances[(len(distances) - 1) // 2]) if len(distances) else None


def in_words(minutes: float) -> str:
    """Return a time between two readings in words, such as 10 seconds or 1 hour."""
    step = find_step(minutes)
    if step and step.minutes == minutes:
        return step.length
    return f"{60 * minutes:.4g} seconds" if minutes < 1 else f"{minutes:.4g} minutes"


def check_interval(name: str, minutes: float, step: Step) -> None:
    """Check the usual time between two readings.

    Args:
        name: The name of the readings in messages.
        minutes: The usual time between them.
        step: The step of the series.

    Raises:
        UserError: It is longer than a step.
    """
    if minutes <= LATE * step.minutes:
        return
    step_of_readings = find_step(minutes)
    raise UserError(
        f"{name}: readings are usually {in_words(minutes)} apart, but parse.step is {step}; "
        + (
            f"set it to {step_of_readings}"
            if step_of_readings
            else "use readings at most a day apart"
        )
    )


def find_other_interval(
    begins: Integers, distances: Integers, interval: int
) -> tuple[np.datetime64, int] | None:
    """Return from when on readings come at another regular interval, and that interval.

    Args:
        begins: The times of the readings in milliseconds: (readings,).
        distances: How long after each of them the next one came: (readings,).
        interval: The usual of these distances.

    Returns:
        The time of the first of MANY equal distances that are half or twice the usual one or
        further from it, and that distance; None if there are not so many.
    """
    firsts = np.flatnonzero(np.diff(distances, prepend=-1) != 0)
    counts = np.diff(np.append(firsts, len(distances)))
    found = distances[firsts]
    is_other = (2 * found <= interval) | (found >= 2 * interval)
    rows = firsts[is_other & (counts >= MANY) & (found > 0)]
    if not len(rows):
        return None
    return begins[rows[0]].astype("datetime64[ms]"), int(distances[rows[0]])
