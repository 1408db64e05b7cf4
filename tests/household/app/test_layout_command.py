"""The layout command: what it finds in texts as meters write them, and what it leaves."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from household.__main__ import main
from household.core import paths
from household.core.layout import LayoutParams
from household.core.step import Step
from household.readings import layouts
from tests.household.readings.test_texts import one, power
from tests.project import ROOT

pytestmark = pytest.mark.usefixtures("project_folder")
BEGIN = datetime(2023, 3, 2)
WATTS = [100 + row * 7919 % 2000 for row in range(400)]


@pytest.fixture
def project_folder(empty_folder: Path) -> None:
    """Work in a folder that looks like a project."""
    (empty_folder / "dvc.yaml").touch()


def rows(minutes: int, form: Callable[[datetime, int], str], begin: datetime = BEGIN) -> list[str]:
    times = (begin + timedelta(minutes=minutes * row) for row in range(len(WATTS)))
    return [form(time, watts) for time, watts in zip(times, WATTS, strict=True)]


def shown(time: datetime, zone: str, form: str) -> str:
    return f"{time.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)):{form}}"


def day_that_ends(time: datetime) -> str:
    return f"{time - timedelta(minutes=time.hour + time.minute == 0):%d/%m/%Y}"


TEXTS: dict[str, tuple[str, list[str], int, dict[str, Any]]] = {
    "watts, semicolons and a decimal comma": (
        "Zeit;Leistung (W)",
        rows(15, lambda time, watts: f"{time:%d.%m.%Y %H:%M};{watts},5".replace(",5", ",0")),
        15,
        {"delimiter": ";", "decimal": ",", "unit": "W", "time_format": "%d.%m.%Y %H:%M"},
    ),
    "energy of half hours with a preamble": (
        "Name,A CUSTOMER\nAccount,00000\n\nTYPE,DATE,START TIME,END TIME,ENERGY (kWh),COST",
        rows(
            30,
            lambda time, watts: (
                f"Usage,{time.month}/{time.day}/{time:%y,%H:%M},"
                f"{time + timedelta(minutes=29):%H:%M},{watts / 2000},$0.05"
            ),
        ),
        30,
        {"time_columns": ["DATE", "START TIME"], "quantity": "energy", "unit": "kWh"},
    ),
    "a register": (
        "timestamp,total",
        [
            f"{BEGIN + timedelta(minutes=row)},{sum(WATTS[:row]) / 60_000 + 500:.6f}"
            for row in range(400)
        ],
        1,
        {"quantity": "register", "unit": "kWh"},
    ),
    "daily totals": (
        "date;kWh",
        rows(1440, lambda time, watts: f"{time:%d/%m/%Y};{watts * 24 / 1000}"),
        1440,
        {"quantity": "energy", "unit": "kWh", "time_format": "%d/%m/%Y"},
    ),
    "seconds since 1970 without a header": (
        "",
        rows(1, lambda time, watts: f"{time.replace(tzinfo=UTC).timestamp():.0f} {watts}"),
        1,
        {"delimiter": " ", "time_format": "epoch", "unit": "W"},
    ),
    "clocks that go back": (
        "Datum;Watt (W)",
        rows(
            60,
            lambda time, watts: f"{shown(time, 'Europe/Vienna', '%d.%m.%Y %H:%M')};{watts}",
            datetime(2022, 10, 25),
        ),
        60,
        {"timezone": "Europe/Paris", "unit": "W"},
    ),
    "offsets that change": (
        "time,power_w",
        rows(
            60,
            lambda time, watts: f"{shown(time, 'Europe/Oslo', '%Y-%m-%dT%H:%M:%S%z')},{watts}",
            datetime(2022, 10, 25),
        ),
        60,
        {"timezone": "UTC", "unit": "W"},
    ),
    "newest first, month first": (
        "when,kw",
        rows(5, lambda time, watts: f"{time:%m/%d/%Y %H:%M},{watts / 1000}")[::-1],
        5,
        {"time_format": "%m/%d/%Y %H:%M", "unit": "kW"},
    ),
    "thousands and a unit": (
        "time,consumption",
        rows(15, lambda time, watts: f'{time},"{watts * 10:,.1f} Wh"'),
        15,
        {"thousands": ",", "quantity": "energy", "unit": "Wh"},
    ),
    "ends of quarters with midnight of the day that ends": (
        "date,kWh",
        rows(
            15,
            lambda time, watts: f"{day_that_ends(time)},{time:%H:%M},{watts / 4000}",
            BEGIN + timedelta(minutes=15),
        ),
        15,
        {"stamp": "end", "quantity": "energy", "time_columns": ["date", "date (2)"]},
    ),
}


@pytest.mark.parametrize("name", TEXTS)
def test_the_layout_of_a_text_is_found(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    header, lines, minutes, keys = TEXTS[name]
    text = "\n".join([*filter(None, [header]), *lines, ""])
    Path("mine.csv").write_text(text)
    main(["layout", "mine.csv", "--write", "mine"])
    said = capsys.readouterr().out
    step = Step(minutes)
    last = said.splitlines()[-1]
    assert last.endswith(f"-S parse.layout=mine -S parse.step={step}")
    found = layouts.resolve(LayoutParams(extends="mine"))
    assert {key: found[key] for key in keys} == keys
    table = one(text, {"extends": "mine"}, str(step))
    count = len(WATTS) - (found["quantity"] == "register")
    factor = 10 * 4 if name == "thousands and a unit" else 1
    expected = [round(watts * factor / 1000, 5) for watts in WATTS[:count]]
    assert power(table) == pytest.approx(expected, abs=2e-4)
    assert f"{expected[0]:.3f} kW" in said


def test_readings_a_little_further_apart_than_a_step_fit_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    watts = ["-" if row == 7 else 200 + row % 5 for row in range(400)]
    rows = [f"{BEGIN + row * timedelta(seconds=61)},{each}" for row, each in enumerate(watts)]
    Path("mine.csv").write_text("\n".join(["time,W", *rows]))
    main(["layout", "mine.csv"])
    said = capsys.readouterr().out
    assert said.startswith("407 minutes from 2023-03-02 00:00 to 2023-03-02 06:46, ")
    assert said.endswith("-S parse.layout=mine -S parse.step=1min\n")


def test_a_bad_line_is_a_doubt(capsys: pytest.CaptureFixture[str]) -> None:
    lines = rows(1, lambda time, watts: f"{time},{watts}")
    Path("mine.csv").write_text("\n".join(["time,W", *lines, "Total,9", ""]))
    main(["layout", "mine.csv"])
    said = capsys.readouterr().out
    assert "\n- 1 bad line, which on_error: skip leaves out\n" in said
    assert said.endswith("-S parse.layout=mine -S parse.step=1min -S on_error=skip\n")


def test_a_known_layout_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    lines = rows(1, lambda time, watts: f"sensor.power,{watts},{time:%Y-%m-%dT%H:%M:%S}.000Z")
    Path("history.csv").write_text("\n".join(["entity_id,state,last_changed", *lines, ""]))
    main(["layout", "history.csv"])
    said = capsys.readouterr().out
    assert "\nlayout: home_assistant\n" in said
    assert said.endswith(
        f"dvc exp run -S fetch.source={Path('history.csv').resolve()} "
        "-S parse.layout=home_assistant -S parse.step=1min\n"
    )
    assert not layouts.FOLDER.exists()


def test_outside_a_project_the_command_needs_no_dvc(capsys: pytest.CaptureFixture[str]) -> None:
    Path("dvc.yaml").unlink()
    lines = rows(1, lambda time, watts: f"sensor.power,{watts},{time:%Y-%m-%dT%H:%M:%S}.000Z")
    Path("my history.csv").write_text("\n".join(["entity_id,state,last_changed", *lines, ""]))
    main(["layout", "my history.csv"])
    assert capsys.readouterr().out.endswith(
        "\nhousehold run 'my history.csv' --set=parse.layout=home_assistant --set=parse.step=1min "
        "--save=my-model\n"
    )


def test_one_of_several_sensors_is_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    lines = [
        line
        for time_and_watts in rows(1, lambda time, watts: f"{watts},{time:%Y-%m-%dT%H:%M:%S}Z")
        for line in (
            f"sensor.voltage,{230}.0,{time_and_watts.partition(',')[2]}",
            f"sensor.house_power,{time_and_watts}",
        )
    ]
    Path("history.csv").write_text("\n".join(["entity_id,state,last_changed", *lines, ""]))
    main(["layout", "history.csv", "--write", "home"])
    said = capsys.readouterr().out
    assert "- the sensor: the column entity_id has sensor.voltage, sensor.house_power" in said
    written = (layouts.FOLDER / "home.yaml").read_text()
    assert "extends: home_assistant" in written
    table = one(Path("history.csv").read_text(), {"extends": "home"}, "1min")
    assert power(table)[:3] == [round(watts / 1000, 5) for watts in WATTS[:3]]


def test_a_series_of_a_database_is_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    header = "#group,false,false,false,true\n,table,_time,_value,_field"
    volts = rows(1, lambda time, _: f",0,{time:%Y-%m-%dT%H:%M:%S}Z,230,volts")
    watts = rows(1, lambda time, watts: f",1,{time:%Y-%m-%dT%H:%M:%S}Z,{watts},power")
    Path("influx.csv").write_text("\n".join([header, *volts, *watts, ""]))
    main(["layout", "influx.csv", "--write", "home"])
    assert "- the sensor: the column _field has volts, power" in capsys.readouterr().out
    table = one(Path("influx.csv").read_text(), {"extends": "home"}, "1min")
    assert power(table)[:3] == [round(watts / 1000, 5) for watts in WATTS[:3]]


@pytest.mark.parametrize(
    ("text", "arguments", "reason"),
    [
        ("a,b\nx,y\n" * 9, [], "mine.csv: no delimiter gives a column of times and a column of"),
        ("time,power\n2023-03-02,1\n", ["--write", "a/b"], "--write a/b: use letters, digits"),
        ("time,power\n2023-03-02,1\n", ["--write", "uci"], "--write uci: use letters, digits"),
        ("time,power\n2023-03-02,1\n", ["--write", "old"], "layouts/old.yaml exists; remove it"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    text: str, arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("mine.csv").write_text(text)
    layouts.FOLDER.mkdir()
    (layouts.FOLDER / "old.yaml").write_text("extends: uci\n")
    with pytest.raises(SystemExit) as ended:
        main(["layout", "mine.csv", *arguments])
    assert ended.value.code == 1
    said = capsys.readouterr()
    assert said.err.startswith(f"layout: {reason}")
    assert said.err.count("\n") == 1
    assert [path.name for path in layouts.FOLDER.iterdir()] == ["old.yaml"]


def test_the_command_needs_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["layout", "absent.csv"])
    assert "layout: fetch.source: no file at absent.csv" in capsys.readouterr().err
    assert (ROOT / paths.PARAMS).exists()
