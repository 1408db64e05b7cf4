"""Read a text in blocks of whole lines, and report bad ones."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Protocol

import numpy as np
import pyarrow as pa

from household.core import arrow
from household.core.errors import UserError
from household.core.schema import Times
from household.core.step import Step
from household.readings import archive, intervals
from household.readings.text_format import TextFormat

BLOCK_BYTES = 8 << 20
FLOAT32_MAX = float(np.finfo(np.float32).max)
BEFORE_ALL = datetime(1, 1, 1)
# Longer than the header.
PREVIEW_BYTES = 160
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
DEFAULT_REMEDY = (
    "correct the line and run `dvc repro --force fetch`, correct parse.layout if most lines are "
    "written so, or set on_error to skip for a few bad lines"
)
# A text with more bad lines than both is hardly read as it was meant.
MOST_BAD, FEW_BAD = 0.01, 10


class Text(Protocol):
    """Describe a text: a file, or a file that is still being written."""

    def readline(self, limit: int, /) -> bytes:
        """Return the next line, at most `limit` bytes of it."""

    def read(self, limit: int, /) -> bytes:
        """Return the next bytes, at most `limit` of them."""


class TextReader(ABC):
    """Read a text of readings once from start to end.

    Iterate over it for tables of schema.SCHEMA in time order. A bad line raises UserError with its
    number and text, or is skipped and counted; of a line with a bad number only that value is
    skipped. A text of another layout, or without a reading, raises UserError in either case.

    Attributes:
        name: The name of the text in messages.
        layout: How the text is written.
        skipped: Number of bad lines skipped, by fault.
        good_lines: Number of lines with a time, up to now.
        interval: The usual time between two readings in milliseconds, from the first of them; None
            before there are two.
        offset: Offset from UTC of the last timestamp read, such as +01:00; None if the text has
            none.
        entities: Columns that name the sensor or meter of a reading, with the first names in each.
    """

    def __init__(
        self,
        text: Text,
        layout: TextFormat,
        *,
        skip: bool,
        name: str = archive.TEXT_NAME,
        remedy: str = DEFAULT_REMEDY,
    ) -> None:
        """Prepare to read a text.

        Args:
            text: The text, at its start.
            layout: How the text is written.
            skip: Whether to skip bad lines instead of raising UserError.
            name: The name of the text in messages.
            remedy: What messages advise to do about a bad line.
        """
        self.layout = layout
        self.skipped: Counter[str] = Counter()
        self.good_lines = 0
        self._first_bad = ""
        self.interval: int | None = None
        self.offset: str | None = None
        self.entities: dict[str, list[str]] = {}
        self._text, self._skip, self.name, self._remedy = text, skip, name, remedy

    def __iter__(self) -> Iterator[pa.Table]:
        has_readings = False
        for table in self._tables():
            if table.num_rows:
                has_readings = True
                self._measure_interval(arrow.to_numpy(table["timestamp"]))
                yield table
        if not has_readings:
            raise UserError(f"{self.name}: header but no readings")

    def _measure_interval(self, stamps: Times) -> None:
        """Determine the usual interval from the first readings (readings,), in time order."""
        if self.interval is None:
            self.interval = intervals.usual_interval(stamps)

    def check_interval(self, step: Step) -> int | None:
        """Return `interval`.

        Raises:
            UserError: Readings at regular times are further apart than a step.
        """
        if self.interval and self.layout.hold is None:
            intervals.check_interval(self.name, self.interval / 60_000, step)
        return self.interval

    @abstractmethod
    def _tables(self) -> Iterator[pa.Table]:
        """Yield tables of schema.SCHEMA, which may be empty."""

    def _reject(self, fault: str, line: int, reason: str, text: bytes) -> None:
        """Count a bad line, or raise UserError if bad lines are not skipped."""
        self._first_bad = self._first_bad or f"line {line}: {reason} in {preview(text)}"
        if not self._skip:
            raise UserError(f"{self.name} {self._first_bad}; {self._remedy}")
        self.skipped[fault] += 1

    def check_skipped(self) -> None:
        """Raise UserError if so many lines were bad that the layout is probably wrong."""
        bad = self.skipped.total()
        total = self.good_lines + bad - self.skipped["number"]
        if bad > max(FEW_BAD, MOST_BAD * total):
            raise UserError(
                f"{self.name}: {bad:,} of {total:,} lines are bad, more than {MOST_BAD:.0%}, the "
                f"first of them {self._first_bad}; correct parse.layout or the file"
            )


def find_sensors(readers: Sequence[TextReader]) -> dict[str, list[str]]:
    """Return the columns that name sensors and hold several names, with these names."""
    by_column: dict[str, dict[str, None]] = {}
    for reader in readers:
        for column, names in reader.entities.items():
            by_column.setdefault(column, {}).update(dict.fromkeys(names))
    return {column: list(names) for column, names in by_column.items() if len(names) > 1}


FAULTS = ("duplicate", "fields", "number", "out_of_order", "time", "unreadable")


def iter_line_blocks(text: Text, name: str, line: int = 2) -> Iterator[tuple[bytes, int]]:
    """Yield the rest of `text` in blocks of whole lines, each line ended by a line feed.

    Args:
        text: The text, after its header.
        name: The name of the text in messages.
        line: The number of the next line.

    Yields:
        A block, and the number of its first line.

    Raises:
        UserError: A line is longer than a block.
    """
    pending = b""
    while chunk := text.read(BLOCK_BYTES):
        end = chunk.find(b"\n")
        if len(pending) + (end if end >= 0 else len(chunk)) > BLOCK_BYTES:
            raise UserError(
                f"{name} line {line}: longer than {BLOCK_BYTES:,} bytes; "
                "use a text with one reading a line"
            )
        stop = chunk.rfind(b"\n") + 1
        if stop:
            block = pending + chunk[:stop]
            yield block, line
            line += block.count(b"\n")
            pending = chunk[stop:]
        else:
            pending += chunk
    if pending:
        yield pending + b"\n", line


def preview(line: bytes) -> str:
    """Return the start of a line, quoted for a message."""
    text = line[:PREVIEW_BYTES].decode("utf-8", "backslashreplace").rstrip()
    return repr(text) + ("..." if len(line) > PREVIEW_BYTES else "")
