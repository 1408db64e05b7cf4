"""Describe how a text of readings is written."""

import csv
from collections.abc import Mapping
from typing import Any, NamedTuple

from household.core import schema
from household.readings import lines


class TextFormat(NamedTuple):
    """Describe how a text of readings is written; see `parse.layout` in params.yaml."""

    delimiter: str
    decimal: str
    time_columns: tuple[str, ...]
    time_format: str
    columns: Mapping[str, str]  # header by column name, without the columns that the meter lacks
    kw_per_unit: float
    null_values: tuple[str, ...]

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> "TextFormat":
        """Return the layout of a record as in params.yaml, where a missing column is null."""
        columns = {name: header for name, header in record["columns"].items() if header}
        tuples = {
            "time_columns": tuple(record["time_columns"]),
            "null_values": tuple(record["null_values"]),
        }
        return cls(**{**record, **tuples, "columns": columns})


UCI_FORMAT = TextFormat(
    delimiter=";",
    decimal=".",
    time_columns=("Date", "Time"),
    time_format="%d/%m/%Y %H:%M:%S",
    columns={column.name: column.source for column in schema.COLUMNS},
    kw_per_unit=1.0,
    null_values=("?", ""),
)


def parse_header(line: bytes, layout: TextFormat) -> tuple[list[str], list[str]]:
    """Return the fields of a header, and those of the layout that are missing or repeated."""
    text = line.removeprefix(lines.BYTE_ORDER_MARK).decode("utf-8", "backslashreplace").strip()
    header = [name.strip() for name in next(csv.reader([text], delimiter=layout.delimiter), [])]
    expected = [*layout.time_columns, *layout.columns.values()]
    return header, [name for name in expected if header.count(name) != 1]
