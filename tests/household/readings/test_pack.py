"""Files of readings of all kinds, packed into a zip."""

import gzip
import zipfile
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from household.core.errors import UserError
from household.readings import archive, pack

pytestmark = pytest.mark.usefixtures("empty_folder")
TEXT = b"time,power\n2023-03-02 00:00,1.5\n"


def packed(path: Path) -> tuple[str, bytes]:
    """Return the name and the contents of the text in the zip of a file."""
    pack.copy_or_zip(str(path), Path("made.zip"))
    archive.verify(Path("made.zip"), str(path))
    with archive.open_text(Path("made.zip")) as text:
        assert text.name is not None
        return text.name, text.read()


@pytest.mark.parametrize("name", ["a.csv", "a.txt", "a.TSV", "meter.dat", "readings", "a.b.log"])
def test_a_text_of_any_name_is_taken(name: str) -> None:
    Path(name).write_bytes(TEXT)
    assert packed(Path(name)) == (name, TEXT)


def test_a_text_in_utf_16_is_taken() -> None:
    Path("a.csv").write_bytes(TEXT.decode().encode("utf-16"))
    assert packed(Path("a.csv"))[1].decode("utf-16").encode() == TEXT


def test_a_compressed_text_is_unpacked() -> None:
    Path("meter.csv.gz").write_bytes(gzip.compress(TEXT))
    assert packed(Path("meter.csv.gz")) == ("meter.csv", TEXT)
    Path("meter.csv.gz").write_bytes(gzip.compress(TEXT * 99)[:-20])
    with pytest.raises(UserError, match=r"^meter\.csv\.gz: truncated or damaged"):
        packed(Path("meter.csv.gz"))


def test_a_zip_may_hold_one_text_of_any_name() -> None:
    for members in ({"export": TEXT}, {"notes.md": b"#", "a.csv": TEXT}):
        with zipfile.ZipFile("a.zip", "w") as zipped:
            for name, data in members.items():
                zipped.writestr(name, data)
        assert packed(Path("a.zip"))[1] == TEXT


def test_parquet_becomes_a_text() -> None:
    stamps = [datetime(2023, 3, 2), datetime(2023, 3, 2, 0, 1)]
    table = pa.table({"time": pa.array(stamps, pa.timestamp("us", "UTC")), "power": [1.5, None]})
    pq.write_table(table, "a.parquet")
    name, text = packed(Path("a.parquet"))
    assert name == "a.csv"
    first, second = text.decode().splitlines()[1:]
    assert first == "2023-03-02 00:00:00.000000Z,1.5"
    assert second == "2023-03-02 00:01:00.000000Z,"
    Path("a.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(UserError, match=r"^a\.parquet: not a Parquet file with simple columns"):
        packed(Path("a.parquet"))
