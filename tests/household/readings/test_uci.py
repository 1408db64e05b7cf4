"""Every minute of the text in the table; every line that holds none, named or counted."""

import io
import re
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from household.core import schema
from household.core.errors import UserError
from household.readings import archive, lines
from household.readings.uci import UciReader

SHIPPED = Path(__file__).parents[2] / "params.yaml"
HEADER = ";".join(schema.HEADER).encode()
VALUES = b"4.216;0.418;234.840;18.400;0.000;1.000;17.000"
# The smallest that the header fits in; then every second line lies on a border.
TINY = 128
Row = tuple[datetime, *tuple[float | None, ...]]


def at(minute: int) -> bytes:
    stamp = datetime(2006, 12, 16, 17, 24) + timedelta(minutes=minute)
    return f"{stamp.day}/{stamp.month}/{stamp.year};{stamp:%H:%M}:00".encode()


def line(minute: int, values: bytes = VALUES) -> bytes:
    return at(minute) + b";" + values


def text(*lines: bytes, end: bytes = b"\n") -> bytes:
    return b"".join(part + end for part in (HEADER, *lines))


def read(data: bytes, skip: bool = False) -> tuple[pa.Table, Counter[str]]:
    source = UciReader(io.BytesIO(data), skip=skip)
    made = list(source)
    assert all(table.num_rows for table in made)
    return pa.concat_tables(made), source.skipped


def rows(table: pa.Table) -> list[tuple[Any, ...]]:
    assert table.schema.equals(schema.SCHEMA, check_metadata=True)
    return list(zip(*(column.to_pylist() for column in table.columns), strict=True))


# Two writings of the same minutes are one table.

PLAIN = [
    line(0),
    line(1, b"?;?;?;?;?;?;"),
    line(2, b"-0.5;0.000;234.000;10.000;0.000;0.000;0.000"),
    line(9, b"1;2;3;4;5;6;7"),
]


def test_a_line_is_a_minute_with_its_values() -> None:
    table, skipped = read(text(*PLAIN))
    start = datetime(2006, 12, 16, 17, 24)
    of = np.float32
    assert rows(table) == [
        (start, of(4.216), of(0.418), of(234.84), of(18.4), 0, 1, 17),
        (start + timedelta(minutes=1), *[None] * 7),
        (start + timedelta(minutes=2), -0.5, 0, 234, 10, 0, 0, 0),
        (start + timedelta(minutes=9), 1, 2, 3, 4, 5, 6, 7),
    ]
    assert not skipped


SAME = [
    pytest.param(text(*PLAIN, end=b"\r\n"), id="\\r\\n"),
    pytest.param(text(*PLAIN)[:-1], id="last newline missing"),
    pytest.param(text(*PLAIN, end=b"\r\n")[:-1], id="last half of \\r\\n missing"),
    pytest.param(text(*PLAIN, end=b"\r\n")[:-2], id="last \\r\\n missing"),
    pytest.param(text(*PLAIN) + b"\n\n\n", id="blank lines at the end"),
    pytest.param(text(*PLAIN) + b"\r\n \t \r\n", id="lines of blanks at the end"),
    pytest.param(text(*PLAIN) + b"   ", id="blanks at the end"),
    pytest.param(text(b"", PLAIN[0], b"", *PLAIN[1:]), id="blank lines between"),
    pytest.param(text(*PLAIN, end=b" \n"), id="a blank after each line"),
    pytest.param(text(*PLAIN, end=b"\t\r\n"), id="a tab after each line"),
    pytest.param(text(*(b" " + good for good in PLAIN)), id="a blank before each line"),
    pytest.param(text(*PLAIN).replace(b";", b" ; "), id="blanks around fields"),
    pytest.param(b"\xef\xbb\xbf" + text(*PLAIN), id="byte order mark"),
    pytest.param(text(*PLAIN).replace(b".000", b""), id="no trailing zeros"),
    pytest.param(text(*PLAIN).replace(b"0;", b"000;").replace(b":0000;", b":00;"), id="more zeros"),
    pytest.param(text(*PLAIN).replace(b"?;?;?;?;?;?;", b";;;;;;"), id="missing as empty"),
    pytest.param(text(*PLAIN).replace(b"?;?;?;?;?;?;", b"?;?;?;?;?;?;?"), id="missing as ?"),
    pytest.param(text(*PLAIN).replace(b"-0.5;", b"-.5;"), id="no zero before the point"),
    pytest.param(text(*PLAIN).replace(b"-0.5;", b"-5e-1;"), id="exponent"),
    pytest.param(text(*PLAIN).replace(b"\n" + at(9), b"\n16/12/2006;17:33:00"), id="as written"),
]


