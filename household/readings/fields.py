"""Parse the fields of a text of readings: times and numbers."""

import re
from collections.abc import Sequence
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from household.core import arrow
from household.core.schema import Float64, Mask, Times
from household.readings import lines
from household.readings.text_format import TextFormat

NUMBER = r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?$"
# A timestamp as ISO 8601: date and local time, then a fraction and an offset, which are dropped.
ISO = r"^([0-9]{4}-[0-9]{2}-[0-9]{2})[T ]([0-9]{2}:[0-9]{2}(:[0-9]{2})?).*$"
ZONE = re.compile(r"(Z|[+-][0-9]{2}(:?[0-9]{2})?)$")
TICKS = {"epoch": 1, "epoch_ms": 1000}
UTC = "+00:00"
# Descriptions for messages of the formats that are not strptime formats.
FORMATS = {
    "iso": "written like 2007-03-31 23:59",
    "epoch": "a number of seconds since 1970",
    "epoch_ms": "a number of milliseconds since 1970",
}


def parse_timestamps(texts: pa.ChunkedArray, form: str) -> Times:
    """Return each text as a time (rows,) to the millisecond, NaT where it is not valid.

    Args:
        texts: Timestamps as text.
        form: "iso", "epoch", "epoch_ms" or a format of strptime.
    """
    if form in TICKS:
        ticks = parse_floats(texts)
        known = np.abs(ticks) < 1e15
        milliseconds = (np.where(known, ticks, 0) * (1000 / TICKS[form])).round()
        stamps = milliseconds.astype(np.int64).astype("datetime64[ms]")
        return np.where(known, stamps, np.datetime64("NaT", "ms"))
    if form == "iso":
        texts = pc.replace_substring_regex(texts, ISO, r"\1 \2")
        without_seconds = pc.match_substring_regex(texts, r" [0-9]{2}:[0-9]{2}$")
        texts = pc.if_else(without_seconds, pc.binary_join_element_wise(texts, "00", ":"), texts)
        form = "%Y-%m-%d %H:%M:%S"
    parsed = pc.strptime(texts, format=form, unit="ms", error_is_null=True)
    stamps = np.array(parsed.to_numpy())
    # Arrow reads 31 February as 3 March. Python refuses it.
    first_days = np.flatnonzero(arrow.to_numpy(pc.less_equal(pc.day(parsed), 3).fill_null(False)))
    for row in first_days:
        try:
            datetime.strptime(texts[int(row)].as_py(), form)
        except ValueError:
            stamps[row] = np.datetime64("NaT")
    return stamps


def parse_utc_offset(text: str, form: str) -> str | None:
    """Return the offset from UTC of a timestamp, such as +01:00; None if it has none.

    Args:
        text: The timestamp.
        form: Its format, as in `parse_timestamps`.
    """
    if form in TICKS or "%z" in form:
        return UTC
    offset = ZONE.search(text.strip()) if form == "iso" else None
    if not offset:
        return None
    digits = offset[1].replace("Z", "+00").replace(":", "").ljust(5, "0")
    return f"{digits[:3]}:{digits[3:]}"


def parse_sum(
    terms: Sequence[tuple[pa.ChunkedArray, bool]], layout: TextFormat, factor: float
) -> tuple[Float64, Mask]:
    """Parse the columns of a sum as `parse_numbers` does, and add them.

    Args:
        terms: The numbers of each column as text, and whether it is subtracted.
        layout: As in `parse_numbers`.
        factor: As in `parse_numbers`.

    Returns:
        The sums (rows,), NaN where a term is missing, and whether a text is wrong.
    """
    total, wrong = parse_numbers(terms[0][0], layout, -factor if terms[0][1] else factor)
    for texts, is_subtracted in terms[1:]:
        numbers, is_wrong = parse_numbers(texts, layout, -factor if is_subtracted else factor)
        total, wrong = total + numbers, wrong | is_wrong
    return total, wrong


def parse_numbers(
    texts: pa.ChunkedArray, layout: TextFormat, factor: float
) -> tuple[Float64, Mask]:
    """Parse numbers.

    Args:
        texts: The numbers as text.
        layout: The decimal separator and the texts of a missing value.
        factor: What to multiply each number by.

    Returns:
        The numbers (rows,), NaN where missing, and whether each text is neither a number nor
        missing.
    """
    trimmed = pc.utf8_trim_whitespace(texts)
    missing = arrow.to_numpy(pc.is_in(trimmed, pa.array(layout.null_values, pa.string())))
    if layout.decimal == ",":
        # A point may then separate thousands, so refuse it rather than guess.
        trimmed = pc.replace_substring(pc.replace_substring(trimmed, ".", "point"), ",", ".")
    numbers = parse_floats(trimmed) * factor
    is_valid = np.abs(numbers) <= lines.FLOAT32_MAX
    return np.where(missing, np.nan, numbers), ~is_valid & ~missing


def parse_floats(texts: pa.ChunkedArray) -> Float64:
    """Return each text as a number, NaN where it is not one."""
    is_number = pc.match_substring_regex(texts, NUMBER)
    return arrow.to_numpy(pc.if_else(is_number, texts, None).cast(pa.float64()).fill_null(np.nan))
