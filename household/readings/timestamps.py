"""Parse the times of readings, in a time zone or without one."""

import re
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from household.core import arrow
from household.core.schema import Float64, Mask, Times
from household.readings.numbers import parse_floats

# A timestamp as ISO 8601: date and local time, perhaps with a fraction and an offset from UTC.
ISO = (
    r"^([0-9]{4}-[0-9]{2}-[0-9]{2})[T ]([0-9]{2}:[0-9]{2}(:[0-9]{2})?)(\.[0-9]+)?"
    r" ?(Z|UTC|[+-][0-9]{2}(:?[0-9]{2})?)?$"
)
ISO_DATE = r"^([0-9]{4}-[0-9]{2}-[0-9]{2})$"
OFFSET = r":[0-9]{2}(?:\.[0-9]+)? ?(?P<offset>Z|UTC|[+-][0-9]{2}(?::?[0-9]{2})?)$"
TICKS = {"epoch": 1, "epoch_ms": 1000, "epoch_us": 1_000_000, "epoch_ns": 1_000_000_000}
UTC = "+00:00"
MINUTE, HOUR = 60_000, 3_600_000
# Descriptions for messages of the formats that are not strptime formats.
FORMATS = {
    "iso": "written like 2007-03-31 23:59",
    "epoch": "a number of seconds since 1970",
    "epoch_ms": "a number of milliseconds since 1970",
    "epoch_us": "a number of microseconds since 1970",
    "epoch_ns": "a number of nanoseconds since 1970",
}


def is_utc(form: str) -> bool:
    """Return whether times in a format are in UTC once they are parsed."""
    return form in TICKS or "%z" in form


def parse_timestamps(texts: pa.ChunkedArray, form: str) -> Times:
    """Return each text as a time (rows,) to the millisecond, NaT where it is not valid.

    A time with an offset in the format iso is returned as the local time.

    Args:
        texts: Timestamps as text.
        form: A key of FORMATS, or a format of strptime.
    """
    if form in TICKS:
        seconds = parse_floats(texts) / TICKS[form]
        known = np.abs(seconds) < 1e11
        milliseconds = (np.where(known, seconds, 0) * 1000).round()
        stamps = milliseconds.astype(np.int64).astype("datetime64[ms]")
        return np.where(known, stamps, np.datetime64("NaT", "ms"))
    texts = pc.utf8_trim_whitespace(texts)
    if form == "iso":
        dates = pc.replace_substring_regex(texts, ISO_DATE, r"\1 00:00:00")
        texts = pc.replace_substring_regex(dates, ISO, r"\1 \2")
        without_seconds = pc.match_substring_regex(texts, r" [0-9]{2}:[0-9]{2}$")
        texts = pc.if_else(without_seconds, pc.binary_join_element_wise(texts, "00", ":"), texts)
        form = "%Y-%m-%d %H:%M:%S"
    elif form.endswith("%f"):  # which Arrow does not know
        texts = pc.replace_substring_regex(texts, r"\.?[0-9]+$", "")
        form = form.removesuffix("%f").removesuffix(".")
    texts, is_next_day = _without_24_hours(texts, form)
    return _strptime(texts, form) + is_next_day * np.timedelta64(1, "D")


def _without_24_hours(texts: pa.ChunkedArray, form: str) -> tuple[pa.ChunkedArray, Mask]:
    """Write 24:00, the end of a day, as 00:00; return whether each text had it."""
    if "%H:%M" not in form:
        return texts, np.zeros(len(texts), np.bool_)
    pattern = r"(^|[ T])24:00"
    has_24 = arrow.to_numpy(pc.match_substring_regex(texts, pattern).fill_null(False))
    if has_24.any():
        texts = pc.replace_substring_regex(texts, pattern, r"\100:00")
    return texts, has_24


def _strptime(texts: pa.ChunkedArray, form: str) -> Times:
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


def parse_offset(text: str, form: str) -> str | None:
    """Return the offset from UTC of a timestamp, such as +01:00; None if it has none.

    Args:
        text: The timestamp.
        form: Its format, as in `parse_timestamps`.
    """
    if is_utc(form):
        return UTC
    offset = re.search(OFFSET, text.strip()) if form == "iso" else None
    return _normalized(offset["offset"]) if offset else None


