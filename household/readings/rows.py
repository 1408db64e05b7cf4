"""Split the lines of a delimited text into columns."""

from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.csv

from household.core.errors import UserError


class Columns(NamedTuple):
    """Hold lines as columns of strings.

    Attributes:
        table: A column for each name, without the lines that have another number of fields.
        malformed: Those lines, as pyarrow describes them.
    """

    table: pa.Table
    malformed: list[Any]


def split_lines(
    block: bytes, header: list[str], columns: list[str], *, delimiter: str, name: str, line: int
) -> Columns:
    """Split lines into columns.

    Args:
        block: Whole lines.
        header: The names of all columns.
        columns: The columns to return.
        delimiter: The character between two fields.
        name: The name of the text in messages.
        line: The number of the first line.

    Raises:
        UserError: It is not delimited text.
    """
    malformed: list[Any] = []

    def skip_row(row: Any) -> str:
        malformed.append(row)
        return "skip"

    # pyarrow would also end a line at a lone \r.
    block = block.replace(b"\r\n", b"\n").replace(b"\r", b" ")
    if not block:
        return Columns(pa.table({column: pa.array([], pa.string()) for column in columns}), [])
    first = block[: block.find(b"\n")].rstrip(b" ")
    if first.endswith(delimiter.encode()) and first.count(delimiter.encode()) == len(header):
        header = [*header, ""]  # a delimiter after the last field as well
    try:
        table = pa.csv.read_csv(
            pa.py_buffer(block),
            # With several threads pyarrow does not number the rows.
            pa.csv.ReadOptions(column_names=header, block_size=2 * len(block), use_threads=False),
            pa.csv.ParseOptions(
                delimiter=delimiter, ignore_empty_lines=False, invalid_row_handler=skip_row
            ),
            pa.csv.ConvertOptions(
                include_columns=columns,
                column_types=dict.fromkeys(columns, pa.string()),
                strings_can_be_null=False,
            ),
        )
    except pa.ArrowInvalid as error:
        end = line + block.count(b"\n") - 1
        raise UserError(f"{name} lines {line} to {end}: not delimited text ({error})") from None
    return Columns(table, malformed)
