"""Simulate a household minute by minute, in the text layout of the UCI data set.

The bytes are the same on every machine. All loads are whole watts, random draws are uniform ones of
PCG64, and floats only meet operations that IEEE 754 rounds exactly (+ - * / and the square root).
Other operations, such as a normal draw or the order of a sum, differ between processors and C
libraries in the last bit. The only cosine is rounded to four decimals.
"""

import datetime as dt
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from household.core.schema import Float64, Mask
from household.readings import appliances
from household.readings.appliances import ELSEWHERE, HEATER, KITCHEN, LAUNDRY, Appliance

Integers = npt.NDArray[np.int32]
Seconds = npt.NDArray[np.int64]

DAY = 1440
# Minutes without a value, of all minutes, in the four years of the source.
MISSING, OF_ROWS = 25_979, 2_075_259
# Shares of the missing minutes in gaps of (share, minimum, maximum) minutes: days, hours, minutes.
GAPS = ((0.6, 720, 7200), (0.3, 30, 480), (0.1, 1, 3))
# Within a run, the seconds on and off vary by up to so many percent.
PERCENT = 10


# Voltage without load by hour of the day, in V: low when the neighbourhood cooks.
GRID_VOLTS = (244, 243, 245, 245, 244, 243, 244, 242, 241, 241, 240, 241,
              242, 243, 244, 244, 244, 241, 240, 239, 240, 241, 242, 244)  # fmt: skip
VOLTS_LOST_A_KILOWATT = 1.05


@dataclass(frozen=True)
class SimulatedReadings:
    """Hold simulated readings: arrays (minutes,) in units of the last digit that UCI writes."""

    start: dt.date
    active_power: Integers  # W
    reactive_power: Integers  # var
    voltage: Integers  # hundredths of a volt
    intensity: Integers  # tenths of an ampere
    sub_metering_1: Integers  # Wh
    sub_metering_2: Integers  # Wh
    sub_metering_3: Integers  # Wh
    missing: Mask


def simulate(*, seed: int, days: float, start: dt.date, household: int = 0) -> SimulatedReadings:
    """Simulate a household for round(days * 1440) minutes from midnight of `start`.

    Args:
        seed: Seeds all draws.
        days: The length, which may be a fraction of a day.
        start: The first day.
        household: The index of the household; each has other habits.

    Raises:
        ValueError: `days` is less than one minute.
    """
    n = round(days * DAY)
    if n < 1:
        raise ValueError(f"{days} days are less than a minute")
    # Each part draws from a separate stream, so a change of one does not change the others.
    root = np.random.SeedSequence([seed, household] if household else seed)
    *streams, habits_stream = map(np.random.default_rng, root.spawn(len(appliances.APPLIANCES) + 8))
    draws, habits = iter(streams), appliances.draw_household(household, habits_stream)
    cold, busy = seasons(n, start, next(draws))
    meters = np.zeros((4, n), np.int32)
    for appliance in habits.appliances:
        meters[appliance.meter] += appliance_load(appliance, n, cold, busy=busy, draw=next(draws))
    fridge = fridge_cycles(n, next(draws))
    meters[LAUNDRY] += fridge * habits.fridge
    meters[ELSEWHERE] += habits.standby + piecewise_noise(n, 180, 40, draw=next(draws))
    add_jitter(meters, next(draws))

    # UCI writes even watts. No sub-meter measures the remainder.
    active = meters.sum(axis=0, dtype=np.int32) // 2 * 2
    reactive = reactive_power(fridge, active, next(draws))
    volts = voltage(active, next(draws))
    apparent = np.sqrt(active.astype(np.float64) ** 2 + reactive.astype(np.float64) ** 2)
    wh = meters[:ELSEWHERE] // 60
    return SimulatedReadings(
        start,
        active,
        reactive,
        volts,
        (np.rint(apparent * 100 / volts / 0.2) * 2).astype(np.int32),
        wh[KITCHEN],
        wh[LAUNDRY],
        wh[HEATER],
        draw_missing(n, next(draws)),
    )


