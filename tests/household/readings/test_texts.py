"""Texts as utilities and apps write them: order, headers, numbers, meters and time zones."""

import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from household.core import files, params, paths, store
from household.core.errors import UserError
from household.core.layout import LayoutParams
from household.core.params import Params
from household.core.step import Step
from household.readings import layouts, pack, parse
from household.readings.delimited import DelimitedReader, UnsortedError
from household.readings.text_format import TextFormat
from stages import parse as parse_stage
from tests.project import SHIPPED

pytestmark = pytest.mark.usefixtures("empty_folder")
BEGIN = datetime(2023, 3, 2)
QUARTER = timedelta(minutes=15)


def given_layout(**keys: Any) -> dict[str, Any]:
    columns = {"global_active_power": keys.pop("power", "power")}
    time_columns = [keys.pop("time", "time")]
    return {"time_columns": time_columns, "columns": columns} | keys


def parameters(layout: dict[str, Any], step: str) -> Params:
    return params.with_overrides(params.load(SHIPPED), {"parse": {"layout": layout, "step": step}})


def parsed(
    text: str | bytes, layout: dict[str, Any], step: str = "15min", **sections: Any
) -> dict[str, pa.Table]:
    """Parse a text by the fetch and the parse stage; return the steps of each meter."""
    data = text.encode() if isinstance(text, str) else text
    Path("mine.csv").write_bytes(data)
    given_params = params.with_overrides(parameters(layout, step), sections)
    for name in ("mine",):
        folder = paths.RAW / "power"
        folder.mkdir(parents=True, exist_ok=True)
        pack.copy_or_zip("mine.csv", folder / f"{name}.zip")
    parse_stage.main(given_params)
    return {
        folder.name: pa.concat_tables(store.iter_months(folder))
        for folder in sorted(paths.PARSED.iterdir())
    }


def power(table: pa.Table) -> list[float | None]:
    column: list[float | None] = table["global_active_power"].to_pylist()
    return [None if value is None else round(value, 5) for value in column]


def quarters(*values: Any, begin: datetime = BEGIN, form: str = "%Y-%m-%d %H:%M") -> list[str]:
    return [f"{begin + row * QUARTER:{form}},{value}" for row, value in enumerate(values)]


def text(*lines: str, header: str = "time,power") -> str:
    return "\n".join([header, *lines, ""])


def one(given_text: str | bytes, layout: dict[str, Any], step: str = "15min") -> pa.Table:
    (table,) = parsed(given_text, layout, step).values()
    return table


VALUES = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]


def test_newest_first_is_sorted(capsys: pytest.CaptureFixture[str]) -> None:
    table = one(text(*quarters(*VALUES)[::-1]), given_layout())
    assert power(table) == VALUES
    assert table["timestamp"][0].as_py() == BEGIN
    assert "parse: mine.csv: not in time order; sorting the readings" in capsys.readouterr().out


def test_readings_in_any_order_are_sorted() -> None:
    rows = quarters(*VALUES)
    assert power(one(text(*rows[3:], *rows[:3]), given_layout())) == VALUES


def test_equal_readings_count_once() -> None:
    rows = quarters(*VALUES)
    table = one(text(*rows[:3], rows[2], *rows[3:]), given_layout())
    assert power(table) == VALUES
    table = one(text(*rows[3:], *rows[:4]), given_layout())
    assert power(table) == VALUES


def test_unsorted_readings_that_differ_are_refused() -> None:
    rows = quarters(*VALUES)
    other = rows[4].replace("0.5", "0.7")
    with pytest.raises(UserError, match=r"mine\.csv: several readings at 2023-03-02T01:00:00 have"):
        parsed(text(*rows[3:], *rows[:3], other), given_layout())


@pytest.mark.parametrize(
    ("before", "keys"),
    [
        ("Name,A CUSTOMER\nAddress,1 MAIN ST\n\n", {}),
        ("sep=,\n", {}),
        ("# source:,meter\n# rows:,6\n", {"comment": "#"}),
    ],
)
def test_lines_before_the_header_are_passed_over(before: str, keys: dict[str, Any]) -> None:
    table = one(before + text(*quarters(*VALUES)), given_layout(**keys))
    assert power(table) == VALUES


