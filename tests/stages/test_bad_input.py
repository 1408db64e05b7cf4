"""From a file that somebody gives to what fetch and parse make of it: minutes, or one line."""

import io
import random
import stat
import zipfile
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from household.core import files, paths, schema
from household.core.errors import UserError
from household.readings import archive
from stages import fetch, parse
from tests.project import changed

pytestmark = pytest.mark.usefixtures("empty_folder")

HEADER = ";".join(schema.HEADER)
VALUES = "4.216;0.418;234.840;18.400;0.000;1.000;17.000"
BEGIN = datetime(2007, 3, 25, 1, 0)


def line(stamp: datetime, values: str = VALUES, form: str = "{0.day}/{0.month}/{0.year}") -> str:
    return f"{form.format(stamp)};{stamp:%H:%M}:00;{values}"


def lines(minutes: Iterable[int], begin: datetime = BEGIN, form: str = "") -> list[str]:
    stamps = [begin + timedelta(minutes=minute) for minute in minutes]
    return [line(stamp, form=form) if form else line(stamp) for stamp in stamps]


def text(*rows: str, header: str = HEADER) -> bytes:
    return "\r\n".join([header, *rows, ""]).encode()


def zipped(*members: tuple[str, bytes], mode: int = 0) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as target:
        for name, data in members:
            member = zipfile.ZipInfo(name)
            member.external_attr = mode << 16
            member.compress_type = zipfile.ZIP_DEFLATED
            target.writestr(member, data)
    return buffer.getvalue()


def member(data: bytes) -> bytes:
    return zipped((archive.TEXT_NAME, data))


def outcome(data: bytes, on_error: str) -> dict[str, int] | str:
    """Return the counts of rows, gaps and skipped lines, or the line of the error."""
    Path("given.zip").write_bytes(data)
    given = changed(
        {
            "fetch.source": "given.zip",
            "on_error": on_error,
            # The power of these texts is constant.
            "parse.layout": {"extends": "uci", "accept": ["constant", "mostly_missing"]},
        }
    )
    try:
        fetch.main(given)
        parse.main(given)
    except UserError as failure:
        assert not paths.PARSED.exists()
        assert not paths.QUALITY.exists()
        return str(failure)
    record = files.read_json(paths.QUALITY)
    skipped = {kind: count for kind, count in record["skipped_lines"].items() if count}
    return {"rows": record["rows"], "absent": record["gaps"]["missing_rows"], **skipped}


GOOD = text(*lines(range(9)))
OTHER_NAMES = ["../", "/", "/etc/", "..\\", "C:\\", "./", "data/"]
HARMLESS = [pytest.param(f"{start}{archive.TEXT_NAME}", id=start) for start in OTHER_NAMES]
REFUSED = [
    pytest.param(zipped(("inner.zip", member(GOOD))), "found inner.zip", id="a zip in a zip"),
    pytest.param(
        member(member(GOOD)), "line 1: expected Date;", id="a zip in a zip, by the name of the text"
    ),
    pytest.param(
        zipped((archive.TEXT_NAME, b"/etc/passwd"), mode=stat.S_IFLNK | 0o777),
        "line 1: expected Date;",
        id="a link",
    ),
    pytest.param(zipped((f"{archive.TEXT_NAME}/", b"")), "expected ", id="a folder"),
    pytest.param(
        member(text(*lines(range(9)), header=";".join(reversed(schema.HEADER)))),
        "line 1: expected Date;Time;",
        id="a header in another order",
    ),
    pytest.param(
        member(text(random.Random(0).randbytes(5_000_000).hex())),
        "line 2: longer than 8,388,608 bytes",
        id="a line of 10 MB",
    ),
    pytest.param(
        member(HEADER.encode() + b"\n" + bytes(200_000)),
        "which is too much for a series of minutes",
        id="NUL bytes",
    ),
    pytest.param(member(b""), "line 1: expected Date;", id="an empty text"),
    pytest.param(member(text()), "header but no readings", id="a header alone"),
]


@pytest.mark.parametrize("on_error", ["fail", "skip"])
@pytest.mark.parametrize(("data", "reason"), REFUSED)
def test_a_zip_without_readings_is_refused_in_one_line(
    data: bytes, reason: str, on_error: str
) -> None:
    found = outcome(data, on_error)
    assert isinstance(found, str)
    assert reason in found
    assert "\n" not in found
    assert len(found) < 700


