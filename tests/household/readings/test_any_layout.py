"""Texts in any layout, against a naive reader."""

import io
import re
from datetime import datetime, timedelta
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings

from household.core.errors import UserError
from household.core.schema import NAMES
from household.core.step import Step
from household.readings import lines
from household.readings.delimited import DelimitedReader, UnsortedError, to_table
from household.readings.text_format import TextFormat
from tests.household.readings import naive

NULLS = ("", "?", "NaN")
VALUES = {"power", "other", "volts"}
KINDS = {
    "header must": "header",
    "but no readings": "empty",
    "no reading of": "empty",
    "have other values": "differ",
    "stands twice": "clock",
    "the offset from UTC changes": "clock",
}
# How times of a format may be written.
CLOCKS = {
    "iso": ("%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S.250"),
    "%d/%m/%Y %H:%M": ("%d/%m/%Y %H:%M",),
    "%m/%d/%y %I:%M:%S %p": ("%m/%d/%y %I:%M:%S %p",),
    "%d.%m.%Y %H:%M:%S": ("%d.%m.%Y %H:%M:%S",),
    "epoch": ("epoch",),
    "epoch_ms": ("epoch_ms",),
}
ODD_TIMES = ["", "2014-02-31 10:00", "31/6/2014 10:00", "24:00", "x", "1", "3/7/14 10:00", "-"]
ODD_TIMES += ["2014-07-03", "2014-07-03 24:00", "2014-07-03 24:30", "1e400", "2014-07-03T10:00Z"]
ODD_NUMBERS = ["1e400", "nan", "inf", "-", "1 2", "x", "1,5", "1.5", "1.234,5", "1,234.5", "0x1"]
ODD_NUMBERS += ["+2", ".5", "5.", "1E2", " 1 ", "?", "NaN", "", "1 kW", "1kW", "1 kWh", "--1"]


def outcome(
    data: bytes, layout: TextFormat, step: Step, *, skip: bool, interval: int | None = None
) -> tuple[dict[str, list[Any]] | int | str, Any, int | None]:
    """Return the readings of each meter, or the number of a bad line, or why it is refused.

    The second result is the number of skipped lines, the third the usual interval.
    """

    def open_reader() -> DelimitedReader:
        reader = DelimitedReader(io.BytesIO(data), layout, step, skip=skip, name="t")
        reader.interval = interval
        return reader

    reader = open_reader()
    try:
        try:
            tables = {"": pa.concat_tables(reader)}
        except UnsortedError:
            reader = open_reader()
            collected = reader.collect()
            tables = {meter: to_table(readings, layout) for meter, readings in collected.items()}
    except UserError as error:
        number = re.match(r"t line ([0-9]+): (?!header)", str(error))
        kind = next((kind for words, kind in KINDS.items() if words in str(error)), str(error))
        return int(number[1]) if number else kind, None, reader.interval
    columns = [*(name for name in NAMES if name in layout.columns)]
    readings = {
        meter: [
            (row["timestamp"].replace(tzinfo=None), tuple(row[name] for name in columns))
            for row in table.to_pylist()
        ]
        for meter, table in tables.items()
    }
    return readings, reader.skipped, reader.interval


@st.composite
def layouts(draw: st.DrawFn) -> TextFormat:
    decimal, thousands = draw(st.sampled_from([(".", None), (".", ","), (",", None), (",", ".")]))
    form = draw(st.sampled_from(list(CLOCKS)))
    is_split = form.startswith("%") and draw(st.booleans())
    power = draw(st.sampled_from([("power",), ("power", "other"), ("power", "-other")]))
    voltage = draw(st.sampled_from([{}, {"voltage": ("volts",)}]))
    meter = draw(st.sampled_from([None, None, "home"]))
    return TextFormat(
        columns={"global_active_power": power, **voltage},
        time_columns=("date", "clock") if is_split else ("time",),
        time_format=form,
        delimiter=draw(st.sampled_from([";", "\t", "|"])),
        decimal=decimal,
        thousands=thousands,
        quantity=draw(st.sampled_from(["power", "energy"])),
        unit="kW",
        timezone=draw(st.sampled_from([None, None, "Europe/Paris", "Asia/Kolkata"])),
        comment=draw(st.sampled_from([None, "#"])),
        meter=meter,
        meter_names=tuple(draw(st.sampled_from([[], ["a"]]))) if meter else (),
        null_values=NULLS,
    )


def write_number(value: float, layout: TextFormat, *, grouped: bool, quoted: bool) -> str:
    text = f"{value:,.3f}" if grouped and layout.thousands else f"{value:.3f}"
    if layout.decimal == ",":
        text = text.translate({ord(","): ".", ord("."): ","})
    return f'"{text}"' if quoted else text


def write_time(time: datetime, layout: TextFormat, clock: str) -> list[str]:
    if clock.startswith("epoch"):
        return [f"{round((time - naive.EPOCH).total_seconds() * naive.EPOCHS[clock])}"]
    text = f"{time:{clock}}"
    return text.split(" ", 1) if len(layout.time_columns) == 2 else [text]


