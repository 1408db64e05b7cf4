"""Find out whether the readings of a series can be the power of a household."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from household.core import arrow
from household.core.schema import Float32, Times
from household.core.step import Step

Integers = npt.NDArray[np.int64]
# The mean power of a household in kW is between these.
LEAST_MEAN_KW, MAX_MEAN_KW = 0.005, 100
# Power falls about as often as it rises. A register of energy only falls when it is reset, at most
# once a day. So few falls after MANY rises mean a register.
MIN_RISES, MAX_RESET_SHARE = 60, 0.01
# Fewer readings may be equal by chance.
MIN_READINGS = 60
# Zeros at an end, or the same value, for so long are hardly those of a household.
DAY, HALF_DAY, FEWEST_EQUAL = np.timedelta64(1, "D"), np.timedelta64(12, "h"), 12
# A reading so many times the power that one reading in a thousand exceeds is an error.
IMPOSSIBLE, RARE = 20, 0.999
BINS_PER_DOUBLING, LEAST_KW = 4, 2.0**-10


class Doubt(NamedTuple):
    """Hold a reason not to read a series.

    Attributes:
        kind: The name by which `parse.layout.accept` accepts it.
        reason: What is wrong, and what to do.
    """

    kind: str
    reason: str


class Run(NamedTuple):
    """Hold consecutive readings of the same power.

    Attributes:
        power: The power in kW.
        first: The time of the first of them.
        length: The number of readings.
    """

    power: float
    first: np.datetime64
    length: int


class PowerCheck:
    """Collect figures on a power, from its known values in time order."""

    def __init__(self, step: Step) -> None:
        """Prepare to check a series with values `step` apart."""
        self._step = step
        self._count, self._sum = 0, 0.0
        self._least, self._most = np.inf, -np.inf
        self._rises = self._falls = 0  # values that are above and below the one before
        self._first = self._last = np.datetime64("NaT", "m")
        self._first_power = self._last_power = np.datetime64("NaT", "m")  # that is not 0
        self._run = self._longest = Run(np.nan, self._first, 0)
        self._histogram = np.zeros(256, np.int64)  # of the logarithm of the absolute power

    def add(self, stamps: Times, power: Float32) -> None:
        """Take the next values (values,) in kW into account."""
        if not len(power):
            return
        if not self._count:
            self._first = stamps[0]
        changes = np.diff(power, prepend=np.float32(self._run.power))
        self._rises += int(np.count_nonzero(changes > 0))
        self._falls += int(np.count_nonzero(changes < 0))
        self._count += len(power)
        self._sum += float(power.sum(dtype=np.float64))
        self._least = min(self._least, float(power.min()))
        self._most = max(self._most, float(power.max()))
        self._last = stamps[-1]
        has_power = power != 0
        if has_power.any():
            if np.isnat(self._first_power):
                self._first_power = stamps[np.argmax(has_power)]
            self._last_power = stamps[-1 - np.argmax(has_power[::-1])]
        doublings = np.log2(np.maximum(np.abs(power), LEAST_KW) / LEAST_KW)
        bins = np.minimum(doublings * BINS_PER_DOUBLING, len(self._histogram) - 1).astype(np.int64)
        self._histogram += np.bincount(bins, minlength=len(self._histogram))
        self._add_runs(stamps, power)

    def _add_runs(self, stamps: Times, power: Float32) -> None:
        """Find the longest run of the same power."""
        firsts = np.flatnonzero(np.diff(power, prepend=np.float32(np.nan)) != 0)
        counts = np.diff(np.append(firsts, len(power)))
        runs = [Run(float(power[row]), stamps[row], int(n)) for row, n in _few(firsts, counts)]
        if runs[0].power == self._run.power:
            runs[0] = self._run._replace(length=self._run.length + runs[0].length)
        self._run = runs[-1]
        self._longest = max(self._longest, *runs, key=lambda run: run.length * (run.power != 0))

    @property
    def _mean(self) -> float:
        return self._sum / self._count if self._count else 0.0

    def doubts(self) -> Iterator[Doubt]:
        """Yield why the values are hardly a power of a household."""
        if self._rises >= MIN_RISES and self._falls < MAX_RESET_SHARE * self._rises:
            yield Doubt(
                "only_grows",
                f"the power rises {self._rises:,} times and falls {self._falls:,} times, like the "
                "register of a meter that counts energy; set parse.layout.quantity to register",
            )
        if self._mean > MAX_MEAN_KW:
            yield Doubt(
                "large_power",
                f"the mean power is {self._mean:,.0f} kW, but a household has 0.2 to 2; correct "
                "parse.layout.unit",
            )
        if self._count >= MIN_READINGS and self._least == self._most:
            yield Doubt(
                "constant",
                f"the power is always {self._least:g} kW; use another column in "
                "parse.layout.columns",
            )

    def caveats(self, timezone: str | None) -> Iterator[str]:
        """Yield what else is unusual; times are shown in the time zone, if there is one."""

        def shown(stamp: np.datetime64) -> str:
            return str(arrow.to_local(stamp, timezone).astype("datetime64[m]")).replace("T", " ")

        if self._count >= MIN_READINGS and 0 < self._mean < LEAST_MEAN_KW:
            yield (
                f"the mean power is {1000 * self._mean:.2g} W, but a household has 200 to 2,000; "
                "parse.layout.unit is the unit of the meter"
            )
        if self._first_power - self._first >= DAY:
            yield (
                f"the power is 0 until {shown(self._first_power)}, as before the first reading of "
                "a meter; parse.layout.trim_zeros leaves that out"
            )
        if self._last - self._last_power >= DAY:
            yield (
                f"the power is 0 after {shown(self._last_power)}, as of a meter that is dead; "
                "parse.layout.trim_zeros leaves that out"
            )
        run = self._longest
        if run.length >= FEWEST_EQUAL and run.length * self._step.delta >= HALF_DAY:
            yield (
                f"the power is {run.power:g} kW for {run.length:,} {self._step.nouns} from "
                f"{shown(run.first)}, as of a sensor that is stuck"
            )
        if self._count >= MIN_READINGS and self._most > IMPOSSIBLE * self._rare_power():
            yield (
                f"the largest power is {self._most:,.4g} kW, more than {IMPOSSIBLE} times as much "
                "as nearly all others; parse.layout.max_kw leaves such readings out"
            )

    def _rare_power(self) -> float:
        """Return the power in kW that few of the values exceed, to a fifth of it."""
        below = np.cumsum(self._histogram)
        bin_of_rare = int(np.searchsorted(below, RARE * below[-1] - 1))
        return float(LEAST_KW * 2 ** ((bin_of_rare + 1) / BINS_PER_DOUBLING))


def _few(firsts: Integers, counts: Integers) -> list[tuple[int, int]]:
    """Return the first, the longest and the last of some runs, each once."""
    rows = dict.fromkeys([0, int(np.argmax(counts)), len(counts) - 1])
    return [(int(firsts[row]), int(counts[row])) for row in rows]
