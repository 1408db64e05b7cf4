"""The parse stage: what it writes, what it says, and what it leaves where it fails."""

import os
import zipfile
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from household.core import files, paths, schema
from household.core.errors import UserError
from household.core.schema import TARGET
from household.core.step import MINUTE
from household.readings import archive, lines, quality
from stages import parse
from tests.project import changed

pytestmark = pytest.mark.usefixtures("empty_folder")

RAW, PARSED = paths.RAW / "power", paths.PARSED / "power"
# The power of these texts is constant.
LAYOUT = {"extends": "uci", "accept": ["constant", "mostly_missing"]}
FAIL, SKIP = (changed({"on_error": what, "parse.layout": LAYOUT}) for what in ("fail", "skip"))


def line(minute: int, values: str = "4.216;0.418;234.840;18.400;0.000;1.000;17.000") -> str:
    stamp = datetime(2006, 12, 16, 17, 24) + timedelta(minutes=minute)
    return f"{stamp.day}/{stamp.month}/{stamp.year};{stamp:%H:%M}:00;{values}"


def put(*lines: str, name: str = "mine") -> None:
    RAW.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(RAW / f"{name}.zip", "w", zipfile.ZIP_DEFLATED) as target:
        target.writestr(archive.TEXT_NAME, "\n".join([";".join(schema.HEADER), *lines, ""]))


def outputs() -> dict[str, bytes]:
    written = [*PARSED.iterdir(), paths.QUALITY]
    return {path.name: path.read_bytes() for path in written}


def test_the_stage_writes_the_same_table_and_record_every_time(
    capsys: pytest.CaptureFixture[str],
) -> None:
    put(line(0), line(1, "?;?;?;?;?;?;"), line(2), line(9), "x", line(9), line(10))
    parse.main(SKIP)
    written = outputs()
    assert sorted(written) == ["2006-12.parquet", "data_quality.json"]
    table = pq.read_table(PARSED)
    assert table.schema.equals(schema.SCHEMA, check_metadata=True)
    start = datetime(2006, 12, 16, 17, 24)
    minutes = [start + timedelta(minutes=minute) for minute in (0, 1, 2, 9, 10)]
    assert table["timestamp"].to_pylist() == minutes
    power = np.float32(4.216)
    assert table[TARGET].to_pylist() == [power, None, power, power, power]
    record = files.read_json(paths.QUALITY)
    assert record["skipped_lines"] == dict.fromkeys(lines.FAULTS, 0) | {
        "fields": 1,
        "duplicate": 1,
    }
    found = quality.QualityReport(MINUTE)
    found.add(table)
    assert record == found.to_dict({"fields": 1, "duplicate": 1}, archive.TEXT_NAME, {})
    assert capsys.readouterr().out == (
        "parse: 5 minutes from 2006-12-16T17:24 to 2006-12-16T17:34, "
        "1 without a power value, 6 without a row, 2 bad lines skipped\n"
    )
    parse.main(SKIP)
    assert outputs() == written


MONTH = 31 * 1440


def test_a_new_month_leaves_the_files_of_the_others_as_they_are() -> None:
    put(*map(line, range(2 * MONTH)), name="first")
    parse.main(FAIL)
    before = outputs()
    del before["data_quality.json"]
    assert sorted(before) == ["2006-12.parquet", "2007-01.parquet", "2007-02.parquet"]
    # It begins with minutes that are known, and with more of the month that had begun.
    put(*map(line, range(2 * MONTH - 9, 3 * MONTH)), name="and then")
    parse.main(FAIL)
    after = outputs()
    del before["2007-02.parquet"]
    assert {name: after[name] for name in before} == before
    table = pq.read_table(PARSED)
    assert len(table) == 3 * MONTH
    assert files.read_json(paths.QUALITY)["gaps"]["missing_rows"] == 0
    (RAW / "first.zip").unlink()
    (RAW / "and then.zip").unlink()
    put(*map(line, range(3 * MONTH)), name="whole")
    parse.main(FAIL)
    assert outputs() == after


def test_conflicting_minutes_are_refused_and_a_bad_line_names_its_zip() -> None:
    put(*map(line, range(9)), name="a")
    put(line(8, "4.217;0.418;234.840;18.400;0.000;1.000;17.000"), line(9), name="b")
    with pytest.raises(UserError) as caught:
        parse.main(FAIL)
    assert str(caught.value) == (
        "a.zip and b.zip have different values for the minute 2006-12-16T17:32; remove the wrong "
        "one"
    )
    put("x", name="b")
    with pytest.raises(UserError, match=rf"^b\.zip: {archive.TEXT_NAME} line 2: 1 fields"):
        parse.main(FAIL)
    assert not paths.PARSED.exists()


@pytest.mark.parametrize("block", [lines.BLOCK_BYTES, 200])
def test_a_stage_that_fails_leaves_the_earlier_table(
    monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(lines, "BLOCK_BYTES", block)
    put(*map(line, range(5)), "x")
    old = (PARSED / "2006-11.parquet", paths.QUALITY)
    for path in old:
        path.parent.mkdir(parents=True)
        path.write_bytes(b"old")
    with pytest.raises(UserError, match=" line 7: "):
        parse.main(FAIL)
    for path in old:
        assert path.read_bytes() == b"old"
        assert list(path.parent.iterdir()) == [path]
    assert sorted(paths.PARSED.parent.iterdir()) == [paths.PARSED, paths.RAW]


def test_readings_of_every_quarter_hour_are_refused() -> None:
    put(*(line(15 * row) for row in range(100)))
    with pytest.raises(UserError) as caught:
        parse.main(FAIL)
    assert str(caught.value) == (
        f"{archive.TEXT_NAME}: readings are usually 15 minutes apart, but parse.step is "
        "1min; set it to 15min"
    )
    assert not paths.PARSED.exists()
    assert not paths.QUALITY.exists()


@pytest.mark.skipif(
    "HOUSEHOLD_ZIP" not in os.environ, reason="NO HOUSEHOLD_ZIP: the real record is not tested"
)
def test_the_real_text_has_the_published_numbers() -> None:
    RAW.mkdir(parents=True)
    (RAW / "real.zip").symlink_to(Path(os.environ["HOUSEHOLD_ZIP"]))
    parse.main(FAIL)
    record = files.read_json(paths.QUALITY)
    assert record["rows"] == 151_596
    assert record["first"] == "2006-12-16T17:24"
    assert record["last"] == "2007-03-31T23:59"
    assert record["missing"] == dict.fromkeys(schema.NAMES, 9)
    assert set(record["skipped_lines"].values()) == {0}
    assert record["gaps"]["missing_rows"] == 0
    power = pq.read_table(PARSED)[TARGET]
    assert power[0].as_py() == np.float32(4.216)
    assert power[-1].as_py() == np.float32(3.726)
    assert power.drop_null().to_numpy().sum(dtype=np.float64) == pytest.approx(
        226_176.222, abs=1e-3
    )
