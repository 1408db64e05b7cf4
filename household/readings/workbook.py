"""Convert an Excel workbook to a text with commas. Needs the extra `excel`: lock/excel.txt."""

import csv
import datetime as dt
import io
import sys
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from household.core.errors import UserError

# The file in a zip that identifies it as a workbook, and the start of one that is no zip.
CONTENT_TYPES = "[Content_Types].xml"
OLE2 = b"\xd0\xcf\x11\xe0"
SECOND = dt.timedelta(seconds=1)


def is_workbook(path: Path, start: bytes) -> bool:
    """Return whether the file at `path` with the first bytes `start` is an Excel workbook."""
    if start.startswith(b"PK"):
        with suppress(zipfile.BadZipFile), zipfile.ZipFile(path) as archive:
            return CONTENT_TYPES in archive.namelist()
    return start.startswith(OLE2)


def to_csv(path: Path) -> tuple[str, io.BytesIO]:
    """Return a name for the longest sheet of a workbook, and the sheet as a text with commas.

    A line of the text is the row of the sheet with the same number. Times are written as
    2007-03-31T23:59:00.

    Raises:
        UserError: The package for it is not installed, or the workbook is damaged or encrypted.
    """
    try:
        import python_calamine as calamine  # noqa: PLC0415 (an extra)
    except ModuleNotFoundError:
        raise UserError(
            f"{path}: an Excel workbook; run python -m pip install --require-hashes -r "
            "lock/excel.txt to read it, or save it as .csv"
        ) from None
    try:
        with calamine.load_workbook(path) as workbook:
            sheets = [workbook.get_sheet_by_name(name) for name in workbook.sheet_names]
            sheet = max(sheets, key=lambda sheet: sheet.height)
            rows = sheet.to_python(skip_empty_area=False)
    except (calamine.CalamineError, OSError, ValueError) as error:
        raise UserError(f"{path}: not a workbook that can be read ({error})") from None
    others = [other.name for other in sheets if other.height and other.name != sheet.name]
    if others:
        print(
            f"{path.name}: reading the sheet {sheet.name}, which is longer than "
            f"{', '.join(others)}",
            file=sys.stderr,  # predict prints forecasts for programs
        )
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(_texts(rows))
    return f"{path.name}, sheet {sheet.name}", io.BytesIO(text.getvalue().encode())


def _texts(rows: Sequence[Sequence[Any]]) -> Iterator[list[str]]:
    """Yield the cells of each row as text."""
    # A workbook tells the date of a day and its first minute apart by the other cells alone.
    with_times = {
        column for row in rows for column, cell in enumerate(row) if isinstance(cell, dt.datetime)
    }
    for row in rows:
        yield [_text(cell, has_times=column in with_times) for column, cell in enumerate(row)]


def _text(cell: Any, *, has_times: bool) -> str:
    """Return a cell as text.

    Args:
        cell: Its value.
        has_times: Whether its column has times of days as well.
    """
    if isinstance(cell, dt.datetime):
        # A sheet that adds quarters of an hour is some microseconds off in the end.
        return (cell + SECOND / 2).replace(microsecond=0).isoformat()
    if isinstance(cell, dt.date):
        if cell.year <= 1900:  # the time 24:00, one day after Excel's day 0
            return "24:00:00"
        return f"{cell}T00:00:00" if has_times else str(cell)
    if isinstance(cell, dt.timedelta):
        minutes, seconds = divmod(round(cell / SECOND), 60)
        return f"{minutes // 60:02}:{minutes % 60:02}:{seconds:02}"
    # A cell with a line feed would be two lines of a text.
    return " ".join(str(cell).split("\n"))