def test_a_layout_may_name_the_columns_of_a_text_without_a_header() -> None:
    rows = "\n".join(quarters(*VALUES))
    assert power(one(rows, given_layout(header=["time", "power"]))) == VALUES
    commented = "# no header\n" + rows.replace("\n", "\n# in between\n", 1)
    assert power(one(commented, given_layout(header=["time", "power"], comment="#"))) == VALUES


def test_a_header_in_the_middle_names_the_columns_after_it() -> None:
    rows = quarters(*VALUES)
    added = [f"{line[:16]},7,{line[17:]}" for line in rows[3:]]
    table = one(text(*rows[:3], "time,fridge,power", *added), given_layout())
    assert power(table) == VALUES


@pytest.mark.parametrize("delimiter", [";", "\t"])
@pytest.mark.parametrize("in_header", [True, False])
def test_a_delimiter_may_end_each_row(delimiter: str, in_header: bool) -> None:
    rows = [line.replace(",", delimiter) + delimiter for line in quarters(*VALUES)]
    header = f"time{delimiter}power" + delimiter * in_header
    table = one(text(*rows, header=header), given_layout(delimiter=delimiter))
    assert power(table) == VALUES


@pytest.mark.parametrize(
    ("written", "keys", "expected"),
    [
        ('"1,200.5"', {"thousands": ","}, 1200.5),
        ('"-1,234,567.5"', {"thousands": ","}, -1234567.5),
        ("999.5", {"thousands": ","}, 999.5),
        ("1.234,5", {"thousands": ".", "decimal": ",", "delimiter": ";"}, 1234.5),
        ("1 234.5", {"thousands": " "}, 1234.5),
        (".25", {}, 0.25),
        ("1.5 kW", {}, 1.5),
        ("1.5kW", {}, 1.5),
        ("NaN", {}, None),
        ("Null", {}, None),
        ("", {}, None),
    ],
)
def test_numbers_are_written_in_many_ways(
    written: str, keys: dict[str, Any], expected: float | None
) -> None:
    delimiter = keys.get("delimiter", ",")
    rows = [line.replace(",", delimiter) for line in quarters(1, 1, 1)]
    last = f"{BEGIN + 3 * QUARTER}{delimiter}{written}"
    header = f"time{delimiter}power"
    layout = given_layout(accept=["large_power"], **keys)
    assert power(one(text(*rows, last, header=header), layout))[-1] == expected


def test_the_other_columns_have_units_of_their_own() -> None:
    columns = {"global_active_power": "P", "global_reactive_power": "Q", "sub_metering_1": "S"}
    units = {"global_reactive_power": "var", "sub_metering_1": "kWh"}
    rows = [f"{BEGIN + row * QUARTER},{row},{1000 * row},{row / 4}" for row in range(4)]
    keys = {"time_columns": ["time"], "columns": columns, "units": units, "accept": ["only_grows"]}
    table = one(text(*rows, header="time,P,Q,S"), keys)
    assert table["global_reactive_power"].to_pylist() == [0, 1, 2, 3]
    assert table["sub_metering_1"].to_pylist() == [0, 250, 500, 750]


@pytest.mark.parametrize("written", ['"1,2"', '"12,34.5"', '"1,2345"', "1.5 kWh", "1.5 W"])
def test_a_number_that_means_something_else_is_refused(written: str) -> None:
    rows = [*quarters(1, 1, 1), f"{BEGIN + 3 * QUARTER},{written}"]
    with pytest.raises(UserError, match=r"mine\.csv line 5: a value is neither a number"):
        parsed(text(*rows), given_layout(thousands=","))