@pytest.mark.parametrize("block", [lines.BLOCK_BYTES, 300, 200, 141, TINY])
@pytest.mark.parametrize("data", SAME)
def test_the_same_minutes_in_another_layout_are_the_same_table(
    monkeypatch: pytest.MonkeyPatch, data: bytes, block: int
) -> None:
    if HEADER in data[:block].splitlines()[0] + b"":
        monkeypatch.setattr(lines, "BLOCK_BYTES", block)
    expected, _ = read(text(*PLAIN))
    for skip in (False, True):
        table, skipped = read(data, skip)
        assert rows(table) == rows(expected)
        assert not skipped


def test_days_and_months_may_have_leading_zeros() -> None:
    table, _ = read(text(b"1/2/2007;00:00:00;" + VALUES, b"02/02/2007;00:00:00;" + VALUES))
    assert table["timestamp"].to_pylist() == [datetime(2007, 2, 1), datetime(2007, 2, 2)]


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_a_missing_last_newline_is_accepted(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    data = text(*map(line, range(count)))
    expected, _ = read(data)
    for block in range(len(HEADER) + 1, len(data) + 2):
        monkeypatch.setattr(lines, "BLOCK_BYTES", block)
        assert rows(read(data[:-1])[0]) == rows(expected), block


# Lines that hold no minute.

BAD = [
    pytest.param(line(5, VALUES + b";1"), "fields", "10 fields, expected 9", id="a field more"),
    pytest.param(line(5, VALUES[:-7]), "fields", "8 fields", id="a field less"),
    pytest.param(b"end of file", "fields", "1 fields", id="a remark"),
    pytest.param(at(5).replace(b";", b","), "fields", "1 fields", id="commas"),
    pytest.param(line(5) + b"\r" + line(6), "fields", "17 fields", id="two lines that \\r divides"),
    pytest.param(line(5) + b"\r" + line(6) + b"\n", "fields", "17 fields", id="and a blank line"),
    *(
        pytest.param(
            line(5, bad + VALUES[5:]), "number", repr(bad.decode()), id=f"power {bad.decode()!r}"
        )
        for bad in b'1,5 nan NaN inf -inf 1e400 1e39 -4e38 1_0 0x10 1e --1 ?? null "1"'.split()
    ),
    pytest.param(line(5, VALUES + b"x"), "number", "Sub_metering_3 '17.000x'", id="last value"),
    *(
        pytest.param(
            line(5).replace(b"16/12/2006", bad), "time", bad.decode(), id=f"date {bad.decode()!r}"
        )
        for bad in (
            *b"31/2/2007 29/2/2007 1/13/2007 0/1/2007 1/0/2007 1/1/0000 /12/2006".split(),
            *b"16/12/06 16-12-2006 2006/12/16 ?".split(),
            b"",
        )
    ),
    *(
        pytest.param(
            line(5).replace(b"17:29:00", bad), "time", bad.decode(), id=f"time {bad.decode()!r}"
        )
        for bad in (
            *b"24:00:00 17:60:00 17:29:01 17:29:60 17:29 7:29:00 17.29.00 -1:29:00".split(),
            *b"17:29:00.5 ?".split(),
            b"",
        )
    ),
    pytest.param(
        line(4), "duplicate", "duplicate minute 2006-12-16 17:28:00", id="the minute again"
    ),
    pytest.param(line(4, b"?;?;?;?;?;?;"), "duplicate", "duplicate minute", id="and missing"),
    pytest.param(
        line(3), "out_of_order", "after 2006-12-16 17:28:00: not in time order", id="time goes back"
    ),
    pytest.param(line(5) + "é".encode(), "unreadable", "not ASCII text", id="UTF-8"),
    pytest.param(line(5) + b"\xff", "unreadable", "not ASCII text", id="no UTF-8 either"),
    pytest.param(b"\xef\xbb\xbf" + line(5), "unreadable", "not ASCII text", id="byte order mark"),
    pytest.param(line(5, b"4.2\x0016" + VALUES[5:]), "number", "4.2\\\\x0016", id="NUL in it"),
    pytest.param(line(5) + b"\0", "number", "17.000\\\\x00", id="NUL at the end"),
    pytest.param(b"\0" * 60, "fields", "1 fields", id="NULs"),
    pytest.param(HEADER, "time", "'Date'", id="the header again"),
]
BEFORE = [line(minute) for minute in range(5)]
AFTER = [line(minute) for minute in range(7, 30)]


@pytest.mark.parametrize("block", [lines.BLOCK_BYTES, 300, 150])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"], ids=["\\n", "\\r\\n"])
@pytest.mark.parametrize(("bad", "kind", "reason"), BAD)
def test_a_bad_line_is_named_or_counted_and_no_other_is_lost(
    monkeypatch: pytest.MonkeyPatch, bad: bytes, kind: str, reason: str, end: bytes, block: int
) -> None:
    monkeypatch.setattr(lines, "BLOCK_BYTES", block)
    data = text(*BEFORE, bad, *AFTER, end=end)
    with pytest.raises(UserError) as caught:
        read(data)
    said = str(caught.value)
    assert said.startswith(f"{archive.TEXT_NAME} line 7: ")
    assert reason.replace("\\\\", "\\") in said
    assert f" in {lines.preview(bad.splitlines()[0])[:9]}" in said
    assert said.endswith(
        "; correct the line and run `dvc repro --force fetch`, correct parse.layout if most lines "
        "are written so, or set on_error to skip for a few bad lines"
    )
    assert "\n" not in said

    table, skipped = read(data, skip=True)
    assert skipped == {kind: 1}
    found = rows(table)
    if kind == "number":
        time, *values = found.pop(len(BEFORE))
        good = rows(read(text(line(5)))[0])[0]
        assert time == good[0]
        assert sum(value is None for value in values) == 1
        assert all(value in (None, own) for value, own in zip(values, good[1:], strict=True))
    assert found == rows(read(text(*BEFORE, *AFTER))[0])


@pytest.mark.parametrize("block", [lines.BLOCK_BYTES, TINY])
def test_a_byte_order_mark_inside_the_text_is_a_bad_line(
    monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(lines, "BLOCK_BYTES", block)
    data = text(line(0), line(1), b"\xef\xbb\xbf" + line(2), line(3))
    assert read(data, skip=True)[1] == {"unreadable": 1}


@pytest.mark.parametrize("place", [0, 1, 2, 15, 28, 29])
def test_the_number_of_a_bad_line_counts_blank_lines_and_earlier_blocks(
    monkeypatch: pytest.MonkeyPatch, place: int
) -> None:
    monkeypatch.setattr(lines, "BLOCK_BYTES", 300)
    texts = [line(minute) for minute in range(30)]
    texts[place] = b"17;broken"
    for blank in range(place + 1):
        data = text(*texts[:blank], b"", b" ", *texts[blank:])
        with pytest.raises(UserError, match=rf" line {place + 4}: .* in '17;broken';"):
            read(data)


def test_several_bad_lines_are_counted_each_under_its_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lines, "BLOCK_BYTES", 150)
    bad = [line(4), b"x", line(3), line(5, b"x" + VALUES), line(4), b"\xff"]
    _, skipped = read(text(*BEFORE, *bad, *AFTER), skip=True)
    assert skipped == {
        "duplicate": 1, "fields": 1, "out_of_order": 2, "number": 1, "unreadable": 1
    }  # fmt: skip


def test_a_bad_line_between_two_blocks_does_not_hide_times_out_of_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lines, "BLOCK_BYTES", TINY)
    texts = [line(0), line(1), b"x", b"x", b"x", line(1), line(2)]
    table, skipped = read(text(*texts), skip=True)
    assert skipped == {"fields": 3, "duplicate": 1}
    assert table.num_rows == 3


