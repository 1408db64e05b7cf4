"""What is said of the parsed minutes, against a count by hand and minute by minute."""

import re
from collections import Counter
from typing import Any
from unittest.mock import patch

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from household.core import schema
from household.core.errors import UserError
from household.core.schema import TARGET
from household.core.step import MINUTE
from household.readings import quality


def table(
    minutes: list[int], power: list[float | None], voltage: list[float | None] | None = None
) -> pa.Table:
    return pa.table(
        {
            "timestamp": pa.array(
                np.datetime64("2006-12-31T23:58", "ms") + np.array(minutes) * np.timedelta64(1, "m")
            )
        }
        | {name: pa.nulls(len(minutes), pa.float32()) for name in schema.NAMES}
        | {TARGET: pa.array(power, pa.float32())}
        | ({} if voltage is None else {"voltage": pa.array(voltage, pa.float32())})
    )


def record(whole: pa.Table, skipped: dict[str, int], parts: int = 3) -> dict[str, Any]:
    found = quality.QualityReport(MINUTE)
    for rows in np.array_split(np.arange(len(whole)), parts):
        if len(rows):
            found.add(whole.take(rows))
    return found.to_dict(skipped, "mine.txt", {})


def test_the_quality_record_of_a_small_table() -> None:
    # Without a value: 0 to 1 (leading), 4 (null) with 5 to 6 (no row), 8 (no row), 10 (trailing).
    found = record(
        table(
            [0, 1, 2, 3, 4, 7, 9, 10],
            [None, None, 4.216, 0.1, None, 1.5, 2.0, None],
            [240, 241, None, 243, 240, 241, 242, 243],
        ),
        Counter(fields=2, duplicate=3, time=1),
    )
    nothing = {"min": None, "mean": None, "max": None}
    assert found == {
        "rows": 8,
        "first": "2006-12-31T23:58",
        "last": "2007-01-01T00:08",
        "skipped_lines": {
            "duplicate": 3, "fields": 2, "number": 0, "out_of_order": 0, "time": 1,
            "unreadable": 0,
        },
        "missing": dict.fromkeys(schema.NAMES, 8) | {TARGET: 4, "voltage": 1},
        "gaps": {
            "count": 4, "longest_minutes": 3, "missing_rows": 3,
            "by_day": {"2006-12-31": 2, "2007-01-01": 5},
        },
        "columns": dict.fromkeys(schema.NAMES, nothing)
        | {
            TARGET: {"min": 0.1, "mean": 1.954, "max": 4.216},
            "voltage": {"min": 240.0, "mean": 241.428571, "max": 243.0},
        },
        "caveats": [],
    }  # fmt: skip


def gaps(minutes: list[int], power: list[float | None]) -> dict[str, Any]:
    # One step after the other is more than a minute here.
    with patch.object(quality.QualityReport, "_check_distances"):
        return record(table(minutes, power), {})["gaps"]


@pytest.mark.parametrize(
    ("minutes", "power", "count", "longest", "absent"),
    [
        pytest.param([0], [1.0], 0, 0, 0, id="one minute"),
        pytest.param([0], [None], 1, 1, 0, id="one minute without a value"),
        pytest.param([0, 1, 2], [1.0, 2.0, 3.0], 0, 0, 0, id="none"),
        pytest.param([0, 1, 2], [None, None, None], 1, 3, 0, id="nothing else"),
        pytest.param([0, 9], [None, None], 1, 10, 8, id="nothing else and no rows"),
        pytest.param([0, 5], [1.0, 2.0], 1, 4, 4, id="rows absent"),
        pytest.param([0, 1, 2], [1.0, None, 2.0], 1, 1, 0, id="inner"),
        pytest.param([0, 1, 5], [1.0, None, 2.0], 1, 4, 3, id="null and absent are one gap"),
        pytest.param([0, 1, 2], [None, 1.0, 2.0], 1, 1, 0, id="leading"),
        pytest.param([0, 1, 2], [1.0, 2.0, None], 1, 1, 0, id="trailing"),
    ],
)
def test_a_gap_is_a_run_of_missing_minutes(
    minutes: list[int], power: list[float | None], count: int, longest: int, absent: int
) -> None:
    found = gaps(minutes, power)
    assert [found["count"], found["longest_minutes"], found["missing_rows"]] == [
        count,
        longest,
        absent,
    ]


@given(
    steps=st.lists(st.tuples(st.integers(1, 4), st.booleans()), min_size=1, max_size=30),
)
def test_gaps_equal_a_count_minute_by_minute(steps: list[tuple[int, bool]]) -> None:
    minutes = [sum(step for step, _ in steps[1 : end + 1]) for end in range(len(steps))]
    power = [1.0 if present else None for _, present in steps]
    known = {minute for minute, value in zip(minutes, power, strict=True) if value is not None}
    marks = "".join("x" if minute in known else " " for minute in range(minutes[-1] + 1))
    stretches = re.findall(" +", marks)
    assert gaps(minutes, power) == {
        "count": len(stretches),
        "longest_minutes": max(map(len, stretches), default=0),
        "missing_rows": len(marks) - len(minutes),
        "by_day": {
            day: count
            for day, part in (("2006-12-31", marks[:2]), ("2007-01-01", marks[2:]))
            if (count := part.count(" "))
        },
    }


@pytest.mark.parametrize(
    ("step", "usual", "setting"),
    [
        (2, "2 minutes", "2min"),
        (7, "7 minutes", "8min"),
        (60, "1 hour", "1h"),
        (1440, "1 day", "1d"),
    ],
)
def test_readings_further_apart_than_a_step_are_refused(
    step: int, usual: str, setting: str
) -> None:
    # A minute here and there does not make minutes of them.
    minutes = np.cumsum([step, 1, step, step] * 10).tolist()
    said = f"^mine.txt: readings are usually {usual} apart, but parse.step is 1min; set it to "
    with pytest.raises(UserError, match=f"{said}{setting}$"):
        record(table(minutes, [1.0] * len(minutes)), {})


@pytest.mark.parametrize("minutes", [[0], [0, 1], [0, 1, 9], [0, 500, 501, 502]])
def test_gaps_do_not_change_the_usual_step(minutes: list[int]) -> None:
    assert record(table(minutes, [1.0] * len(minutes)), {})["rows"] == len(minutes)