def test_a_column_names_the_meter() -> None:
    rows = [f"{row},{name}" for row in quarters(*VALUES) for name in ("a/1", " b")]
    rows = [row.replace(",0.", ",1.") if row.endswith("b") else row for row in rows]
    given_text = text(*rows, header="time,power,LCLid")
    found = parsed(given_text, given_layout(meter="LCLid"))
    assert {name: power(table) for name, table in found.items()} == {
        "a_1": VALUES,
        "b": [1 + value for value in VALUES],
    }
    chosen = parsed(given_text, given_layout(meter="LCLid", meter_names=["b"]))
    assert {name: power(table) for name, table in chosen.items()} == {
        "power": [1 + value for value in VALUES]
    }
    with pytest.raises(UserError, match=r"no reading of c in the column LCLid, which has a/1, b;"):
        parsed(given_text, given_layout(meter="LCLid", meter_names=["c"]))


def test_a_meter_of_several_has_the_same_name_in_any_order() -> None:
    rows = [f"{row},{name}" for row in quarters(*VALUES) for name in ("a", "b")]
    for ordered in (rows, rows[::-1]):
        given_text = text(*ordered, header="time,power,LCLid")
        found = parsed(given_text, given_layout(meter="LCLid", meter_names=["b"]))
        assert {name: power(table) for name, table in found.items()} == {"power": VALUES}


def test_the_midnight_of_a_meter_is_not_that_of_the_meter_before() -> None:
    day = [f"{row},a" for row in quarters(*[1, 2] * 48, begin=datetime(2023, 3, 2))]
    rows = [*day, *(row.replace(",a", ",b") for row in day)]
    found = parsed(text(*rows, header="time,power,LCLid"), given_layout(meter="LCLid"))
    for table in found.values():
        assert power(table) == [1, 2] * 48


def test_a_meter_of_a_text_may_be_skipped_but_not_all(capsys: pytest.CaptureFixture[str]) -> None:
    times = [f"{BEGIN + row * QUARTER:%Y-%m-%d %H:%M}" for row in range(99)]
    grows = [f"{time},{row},a" for row, time in enumerate(times)]
    varies = [f"{time},{row % 7},b" for row, time in enumerate(times)]
    layout, header = given_layout(meter="home"), "time,power,home"
    assert list(parsed(text(*grows, *varies, header=header), layout, on_error="skip")) == ["b"]
    assert "parse: skipped meter a: mine.csv: the power rises 98 times" in capsys.readouterr().out
    both_grow = text(*grows, *(row.replace(",a", ",b") for row in grows), header=header)
    with pytest.raises(UserError, match=r"^all 2 meters failed; a: mine\.csv: the power rises"):
        parsed(both_grow, layout, on_error="skip")


def test_clients_side_by_side_are_meters() -> None:
    rows = [f"{row},{index},0" for index, row in enumerate(quarters(*VALUES))]
    given_text = text(*rows, header='"",MT_001,MT_002,total')
    found = parsed(given_text, given_layout(time="", power="MT_*"))
    assert {name: power(table) for name, table in found.items()} == {
        "MT_001": VALUES,
        "MT_002": [0, 1, 2, 3, 4, 5],
    }
    chosen = parsed(given_text, given_layout(time="", power="MT_002"))
    assert power(chosen["power"]) == [0, 1, 2, 3, 4, 5]


def test_times_may_be_those_of_the_end_of_an_interval() -> None:
    table = one(text(*quarters(*VALUES)), given_layout(stamp="end"))
    assert table["timestamp"][0].as_py() == BEGIN - QUARTER
    assert power(table) == VALUES


def test_midnight_may_have_the_date_of_the_day_that_ends() -> None:
    begin = datetime(2018, 1, 1, 23, 15)
    rows = quarters(*VALUES, begin=begin)
    rows[3] = rows[3].replace("2018-01-02 00:00", "2018-01-01 00:00")
    table = one(text(*rows), given_layout(stamp="end"))
    assert table["timestamp"][0].as_py() == begin - QUARTER
    assert power(table) == VALUES