def test_a_long_bad_line_is_shown_in_part() -> None:
    with pytest.raises(UserError) as caught:
        read(text(b"x" * 100_000))
    assert len(str(caught.value)) < 400
    assert "x'...; correct" in str(caught.value)


@pytest.mark.parametrize("skip", [False, True])
def test_a_line_longer_than_a_block_is_an_error_with_its_number(
    monkeypatch: pytest.MonkeyPatch, skip: bool
) -> None:
    monkeypatch.setattr(lines, "BLOCK_BYTES", 300)
    data = text(*BEFORE, b"x" * 1_000, *AFTER)
    with pytest.raises(UserError, match=" line 7: longer than 300 bytes"):
        read(data, skip)


# Texts of another layout.

UTF_16 = text(*BEFORE).decode().encode("utf-16")


@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(b"", "line 1: expected Date;Time;", id="empty"),
        pytest.param(b"\n", "line 1: ", id="a blank line"),
        pytest.param(text(*BEFORE)[len(HEADER) + 1 :], "found '16/12/2006;17", id="no header"),
        pytest.param(text(*BEFORE).replace(b";", b","), "found 'Date,Time,", id="commas"),
        pytest.param(text(*BEFORE).replace(b"Time", b"Hour", 1), "found 'Date;Hour", id="name"),
        pytest.param(HEADER + b";x\n" + line(0), "Sub_metering_3;x'", id="a column more"),
        pytest.param(b"\n" + text(*BEFORE), "line 1: ", id="a blank line first"),
        pytest.param(text(*BEFORE, end=b"\r"), "line 1: ", id="ends of the old Mac"),
        pytest.param(UTF_16, "line 1: ", id="UTF-16"),
        pytest.param(UTF_16[2:], "line 1: ", id="UTF-16 without a mark"),
        pytest.param(bytes(range(256)) * 9, "line 1: ", id="no text"),
        pytest.param(HEADER, "header but no readings", id="header without an end"),
        pytest.param(text(), "header but no readings", id="header alone"),
        pytest.param(text() + b" \r\n\n\n", "header but no readings", id="and blanks"),
    ],
)
def test_a_text_in_another_layout_is_an_error_even_with_skip(
    data: bytes, reason: str, skip: bool
) -> None:
    with pytest.raises(UserError) as caught:
        read(data, skip)
    said = str(caught.value)
    assert reason in said
    assert said.startswith(archive.TEXT_NAME)
    assert len(said) < 700
    assert "\n" not in said


