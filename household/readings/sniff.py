"""Guess the layout of a delimited text from its first rows."""

import csv
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from household.core.errors import UserError
from household.core.schema import TARGET, Float64, Times
from household.readings import intervals, order, timestamps
from household.readings.row_reader import METERS, SENSORS
from household.readings.sniff_times import ENDS, TimeGuess, guess_time
from household.readings.sniff_values import (
    WORDS,
    Column,
    column_of_numbers,
    guess_quantity,
    preference,
    score,
)

DELIMITERS = (",", ";", "\t", "|", " ")
MOST_ROWS = 20_000
# Zones of which each changes its clocks at another local time.
ZONES = (
    *("Europe/Paris", "Europe/London", "Europe/Helsinki", "America/New_York", "Australia/Sydney"),
    *("Pacific/Auckland", "Australia/Adelaide", "America/Santiago", "Atlantic/Azores"),
)


class Guess(NamedTuple):
    """Hold a guessed layout.

    Attributes:
        layout: The keys of the layout that differ from the defaults.
        interval: The usual time between two readings in milliseconds.
        doubts: What the text does not decide.
    """

    layout: dict[str, Any]
    interval: int
    doubts: list[str]


class Table(NamedTuple):
    """Hold the rows of a text.

    Attributes:
        delimiter: The character between two fields.
        names: The names of the columns, "" where there is none.
        has_header: Whether a line of the text has these names.
        rows: The fields of each row.
        time: How the time is written.
    """

    delimiter: str
    names: list[str]
    has_header: bool
    rows: list[list[str]]
    time: TimeGuess


def sniff(text: str, name: str) -> Guess:
    """Return the layout that fits a text best.

    Args:
        text: The first lines of the text.
        name: Its name in messages.

    Raises:
        UserError: No column holds the time, or none holds numbers.
    """
    text = text.removeprefix("\ufeff")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    tables = [table for mark in DELIMITERS if (table := _table(lines, mark))]
    candidates = [(table, values) for table in tables if (values := list(_values(table)))]
    if not candidates:
        raise UserError(
            f"{name}: no delimiter gives a column of times and a column of numbers; describe the "
            "text by parse.layout (docs/meters.md)"
        )
    table, values = max(
        candidates, key=lambda each: (len(each[0].rows), len(each[1]), -len(each[0].delimiter))
    )
    return _layout(table, values, has_comments="\n#" in f"\n{text}")


