"""Pack a file of readings into a zip, whatever it is."""

import gzip
import io
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from household.core.errors import UserError
from household.readings import archive, workbook

BLOCK_BYTES = 1 << 20


def copy_or_zip(source: str, zip_path: Path) -> str:
    """Copy the zip at the path `source` to `zip_path`, or zip the text there; return the path.

    A text may be compressed by gzip. A Parquet file or an Excel workbook becomes a text with
    commas.

    Raises:
        UserError: There is no such file, or it cannot be read.
    """
    path = Path(source).expanduser()
    if not path.is_file():
        raise UserError(
            f"fetch.source: no file at {source}; use sample, uci, a URL, or the path of a zip, "
            "a .csv or a folder of them (an absolute path for a queued experiment, which runs in "
            "another folder)"
        )
    with path.open("rb") as file:
        start = file.read(1024)
    if start.startswith(archive.PARQUET):
        csv = to_csv(path)
        _zip_text(zip_path, f"{path.stem}.csv", csv, max_bytes=len(csv.getvalue()))
    elif workbook.is_workbook(path, start):
        name, csv = workbook.to_csv(path)
        _zip_text(zip_path, name, csv, max_bytes=len(csv.getvalue()))
    elif start.startswith(archive.GZIP):
        # Compressed text may unpack to so much.
        most = archive.MAX_RATIO * path.stat().st_size
        with gzip.open(path) as text:
            try:
                _zip_text(zip_path, path.name.removesuffix(".gz"), text, max_bytes=most)
            except (zlib.error, EOFError, gzip.BadGzipFile) as error:
                raise UserError(f"{source}: truncated or damaged ({error})") from None
    elif path.suffix.lower() == ".zip" or archive.is_binary(start):
        shutil.copyfile(path, zip_path)
    else:
        with path.open("rb") as text:
            _zip_text(zip_path, path.name, text, max_bytes=path.stat().st_size)
    return source


@contextmanager
def open_text(path: Path, name: str) -> Iterator[IO[bytes]]:
    """Open the text of a file that `copy_or_zip` takes. A zip is read in its place.

    Args:
        path: The file.
        name: Its name in messages.

    Raises:
        UserError: It cannot be read.
    """
    with path.open("rb") as file:
        start = file.read(4)
    with tempfile.TemporaryDirectory() as folder:
        zip_path = path
        if not start.startswith(b"PK") or workbook.is_workbook(path, start):
            zip_path = Path(folder) / "readings.zip"
            copy_or_zip(str(path), zip_path)
        archive.verify(zip_path, name)
        with archive.open_text(zip_path) as text:
            yield text


def to_csv(path: Path) -> io.BytesIO:
    """Return a Parquet file as a text with commas between the fields.

    Raises:
        UserError: It is damaged.
    """
    text = io.BytesIO()
    try:
        pa.csv.write_csv(pq.read_table(path), text)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        raise UserError(f"{path}: not a Parquet file with simple columns ({error})") from None
    text.seek(0)
    return text


def _zip_text(
    zip_path: Path, name: str, text: IO[bytes] | gzip.GzipFile, *, max_bytes: int
) -> None:
    """Write a text of at most `max_bytes` bytes as the only member of a zip."""
    blocks = iter(lambda: text.read(BLOCK_BYTES), b"")
    with zipfile.ZipFile(zip_path, "w", zipfile.ZIP_STORED) as zipped:
        write_member(zipped, name, blocks, max_bytes=max_bytes)


def write_member(
    zipped: zipfile.ZipFile, name: str, blocks: Iterable[bytes], *, max_bytes: int
) -> None:
    """Write `blocks`, at most `max_bytes` bytes, as the member `name`, dated at zip's epoch.

    The same text thus gives the same bytes on every machine. The exception is a text of 2 GiB or
    more, for which builds of Python write the sizes differently.
    """
    is_large = max_bytes > zipfile.ZIP64_LIMIT
    with zipped.open(zipfile.ZipInfo(name), "w", force_zip64=is_large) as member:
        for block in blocks:
            member.write(block)
