"""The zip of the source: one member, a text of minutes."""

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from household.pipeline.failure import Failure

MEMBER = "household_power_consumption.txt"
# The member of UCI's own file, by which that file is known whatever zip holds it.
UCI_BYTES = 132_960_755
UCI_CRC32 = 0x969F48C7

# A century of minutes is 3.4 GB; the texts of the source shrink to a sixth, never to a hundredth.
MAX_BYTES = 8 << 30
MAX_RATIO = 100
_BLOCK = 1 << 20


def verify(path: Path, origin: str) -> None:
    """Reads the whole archive at `path` once; `origin` is what messages call that file.

    Raises Failure where the file is no zip, is damaged or encrypted, lacks the expected member,
    or would unpack to more than a record of minutes can be.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if MEMBER not in archive.namelist():
                found = ", ".join(archive.namelist()[:3]) or "nothing"
                raise Failure(
                    f"{origin}: expected {MEMBER} in the zip, found {found}; "
                    "zip the text again under that name, outside of any folder"
                )
            if archive.namelist().count(MEMBER) > 1:
                raise Failure(f"{origin}: {MEMBER} stands in the zip twice; zip one alone")
            member = archive.getinfo(MEMBER)
            if member.flag_bits & 1:
                raise Failure(f"{origin}: {MEMBER} is encrypted; give a zip without a password")
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise Failure(f"{origin}: {MEMBER} is not compressed with deflate; zip it again")
            ratio = member.file_size / max(member.compress_size, 1)
            if member.file_size > MAX_BYTES or ratio > MAX_RATIO:
                raise Failure(
                    f"{origin}: {MEMBER} would unpack from {member.compress_size:,} to "
                    f"{member.file_size:,} bytes, which no record of minutes does; refused"
                )
            with archive.open(member) as text:
                while text.read(_BLOCK):
                    pass
    # What zipfile raises where the offsets and flags in a damaged zip lead it.
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError) as error:
        raise Failure(f"{origin}: {_not_a_zip(path, error)}") from None


def _not_a_zip(path: Path, error: Exception) -> str:
    with path.open("rb") as file:
        start = file.read(16)
    if start.startswith(b"PK"):
        return f"not a whole zip ({error}); fetch it again"
    if start.removeprefix(b"\xef\xbb\xbf").startswith(b"Date;Time;"):
        return f"a text, not a zip; name it {MEMBER}, zip it, and give the zip"
    return f"not a zip: it starts with {start!r}; give a zip that holds {MEMBER}"


def is_uci(path: Path) -> bool:
    """Whether the zip at `path`, once verified, holds the text that UCI published in 2012."""
    with zipfile.ZipFile(path) as archive:
        member = archive.getinfo(MEMBER)
    return member.file_size == UCI_BYTES and member.CRC == UCI_CRC32


@contextmanager
def text(path: Path) -> Iterator[IO[bytes]]:
    """The text inside the archive at `path`, unpacked as it is read."""
    with zipfile.ZipFile(path) as archive, archive.open(MEMBER) as stream:
        yield stream