def _table(lines: Sequence[str], delimiter: str) -> Table | None:
    """Split lines at a delimiter; return None if no column holds the time then."""
    split = [row for row in csv.reader(lines[:MOST_ROWS], delimiter=delimiter) if row]
    width = Counter(map(len, split[len(split) // 5 :])).most_common(1)[0][0] if split else 0
    if width < 2:
        return None
    rows = [row for row in split if len(row) == width]
    body = rows[max(1, len(rows) // 5) :]
    time = guess_time(body, [""] * width)
    if time is None:
        return None
    first = _first_row(split, width)
    names = [field.strip() for field in split[first - 1]] if first else []
    has_header = len(names) in (width, width - 1) and not any(map(_is_number, names))
    is_clock_unnamed = has_header and len(names) < width and len(time.columns) > 1
    if is_clock_unnamed:
        # The header names date and time of day as one column.
        names.insert(time.columns[1], f"{names[time.columns[0]]} (2)")
        has_header = False
    elif has_header:
        names = [*names, ""][:width]
    else:
        names = [f"column_{n + 1}" for n in range(width)]
    rows = [row for row in split[first:] if len(row) == width]
    guess = guess_time(rows, names)
    return Table(delimiter, names, has_header, rows, guess) if guess else None


def _first_row(split: Sequence[Sequence[str]], width: int) -> int:
    """Return the number of the first row that holds a time."""
    for number, row in enumerate(split):
        if len(row) == width and guess_time([row], [""] * width):
            return number
    return 0


def _is_number(text: str) -> bool:
    return bool(re.fullmatch(r"[+-]?[0-9]+([.,][0-9]+)*", text.strip()))


def _values(table: Table) -> Iterator[Column]:
    """Yield the columns of numbers."""
    for position in range(len(table.names)):
        if position not in table.time.columns:
            texts = [row[position].strip() for row in table.rows]
            if column := column_of_numbers(position, texts):
                yield column


def _layout(table: Table, values: Sequence[Column], *, has_comments: bool) -> Guess:
    """Return the layout of a table."""
    doubts = list[str]()
    power = max(values, key=lambda column: preference(table.names[column.position], column))
    name = table.names[power.position]
    time = [table.names[column] for column in table.time.columns]
    layout: dict[str, Any] = {"delimiter": table.delimiter, "decimal": power.decimal}
    layout |= {"thousands": power.thousands} if power.thousands else {}
    layout |= {} if table.has_header else {"header": table.names}
    layout |= {"comment": "#"} if has_comments else {}
    layout |= {"time_columns": time, "time_format": table.time.form}
    if table.time.other:
        doubts.append(
            f"whether the day or the month comes first: {table.time.other} fits as well, but gives "
            "less regular times"
        )
    layout |= _columns(table, values, power, doubts)
    layout |= _meters(table, doubts)
    stamps, numbers_of_rows = _series(table, power, layout)
    interval = intervals.usual_interval(np.sort(stamps)) or 60_000
    layout |= _zone(table, stamps, interval, doubts)
    layout |= _kind_of_times(stamps, interval, time, doubts)
    quantity, more = guess_quantity(name, power.unit, numbers_of_rows, interval)
    return Guess(layout | quantity, interval, doubts + more)


def _columns(
    table: Table, values: Sequence[Column], power: Column, doubts: list[str]
) -> dict[str, Any]:
    """Return the column of the power, or the pattern of those of several meters."""
    name = table.names[power.position]
    if pattern := _pattern(table, values):
        doubts.append(f"whether each column {pattern} is a meter")
        return {"columns": {TARGET: pattern}}
    others = [table.names[column.position] for column in values if column is not power]
    if alternatives := [other for other in others if score(other) >= score(name)]:
        doubts.append(f"the column: {', '.join(alternatives[:5])} may be the power as well")
    return {"columns": {TARGET: name}}


def _series(table: Table, power: Column, layout: Mapping[str, Any]) -> tuple[Times, Float64]:
    """Return times and numbers (readings,) of the first meter, the oldest first."""
    rows = ~np.isnat(table.time.stamps)
    if "meter" in layout:
        column = table.names.index(layout["meter"])
        wanted = layout.get("meter_names", [table.rows[0][column].strip()])
        rows &= np.array([row[column].strip() in wanted for row in table.rows])
    stamps, numbers_of_rows = table.time.stamps[rows], power.values[rows]
    if order.are_newest_first(stamps):
        return stamps[::-1], numbers_of_rows[::-1]
    return stamps, numbers_of_rows


def _kind_of_times(
    stamps: Times, interval: int, names: Sequence[str], doubts: list[str]
) -> dict[str, Any]:
    """Return whether readings hold until the next one, and whether times are those of ends."""
    keys = dict[str, Any]()
    if _are_events(stamps, interval):
        keys["hold"] = "1h"
        doubts.append("whether a reading holds until the next one, as irregular times suggest")
    if (order.move_midnights(stamps, stamps[0], interval) != stamps).any():
        keys["stamp"] = "end"
        doubts.append("whether a time is that of the end of its interval, as midnight suggests")
    elif ENDS.search(" ".join(names)):
        keys["stamp"] = "end"
        doubts.append("whether a time is that of the end of its interval, as its header says")
    return keys


def _zone(table: Table, stamps: Times, interval: int, doubts: list[str]) -> dict[str, Any]:
    """Return the time zone, if offsets or an hour that stands twice show one."""
    texts = [" ".join(row[column] for column in table.time.columns) for row in table.rows]
    shifts = set[float]()
    if table.time.form == "iso":
        offsets = timestamps.offsets(pa.chunked_array([texts], pa.string()))
        shifts = set(offsets[np.isfinite(offsets)].tolist())
    if shifts:
        if len(shifts) > 1:
            doubts.append("the time zone: the offset from UTC changes, so times are shown in UTC")
            return {"timezone": "UTC"}
        return {}
    if timestamps.is_utc(table.time.form):
        return {}
    n_faults = _count_faults(stamps)
    faults = {
        zone: _count_faults(timestamps.Clock(zone).to_utc(stamps, interval)) for zone in ZONES
    }
    zone = min(faults, key=lambda zone: faults[zone])
    if faults[zone] >= n_faults:
        return {}
    doubts.append(f"the time zone: clocks go back as in {zone}, and as in others")
    return {"timezone": zone}


def _count_faults(stamps: Times) -> int:
    """Return how many times (readings,) do not come after the one before them."""
    return int((~(np.diff(stamps) > np.timedelta64(0))).sum())


def _meters(table: Table, doubts: list[str]) -> dict[str, Any]:
    """Return the column that names meters or sensors, if it holds several names."""
    for position, name in enumerate(table.names):
        found = list(dict.fromkeys(row[position].strip() for row in table.rows))
        if name.lower() not in SENSORS + METERS or len(found) == 1:
            continue
        if name.lower() not in SENSORS:
            doubts.append(f"whether all of {', '.join(found[:5])} in the column {name} are meters")
            return {"meter": name}
        chosen = max(found, key=lambda sensor: (score(sensor), -found.index(sensor)))
        doubts.append(f"the sensor: the column {name} has {', '.join(found[:5])}")
        return {"meter": name, "meter_names": [chosen]}
    return {}


def _pattern(table: Table, values: Sequence[Column]) -> str | None:
    """Return the pattern of columns that are each a meter, such as MT_*."""
    if not table.has_header:
        return None
    names = [table.names[column.position] for column in values]
    numbered = [re.fullmatch(r"(.*?[^0-9])[0-9]+", name) for name in names]
    prefixes = Counter(match[1] for match in numbered if match)
    prefix, count = prefixes.most_common(1)[0] if prefixes else ("", 0)
    is_sub_metering = re.search(WORDS["something else"], prefix, re.IGNORECASE)
    return f"{prefix}*" if count > 1 and count == len(values) and not is_sub_metering else None


def _are_events(stamps: Times, interval: int) -> bool:
    """Return whether the times (rows,) are as irregular as those of changes."""
    distances = np.diff(stamps).astype("timedelta64[ms]").astype(np.int64)
    usual = np.abs(distances - interval) <= interval / 10
    return len(distances) > 20 and bool(usual.mean() < 0.5)
