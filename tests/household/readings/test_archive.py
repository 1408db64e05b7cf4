"""A zip is whole and holds the one member, or it is refused in one line."""

import io
import random
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from household.core.errors import UserError
from household.readings import archive

ORIGIN = "https://example.org/power.zip"
# Of letters drawn at random, since a text that shrinks to nothing is refused for that.
TEXT = bytes(random.Random(0).choices(b"0123456789.;:/?\r\n", k=500))


def zipped(
    data: bytes = TEXT,
    name: str = archive.TEXT_NAME,
    method: int = zipfile.ZIP_DEFLATED,
    more: Sequence[str] = (),
) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as target:
        for each in (name, *more):
            target.writestr(zipfile.ZipInfo(each), data, compress_type=method)
    return buffer.getvalue()


def encrypted() -> bytes:
    """Return a zip flagged as encrypted in both headers."""
    data = bytearray(zipped())
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


def flipped(data: bytes, place: int, bit: int = 0) -> bytes:
    changed = bytearray(data)
    changed[place] ^= 1 << bit
    return bytes(changed)


def written(folder: Path, data: bytes) -> Path:
    path = folder / "power.zip"
    path.write_bytes(data)
    return path


METHODS = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]
HTML = b"<!DOCTYPE html><html><body>Not Found</body></html>"
# The first byte of the data comes after the local header and the name in it.
DATA = 30 + len(archive.TEXT_NAME)

BAD = [
    pytest.param(b"", "not a zip: it starts with b''", id="empty"),
    pytest.param(HTML, "starts with b'<!DOCTYPE html><'", id="HTML page"),
    pytest.param(
        b"PK\x03\x04" + bytes(100), "truncated or damaged zip", id="zip by its start alone"
    ),
    pytest.param(zipped()[:-1], "truncated or damaged zip", id="last byte lost"),
    pytest.param(zipped()[: len(zipped()) // 2], "truncated or damaged zip", id="second half lost"),
    pytest.param(zipped()[100:], "not a zip: it starts with ", id="start lost"),
    pytest.param(
        flipped(zipped(method=zipfile.ZIP_STORED), DATA + 7),
        "Bad CRC-32",
        id="bit flipped in stored data",
    ),
    pytest.param(
        flipped(zipped(), DATA + 50), "truncated or damaged zip", id="bit flipped in deflated"
    ),
    pytest.param(zipped(method=zipfile.ZIP_LZMA), "not compressed with deflate", id="LZMA"),
    pytest.param(zipped(method=zipfile.ZIP_BZIP2), "not compressed with deflate", id="bzip2"),
    pytest.param(
        b"Date;Time;Global_active_power\n", "use a .csv, a .txt or a zip with one", id="CSV"
    ),
    pytest.param(b"PAR1\x15\x00", "a Parquet file; download it", id="Parquet"),
    pytest.param(
        zipped(b"%PDF\0", name="power.pdf"), "found power.pdf; zip the text", id="no text"
    ),
    pytest.param(
        zipped(name="a.csv", more=["b.txt", "c.CSV"]),
        "expected one text in the zip, found 3: a.csv, b.txt, c.CSV; keep one",
        id="several texts",
    ),
    pytest.param(
        zipped(name="[Content_Types].xml", more=["xl/workbook.xml"]),
        "an Excel workbook; download it, and give its path",
        id="Excel",
    ),
    pytest.param(b"PK\x05\x06" + bytes(18), "found nothing", id="no member"),
    pytest.param(encrypted(), "is encrypted", id="encrypted"),
    pytest.param(zipped(bytes(1_000_000)), "1,000,000 bytes", id="bomb"),
]


@pytest.mark.parametrize(("data", "reason"), BAD)
def test_a_bad_zip_is_refused_in_one_line_that_names_its_origin(
    tmp_path: Path, data: bytes, reason: str
) -> None:
    path = written(tmp_path, data)
    with pytest.raises(UserError) as caught:
        archive.verify(path, ORIGIN)
    said = str(caught.value)
    assert said.startswith(f"{ORIGIN}: ")
    assert reason in said
    assert "\n" not in said
    assert path.read_bytes() == data


@pytest.mark.parametrize("method", METHODS)
def test_a_good_zip_is_read_whole_and_is_not_ucis(tmp_path: Path, method: int) -> None:
    path = written(tmp_path, zipped(method=method))
    archive.verify(path, ORIGIN)
    assert not archive.is_uci(path)
    with archive.open_text(path) as text:
        assert text.read() == TEXT


@pytest.mark.parametrize(
    ("name", "more"),
    [
        (archive.TEXT_NAME, ["README.txt"]),
        ("power.csv", []),
        ("a folder/Power.TXT", ["__MACOSX/a folder/._Power.TXT", "a folder/licence.pdf"]),
        (archive.TEXT_NAME.upper(), []),
    ],
)
def test_the_only_text_is_read_under_any_name_and_beside_any_other_file(
    tmp_path: Path, name: str, more: list[str]
) -> None:
    path = written(tmp_path, zipped(name=name))
    with zipfile.ZipFile(path, "a") as target:
        for each in more:
            target.writestr(each, "of no interest")
    archive.verify(path, ORIGIN)
    with archive.open_text(path) as text:
        assert text.name == name
        assert text.read() == TEXT
    assert not archive.is_uci(path)


def test_only_ucis_own_text_is_ucis(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, zipped())
    crc = zipfile.ZipFile(path).getinfo(archive.TEXT_NAME).CRC
    for size, sum_, same in (
        (len(TEXT), crc, True),
        (len(TEXT) + 1, crc, False),
        (len(TEXT), crc ^ 1, False),
    ):
        monkeypatch.setattr(archive, "UCI_BYTES", size)
        monkeypatch.setattr(archive, "UCI_CRC32", sum_)
        assert archive.is_uci(path) is same


@pytest.mark.parametrize("most", ["MAX_BYTES", "MAX_RATIO"])
def test_a_zip_bomb_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: str
) -> None:
    path = written(tmp_path, zipped())
    member = zipfile.ZipFile(path).getinfo(archive.TEXT_NAME)
    limit = {"MAX_BYTES": len(TEXT), "MAX_RATIO": len(TEXT) / member.compress_size}[most]
    monkeypatch.setattr(archive, most, limit)
    archive.verify(path, ORIGIN)
    assert not archive.is_uci(path)
    monkeypatch.setattr(archive, most, limit * 0.999)
    monkeypatch.delattr(zipfile.ZipFile, "open")
    with pytest.raises(UserError, match="would unpack from"):
        archive.verify(path, ORIGIN)


@pytest.mark.parametrize("method", METHODS)
def test_a_zip_with_a_flipped_bit_is_read_correctly_or_refused(tmp_path: Path, method: int) -> None:
    data = zipped(TEXT[:40], method=method)
    path = tmp_path / "power.zip"
    refused = 0
    for place in range(len(data)):
        for bit in range(8):
            path.write_bytes(flipped(data, place, bit))
            try:
                archive.verify(path, ORIGIN)
            except UserError:
                refused += 1
            else:
                with archive.open_text(path) as text:
                    assert text.read() == TEXT[:40]
    # The rest are dates, versions and modes, which say nothing of the data.
    assert refused > 40 * 8


@pytest.mark.parametrize("method", METHODS)
def test_a_truncated_zip_is_refused(tmp_path: Path, method: int) -> None:
    data = zipped(TEXT[:40], method=method)
    path = tmp_path / "power.zip"
    for length in range(len(data)):
        path.write_bytes(data[:length])
        with pytest.raises(UserError, match=r"not a (whole )?zip"):
            archive.verify(path, ORIGIN)
