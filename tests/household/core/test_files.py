"""Files appear whole or not at all, and the same contents are the same bytes."""

import json
import math
import shutil
import string
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from household.core import files, meters

RAISED = [ValueError("x"), OSError("disk full"), KeyboardInterrupt(), SystemExit(1)]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("error", RAISED, ids=[type(error).__name__ for error in RAISED])
@pytest.mark.parametrize("old", [None, b"old"])
def test_a_block_that_raises_keeps_the_old_file(
    tmp_path: Path, error: BaseException, old: bytes | None
) -> None:
    path = tmp_path / "table.parquet"
    if old is not None:
        path.write_bytes(old)

    def write_half() -> None:
        with files.atomic_write(path) as partial:
            partial.write_bytes(b"half")
            raise error

    with pytest.raises(type(error)) as caught:
        write_half()
    assert caught.value is error
    assert names(tmp_path) == ([] if old is None else [path.name])
    assert old is None or path.read_bytes() == old


@pytest.mark.parametrize("old", [None, b"old and longer than the new one"])
def test_a_block_that_succeeds_replaces_the_file(tmp_path: Path, old: bytes | None) -> None:
    path = tmp_path / "a" / "b" / "table.parquet"
    if old is not None:
        path.parent.mkdir(parents=True)
        path.write_bytes(old)
    with files.atomic_write(path) as partial:
        partial.write_bytes(b"new")
        assert path.exists() == (old is not None)
        assert old is None or path.read_bytes() == old
    assert path.read_bytes() == b"new"
    assert names(path.parent) == [path.name]


def test_the_partial_file_is_in_the_same_folder_with_the_same_suffix(tmp_path: Path) -> None:
    path = tmp_path / "lstm.keras"
    with files.atomic_write(path) as partial:
        partial.write_bytes(b"")
        assert partial != path
        assert (partial.parent, partial.suffix) == (path.parent, path.suffix)


def test_the_partial_file_of_a_killed_run_is_removed_before_the_next_one_writes(
    tmp_path: Path,
) -> None:
    path = tmp_path / "power.zip"
    with files.atomic_write(path) as partial:
        partial.write_bytes(b"new")
    # SIGKILL and a power cut run no `finally`.
    partial.write_bytes(b"left by another run")
    with files.atomic_write(path) as again:
        assert again == partial
        assert not again.exists()
        again.write_bytes(b"newer")
    assert path.read_bytes() == b"newer"


def test_a_block_that_writes_nothing_is_an_error_and_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    path.write_bytes(b"old")
    with pytest.raises(FileNotFoundError), files.atomic_write(path):
        pass
    assert path.read_bytes() == b"old"


def test_a_folder_is_replaced_as_a_whole_or_kept(tmp_path: Path) -> None:
    path = tmp_path / "there/power"
    for name in ("one", "other"):
        with files.atomic_folder(path) as partial:
            assert names(partial) == []
            (partial / name).write_text(name)
        assert names(path) == [name]
    # SIGKILL and a power cut run no `finally`.
    shutil.copytree(path, partial)
    with pytest.raises(ValueError, match="JSON"), files.atomic_folder(path) as again:
        files.write_json(again / "half", {"a": math.nan})
    assert names(path) == ["other"]
    assert names(path.parent) == ["power"]


RECORDS = st.dictionaries(
    st.text(string.printable + "é€", max_size=5),
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.text(string.ascii_letters, max_size=5), inner, max_size=3)
        ),
        max_leaves=5,
    ),
    max_size=4,
)


def in_order(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    assert keys == sorted(keys)
    return dict(pairs)


@settings(max_examples=40, deadline=None)  # a sync to disk takes as long as it takes
@given(record=RECORDS)
def test_json_reads_back_with_its_keys_sorted(
    tmp_path_factory: pytest.TempPathFactory, record: dict[str, Any]
) -> None:
    path = tmp_path_factory.getbasetemp() / "record.json"
    files.write_json(path, record)
    written = path.read_bytes()
    assert files.read_json(path) == record
    assert json.loads(written, object_pairs_hook=in_order) == record
    files.write_json(path, dict(reversed(record.items())))
    assert path.read_bytes() == written


def test_json_is_indented_utf_8_text(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    files.write_json(path, {"b": {"d": None, "c": 0.1}, "a": "Hébrail"})
    expected = '{\n  "a": "Hébrail",\n  "b": {\n    "c": 0.1,\n    "d": null\n  }\n}\n'
    assert path.read_bytes() == expected.encode()


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_json_refuses_nan_and_infinity_and_keeps_the_old_file(tmp_path: Path, value: float) -> None:
    path = tmp_path / "record.json"
    path.write_bytes(b"old")
    with pytest.raises(ValueError, match="not JSON compliant"):
        files.write_json(path, {"deep": [{"value": value}]})
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == [path.name]


TABLE = pa.table(
    {
        "timestamp": pa.array([0, 60_000, 180_000], pa.timestamp("ms")),
        "power": pa.array([4.216, None, 5.36], pa.float32()),
    }
)


def test_a_table_is_the_same_bytes_every_time_and_reads_back(tmp_path: Path) -> None:
    paths = [tmp_path / "one.parquet", tmp_path / "two.parquet"]
    for path in paths:
        files.write_table(path, TABLE)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert pq.read_table(paths[0]).equals(TABLE)
    assert names(tmp_path) == ["one.parquet", "two.parquet"]


def test_times_are_written_by_their_differences_and_values_by_the_distinct_ones(
    tmp_path: Path,
) -> None:
    path = tmp_path / "table.parquet"
    files.write_table(path, TABLE)
    times, power = (pq.ParquetFile(path).metadata.row_group(0).column(at) for at in (0, 1))
    assert times.compression == power.compression == "ZSTD"
    assert "DELTA_BINARY_PACKED" in times.encodings
    assert any("DICTIONARY" in encoding for encoding in power.encodings)


def test_csv_is_the_same_bytes_every_time_and_quotes_texts_alone(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    table = pa.table({"name": ["LSTM", 'a, "b"'], "value": [0.5, None]})
    files.write_csv(path, table)
    first = path.read_bytes()
    files.write_csv(path, table)
    assert path.read_bytes() == first
    assert first.decode().splitlines()[1:] == ['"LSTM",0.5', '"a, ""b""",']
    assert names(tmp_path) == [path.name]


def test_a_folder_is_written_beside_one_whose_name_begins_with_its_own(tmp_path: Path) -> None:
    with files.atomic_folder(tmp_path / "2007-03") as month:
        (month / "a").touch()
        with files.atomic_folder(tmp_path / "2007") as year:
            (year / "b").touch()
    assert (tmp_path / "2007-03/a").is_file()
    assert (tmp_path / "2007/b").is_file()


def test_the_folder_that_a_killed_run_left_is_removed_and_is_no_meter(tmp_path: Path) -> None:
    left = tmp_path / f".partial-power-{'0' * 32}"
    left.mkdir()
    assert meters.by_name(tmp_path) == {}
    with files.atomic_folder(tmp_path / "power"):
        assert not left.exists()
    assert meters.by_name(tmp_path) == {"power": tmp_path / "power"}