@st.composite
def oddities(
    draw: st.DrawFn, layout: TextFormat, fields: dict[str, str], names: list[str]
) -> tuple[list[str], list[str], int]:
    """Change the fields of a row, or what is around it.

    Returns:
        Lines before the row, the names of the columns from there on, and how many rows the time
        goes back after it.
    """
    what = draw(st.sampled_from(["time", "number", "line", "blank", "header", "back"]))
    if what == "back":
        return [], names, draw(st.integers(1, 40))
    if what == "header":
        names = draw(st.permutations(names))
        return [layout.delimiter.join(names)], names, 0
    blanks = ["", " ", layout.delimiter * (len(names) - 1)]
    remarks = ["x", "# x", f"Total{layout.delimiter}9"]
    if what in ("blank", "line"):
        return [draw(st.sampled_from(blanks if what == "blank" else remarks))], names, 0
    name = draw(st.sampled_from(sorted(VALUES & fields.keys())))
    column, odd = (name, ODD_NUMBERS) if what == "number" else (layout.time_columns[0], ODD_TIMES)
    fields[column] = draw(st.sampled_from(odd))
    return [], names, 0


@st.composite
def texts(draw: st.DrawFn, layout: TextFormat) -> bytes:
    values = [each.removeprefix("-") for each in layout.columns["global_active_power"]]
    values += ["volts"] * ("voltage" in layout.columns)
    names = [*layout.time_columns, *values, "home", "note"]
    names = draw(st.permutations(names))
    header = layout.delimiter.join(names)
    clock = draw(st.sampled_from(CLOCKS[layout.time_format]))
    offset = draw(st.sampled_from(["", "", "+02:00", "Z"])) if layout.time_format == "iso" else ""
    time = datetime(2014, 7, 3, 23, 40) - timedelta(minutes=draw(st.integers(0, 60)))
    distance = timedelta(seconds=draw(st.sampled_from([20, 60, 61, 600, 900])))
    if not any(part in clock for part in ("%S", "epoch")):
        distance = max(distance, timedelta(minutes=1))
    odd = draw(st.sampled_from([0, 0, 1, 3, 6]))
    meters = draw(st.sampled_from([["a"], ["a", "b"]]))
    lines: list[str] = []
    for _ in range(draw(st.integers(0, 12))):
        time += draw(st.sampled_from([1, 1, 1, 0, 2])) * distance
        numbers = st.integers(-9, 3_000_000).map(lambda value: value / 1000)
        written = st.builds(
            write_number, numbers, st.just(layout), grouped=st.booleans(), quoted=st.booleans()
        )
        fields = dict(zip(layout.time_columns, write_time(time, layout, clock), strict=True))
        fields[layout.time_columns[-1]] += offset
        fields |= {name: draw(written) for name in values}
        fields |= {"home": draw(st.sampled_from(meters)), "note": draw(st.sampled_from(["", "é"]))}
        if draw(st.integers(0, 9)) < odd:
            more, names, back = draw(oddities(layout, fields, names))
            lines += more
            time -= back * distance
        lines.append(layout.delimiter.join(fields[name] for name in names))
        if draw(st.integers(0, 9)) < odd:
            lines.append(lines[-1])
    if draw(st.sampled_from([False, False, True])):
        lines.reverse()
    before = draw(st.sampled_from([[], [], ["An export", "", "sep=;"]]))
    end = draw(st.sampled_from(["\n", "\r\n"]))
    text = end.join([*before, header, *lines]) + draw(st.sampled_from(["", end]))
    return text.encode()


@st.composite
def cases(draw: st.DrawFn) -> tuple[TextFormat, bytes]:
    layout = draw(layouts())
    return layout, draw(texts(layout))


def check(case: tuple[TextFormat, bytes], step: Step, block: int, *, skip: bool) -> None:
    """Compare the readings of a text, whole and in blocks, with those of the naive reader."""
    layout, data = case
    whole = outcome(data, layout, step, skip=skip)
    interval = whole[2]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines, "BLOCK_BYTES", max(map(len, data.split(b"\n"))) + 1 + block)
        # The first block of a real text is long enough to know the interval.
        in_blocks = outcome(data, layout, step, skip=skip, interval=interval)
    expected = naive.read(
        data.decode(),
        layout,
        interval=timedelta(milliseconds=interval or 60_000 * step.minutes),
        step=timedelta(minutes=step.minutes),
    )
    for found, skipped, _ in (whole, in_blocks):
        if found == "clock":
            # Whether clocks seem to change is a matter of the block; see test_texts.py.
            assert layout.timezone is None
        elif isinstance(found, int) and expected.is_sorted:
            # Readings with the same time may come before the first time that goes back.
            assert not skip
        elif expected.faults and not skip:
            assert found in [line for line, _ in expected.faults]
        elif expected.refused or not isinstance(found, dict):
            assert found == expected.refused
        else:
            assert skipped == expected.counts
            assert found.keys() == expected.readings.keys()
            for meter, readings in expected.readings.items():
                assert [time for time, _ in found[meter]] == [time for time, _ in readings]
                for (_, values), (_, own) in zip(found[meter], readings, strict=True):
                    found_values, own_values = np.array([values, own], float)
                    np.testing.assert_allclose(found_values, own_values, rtol=1e-12)


@settings(max_examples=100, deadline=None)
@given(
    case=cases(),
    step=st.sampled_from([Step(1), Step(15)]),
    block=st.integers(0, 900),
    skip=st.booleans(),
)
def test_the_reader_equals_a_naive_reader(
    case: tuple[TextFormat, bytes], step: Step, block: int, skip: bool
) -> None:
    check(case, step, block, skip=skip)