@pytest.mark.parametrize("quantity", ["power", "energy", "register"])
@pytest.mark.parametrize("zone", ["Europe/Vienna", "America/New_York", "Asia/Kolkata"])
@pytest.mark.parametrize("month", [3, 11])
@given(
    step=st.sampled_from(["1min", "5min", "15min", "30min", "1h"]),
    offset=st.booleans(),
    is_newest_first=st.booleans(),
)
def test_what_is_written_in_a_zone_is_read_back(
    quantity: str, zone: str, month: int, step: str, offset: bool, is_newest_first: bool
) -> None:
    """Over both clock changes, in any step and with any quantity."""
    length = Step.parse(step)
    count = 4 * length.per_day
    day = {"Europe/Vienna": (3, 25, 10, 29), "America/New_York": (3, 11, 11, 4)}.get(
        zone, (3, 25, 10, 29)
    )
    begin = datetime(2022, *(day[:2] if month == 3 else day[2:]), tzinfo=ZoneInfo(zone))
    times = [begin.astimezone(UTC) + row * length.duration for row in range(count)]
    watts = [100 + row * 7919 % 2000 for row in range(count)]
    total, rows = 5000.0, []
    for time, value in zip(times, watts, strict=True):
        local = time.astimezone(ZoneInfo(zone))
        shown = f"{local:%Y-%m-%dT%H:%M:%S}" + (f"{local:%z}" if offset else "")
        energy = value * length.minutes / 60
        rows.append(f"{shown},{ {'power': value, 'energy': energy, 'register': total}[quantity]!r}")
        total += energy
    ahead = slice(None, None, -1 if is_newest_first else 1)
    unit = "W" if quantity == "power" else "Wh"
    layout = LayoutParams.model_validate(given_layout(quantity=quantity, unit=unit, timezone=zone))
    folder = Path("raw/power")
    folder.mkdir(parents=True, exist_ok=True)
    Path("mine.csv").write_text(text(*rows[ahead]))
    pack.copy_or_zip("mine.csv", folder / "mine.zip")
    with files.atomic_folder(Path("parsed")) as partial:
        parse.parse_meter(
            "power",
            Path("raw"),
            partial,
            layout=layouts.resolve(layout),
            step=length,
            skip=False,
        )
    table = pa.concat_tables(store.iter_months(Path("parsed/power")))
    n_known = count - (quantity == "register")
    assert str(table["timestamp"].type) == f"timestamp[ms, tz={zone}]"
    stamps = table["timestamp"].cast(pa.timestamp("ms", "UTC"))
    assert stamps.to_pylist() == times[:n_known]
    expected = [value / 1000 for value in watts[:n_known]]
    assert table["global_active_power"].to_pylist() == pytest.approx(expected, rel=1e-5)


def test_a_daily_energy_is_that_of_a_day_of_23_to_25_hours() -> None:
    days = [datetime(2022, 10, 28) + timedelta(days=day) for day in range(5)]
    rows = [f"{day:%d/%m/%Y},{energy}" for day, energy in zip(days, range(24, 29), strict=True)]
    layout = given_layout(
        time_format="%d/%m/%Y", quantity="energy", unit="kWh", timezone="Europe/Vienna"
    )
    table = one(text(*rows), layout, "1d")
    assert str(table["timestamp"].type) == "timestamp[ms]"
    assert table["timestamp"].to_pylist() == days
    # Clocks go back on the third day.
    hours = [24, 24, 25, 24, 24]
    energies = zip(range(24, 29), hours, strict=True)
    assert power(table) == [round(energy / each, 5) for energy, each in energies]
    ends = one(text(*rows), layout | {"stamp": "end"}, "1d")
    assert ends["timestamp"].to_pylist() == [day - timedelta(days=1) for day in days]


def test_hours_of_a_day_are_averaged_by_the_local_date() -> None:
    begin = datetime(2022, 10, 29, tzinfo=ZoneInfo("Europe/Vienna")).astimezone(UTC)
    times = [begin + timedelta(hours=hour) for hour in range(24 + 25 + 24)]
    local = [time.astimezone(ZoneInfo("Europe/Vienna")) for time in times]
    rows = [f"{time:%Y-%m-%d %H:%M},{time.day}" for time in local]
    table = one(text(*rows), given_layout(timezone="Europe/Vienna"), "1d")
    assert table["timestamp"].to_pylist() == [datetime(2022, 10, day) for day in (29, 30, 31)]
    assert power(table) == [29, 30, 31]


