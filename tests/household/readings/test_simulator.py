"""The simulated household: the laws of its layout, and its likeness to the real one."""

import datetime as dt
import hashlib
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from household.core import schema
from household.readings import archive, simulator, uci_writer

# Measured on the UCI data from 16/12/2006 17:24 to 31/3/2007 23:59, in kW.
REAL: dict[str, float] = {
    "mean": 1.4921,
    "spread": 1.3255,
    "after 1 minute": 0.9614,
    "after 10 minutes": 0.8125,
    "after 60 minutes": 0.5536,
    "share of changes above 1 kW": 0.0420,
    "median change": 0.0120,
    "change after 1 minute": -0.0014,
    "change after 2 minutes": -0.1951,
    "change after 3 minutes": -0.1344,
    "rise after a rise": 0.3285,
    "fall after a rise": 0.3207,
    "rise after a fall": 0.3206,
    "fall after a fall": 0.3163,
    "kitchen, first quartile of pauses": 2,
    "kitchen, median pause": 5,
    "kitchen, third quartile of pauses": 69,
    "kitchen, lowest tenth when on": 18,
    "kitchen, median when on": 37,
    "laundry, first quartile of pauses": 1,
    "laundry, median pause": 15,
    "laundry, third quartile of pauses": 60,
}
# fmt: off
REAL_BY_HOUR = (
    1.021, 0.882, 0.762, 0.723, 0.713, 0.756, 1.184, 1.925, 1.931, 1.706, 1.556, 1.407,
    1.373, 1.311, 1.319, 1.342, 1.363, 1.510, 2.051, 2.684, 2.658, 2.474, 1.810, 1.312,
)
# fmt: on
BOUNDS = {
    "mean": 0.15,
    "spread": 0.15,
    "after 1 minute": 0.01,
    "after 10 minutes": 0.06,
    "after 60 minutes": 0.08,
    "share of changes above 1 kW": 0.006,
    "median change": 0.005,
    "change after 1 minute": 0.15,
    "change after 2 minutes": 0.1,
    "change after 3 minutes": 0.2,
    "rise after a rise": 0.06,
    "fall after a rise": 0.06,
    "rise after a fall": 0.06,
    "fall after a fall": 0.06,
    "kitchen, first quartile of pauses": 2,
    "kitchen, median pause": 3,
    "kitchen, third quartile of pauses": 150,
    "kitchen, lowest tenth when on": 4,
    "kitchen, median when on": 3,
    "laundry, first quartile of pauses": 10,
    "laundry, median pause": 15,
    "laundry, third quartile of pauses": 200,
}
Array = npt.NDArray[Any]
WINTER = dt.date(2006, 12, 16)

LINE = re.compile(
    rb"([1-9]|[12]\d|3[01])/([1-9]|1[0-2])/\d{4};([01]\d|2[0-3]):[0-5]\d:00;"
    rb"(\d+\.\d{3}(;\d+\.\d{3}){2};\d+\.\d00(;\d+\.000){3}|(\?;){6})\r"
)


def statistics(power: Array, kitchen: Array, laundry: Array) -> dict[str, float]:
    """Of the power in kW and two sub-meters in Wh, minute by minute."""
    changes = np.diff(power)
    before, after = changes[:-1], changes[1:]
    found = {
        "mean": power.mean(),
        "spread": power.std(),
        "share of changes above 1 kW": np.mean(np.abs(changes) > 1),
        "median change": np.median(np.abs(changes)),
    }
    for prefix, values, lags in (("", power, (1, 10, 60)), ("change ", changes, (1, 2, 3))):
        for lag in lags:
            name = f"{prefix}after {lag} minute{'s' if lag > 1 else ''}"
            found[name] = np.corrcoef(values[:-lag], values[lag:])[0, 1]
    for name, switched in (("rise", before > 0.5), ("fall", before < -0.5)):
        found[f"rise after a {name}"] = np.mean(after[switched] > 0.2)
        found[f"fall after a {name}"] = np.mean(after[switched] < -0.2)
    for room, meter, least in (("kitchen", kitchen, 3), ("laundry", laundry, 4)):
        on = np.flatnonzero(meter >= least)
        pauses = np.diff(on)[np.diff(on) > 1] - 1
        first, median, third = np.percentile(pauses, [25, 50, 75])
        found |= {
            f"{room}, first quartile of pauses": first,
            f"{room}, median pause": median,
            f"{room}, third quartile of pauses": third,
            f"{room}, lowest tenth when on": np.percentile(meter[on], 10),
            f"{room}, median when on": np.median(meter[on]),
        }
    return {name: float(found[name]) for name in REAL}


def by_hour(power: Array, hours: Array) -> Array:
    return np.array([power[hours == hour].mean() for hour in range(24)])


