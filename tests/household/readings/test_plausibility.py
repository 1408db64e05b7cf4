"""Readings that can hardly be the power of a household, or that are unusual."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from household.core import schema
from household.core.errors import UserError
from household.core.schema import TARGET
from household.core.step import MINUTE, Step
from household.readings.plausibility import PowerCheck
from household.readings.quality import QualityReport
from household.readings.step_reader import trim_zeros

BEGIN = np.datetime64("2023-03-02", "ms")
HOUR = range(61)


def table(power: Sequence[float | None], step: Step = MINUTE) -> pa.Table:
    stamps = pa.array(BEGIN + np.arange(len(power)) * step.delta)
    columns = {"timestamp": stamps, TARGET: pa.array(power, pa.float32())}
    absent = {name: pa.nulls(len(power), pa.float32()) for name in schema.NAMES if name != TARGET}
    by_name = columns | absent
    return pa.table([by_name[name] for name in schema.SCHEMA.names], schema=schema.SCHEMA)


def report(power: Sequence[float | None], step: Step = MINUTE) -> QualityReport:
    found = QualityReport(step)
    found.add(table(power, step))
    return found


def caveats(power: Sequence[float | None], step: Step = MINUTE) -> list[str]:
    found: list[str] = report(power, step).to_dict({}, "mine.csv", {})["caveats"]
    return found


def test_other_columns_in_another_unit_are_a_caveat() -> None:
    found, readings = QualityReport(MINUTE), table([1, 2, 3])
    for name, value in (("global_reactive_power", 90), ("voltage", 230), ("global_intensity", 501)):
        place = readings.schema.get_field_index(name)
        column = pa.array([value] * 3, pa.float32())
        readings = readings.set_column(place, readings.field(name), column)
    found.add(readings)
    assert found.to_dict({}, "mine.csv", {})["caveats"] == [
        "the mean of global_reactive_power is 90 kvar, which is hardly of a household; "
        "parse.layout.units is the unit of the meter",
        "the mean of global_intensity is 501 A, which is hardly of a household; "
        "parse.layout.units is the unit of the meter",
    ]


@pytest.mark.parametrize("year", [1970, 14])
def test_times_before_meters_wrote_texts_are_refused(year: int) -> None:
    found, readings = QualityReport(MINUTE), table([1, 2, 3])
    stamps = pa.array(np.datetime64(f"{year:04}-01-02", "ms") + np.arange(3) * MINUTE.delta)
    found.add(readings.set_column(0, readings.field(0), stamps))
    with pytest.raises(UserError, match=rf"^mine\.csv: the readings begin in {year:04}; correct"):
        found.check("mine.csv", {}, [])
    found.check("mine.csv", {}, ["early_times"])


REFUSED = [
    ([450.0 + minute % 7 for minute in HOUR], "large_power", "the mean power is 453 kW, but a"),
    ([11 + minute / 60 for minute in HOUR], "only_grows", "the power rises 60 times and falls 0"),
    (
        [minute % 1440 / 60 for minute in range(3_000)],
        "only_grows",
        "the power rises 2,997 times and falls 2 times, like the register of a meter",
    ),
    ([0.5] * 61, "constant", "the power is always 0.5 kW; use another column"),
    ([0.0] * 61, "constant", "the power is always 0 kW; use another column"),
    (
        [*[1.0, *[None] * 9], *[2.0, *[None] * 9]] * 150,
        "mostly_missing",
        "90% of the 3,000 minutes from 2023-03-02 to 2023-03-04 are missing",
    ),
]


@pytest.mark.parametrize(("power", "kind", "reason"), REFUSED)
def test_implausible_readings_are_refused_or_a_caveat(
    power: list[float | None], kind: str, reason: str
) -> None:
    checked = report(power)
    remedy = f"to read it all the same, add {kind} to parse.layout.accept"
    with pytest.raises(UserError, match=rf"^mine\.csv: {reason}.*; {remedy}$"):
        checked.check("mine.csv", {}, ())
    checked.check("mine.csv", {}, (kind,))
    assert any(each.startswith(reason) for each in caveats(power))


@pytest.mark.parametrize(
    "power",
    [
        [0.5 + minute / 600 for minute in HOUR[:-1]],
        [*[0.5 + minute / 600 for minute in HOUR], 0.55],
        [1.0] * 59,
        [*[99.0, 98.0] * 40],
        [1.0, None, 2.0, None] * 20,
        [1.0, *[None] * 1400],
    ],
)
def test_plausible_readings_pass(power: list[float | None]) -> None:
    report(power).check("mine.csv", {}, ())


def test_several_sensors_are_refused() -> None:
    checked = report([1.0, 2.0, 1.0])
    with pytest.raises(UserError, match="the column entity_id names several sensors, a, b; name"):
        checked.check("mine.csv", {"entity_id": ["a", "b"]}, ())
    checked.check("mine.csv", {"entity_id": ["a", "b"]}, ("several_sensors",))


WAVE = [0.3 + minute % 50 / 50 for minute in range(3 * 1440)]


@pytest.mark.parametrize(
    ("power", "expected"),
    [
        (WAVE, []),
        ([0.0] * 1440 + WAVE, ["the power is 0 until 2023-03-03 00:00, as before the first"]),
        ([0.0] * 1439 + WAVE, []),
        (
            WAVE + [0.0] * 1440,
            ["the power is 0 after 2023-03-04 23:59, as of a meter that is dead"],
        ),
        (
            WAVE + [0.345] * 720 + WAVE,
            ["the power is 0.345 kW for 720 minutes from 2023-03-05 00:00, as of a sensor"],
        ),
        (WAVE + [0.345] * 719 + WAVE, []),
        ([*WAVE, 65_535.0, *WAVE], ["the largest power is 6.554e+04 kW, more than 20 times"]),
        ([*WAVE, 9.5, *WAVE], []),
        ([value / 1000 for value in WAVE], ["the mean power is 0.79 W, but a household has"]),
        ([-value for value in WAVE], []),
    ],
    ids=range(10),
)
def test_unusual_readings_are_caveats(power: list[float], expected: list[str]) -> None:
    found = caveats(power)
    assert len(found) == len(expected)
    assert all(map(str.startswith, found, expected))


@given(
    power=st.lists(st.sampled_from([0.0, 0.2, 0.5, 3.0]), min_size=1, max_size=200),
    parts=st.integers(1, 9),
)
def test_a_series_in_parts_is_checked_as_a_whole(power: list[float], parts: int) -> None:
    step = Step(60)
    found: list[Any] = []
    for count in (1, parts):
        check = PowerCheck(step)
        for rows in np.array_split(np.arange(len(power)), count):
            stamps = (BEGIN + rows * step.delta).astype("datetime64[m]")
            check.add(stamps, np.array(power, np.float32)[rows])
        found.append([*check.doubts(), *check.caveats(None)])
    assert found[0] == found[1]


@given(power=st.lists(st.sampled_from([None, 0.0, 0.5]), max_size=60), parts=st.integers(1, 9))
def test_zeros_at_both_ends_are_trimmed(power: list[float | None], parts: int) -> None:
    whole = table(power)
    tables = [
        whole.slice(rows[0], len(rows))
        for rows in np.array_split(np.arange(len(power)), parts)
        if len(rows)
    ]
    known = [row for row, value in enumerate(power) if value]
    expected = power[known[0] : known[-1] + 1] if known else []
    found = [value for part in trim_zeros(tables) for value in part[TARGET].to_pylist()]
    assert found == expected
