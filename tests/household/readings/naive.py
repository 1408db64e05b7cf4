"""Read a text in any layout as one would without a thought of speed."""

import csv
import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from household.readings.text_format import TextFormat

EPOCH = datetime(1970, 1, 1)
EPOCHS = {"epoch": 1, "epoch_ms": 1000}
DAY = timedelta(days=1)
ISO = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[T ]([0-9]{2}:[0-9]{2})(:[0-9]{2})?(?:\.[0-9]+)? ?"
    r"(Z|UTC|[+-][0-9]{2}(?::?[0-9]{2})?)?)?"
)
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
Reading = tuple[datetime, tuple[float | None, ...]]


class Row(NamedTuple):
    """Hold a good line: its number, its time, whether that is in UTC, its meter and its values."""

    number: int
    time: datetime
    is_utc: bool
    meter: str
    values: tuple[float | None, ...]


class Outcome(NamedTuple):
    """Hold the result of reading a text.

    Attributes:
        readings: The readings of each meter.
        faults: The number and the fault of each bad line.
        refused: Why the text is refused in any case.
        is_sorted: Whether its readings had to be sorted.
    """

    readings: dict[str, list[Reading]]
    faults: list[tuple[int, str]]
    refused: str | None = None
    is_sorted: bool = False

    @property
    def counts(self) -> Counter[str]:
        return Counter(fault for _, fault in self.faults)


def read(text: str, layout: TextFormat, *, interval: timedelta, step: timedelta) -> Outcome:
    """Read a text, of which the usual time between the first readings is known."""
    faults: list[tuple[int, str]] = []
    lines = text.split("\n")
    first = next((n for n, line in enumerate(lines[:100]) if is_header(line, layout)), None)
    if first is None:
        return Outcome({}, [], "header")
    rows = list(read_rows(lines, first, layout, faults))
    if layout.meter_names:
        rows = [row for row in rows if row.meter in layout.meter_names]
    if not rows:
        return Outcome({}, faults, "empty")
    by_meter = defaultdict[str, list[Row]](list)
    for row in rows:
        by_meter[row.meter if layout.has_several_meters else ""].append(row)
    sort = layout.has_several_meters or not are_ordered(rows, interval, layout)
    readings = {}
    for meter, own in sorted(by_meter.items()):
        ahead = own[::-1] if sort and are_newest_first(own) else own
        interval = usual_interval([row.time for row in own]) or step if sort else interval
        may_average = layout.quantity == "power" and interval < step
        timed = [(time, row) for time, row in on_clock(ahead, interval, layout)]
        groups = defaultdict[datetime, list[Row]](list)
        for time, row in sorted(timed, key=lambda each: each[0]) if sort else timed:
            group = groups[time]
            if group and not may_average:
                if row.values == group[0].values:
                    continue
                if sort:
                    return Outcome({}, faults, "differ", sort)
                faults.append((row.number, "duplicate"))
                continue
            group.append(row)
        readings[meter] = [
            (time, mean([row.values for row in rows])) for time, rows in groups.items()
        ]
    return Outcome(readings, faults, is_sorted=sort)


def is_header(line: str, layout: TextFormat) -> bool:
    names = split(line, layout)
    wanted = [*layout.headers, *([layout.meter] if layout.meter else [])]
    return all(names.count(name) == 1 for name in layout.headers) and bool(wanted)


def split(line: str, layout: TextFormat) -> list[str]:
    row = next(csv.reader([line.rstrip("\r").replace("\r", " ")], delimiter=layout.delimiter), [])
    return [field.strip() for field in row]


def read_rows(
    lines: Sequence[str], first: int, layout: TextFormat, faults: list[tuple[int, str]]
) -> Iterator[Row]:
    names = split(lines[first], layout)
    for number, line in enumerate(lines[first + 1 :], first + 2):
        if layout.comment and line.startswith(layout.comment):
            continue
        if is_header(line, layout):
            names = split(line, layout)
            continue
        if not line.strip():
            continue
        fields = next(csv.reader([line.rstrip("\r")], delimiter=layout.delimiter), [])
        if len(fields) != len(names):
            faults.append((number, "fields"))
            continue
        record = dict(zip(names, fields, strict=True))
        used = [*layout.headers, *([layout.meter] if layout.meter else [])]
        if all(not record[name] for name in used):
            continue
        written = " ".join(record[name].strip() for name in layout.time_columns)
        time, is_utc = parse_time(written, layout)
        if time is None:
            faults.append((number, "time"))
            continue
        values, wrong = zip(
            *(parse_sum(record, name, layout) for name in layout.columns), strict=True
        )
        if any(wrong):
            faults.append((number, "number"))
        meter = record[layout.meter].strip() if layout.meter else ""
        yield Row(number, time, is_utc, meter, values)


