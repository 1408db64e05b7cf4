"""Find the header of a text, which lines about the export may precede."""

import csv
from fnmatch import fnmatchcase
from typing import NamedTuple

from household.core.errors import UserError
from household.readings import lines
from household.readings.text_format import TextFormat

# The header is one of so many first lines.
MOST_LINES = 100


class Header(NamedTuple):
    """Hold the header of a text.

    Attributes:
        line: The number of its line, 0 if the layout names the columns.
        names: The names of the columns.
    """

    line: int
    names: list[str]


def find_header(text: lines.Text, layout: TextFormat, name: str) -> Header:
    """Read `text` up to its header.

    Args:
        text: The text, at its start.
        layout: How the text is written.
        name: The name of the text in messages.

    Raises:
        UserError: None of the first lines is a header with all columns of the layout.
    """
    if layout.header:
        return Header(0, list(layout.header))
    best, n_absent = (1, b"", list[str]()), len(layout.headers) + 1
    for number in range(1, MOST_LINES + 1):
        line = text.readline(lines.BLOCK_BYTES)
        if not line:
            break
        names, absent = parse_header(line, layout)
        if not absent:
            return Header(number, names)
        if len(absent) < n_absent and line.strip():
            best, n_absent = (number, line, absent), len(absent)
    number, line, absent = best
    raise UserError(
        f"{name} line {number}: header must contain {', '.join(layout.headers)} exactly once, "
        f"separated by {layout.delimiter!r}; missing or repeated: "
        f"{', '.join(absent or layout.headers)} (found {lines.preview(line)}). Find the layout of "
        "the file by `household layout`, for parse.layout (docs/meters.md)"
    )


def fits(head: bytes, layout: TextFormat) -> bool:
    """Return whether one of the first lines of a text is a header with all columns of a layout."""
    if layout.header:
        return True
    first_lines = head.split(b"\n", MOST_LINES)[:MOST_LINES]
    return any(not parse_header(line, layout)[1] for line in first_lines)


def parse_header(line: bytes, layout: TextFormat) -> tuple[list[str], list[str]]:
    """Return the fields of a header, and those of the layout that are missing or repeated."""
    text = line.removeprefix(lines.BYTE_ORDER_MARK).decode("utf-8", "backslashreplace")
    line_of_fields = text.rstrip("\r\n").replace("\r", " ")
    row = next(csv.reader([line_of_fields], delimiter=layout.delimiter), [])
    header = [name.strip() for name in row]
    return header, [name for name in layout.headers if not _is_found(name, header, layout)]


def _is_found(name: str, header: list[str], layout: TextFormat) -> bool:
    if layout.has_column_per_meter and name == layout.pattern:
        return bool(meter_columns(header, layout))
    return header.count(name) == 1


def meter_columns(header: list[str], layout: TextFormat) -> list[str]:
    """Return the columns of a header that are each the power or energy of a meter."""
    return [
        name
        for name in header
        if fnmatchcase(name, layout.pattern) and name not in layout.time_columns and name
    ]
