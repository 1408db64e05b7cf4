"""Describe the time from one reading of a series to the next."""

import datetime as dt
import re
from typing import NamedTuple, Self

import numpy as np

DAY = 1440
UNITS = {"min": 1, "h": 60, "d": DAY}
NAMES = {1: "minute", 15: "quarter hour", 30: "half hour", 60: "hour", DAY: "day"}
# All parts of a day in whole minutes.
ALLOWED = tuple(minutes for minutes in range(1, DAY + 1) if DAY % minutes == 0)


class Step(NamedTuple):
    """Hold the time from one reading to the next.

    Attributes:
        minutes: Its length, by which a day can be divided.
    """

    minutes: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the step that a setting such as 30min, 1h or 1d names.

        Raises:
            ValueError: It is no such setting, or a day cannot be divided by it.
        """
        match = re.fullmatch(r"([1-9][0-9]{0,3})(min|h|d)", text)
        if not match or int(match[1]) * UNITS[match[2]] not in ALLOWED:
            raise ValueError("should be such as 1min, 15min, 1h or 1d, and divide a day evenly")
        return cls(int(match[1]) * UNITS[match[2]])

    @property
    def delta(self) -> np.timedelta64:
        """Return the length as a difference of times."""
        return np.timedelta64(self.minutes, "m")

    @property
    def duration(self) -> dt.timedelta:
        """Return the length as Python's own difference of times."""
        return dt.timedelta(minutes=self.minutes)

    @property
    def per_day(self) -> int:
        """Return the number of steps in a day."""
        return DAY // self.minutes

    @property
    def length(self) -> str:
        """Return the length in words, such as 1 minute, 30 minutes or 2 hours."""
        for unit, minutes in (("day", DAY), ("hour", 60), ("minute", 1)):
            if self.minutes % minutes == 0:
                count = self.minutes // minutes
                return f"{count} {unit}{'s' if count > 1 else ''}"
        raise AssertionError("a length is whole minutes")

    @property
    def noun(self) -> str:
        """Return the word for one step, such as minute or half hour."""
        return NAMES.get(self.minutes, f"step of {self.length}")

    @property
    def nouns(self) -> str:
        """Return the word for several steps, such as minutes or half hours."""
        return f"{NAMES[self.minutes]}s" if self.minutes in NAMES else f"steps of {self.length}"

    def ahead(self, count: int) -> str:
        """Return the length of so many steps in short, such as 45 min, 1 h 30 min or 7 d."""
        if self.minutes == DAY:
            return f"{count} d"
        hours, minutes = divmod(count * self.minutes, 60)
        parts = [f"{hours} h"] * (hours > 0) + [f"{minutes} min"] * (minutes > 0)
        return " ".join(parts)

    def __str__(self) -> str:
        """Return the setting that names the step."""
        unit = next(unit for unit in reversed(UNITS) if self.minutes % UNITS[unit] == 0)
        return f"{self.minutes // UNITS[unit]}{unit}"


MINUTE = Step(1)


class Spacing(NamedTuple):
    """Hold how far apart scored windows are.

    Attributes:
        stride: The number of steps from a window to the next.
        step: The length of a step.
    """

    stride: int
    step: Step

    @property
    def per_day(self) -> int:
        """Return the number of windows that begin in a day, at least 1."""
        return max(self.step.per_day // self.stride, 1)


def find_step(minutes: float) -> Step | None:
    """Return the step for readings that are `minutes` apart; None if they are more than a day.

    It is the shortest one that is not shorter, or by less than a tenth.
    """
    shortest = minutes if minutes in ALLOWED else minutes / 1.1
    return next((Step(allowed) for allowed in ALLOWED if allowed >= shortest), None)
