"""Exports of other meters: by the layouts of layouts/, and against plain Python."""

import io
from collections import defaultdict
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from household.core import params, schema
from household.core.errors import UserError
from household.core.layout import LayoutParams
from household.core.step import MINUTE
from household.readings import layouts, lines, uci
from household.readings.delimited import DelimitedReader
from household.readings.step_reader import StepReader
from household.readings.text_format import UCI_FORMAT, TextFormat
from tests.project import SHIPPED

LAYOUTS = {
    name: layouts.resolve(LayoutParams(extends=name)) for name in layouts.names() if name != "uci"
}
BEGIN = datetime(2014, 3, 1, 23, 58)
PLAIN = TextFormat(
    delimiter=",",
    decimal=".",
    time_columns=("time",),
    time_format="%Y-%m-%d %H:%M:%S",
    columns={"global_active_power": ("power",)},
    null_values=("",),
)


def tables(
    text: str | bytes, layout: TextFormat, skip: bool = False
) -> tuple[pa.Table, DelimitedReader]:
    raw = text.encode() if isinstance(text, str) else text
    made = DelimitedReader(io.BytesIO(raw), layout, MINUTE, skip=skip, name="mine.csv")
    steps = StepReader(made, MINUTE, layout, interval=partial(made.check_interval, MINUTE))
    return pa.concat_tables(steps), made


Power = dict[datetime, float]


def refit(begin: datetime, minutes: int) -> tuple[str, Power]:
    """Return watts every 7 seconds, and the mean power of each minute."""
    lines, watts = ["Time,Unix,Aggregate,Appliance1"], defaultdict[datetime, list[int]](list)
    for second in range(0, 60 * minutes, 7):
        now = begin + timedelta(seconds=second)
        watts[now.replace(second=0)].append(300 + 17 * second % 1000)
        lines.append(f"{now:%Y-%m-%d %H:%M:%S},{1393718280 + second},{300 + 17 * second % 1000},0")
    return "\n".join(lines) + "\n", {
        minute: sum(each) / len(each) / 1000 for minute, each in watts.items()
    }


def shelly(begin: datetime, minutes: int) -> tuple[str, Power]:
    """Return the energy of each minute of three phases, of which one feeds in, and the power."""
    phases = [f"{phase}_{name}" for phase in "abc" for name in ("total_act", "total_act_ret")]
    others = [f"{phase}_avg_{name}" for phase in "abc" for name in ("voltage", "current")]
    lines = [",".join(["timestamp", *(f"{name}_energy" for name in phases), *others])]
    power = {}
    first = int((begin - datetime(1970, 1, 1)).total_seconds())
    for minute in range(minutes):
        energy = 5 + 3.5 * (minute % 9)
        lines.append(f"{first + 60 * minute},{energy},0,2.5,0,0,1.25,231.5,2.1,230,1,229,4")
        power[begin + timedelta(minutes=minute)] = (energy + 2.5 - 1.25) * 0.06
    return "\r\n".join(lines) + "\r\n", power


def home_assistant(begin: datetime, minutes: int) -> tuple[str, Power]:
    """Return watts at each change, some minutes apart, and the mean power of each minute."""
    lines, watts = ["entity_id,state,last_changed"], list[float]()
    for second in range(0, 60 * minutes, 45 if minutes % 2 else 100):
        now = begin + timedelta(seconds=second)
        lines.append(f"sensor.power,{250.5 + second % 700},{now:%Y-%m-%dT%H:%M:%S}.000Z")
        watts += (45 if minutes % 2 else 100) * [250.5 + second % 700]
    # The last one holds for an unknown time.
    known = (len(watts) - (45 if minutes % 2 else 100)) // 60
    return "\n".join(lines) + "\n", {
        begin + timedelta(minutes=minute): sum(watts[60 * minute : 60 * minute + 60]) / 60_000
        for minute in range(known)
    }


MADE = {"refit": refit, "shelly": shelly, "home_assistant": home_assistant}


