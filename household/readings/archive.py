"""Verify a downloaded zip and open the text inside."""

import codecs
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from household.core.errors import UserError
from household.readings import workbook

# The text in UCI's zip. Another zip holds exactly one text, of any name.
TEXT_NAME = "household_power_consumption.txt"
TEXTS = (".csv", ".txt", ".tsv", ".dat", ".log")
# The suffixes of files of readings in a folder.
SUFFIXES = (".zip", ".gz", ".parquet", ".xlsx", ".xls", *TEXTS)
PARQUET, GZIP = b"PAR1", b"\x1f\x8b"
MAC_FOLDER = "__MACOSX/"  # which macOS adds to a zip
# Size and checksum of UCI's text, which identify it in any zip.
UCI_BYTES = 132_960_755
UCI_CRC32 = 0x969F48C7

# A century of minutes is 3.4 GB. Such texts compress to a sixth, never to a hundredth.
MAX_BYTES = 8 << 30
MAX_RATIO = 100
_BLOCK = 1 << 20


def verify(path: Path, origin: str) -> None:
    """Read the whole archive once to check it.

    Args:
        path: The archive.
        origin: The name of the archive in messages.

    Raises:
        UserError: The file is not a zip, is damaged or encrypted, does not hold exactly one text,
            or would unpack to more than a series of minutes can be.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            _check_names(archive, origin)
            member = _find_text(archive)
            name = member.filename
            if member.flag_bits & 1:
                raise UserError(f"{origin}: {name} is encrypted; give a zip without a password")
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise UserError(f"{origin}: {name} is not compressed with deflate; zip it again")
            ratio = member.file_size / max(member.compress_size, 1)
            if member.file_size > MAX_BYTES or ratio > MAX_RATIO:
                raise UserError(
                    f"{origin}: {name} would unpack from {member.compress_size:,} to "
                    f"{member.file_size:,} bytes, which is too much for a series of minutes"
                )
            with archive.open(member) as text:
                while text.read(_BLOCK):
                    pass
    # Damaged offsets and flags make zipfile raise any of these.
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError) as error:
        raise UserError(f"{origin}: {_not_a_zip(path, error)}") from None


def _find_texts(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """Return the member named like UCI's text, all with the suffix of a text, or the only one."""
    members = [
        member
        for member in archive.infolist()
        if not member.filename.startswith(MAC_FOLDER) and not member.is_dir()
    ]
    texts = [member for member in members if member.filename.lower().endswith(TEXTS)]
    own = [member for member in texts if member.filename == TEXT_NAME]
    if own or texts or len(members) != 1 or members[0].flag_bits & 1:
        return own or texts
    with archive.open(members[0]) as file:
        return [] if is_binary(file.read(1024)) else members


def _find_text(archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    """Return the text of a zip that `verify` accepted."""
    return _find_texts(archive)[0]


def _check_names(archive: zipfile.ZipFile, origin: str) -> None:
    """Raise UserError unless the zip holds exactly one text."""
    names = [member.filename for member in _find_texts(archive)]
    if len(names) == 1:
        return
    if workbook.CONTENT_TYPES in archive.namelist():
        raise UserError(f"{origin}: an Excel workbook; download it, and give its path")
    if not names:
        found = ", ".join(archive.namelist()[:3]) or "nothing"
        raise UserError(
            f"{origin}: expected a .csv or .txt in the zip, found {found}; zip the text"
        )
    if len(set(names)) < len(names):
        raise UserError(f"{origin}: {names[0]} appears twice in the zip; keep one")
    raise UserError(
        f"{origin}: expected one text in the zip, found {len(names)}: {', '.join(names[:3])}; "
        "keep one"
    )


def _not_a_zip(path: Path, error: Exception) -> str:
    with path.open("rb") as file:
        start = file.read(16)
    if start.startswith(b"PK"):
        return f"truncated or damaged zip ({error}); download it again"
    if start.startswith(PARQUET):
        return "a Parquet file; download it, and give its path"
    return f"not a zip: it starts with {start!r}; use a .csv, a .txt or a zip with one of them"


def is_binary(start: bytes) -> bool:
    """Return whether a file is no text, from its first bytes."""
    is_utf_16 = start[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    return start.startswith(b"PK") or (b"\0" in start and not is_utf_16)


def is_uci(path: Path) -> bool:
    """Return whether a verified zip holds the text that UCI published in 2012."""
    with zipfile.ZipFile(path) as archive:
        member = _find_text(archive)
    return member.file_size == UCI_BYTES and member.CRC == UCI_CRC32


@contextmanager
def open_text(path: Path) -> Iterator[IO[bytes]]:
    """Open the text inside a verified zip, unpacked as it is read; `name` is its file name."""
    with zipfile.ZipFile(path) as archive, archive.open(_find_text(archive)) as stream:
        yield stream