def test_a_text_with_only_bad_lines_is_refused() -> None:
    with pytest.raises(UserError, match="header but no readings"):
        read(text(b"x", b"y"), skip=True)


# Against a reader as one would write it without a thought of speed.


class NaiveError(Exception):
    pass


def naive_row(raw: bytes, before: datetime | None) -> tuple[tuple[Any, ...], bool]:
    """Return the time and the values of a line, and whether one of them is bad."""
    try:
        fields = [field.strip() for field in raw.decode("ascii").split(";")]
    except UnicodeDecodeError:
        raise NaiveError("unreadable") from None
    if len(fields) != 9:
        raise NaiveError("fields")
    try:
        stamp = datetime.strptime(" ".join(fields[:2]), "%d/%m/%Y %H:%M:%S")
    except ValueError:
        raise NaiveError("time") from None
    # strptime takes 7:05:00 as well.
    if stamp.second or len(fields[1]) != 8:
        raise NaiveError("time")
    if before is not None and stamp <= before:
        raise NaiveError("duplicate" if stamp == before else "out_of_order")
    values: list[float | None] = []
    for field in fields[2:]:
        is_number = re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", field)
        if is_number and abs(float(field)) <= float(np.finfo(np.float32).max):
            values.append(float(np.float32(float(field))))
        else:
            values.append(None)
    is_bad = any(
        value is None and field not in ("?", "")
        for value, field in zip(values, fields[2:], strict=True)
    )
    return (stamp, *values), is_bad