@pytest.mark.parametrize("name", MADE)
@pytest.mark.parametrize("block", [lines.BLOCK_BYTES, 1000])
def test_the_power_of_each_minute_is_the_mean_of_its_readings(
    name: str, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "BLOCK_BYTES", block)
    text, power = MADE[name](BEGIN, 30)
    found, made = tables(text, TextFormat.of(LAYOUTS[name]))
    assert found.schema == schema.SCHEMA
    assert found["timestamp"].to_pylist() == list(power)
    assert found["global_active_power"].to_pylist() == pytest.approx(list(power.values()), rel=1e-6)
    assert made.skipped.total() == 0
    present = {name for name in schema.NAMES if found[name].null_count < found.num_rows}
    assert present == TextFormat.of(LAYOUTS[name]).columns.keys()


def test_the_layout_that_is_shipped_is_ucis() -> None:
    shipped = params.load(SHIPPED).parse.layout
    assert TextFormat.of(layouts.resolve(shipped)) == UCI_FORMAT


POWER = st.one_of(st.none(), st.integers(-5, 11_000).map(lambda watts: watts / 1000))


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(1, 3), POWER), min_size=1, max_size=30))
def test_the_layout_of_uci_reads_what_its_own_reader_reads(rows: list[tuple[int, Any]]) -> None:
    assume(sorted(minutes for minutes, _ in rows[1:])[: len(rows) // 2 + 1][-1:] in ([], [1]))
    now, lines = datetime(2007, 1, 31, 23, 50), [";".join(schema.HEADER)]
    for minutes, power in rows:
        now += timedelta(minutes=minutes)
        values = ["?"] * 6 + [""] if power is None else [f"{power:.3f}"] * 7
        lines.append(";".join([f"{now.day}/{now.month}/{now:%Y;%H:%M:%S}", *values]))
    text = "\n".join(lines).encode() + b"\n"
    expected = pa.concat_tables(uci.UciReader(io.BytesIO(text), skip=False))
    assert tables(text, UCI_FORMAT)[0].equals(expected)


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("2014-03-01 23:58:00", "%Y-%m-%d %H:%M:%S"),
        ("01.03.14 23:58", "%d.%m.%y %H:%M"),
        ("1393718280", "epoch"),
        ("1393718280.0", "epoch"),
        ("1393718280000", "epoch_ms"),
        ("2014-03-01T23:58:00", "iso"),
        ("2014-03-01 23:58", "iso"),
        ("2014-03-01T23:58:00.999+01:00", "iso"),
        ("2014-03-01T23:58Z", "iso"),
    ],
)
def test_times_are_written_in_many_ways(text: str, form: str) -> None:
    found, _ = tables(f"time,power\n{text},1\n", PLAIN._replace(time_format=form))
    assert found["timestamp"].to_pylist() == [BEGIN]


def test_a_comma_may_be_the_decimal_separator() -> None:
    layout = PLAIN._replace(delimiter=";", decimal=",")
    found, _ = tables('time;power\n2014-03-01 23:58:00;1,25\n"2014-03-01 23:59:00";"0,5"\n', layout)
    assert found["global_active_power"].to_pylist() == [1.25, 0.5]


FAULTS = {
    "fields": ("2014-03-02 00:00:00", "3 fields|1 fields, expected 2"),
    "time": ("2014-02-31 00:00:00,1", "not in the format %Y-%m-%d %H:%M:%S"),
    "number": ("2014-03-02 00:00:00,many", "neither a number nor in the layout"),
    "duplicate": ("2014-03-01 23:59:00,1", "another reading has the same time and other values"),
}


@pytest.mark.parametrize("kind", FAULTS)
def test_a_bad_line_is_named_or_skipped_and_counted(kind: str) -> None:
    line, reason = FAULTS[kind]
    before = "time,power\n2014-03-01 23:58:00,1\n\n2014-03-01 23:59:00,2\n"
    after = "".join(f"2014-03-02 00:0{minute}:00,{minute}\n" for minute in range(3, 7))
    with_missing = [1, 2, None, 3, 4, 5, 6] if kind == "number" else [1, 2, 3, 4, 5, 6]
    text = f"{before}{line}\n{after}"
    said = f"mine.csv line 5: .*({reason}).* in '{line}'; correct the line"
    with pytest.raises(UserError, match=said):
        tables(text, PLAIN)
    found, made = tables(text, PLAIN, skip=True)
    assert found["global_active_power"].to_pylist() == with_missing
    assert made.skipped == {kind: 1}