@pytest.mark.parametrize("seed", [0, 1, 2, 3, 4])
def test_the_sample_has_the_statistics_of_the_real_household(seed: int) -> None:
    house = simulator.simulate(seed=seed, days=105, start=WINTER)
    known = ~house.missing
    power = house.active_power[known] / 1000
    found = statistics(power, house.sub_metering_1[known], house.sub_metering_2[known])
    for name, bound in BOUNDS.items():
        assert found[name] == pytest.approx(REAL[name], abs=bound), name
    profile = by_hour(power, (np.arange(len(known)) // 60 % 24)[known])
    assert np.abs(profile - REAL_BY_HOUR).mean() < 0.25
    assert np.corrcoef(profile, REAL_BY_HOUR)[0, 1] > 0.9


@pytest.mark.skipif(
    "HOUSEHOLD_ZIP" not in os.environ, reason="NO HOUSEHOLD_ZIP: the real record is not tested"
)
def test_the_figures_of_the_real_household_are_true() -> None:
    with archive.open_text(Path(os.environ["HOUSEHOLD_ZIP"])) as text:
        lines = [line.split(b";") for line in text.read().splitlines()[1:]]
    kept = [
        (int(line[1][:2]), float(line[2]), float(line[6]), float(line[7]))
        for line in lines
        if line[2] != b"?"
    ]
    hours, power, kitchen, laundry = np.array(kept).T
    assert statistics(power, kitchen, laundry) == pytest.approx(REAL, abs=1e-4)
    assert by_hour(power, hours) == pytest.approx(REAL_BY_HOUR, abs=1e-3)


def test_summer_takes_less_than_winter() -> None:
    house = simulator.simulate(seed=0, days=365, start=dt.date(2007, 1, 1))
    by_month = house.active_power.reshape(365, -1).mean(axis=1)
    assert by_month[182:243].mean() < 0.75 * by_month[:59].mean()
    assert 800 < house.active_power.mean() < 1400


@given(
    seed=st.integers(0, 2**63),
    rows=st.integers(1, 4000),
    start=st.dates(dt.date(1990, 1, 1), dt.date(2100, 1, 1)),
)
@settings(max_examples=60, deadline=None)
def test_the_laws_of_the_simulator_hold_for_any_household(
    seed: int, rows: int, start: dt.date
) -> None:
    house = simulator.simulate(seed=seed, days=rows / 1440, start=start)
    assert len(house.missing) == rows
    assert house.missing.sum() == min(round(rows * 25_979 / 2_075_259), max(rows - 2, 0))
    assert not house.missing[[0, -1]].any()
    sub_meters = house.sub_metering_1 + house.sub_metering_2 + house.sub_metering_3
    assert np.all(sub_meters * 60 <= house.active_power)
    assert np.all(house.active_power > 0)
    assert np.all(house.reactive_power >= 0)
    assert not np.any(house.active_power % 2)
    assert not np.any(house.reactive_power % 2)
    apparent = np.hypot(house.active_power, house.reactive_power)
    amperes = apparent / (house.voltage / 100)
    assert np.all(np.abs(house.intensity / 10 - amperes) <= 0.1 + 1e-9)
    assert not np.any(house.intensity % 2)

    header, *lines, end = b"".join(uci_writer.to_uci_text(house)).split(b"\n")
    assert header == ";".join(schema.HEADER).encode() + b"\r"
    assert end == b""
    assert len(lines) == rows
    for minute, line in enumerate(lines):
        assert LINE.fullmatch(line)
        stamp = dt.datetime.combine(start, dt.time()) + dt.timedelta(minutes=minute)
        date = f"{stamp.day}/{stamp.month}/{stamp.year};{stamp:%H:%M:%S};"
        assert line.startswith(date.encode())
        assert (b"?" in line) == house.missing[minute]
        if not house.missing[minute]:
            assert int(line.split(b";")[2].replace(b".", b"")) == house.active_power[minute]


def test_the_seed_determines_the_simulated_household() -> None:
    def text(seed: int) -> bytes:
        return b"".join(uci_writer.to_uci_text(simulator.simulate(seed=seed, days=1, start=WINTER)))

    assert text(1) == text(1)
    assert text(1) != text(2)


def test_the_sample_has_the_same_bytes_on_every_machine() -> None:
    house = simulator.simulate(seed=0, days=20, start=dt.date(2007, 6, 20))
    found = hashlib.sha256(b"".join(uci_writer.to_uci_text(house))).hexdigest()
    # A wanted change of the simulator changes this; put what the assertion shows.
    assert found == "5bdbbb320026362a0318ae2dd3b1e993809c44febba3c29d0e2f06a6006e342b"


def test_simulated_gaps_last_minutes_hours_and_days() -> None:
    house = simulator.simulate(seed=0, days=1461, start=WINTER)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], house.missing, [0]]).astype(int)))
    lengths = edges[1::2] - edges[::2]
    assert {
        kind: bool(np.any((lengths >= least) & (lengths <= most)))
        for kind, least, most in (("minutes", 1, 3), ("hours", 60, 480), ("days", 1440, 7200))
    } == {"minutes": True, "hours": True, "days": True}


def test_less_than_a_minute_is_refused() -> None:
    with pytest.raises(ValueError, match="less than a minute"):
        simulator.simulate(seed=0, days=0.0001, start=WINTER)
