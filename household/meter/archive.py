"""The zip of a source: a text of readings, and what else is in it."""

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from household.pipeline.failure import Failure

# The text in UCI's own zip; in another one it is the only text, whatever its name.
MEMBER = "household_power_consumption.txt"
TEXTS = (".csv", ".txt")
# What a Mac adds to a zip, and what makes one an Excel workbook.
MAC_FOLDER, EXCEL = "__MACOSX/", "[Content_Types].xml"
# The member of UCI's own file, by which that file is known whatever zip holds it.
UCI_BYTES = 132_960_755
UCI_CRC32 = 0x969F48C7

# A century of minutes is 3.4 GB; the texts of the source shrink to a sixth, never to a hundredth.
MAX_BYTES = 8 << 30
MAX_RATIO = 100
_BLOCK = 1 << 20


def verify(path: Path, origin: str) -> None:
    """Reads the whole archive at `path` once; `origin` is what messages call that file.

    Raises Failure where the file is no zip, is damaged or encrypted, does not hold one text, or
    would unpack to more than a record of minutes can be.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            _check_names(archive, origin)
            member = _find_text(archive)
            name = member.filename
            if member.flag_bits & 1:
                raise Failure(f"{origin}: {name} is encrypted; give a zip without a password")
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise Failure(f"{origin}: {name} is not compressed with deflate; zip it again")
            ratio = member.file_size / max(member.compress_size, 1)
            if member.file_size > MAX_BYTES or ratio > MAX_RATIO:
                raise Failure(
                    f"{origin}: {name} would unpack from {member.compress_size:,} to "
                    f"{member.file_size:,} bytes, which no record of minutes does; refused"
                )
            with archive.open(member) as text:
                while text.read(_BLOCK):
                    pass
    # What zipfile raises where the offsets and flags in a damaged zip lead it.
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError) as error:
        raise Failure(f"{origin}: {_not_a_zip(path, error)}") from None


def _find_texts(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """Return the members that may be the text: those of UCI's name, else all that end as a text."""
    texts = [
        member
        for member in archive.infolist()
        if member.filename.lower().endswith(TEXTS) and not member.filename.startswith(MAC_FOLDER)
    ]
    return [member for member in texts if member.filename == MEMBER] or texts


def _find_text(archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    """Return the text of a zip that `verify` accepted."""
    return _find_texts(archive)[0]


def _check_names(archive: zipfile.ZipFile, origin: str) -> None:
    """Raise Failure where a zip does not hold one text."""
    names = [member.filename for member in _find_texts(archive)]
    if len(names) == 1:
        return
    if EXCEL in archive.namelist():
        raise Failure(f"{origin}: an Excel workbook; save it as .csv and give that")
    if not names:
        found = ", ".join(archive.namelist()[:3]) or "nothing"
        raise Failure(f"{origin}: expected a .csv or .txt in the zip, found {found}; zip the text")
    if len(set(names)) < len(names):
        raise Failure(f"{origin}: {names[0]} stands in the zip twice; zip one alone")
    raise Failure(
        f"{origin}: {len(names)} texts in the zip, {', '.join(names[:3])}; zip the one that counts "
        "alone"
    )


def _not_a_zip(path: Path, error: Exception) -> str:
    with path.open("rb") as file:
        start = file.read(16)
    if start.startswith(b"PK"):
        return f"not a whole zip ({error}); fetch it again"
    if start.startswith(b"PAR1"):
        return "a Parquet file; give the same as .csv, or as a zip with one"
    return f"not a zip: it starts with {start!r}; give a .csv, a .txt, or a zip with one of them"


def is_uci(path: Path) -> bool:
    """Whether the zip at `path`, once verified, holds the text that UCI published in 2012."""
    with zipfile.ZipFile(path) as archive:
        member = _find_text(archive)
    return member.file_size == UCI_BYTES and member.CRC == UCI_CRC32


@contextmanager
def text(path: Path) -> Iterator[IO[bytes]]:
    """The text inside the archive at `path`, unpacked as it is read; its `name` is its owner's."""
    with zipfile.ZipFile(path) as archive, archive.open(_find_text(archive)) as stream:
        yield stream
