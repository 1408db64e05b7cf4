"""Excel workbooks, as utilities export them."""

import datetime as dt
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter

from household.core.errors import UserError
from household.readings import archive, pack, workbook

pytestmark = pytest.mark.usefixtures("empty_folder")
FORMATS = {dt.datetime: "dd.mm.yyyy hh:mm", dt.time: "hh:mm", dt.date: "dd.mm.yyyy"}
BEGIN = dt.datetime(2024, 3, 30, 23, 30)


def write(path: str, **sheets: Sequence[Sequence[Any]]) -> Path:
    """Write a workbook, whose times have the formats that people give them."""
    with xlsxwriter.Workbook(path) as book:
        formats = {kind: book.add_format({"num_format": form}) for kind, form in FORMATS.items()}
        duration = book.add_format({"num_format": "[h]:mm"})
        for name, rows in sheets.items():
            sheet = book.add_worksheet(name)
            for number, row in enumerate(rows):
                for column, cell in enumerate(row):
                    if isinstance(cell, dt.timedelta):
                        sheet.write_number(number, column, cell / dt.timedelta(1), duration)
                    elif type(cell) in formats:
                        sheet.write_datetime(number, column, cell, formats[type(cell)])
                    else:
                        sheet.write(number, column, cell)
    return Path(path)


def packed(path: Path) -> tuple[str, list[str]]:
    """Return the name and the lines of the text in the zip of a workbook."""
    pack.copy_or_zip(str(path), Path("made.zip"))
    archive.verify(Path("made.zip"), str(path))
    with archive.open_text(Path("made.zip")) as text:
        assert text.name is not None
        return text.name, text.read().decode().splitlines()


def test_the_longest_sheet_becomes_a_text(capsys: pytest.CaptureFixture[str]) -> None:
    quarters = [(BEGIN + row * dt.timedelta(minutes=15), row / 10) for row in range(4)]
    data = [("Zählpunkt", "AT003"), (), ("Zeit", "kWh"), *quarters]
    path = write("use.xlsx", Info=[("Export",)], Lastgang=data)
    assert packed(path) == (
        "use.xlsx, sheet Lastgang",
        [
            "Zählpunkt,AT003",
            ",",
            "Zeit,kWh",
            "2024-03-30T23:30:00,0.0",
            "2024-03-30T23:45:00,0.1",
            "2024-03-31T00:00:00,0.2",
            "2024-03-31T00:15:00,0.3",
        ],
    )
    assert capsys.readouterr().err == (
        "use.xlsx: reading the sheet Lastgang, which is longer than Info\n"
    )


def test_dates_and_times_of_the_day_may_be_columns() -> None:
    rows = [
        (dt.date(2024, 3, 30), dt.time(23, 45), dt.timedelta(hours=23, minutes=45), "1,5", True),
        (dt.date(2024, 3, 30), dt.timedelta(1), dt.timedelta(1), "two\nlines", None),
    ]
    assert packed(write("use.xlsx", Data=rows))[1] == [
        '2024-03-30,23:45:00,23:45:00,"1,5",True',
        "2024-03-30,24:00:00,24:00:00,two lines,",
    ]


def test_a_time_of_the_day_may_be_the_end_of_the_day() -> None:
    with xlsxwriter.Workbook("use.xlsx") as book:
        clock = book.add_format({"num_format": "hh:mm"})
        book.add_worksheet().write_number(0, 0, 1.0, clock)
    assert packed(Path("use.xlsx"))[1] == ["24:00:00"]


def test_times_that_a_formula_has_added_up_are_whole_seconds() -> None:
    with xlsxwriter.Workbook("use.xlsx") as book:
        form = book.add_format({"num_format": "dd.mm.yyyy hh:mm"})
        sheet, days = book.add_worksheet(), 45_000.0
        for row in range(35_000):
            sheet.write_number(row, 0, days, form)
            days += 1 / 96
    last = dt.datetime(2023, 3, 15) + 34_999 * dt.timedelta(minutes=15)
    assert packed(Path("use.xlsx"))[1][-1] == last.isoformat()


@pytest.mark.parametrize("is_zip", [True, False])
def test_a_damaged_workbook_is_refused_in_one_line(is_zip: bool) -> None:
    data = write("use.xlsx", Data=[("time", "kWh")] * 9).read_bytes()
    place = data.index(b"xl/worksheets/sheet1.xml") + 30
    damaged = data[:place] + bytes(40) + data[place + 40 :]
    Path("use.xlsx").write_bytes(damaged if is_zip else workbook.OLE2 + bytes(99))
    with pytest.raises(UserError, match=r"^use\.xlsx: not a workbook that can be read \(") as told:
        packed(Path("use.xlsx"))
    assert "\n" not in str(told.value)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "python_calamine", None)
    path = write("use.xlsx", Data=[("time", "kWh")])
    with pytest.raises(UserError, match=r"^use\.xlsx: an Excel workbook; run .* lock/excel\.txt"):
        workbook.to_csv(path)