def test_an_hour_that_stands_twice_needs_a_zone() -> None:
    begin = datetime(2022, 10, 30, 1, 0)
    rows = quarters(*range(8), begin=begin) + quarters(*range(8), begin=begin + 4 * QUARTER)
    with pytest.raises(UserError, match=r"the hour before 2022-10-30T02:45 stands twice, as when"):
        parsed(text(*rows), given_layout())


def test_offsets_that_change_need_a_zone() -> None:
    rows = ["2022-10-30T01:00:00+02:00,1", "2022-10-30T02:00:00+01:00,2"]
    with pytest.raises(UserError, match=r"offset from UTC changes.*set parse\.layout\.timezone"):
        parsed(text(*rows), given_layout(), "1h")


def test_a_time_that_clocks_skip_is_refused_if_it_has_a_value() -> None:
    rows = quarters(*range(12), begin=datetime(2022, 3, 27, 0, 45))
    layout = given_layout(timezone="Europe/Vienna")
    with pytest.raises(UserError, match=r"line 7: the time does not exist in Europe/Vienna, where"):
        parsed(text(*rows), layout)
    empty = [row.rpartition(",")[0] + "," if " 02:" in row else row for row in rows]
    table = one(text(*empty), layout)
    assert power(table) == [0, 1, 2, 3, 4, 9, 10, 11]


def test_a_text_that_is_not_in_order_is_no_stream() -> None:
    layout = TextFormat.of(layouts.resolve(LayoutParams.model_validate(given_layout())))
    data = io.BytesIO(text(*quarters(*VALUES)[::-1]).encode())
    reader = DelimitedReader(data, layout, Step(15), skip=False, name="mine.csv")
    with pytest.raises(UnsortedError):
        list(reader)


def test_an_interval_that_changes_is_a_caveat(capsys: pytest.CaptureFixture[str]) -> None:
    first = quarters(*VALUES * 10)
    begin = BEGIN + 60 * QUARTER
    then = [f"{begin + row * timedelta(hours=1):%Y-%m-%d %H:%M},{row % 7}" for row in range(25)]
    parsed(text(*first, *then), given_layout())
    said = "warning: from 2023-03-02 on some readings are 1 hour apart, and usually 15 minutes;"
    assert said in capsys.readouterr().out
    parsed(text(*first, *then[:24]), given_layout())
    assert "warning: from" not in capsys.readouterr().out


def test_each_meter_of_a_text_has_its_own_interval() -> None:
    """Two meters that take turns are not one that writes twice as often."""
    rows = []
    for minute, energy in enumerate(range(10, 30)):
        time = BEGIN + timedelta(minutes=minute)
        rows += [f"{time},{energy},a", f"{time + timedelta(seconds=30)},{energy},b"]
    layout = given_layout(meter="meter", quantity="energy", unit="Wh")
    found = parsed(text(*rows, header="time,power,meter"), layout, "1min")
    assert power(found["a"]) == [round(60 * energy / 1000, 5) for energy in range(10, 30)]
    assert power(found["b"])[1:19] == pytest.approx(
        [60 * (energy - 0.5) / 1000 for energy in range(11, 29)]
    )


@pytest.mark.parametrize("keys", [{"meter": "name"}, {"power": "p_*"}])
def test_a_text_of_several_meters_is_no_stream(keys: dict[str, Any]) -> None:
    given_text = text(f"{BEGIN},1,2,a", f"{BEGIN},1,2,b", header="time,p_1,p_2,name")
    record = given_layout(**{"power": "p_1"} | keys)
    layout = TextFormat.of(layouts.resolve(LayoutParams.model_validate(record)))
    for live, expected in ((False, UnsortedError), (True, UserError)):
        data = io.BytesIO(given_text.encode())
        reader = DelimitedReader(data, layout, Step(1), skip=False, name="mine.csv", live=live)
        with pytest.raises(expected):
            list(reader)