@pytest.mark.parametrize("value", ["1e400", "nan", "inf", "0x1", "1_0", "--1"])
def test_a_value_that_is_not_a_number_is_refused(value: str) -> None:
    with pytest.raises(UserError, match="line 2: a value is neither a number"):
        tables(f"time,power\n2014-03-01 23:58:00,{value}\n", PLAIN)


@pytest.mark.parametrize("value", ["1.234", "1.234,5", "0.5"])
def test_a_point_with_a_decimal_comma_is_refused(value: str) -> None:
    layout = PLAIN._replace(decimal=",", delimiter=";")
    with pytest.raises(UserError, match=r"line 2: a value is neither a number"):
        tables(f"time;power\n2007-01-01 00:00:00;{value}\n", layout)


@pytest.mark.parametrize(("value", "unit"), [("3e38", "MW"), ("1e36", "MW")])
def test_a_power_that_is_too_large_in_kilowatts_is_refused(value: str, unit: str) -> None:
    with pytest.raises(UserError, match=r"line 2: a value is neither a number"):
        tables(f"time,power\n2007-01-01 00:00:00,{value}\n", PLAIN._replace(unit=unit))


PIECES = ["time", "power", "2007-01-01 00:0", "1:00", "2:00", ",", ";", "\n", "\r", '"', "\0", "é"]
PIECES += ["1.5", "1,5", "nan", "1e999", "-", " ", "\t", "T", "Z", "+01:00", "1167609600", "\ufeff"]


@given(
    text=st.lists(st.sampled_from(PIECES), max_size=60).map("".join),
    layout=st.builds(
        PLAIN._replace,
        delimiter=st.sampled_from([",", ";", "\t", " ", "5", ".", "t"]),
        decimal=st.sampled_from([".", ","]),
        time_format=st.sampled_from(
            ["iso", "epoch", "epoch_ms", PLAIN.time_format, "%", "%Q", "%H", "\0"]
        ),
    ),
    skip=st.booleans(),
)
def test_any_text_in_any_layout_gives_minutes_in_order_or_one_line(
    text: str, layout: TextFormat, skip: bool
) -> None:
    # Below a header that fits, if any does.
    header = f"time{layout.delimiter}power\n"
    try:
        table, _ = tables(header + text, layout, skip)
    except UserError:
        return
    stamps = table["timestamp"].to_numpy()
    assert np.all(np.diff(stamps) > np.timedelta64(0, "ms"))
    assert np.all(np.isfinite(table["global_active_power"].drop_null().to_numpy()))


@pytest.mark.parametrize("value", [b"\xff\xfe", "1".encode("utf-16")])
def test_bytes_that_are_not_utf_8_are_refused_in_one_line(value: bytes) -> None:
    with pytest.raises(UserError, match=r"mine\.csv line") as told:
        tables(b"time,power\n2014-03-01 23:58:00," + value + b"\n", PLAIN)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ("iso", "the time is not written like 2007-03-31 23:59 in '3/1/2014 23:58,1'"),
        ("epoch", "the time is not a number of seconds since 1970"),
        ("%d/%m/%y", "not in the format %d/%m/%y"),
    ],
)
def test_a_time_in_another_format_is_refused_with_the_expected_one(form: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        tables("time,power\n3/1/2014 23:58,1\n", PLAIN._replace(time_format=form))


def test_sensor_names_are_collected() -> None:
    lines = [f"2014-03-01 23:5{minute}:00,1, sensor.{minute % 2},x\n" for minute in range(4)]
    _, made = tables("time,power,Entity_ID,other\n" + "".join(lines), PLAIN)
    assert made.entities == {"Entity_ID": ["sensor.0", "sensor.1"]}


def test_only_the_first_sensor_names_are_kept() -> None:
    lines = [f"2014-03-01 23:{minute}:00,1,{minute}\n" for minute in range(10, 60)]
    _, made = tables("time,power,meter_id\n" + "".join(lines), PLAIN)
    assert made.entities == {"meter_id": ["10", "11", "12"]}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "line 1: header must contain time, power exactly once"),
        (
            "time,watts\n",
            r"missing or repeated: power \(found 'time,watts'\). Find the layout of the file",
        ),
        ("time,power,power\n", "missing or repeated: power"),
        ("time,power\n", "header but no readings"),
    ],
)
def test_a_text_in_another_layout_is_refused_in_one_line(text: str, reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        tables(text, PLAIN)
