"""List the appliances of the simulated household, and draw those of other households."""

from typing import NamedTuple

import numpy as np

KITCHEN, LAUNDRY, HEATER, ELSEWHERE = range(4)


class Appliance(NamedTuple):
    """Describe an appliance that switches on at random and runs for a while, one run at a time.

    Attributes:
        meter: KITCHEN, LAUNDRY, HEATER or ELSEWHERE.
        watts: Smallest and largest power of a run.
        minutes: Shortest and longest run.
        starts_a_day: Starts on a winter day, including those that fall into another run.
        by_hour: For each hour from midnight, how likely a start is, from 0 to 9.
        summer: Starts in midsummer, as a share of those in midwinter.
        on: Seconds for which a thermostat or a program switches it on; (0, 0) if always on.
        off: Seconds for which it is then off.
    """

    meter: int
    watts: tuple[int, int]
    minutes: tuple[int, int]
    starts_a_day: float
    by_hour: str
    summer: float
    on: tuple[int, int] = (0, 0)
    off: tuple[int, int] = (0, 0)


MORNING_EVENING = "111113999100000028996300"
WATER = "100000388865555454566521"
WAKING = "333223788544433347999863"
LIGHT = "100002765322223479997310"
COOKING = "211111577655555568999742"
MEALS = "100000015556654446999963"
WASHING = "111000012344455666799643"
APPLIANCES = (
    Appliance(HEATER, (1020, 1130), (30, 480), 7.0, WATER, 0.7),
    Appliance(ELSEWHERE, (1300, 2100), (60, 400), 1.8, MORNING_EVENING, 0.1),
    Appliance(ELSEWHERE, (1000, 1600), (40, 300), 2.2, MORNING_EVENING, 0.1),
    Appliance(ELSEWHERE, (200, 700), (4, 40), 8.0, WAKING, 0.2),
    Appliance(ELSEWHERE, (200, 700), (10, 80), 8.0, WAKING, 0.2),
    Appliance(ELSEWHERE, (60, 350), (30, 240), 6.0, LIGHT, 0.4),
    Appliance(ELSEWHERE, (60, 350), (30, 240), 6.0, LIGHT, 0.4),
    Appliance(ELSEWHERE, (1000, 2200), (1, 5), 5.0, COOKING, 0.6),
    Appliance(ELSEWHERE, (1000, 2200), (20, 90), 1.35, COOKING, 0.6, (40, 130), (50, 120)),
    Appliance(ELSEWHERE, (1000, 1800), (20, 90), 1.35, COOKING, 0.6, (90, 240), (80, 170)),
    Appliance(KITCHEN, (2100, 2500), (10, 80), 1.8, MEALS, 0.9, (240, 960), (80, 330)),
    Appliance(LAUNDRY, (2000, 2400), (30, 110), 1.5, WASHING, 0.9, (30, 700), (30, 2000)),
)
STANDBY_WATTS = 225
FRIDGE_WATTS, FRIDGE_ON, FRIDGE_OFF = 84, (14, 24), (24, 44)
# Other households differ from the first: how many of ten own an appliance, the range of its watts
# and of its starts in percent of the first household's, and the shift of its hours.
OWNERS, WATTS_PERCENT, STARTS_PERCENT, HOURS = 8, (70, 130), (40, 170), (-2, 2)


class Household(NamedTuple):
    """Hold the appliances of a household and its constant loads in W."""

    appliances: tuple[Appliance, ...]
    standby: int  # W
    fridge: int  # W


def draw_household(household: int, draw: np.random.Generator) -> Household:
    """Return the habits of a household: those above for household 0, drawn ones for others."""
    if not household:
        return Household(APPLIANCES, STANDBY_WATTS, FRIDGE_WATTS)

    def percent(watts: int) -> int:
        return watts * int(draw.integers(*WATTS_PERCENT, endpoint=True)) // 100

    appliances = []
    for appliance in APPLIANCES:
        is_owned = draw.integers(10) < OWNERS
        lowest, highest = appliance.watts
        shift = int(draw.integers(*HOURS, endpoint=True))
        frequency = int(draw.integers(*STARTS_PERCENT, endpoint=True))
        more_watts = percent(lowest) - lowest
        appliances.append(
            appliance._replace(
                watts=(lowest + more_watts, highest + more_watts),
                starts_a_day=appliance.starts_a_day * frequency / 100 if is_owned else 0.0,
                by_hour=appliance.by_hour[-shift:] + appliance.by_hour[:-shift],
            )
        )
    return Household(tuple(appliances), percent(STANDBY_WATTS), percent(FRIDGE_WATTS))