def naive(data: bytes, skip: bool) -> tuple[list[tuple[Any, ...]], Counter[str]] | int:
    """Return the rows and the count of skipped lines, or the number of the first bad line."""
    found: list[tuple[Any, ...]] = []
    skipped: Counter[str] = Counter()
    for number, raw in enumerate(data.split(b"\n")[1:], 2):
        if not raw.strip(b" \t\r"):
            continue
        try:
            row, is_bad = naive_row(raw, found[-1][0] if found else None)
            if is_bad and not skip:
                return number
            found.append(row)
            skipped.update(["number"] * is_bad)
        except NaiveError as bad:
            if not skip:
                return number
            skipped[str(bad)] += 1
    return found, skipped


def outcome(
    data: bytes, skip: bool, block: int
) -> tuple[list[tuple[Any, ...]], Counter[str]] | int:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines, "BLOCK_BYTES", block)
        source = UciReader(io.BytesIO(data), skip=skip)
        found: list[tuple[Any, ...]] = []
        try:
            for table in source:
                found += rows(table)
        except UserError as failure:
            if "header but no readings" in str(failure):
                return [], source.skipped
            number = re.search(r" line ([0-9]+): ", str(failure))
            assert number
            return int(number[1])
        return found, source.skipped


NUMBERS = st.one_of(
    st.integers(0, 300_000).map(lambda value: f"{value / 1000:.3f}"),
    st.sampled_from(["?", "", "0", "007", "-1.5", "+2.5", ".5", "5.", "1e2", "1E-3", " 1.250 "]),
)
ODD_NUMBERS = st.sampled_from(["1,5", "nan", "-inf", "1e39", "1e400", "x", "1 2", "--1"])
GOOD_VALUES = st.one_of(
    st.just("?;?;?;?;?;?;"), st.lists(NUMBERS, min_size=7, max_size=7).map(";".join)
)
ODD_VALUES = st.one_of(
    st.lists(NUMBERS, max_size=9).filter(lambda made: len(made) != 7).map(";".join),
    st.lists(st.one_of(NUMBERS, ODD_NUMBERS), min_size=7, max_size=7).map(";".join),
)
MISPLACED = st.tuples(st.integers(-3, 0), st.one_of(GOOD_VALUES, ODD_VALUES))
ODD_LINES = st.one_of(
    st.sampled_from([b"", b" ", b"\t\r", b"x", b"\xff\xfe", b"\0", HEADER[:60], b";" * 8]),
    st.sampled_from([b"31/2/2007;00:00:00;", b"1/13/2007;00:00:00;", b"1/1/2007;24:00:00;"]).map(
        lambda start: start + VALUES
    ),
    st.sampled_from([b"1/1/2007;00:00:30;", b"1/1/2007;0:00:00;", b"1/1/07;00:00:00;"]).map(
        lambda start: start + VALUES
    ),
)


@st.composite
def texts(draw: st.DrawFn) -> bytes:
    end = st.sampled_from(draw(st.sampled_from([[b"\n"], [b"\r\n"], [b"\n", b"\r\n", b" \n"]])))
    # Often none, so that most texts take the fast way and some fall from it midway.
    odd = draw(st.sampled_from([0, 0, 1, 4]))
    minute = draw(st.integers(0, 5_000_000))
    parts = [HEADER, draw(end)]
    for _ in range(draw(st.integers(0, 14))):
        what = draw(st.integers(0, 9))
        if what < odd:
            made = draw(st.one_of(ODD_LINES, MISPLACED))
            if isinstance(made, tuple):
                made = line(minute + made[0], made[1].encode())
        else:
            minute += draw(st.sampled_from([1, 1, 1, 2, 1440]))
            made = line(minute, draw(GOOD_VALUES).encode())
        parts += [made, draw(end)]
    parts += [draw(st.sampled_from([b"", b"", b"\n\n", b" "]))]
    data = b"".join(parts)
    return data.rstrip(b"\r\n") if draw(st.booleans()) else data


@settings(max_examples=300, deadline=None)
@given(data=texts(), skip=st.booleans(), block=st.integers(TINY, 400))
@example(data=text(line(0), line(1))[:-1], skip=False, block=TINY + 1)
def test_the_reader_equals_a_naive_reader(data: bytes, skip: bool, block: int) -> None:
    assert outcome(data, skip, block) == naive(data, skip)