AUTUMN = datetime(2007, 10, 28, 2, 0)
AS_IT_IS = [
    pytest.param(GOOD, {"rows": 9, "absent": 0}, id="nothing wrong"),
    pytest.param(
        text(*lines(range(60)), *lines(range(120, 180))),
        {"rows": 120, "absent": 60},
        id="the hour that is missing in spring",
    ),
    pytest.param(
        text(*lines(range(3)), line(BEGIN + timedelta(minutes=3), f"-{VALUES}")),
        {"rows": 4, "absent": 0},
        id="negative power, as with panels on the roof",
    ),
]


@pytest.mark.parametrize("on_error", ["fail", "skip"])
@pytest.mark.parametrize(("data", "expected"), AS_IT_IS)
def test_unusual_readings_are_taken_as_they_are(
    data: bytes, expected: dict[str, int], on_error: str
) -> None:
    assert outcome(member(data), on_error) == expected


@pytest.mark.parametrize("name", HARMLESS)
def test_a_zipped_text_of_any_name_is_read_and_not_extracted(name: str, tmp_path: Path) -> None:
    before = set(tmp_path.parent.iterdir())
    assert outcome(zipped((name, GOOD)), "fail") == {"rows": 9, "absent": 0}
    assert set(tmp_path.parent.iterdir()) == before
    assert {path.name for path in Path().iterdir()} == {"given.zip", "data", "reports"}


SKIPPED = [
    pytest.param(
        text(*lines(range(60), AUTUMN), *lines(range(6600), AUTUMN)),
        f"{archive.TEXT_NAME} line 62: minute 2007-10-28 02:00:00 after 2007-10-28 02:59:00",
        {"rows": 6600, "absent": 0, "out_of_order": 59, "duplicate": 1},
        id="the hour that comes twice in autumn",
    ),
    pytest.param(
        text(*lines([0, 1, 1, 2, 2, 2])),
        f"{archive.TEXT_NAME} line 4: duplicate minute 2007-03-25 01:01:00",
        {"rows": 3, "absent": 0, "duplicate": 3},
        id="minutes that stand twice",
    ),
    *(
        pytest.param(
            text(*lines(range(9)), line(BEGIN + timedelta(minutes=9), f"{bad};{VALUES[6:]}")),
            f"{archive.TEXT_NAME} line 11: Global_active_power {bad!r} ",
            {"rows": 10, "absent": 0, "number": 1},
            id=f"power {bad}",
        )
        for bad in ("1e400", "nan", "inf", "1,5", "-1e39", "0x1p3", "1_000")
    ),
]


@pytest.mark.parametrize(("data", "said", "expected"), SKIPPED)
def test_a_bad_line_is_named_or_skipped_and_counted(
    data: bytes, said: str, expected: dict[str, int]
) -> None:
    found = outcome(member(data), "fail")
    assert isinstance(found, str)
    assert found.startswith(said)
    assert outcome(member(data), "skip") == expected


TOO_MANY = [
    pytest.param(
        # To the twelfth they might be either.
        text(*lines(range(14 * 1440), datetime(2007, 1, 1), "{0.month}/{0.day}/{0.year}")),
        "2,880 of 20,160 lines are bad, more than 1%, the first of them line 17282: date "
        "'1/13/2007' is not in the calendar in '1/13/2007;00:00:00;",
        id="months and days swapped",
    ),
    pytest.param(
        text(*(line.replace("4.216", "1,5") for line in lines(range(11)))),
        "11 of 11 lines are bad, more than 1%, the first of them line 2: Global_active_power '1,5'",
        id="decimal commas",
    ),
]


@pytest.mark.parametrize(("data", "reason"), TOO_MANY)
def test_too_many_bad_lines_are_not_skipped(data: bytes, reason: str) -> None:
    found = outcome(member(data), "skip")
    assert isinstance(found, str)
    assert found.startswith(f"{archive.TEXT_NAME}: {reason}")
    assert found.endswith("; correct parse.layout or the file")


def test_a_zip_with_a_duplicate_member_is_refused() -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        data = zipped((archive.TEXT_NAME, GOOD), (archive.TEXT_NAME, text(*lines(range(3)))))
    assert outcome(data, "skip") == (
        f"given.zip: {archive.TEXT_NAME} appears twice in the zip; keep one"
    )
