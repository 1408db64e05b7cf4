"""Read the header of a text."""

import csv

from household.readings import lines
from household.readings.text_format import TextFormat


def parse_header(line: bytes, layout: TextFormat) -> tuple[list[str], list[str]]:
    """Return the fields of a header, and those of the layout that are missing or repeated."""
    text = line.removeprefix(lines.BYTE_ORDER_MARK).decode("utf-8", "backslashreplace")
    row = next(csv.reader([text.rstrip("\r\n")], delimiter=layout.delimiter), [])
    header = [name.strip() for name in row]
    return header, [name for name in layout.headers if header.count(name) != 1]