def seasons(n: int, start: dt.date, draw: np.random.Generator) -> tuple[Float64, Float64]:
    """Return for each day how cold it is, from 0 in mid July to 1 in mid January, and how busy."""
    days = np.arange(-(-n // DAY))
    year_fraction = (start.timetuple().tm_yday - 15 + days) / 365.25
    cold = 0.5 + np.round(np.cos(2 * np.pi * year_fraction), 4) / 2
    leaves = draw.random(len(days)) < 0.012
    returns = np.where(leaves, days + draw.integers(2, 9, len(days)), 0)
    away = np.maximum.accumulate(returns) > days
    weekend = (start.weekday() + days) % 7 >= 5
    busy = np.where(weekend, 1.3, 0.9) * (0.6 + 0.8 * draw.random(len(days)))
    return cold, np.where(away, 0.05, busy)


def appliance_load(
    appliance: Appliance,
    n: int,
    cold: Float64,
    *,
    busy: Float64,
    draw: np.random.Generator,
) -> Integers:
    """Return the mean power of an appliance in each minute, in W: (n,)."""
    by_hour = np.array([int(digit) for digit in appliance.by_hour])
    chance_by_hour = appliance.starts_a_day / 60 * by_hour / by_hour.sum()
    daily_factor = busy * (appliance.summer + (1 - appliance.summer) * cold)
    chance = (daily_factor[:, np.newaxis] * chance_by_hour).repeat(60)[:n]
    starts = np.flatnonzero(draw.random(n) < chance)
    shortest, longest = appliance.minutes
    # Squared, so that short runs are more frequent.
    durations = 60 * (shortest + (longest - shortest) * draw.random(len(starts)) ** 2)
    begins = 60 * starts + draw.integers(0, 60, len(starts))
    begins, ends = drop_overlapping(begins, begins + durations.astype(np.int64))
    watts = draw.integers(*appliance.watts, len(begins), endpoint=True)
    if appliance.on[1]:
        begins, ends, run = duty_cycles(begins, ends, appliance, draw=draw)
        watts = watts[run]
    return mean_watts(begins, ends, watts, n=n)


def drop_overlapping(begins: Seconds, ends: Seconds) -> tuple[Seconds, Seconds]:
    """Drop the runs that would begin during an earlier run."""
    free_from, kept_runs = 0, []
    for i, (begin, end) in enumerate(zip(begins.tolist(), ends.tolist(), strict=True)):
        if begin >= free_from:
            free_from = end
            kept_runs.append(i)
    return begins[kept_runs], ends[kept_runs]


def duty_cycles(
    begins: Seconds, ends: Seconds, appliance: Appliance, *, draw: np.random.Generator
) -> tuple[Seconds, Seconds, Seconds]:
    """Return the phases in which a run is switched on: begins, ends and the run of each phase.

    The seconds on and off are drawn for each run and vary little within it.

    Args:
        begins: The start of each run in seconds.
        ends: The end of each run in seconds.
        appliance: The appliance.
        draw: The random numbers.
    """
    shortest_cycle = (appliance.on[0] + appliance.off[0]) * (100 - PERCENT) // 100
    max_cycles = int((ends - begins).max(initial=0)) // shortest_cycle + 1
    on, off = (
        draw.integers(*seconds, (len(begins), 1), endpoint=True)
        * draw.integers(100 - PERCENT, 100 + PERCENT, (len(begins), max_cycles), endpoint=True)
        // 100
        for seconds in (appliance.on, appliance.off)
    )
    first = begins[:, np.newaxis] + np.cumsum(on + off, axis=1) - (on + off)
    run, phase = np.nonzero(first < ends[:, np.newaxis])
    return first[run, phase], np.minimum(first + on, ends[:, np.newaxis])[run, phase], run


def mean_watts(begins: Seconds, ends: Seconds, watts: Seconds, *, n: int) -> Integers:
    """Return the mean power in each of `n` minutes, in W.

    Args:
        begins: The start of each load in seconds.
        ends: The end of each load in seconds.
        watts: The power of each load.
        n: The number of minutes.
    """
    # Watt seconds: `whole` of all minutes after a switch, `rest` of the remainder of its minute.
    whole, rest = np.zeros(n + 2, np.int64), np.zeros(n + 2, np.int64)
    for seconds, change in ((begins, watts), (ends, -watts)):
        minute = np.minimum(seconds // 60, n)
        np.add.at(whole, minute + 1, 60 * change)
        np.add.at(rest, minute, (60 - seconds % 60) * change)
    return ((whole.cumsum() + rest)[:n] // 60).astype(np.int32)


def fridge_cycles(n: int, draw: np.random.Generator) -> Integers:
    """Return 1 for each minute in which the fridge runs, 0 for others."""
    cycles = n // (appliances.FRIDGE_ON[0] + appliances.FRIDGE_OFF[0]) + 1
    lengths = np.column_stack(
        [
            draw.integers(*appliances.FRIDGE_ON, cycles, endpoint=True),
            draw.integers(*appliances.FRIDGE_OFF, cycles, endpoint=True),
        ]
    ).ravel()
    return np.tile(np.array([1, 0], np.int32), cycles).repeat(lengths)[:n]


def piecewise_noise(n: int, minutes: int, swing: int, *, draw: np.random.Generator) -> Integers:
    """Return a line through random levels in each of `n` minutes.

    Args:
        n: The number of minutes.
        minutes: The distance between two levels.
        swing: The largest absolute level.
        draw: The random numbers.
    """
    levels = draw.integers(-swing, swing, n // minutes + 2, endpoint=True)
    share = np.arange(n) % minutes
    before = levels[:-1].repeat(minutes)[:n]
    step = np.diff(levels).repeat(minutes)[:n]
    return (before + step * share // minutes).astype(np.int32)


def add_jitter(meters: Integers, draw: np.random.Generator) -> None:
    """Add noise to each load in place, in proportion to the load."""
    for meter, load in enumerate(meters):
        deviation = draw.integers(-64, 65, len(load)) + draw.integers(-64, 65, len(load))
        # Only the smallest loads stay equal from minute to minute.
        meters[meter] += (load * deviation // 3600).astype(np.int32)


def reactive_power(fridge: Integers, active: Integers, draw: np.random.Generator) -> Integers:
    """Return the reactive power in var: motors and electronics, 0 below what UCI's meter shows."""
    n = len(active)
    reactive = 20 + 100 * fridge + active // 25
    reactive += piecewise_noise(n, 120, 130, draw=draw) + piecewise_noise(n, 8, 40, draw=draw)
    return np.where(reactive < 46, 0, reactive // 2 * 2).astype(np.int32)


def voltage(active: Integers, draw: np.random.Generator) -> Integers:
    """Return hundredths of a volt: the grid by hour with drift, minus the drop by the load."""
    n = len(active)
    hours = np.arange(n) // 60 % 24
    base = 100 * np.array(GRID_VOLTS)[hours] + 70
    drift = piecewise_noise(n, 360, 480, draw=draw) + piecewise_noise(n, 20, 180, draw=draw)
    flicker = draw.integers(-70, 71, n)
    return (base + drift + flicker - active * VOLTS_LOST_A_KILOWATT // 10).astype(np.int32)


def draw_missing(n: int, draw: np.random.Generator) -> Mask:
    """Return which minutes have no value: UCI's share of them, never the first or the last."""
    total = min(round(n * MISSING / OF_ROWS), max(n - 2, 0))
    lengths = []
    remaining = total
    for share, shortest, longest in GAPS:
        quota = round(total * share) if share != GAPS[-1][0] else remaining
        # A short series has no room for gaps of days: no gap takes more than half the quota.
        max_length = max(min(longest, quota // 2), 1)
        drawn_lengths = draw.integers(
            min(shortest, max_length), max_length, quota + 1, endpoint=True
        )
        ends = np.minimum(drawn_lengths.cumsum(), quota)
        lengths.append(np.diff(ends, prepend=0))
        remaining -= quota
    gaps = draw.permutation(np.concatenate([part[part > 0] for part in lengths]))
    # Each gap comes before a different one of the minutes with a value.
    before = np.sort(draw.choice(n - total - 1, len(gaps), replace=False)) + 1
    begins = before + np.cumsum(gaps) - gaps
    edges = np.zeros(n + 1, np.int32)
    edges[begins] += 1
    edges[begins + gaps] -= 1
    return edges.cumsum()[:n] > 0
