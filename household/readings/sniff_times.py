"""Find the columns of a table that hold its time, and their format."""

import itertools
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from household.core.schema import Times
from household.readings import intervals, order, timestamps

DATES = {
    "/": ("%d/%m/%Y", "%m/%d/%Y", "%Y/%m/%d", "%d/%m/%y", "%m/%d/%y"),
    ".": ("%d.%m.%Y", "%d.%m.%y", "%Y.%m.%d"),
    "-": ("%d-%m-%Y", "%m-%d-%Y", "%Y-%m-%d", "%d-%m-%y", "%d-%b-%Y", "%d-%b-%y"),
    " ": ("%d %b %Y", "%d %B %Y"),
}
CLOCKS = ("%H:%M:%S", "%H:%M", "%H:%M:%S.%f", "%I:%M:%S %p", "%I:%M %p", "%H.%M", "%H")
# The digits of a number of seconds since 1970 and of its parts, for the years 2001 to 2286.
EPOCHS = {10: "epoch", 13: "epoch_ms", 16: "epoch_us", 19: "epoch_ns"}
# So many of the rows must have a time.
SHARE = 0.95
# Words of headers of the begin and of the end of an interval, and of times of other kinds.
BEGINS = re.compile(r"start|begin|debut|début|from|von\b|read", re.IGNORECASE)
ENDS = re.compile(r"\bend|_end|^fin\b|date de fin|bis\b|until|horodate", re.IGNORECASE)


class TimeGuess(NamedTuple):
    """Hold how the time of a table is written.

    Attributes:
        columns: The positions of the columns.
        form: The format, as in `timestamps.parse_timestamps`.
        stamps: The times: (rows,), NaT where a row has none.
        other: The format with day and month swapped, if that fits as well.
    """

    columns: tuple[int, ...]
    form: str
    stamps: Times
    other: str | None = None

    @property
    def share(self) -> float:
        """Return the share of the rows that have a time."""
        return float(np.mean(~np.isnat(self.stamps)))


def guess_time(rows: Sequence[Sequence[str]], names: Sequence[str]) -> TimeGuess | None:
    """Return how the time of some rows is written; None if no column holds it.

    Args:
        rows: The fields of each row.
        names: The headers of the columns, "" where there is none.
    """
    width = len(names)
    singles = [(column,) for column in range(width)]
    pairs = [pair for pair in itertools.permutations(range(width), 2) if abs(pair[0] - pair[1]) < 3]
    found = [guess for columns in singles if (guess := _guess(rows, columns))]
    with_clock = [guess for guess in found if _has_clock(guess)]
    if not with_clock:
        # A date may stand in one column and the time of day in another.
        dates = [guess.columns[0] for guess in found]
        joined = [pair for pair in pairs if pair[0] in dates and pair[1] not in dates]
        both = [guess for pair in joined if (guess := _guess(rows, pair))]
        with_clock = [guess for guess in both if _has_clock(guess)]
    candidates = with_clock or found
    return max(candidates, key=lambda guess: _preference(guess, names), default=None)


def _has_clock(guess: TimeGuess) -> bool:
    """Return whether times have a time of day."""
    known = guess.stamps[~np.isnat(guess.stamps)]
    return bool((known != known.astype("datetime64[D]")).any())


def _preference(guess: TimeGuess, names: Sequence[str]) -> tuple[float, ...]:
    text = " ".join(names[column] for column in guess.columns)
    begins, ends = bool(BEGINS.search(text)), bool(ENDS.search(text))
    return (round(guess.share, 1), begins - ends, -guess.columns[-1])


def _guess(rows: Sequence[Sequence[str]], columns: tuple[int, ...]) -> TimeGuess | None:
    """Return the format of the time in some columns, None if they hold none."""
    fields = [" ".join(row[column].strip() for column in columns) for row in rows]
    texts = pa.chunked_array([fields], pa.string())
    sample = pa.chunked_array([fields[:: max(1, len(fields) // 200)]], pa.string())
    fitting: list[TimeGuess] = []
    for form in _formats(fields, len(columns)):
        if np.mean(~np.isnat(_parse(sample, form))) >= SHARE:
            guess = TimeGuess(columns, form, _parse(texts, form))
            fitting += [guess] if guess.share >= SHARE else []
    if not fitting:
        return None
    best = max(fitting, key=lambda guess: (guess.share, _regularity(guess.stamps)))
    others = [guess.form for guess in fitting if _is_swapped(guess.form, best.form)]
    return best._replace(other=others[0] if others else None)


def _parse(texts: pa.ChunkedArray, form: str) -> Times:
    try:
        return timestamps.parse_timestamps(texts, form)
    except (pa.ArrowInvalid, ValueError):
        return np.full(len(texts), np.datetime64("NaT", "ms"))


def _formats(fields: Sequence[str], n_columns: int) -> list[str]:
    """Return the formats to try."""
    first = next((field for field in fields if field.strip()), "")
    number = re.fullmatch(r"([0-9]+)(\.[0-9]*)?", first)
    if number:
        form = EPOCHS.get(len(number[1]))
        return [form] if form and n_columns == 1 else []
    separators = [mark for mark in DATES if mark in first]
    dates = [date for mark in separators for date in DATES[mark]]
    clocks = [f"{between}{clock}" for clock in CLOCKS for between in (" ", "T") if between in first]
    return ["iso", *(date + clock for date in dates for clock in ("", *clocks))]


def _is_swapped(form: str, other: str) -> bool:
    """Return whether two formats differ in the order of day and month alone."""
    swapped = form.replace("%d", "%?").replace("%m", "%d").replace("%?", "%m")
    return form != other and swapped == other


def _regularity(stamps: Times) -> float:
    """Return the share of the times that come the usual interval after the one before."""
    known = stamps[~np.isnat(stamps)]
    ordered = known[::-1] if order.are_newest_first(known) else known
    usual = intervals.usual_interval(ordered)
    if usual is None:
        return 0.0
    return float(np.mean(np.diff(ordered) == np.timedelta64(usual, "ms")))