def _normalized(offset: str) -> str:
    """Return an offset in the form +01:00."""
    digits = re.sub("Z|UTC", "+00", offset).replace(":", "").ljust(5, "0")
    return f"{digits[:3]}:{digits[3:]}"


def parse(texts: pa.ChunkedArray, form: str, timezone: str | None) -> tuple[Times, Mask]:
    """Return times (rows,), NaT where not valid, and whether each is in UTC.

    Args:
        texts: Timestamps as text.
        form: As in `parse_timestamps`.
        timezone: The time zone of the layout. With one, times with an offset are in UTC.
    """
    stamps = parse_timestamps(texts, form)
    if is_utc(form) or not timezone or form != "iso":
        return stamps, np.full(len(stamps), is_utc(form))
    shifts = offsets(texts)
    has_offset = np.isfinite(shifts)
    stamps[has_offset] -= shifts[has_offset].astype("timedelta64[ms]")
    return stamps, has_offset


def offsets(texts: pa.ChunkedArray) -> Float64:
    """Return the offset from UTC of each time in the format iso in milliseconds: (rows,).

    It is NaN where a text has none.
    """
    named = pc.extract_regex(pc.utf8_trim_whitespace(texts), OFFSET)
    if isinstance(named, pa.ChunkedArray):
        named = named.combine_chunks()
    column = pc.struct_field(named, "offset").dictionary_encode()
    milliseconds = [np.nan]  # of texts without an offset, whose index is null
    for text in map(_normalized, column.dictionary.to_pylist()):
        length = int(text[1:3]) * HOUR + int(text[4:]) * MINUTE
        milliseconds.append(-length if text.startswith("-") else length)
    return np.array(milliseconds)[arrow.to_numpy(column.indices.fill_null(-1)) + 1]


class Clock:
    """Convert the local times of a series in a time zone to UTC.

    An hour that stands twice, when clocks go back, is two hours: its second pass begins where the
    time goes back.
    """

    def __init__(self, timezone: str, *, are_ends: bool = False) -> None:
        """Prepare to convert times.

        Args:
            timezone: The name of their time zone, such as Europe/Paris.
            are_ends: Whether they are the ends of intervals, so that one may end at the first time
                that clocks skip.
        """
        self._timezone, self._are_ends = timezone, are_ends
        self._last: int | None = None  # the last local time, if it stands twice
        self._is_second_pass = False

    def to_utc(self, local: Times, interval: int) -> Times:
        """Return times (rows,) in UTC, NaT where clocks have skipped the time.

        Args:
            local: Local times in the order of the readings.
            interval: The usual time between two of them in milliseconds.
        """
        earliest, latest = (self._convert(local, which) for which in ("earliest", "latest"))
        stamps = earliest.copy()
        shifts = (latest - earliest).astype(np.int64)
        ambiguous = np.flatnonzero(shifts > 0)
        previous = -1
        for row in ambiguous.tolist():
            time = int(local[row].astype(np.int64))
            if row != previous + 1:
                self._last, self._is_second_pass = None, False
            elif self._last is not None:
                back = self._last - time
                # Of readings every hour the same time stands twice.
                self._is_second_pass |= 2 * back >= shifts[row] or (
                    back == 0 and interval >= shifts[row]
                )
            if self._is_second_pass:
                stamps[row] = latest[row]
            self._last, previous = time, row
        if len(local) and previous != len(local) - 1:
            self._last, self._is_second_pass = None, False
        return stamps

    def _convert(self, local: Times, which: str) -> Times:
        column = pa.array(local.astype("datetime64[ms]"))
        zoned = pc.assume_timezone(column, self._timezone, ambiguous=which, nonexistent="latest")
        stamps = zoned.cast(pa.timestamp("ms", "UTC"))
        utc = arrow.to_numpy(stamps)
        is_skipped = arrow.to_local(utc, self._timezone) != local
        if self._are_ends:
            is_skipped &= ~self._begins_gap(local, utc)
        return np.where(is_skipped, np.datetime64("NaT", "ms"), utc)

    def _begins_gap(self, local: Times, utc: Times) -> Mask:
        """Return whether each skipped time is the first that clocks skip."""
        millisecond = np.timedelta64(1, "ms")
        begins: Mask = arrow.to_local(utc - millisecond, self._timezone) + millisecond == local
        return begins