def parse_time(written: str, layout: TextFormat) -> tuple[datetime | None, bool]:
    """Return a time and whether it is in UTC."""
    form = layout.time_format
    if form in EPOCHS:
        if not NUMBER.fullmatch(written) or abs(float(written)) > 1e11 * EPOCHS[form]:
            return None, True
        milliseconds = round(float(written) / EPOCHS[form] * 1000)
        return EPOCH + timedelta(milliseconds=milliseconds), True
    if form == "iso":
        match = ISO.fullmatch(written)
        if not match:
            return None, False
        date, clock, seconds, offset = match.groups()
        written, form = f"{date} {clock or '00:00'}{seconds or ':00'}", "%Y-%m-%d %H:%M:%S"
        if layout.timezone and offset:
            digits = re.sub("Z|UTC", "+00", offset).replace(":", "").ljust(5, "0")
            time, _ = parse_time(written, layout._replace(timezone=None))
            shift = timedelta(hours=int(digits[1:3]), minutes=int(digits[3:]))
            return time and (time + shift if digits[0] == "-" else time - shift), True
    day = timedelta()
    if re.search("(^|[T ])24:00", written):
        written, day = re.sub("(^|[T ])24:00", r"\g<1>00:00", written), DAY
    try:
        return datetime.strptime(written, form) + day, False
    except ValueError:
        return None, False


def parse_sum(record: dict[str, str], name: str, layout: TextFormat) -> tuple[float | None, bool]:
    """Return the value of a column, and whether a text in it is wrong."""
    total: float | None = 0.0
    is_wrong = False
    factor = layout.factor if name == "global_active_power" else 1.0
    for n, header in enumerate(layout.columns[name]):
        sign = -1 if header.startswith("-") else 1
        value, wrong = parse_number(record[header.removeprefix("-")], layout, sign * factor)
        is_wrong |= wrong
        total = None if total is None or value is None else (total + value if n else value)
    return total, is_wrong


def parse_number(text: str, layout: TextFormat, factor: float) -> tuple[float | None, bool]:
    text = text.strip()
    if text in layout.null_values:
        return None, False
    if text.endswith(layout.unit):
        text = text.removesuffix(layout.unit).removesuffix(" ")
    if layout.thousands:
        mark = re.escape(layout.thousands)
        if re.match(rf"[+-]?[0-9]{{1,3}}({mark}[0-9]{{3}})+([^0-9{mark}]|$)", text):
            text = text.replace(layout.thousands, "")
    if layout.decimal == ",":
        if "." in text:
            return None, True
        text = text.replace(",", ".")
    if not NUMBER.fullmatch(text):
        return None, True
    value = float(text) * factor
    is_wrong = not abs(value) <= float(np.finfo(np.float32).max)
    return None if is_wrong else value, is_wrong


def on_clock(
    rows: Sequence[Row], interval: timedelta, layout: TextFormat
) -> Iterator[tuple[datetime, Row]]:
    """Yield the time of each row, in UTC if the layout has a zone whose clocks never go back."""
    before = None
    for row in rows:
        time = row.time
        if not row.is_utc:
            is_midnight = time == datetime(*time.timetuple()[:3])
            if before and is_midnight and interval < DAY and before + interval - time == DAY:
                time += DAY
            before = row.time
            if layout.timezone:
                zoned = time.replace(tzinfo=ZoneInfo(layout.timezone))
                time = zoned.astimezone(UTC).replace(tzinfo=None)
        yield time, row


def are_ordered(rows: Sequence[Row], interval: timedelta, layout: TextFormat) -> bool:
    times = [time for time, _ in on_clock(rows, interval, layout)]
    return all(earlier <= later for earlier, later in itertools.pairwise(times))


def are_newest_first(rows: Sequence[Row]) -> bool:
    pairs = list(itertools.pairwise(rows))
    back = sum(later.time < earlier.time for earlier, later in pairs)
    return back > sum(later.time > earlier.time for earlier, later in pairs)


def usual_interval(times: Sequence[datetime]) -> timedelta | None:
    """Return the lower median of the distances between different times."""
    ordered = sorted(set(times))
    distances = sorted(later - time for time, later in itertools.pairwise(ordered))
    return distances[(len(distances) - 1) // 2] if distances else None


def mean(values: Sequence[tuple[float | None, ...]]) -> tuple[float | None, ...]:
    columns = [
        [value for value in column if value is not None] for column in zip(*values, strict=True)
    ]
    return tuple(sum(column) / len(column) if column else None for column in columns)
