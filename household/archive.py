"""The zip of the source: one member, a text of minutes."""

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from household.failure import Failure

MEMBER = "household_power_consumption.txt"
# The member of UCI's own file, which names it whatever zip it comes in.
UCI_BYTES = 132_960_755
UCI_CRC32 = 0x969F48C7

# A century of minutes is 3.4 GB; the texts of the source shrink to a sixth, never to a hundredth.
MOST_BYTES = 8 << 30
MOST_RATIO = 100
_BLOCK = 1 << 20


def check(path: Path, origin: str) -> bool:
    """Reads the whole archive at `path` once; `origin` is its name in what is said of it.

    Returns whether it holds UCI's own text. Raises Failure where it is no zip, is damaged or
    encrypted, lacks the expected member, or would unpack to more than can be meant.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if MEMBER not in archive.namelist():
                found = ", ".join(archive.namelist()[:3]) or "nothing"
                raise Failure(f"{origin}: expected {MEMBER} in the zip, found {found}")
            member = archive.getinfo(MEMBER)
            if member.flag_bits & 1:
                raise Failure(f"{origin}: {MEMBER} is encrypted; give a zip without a password")
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise Failure(f"{origin}: {MEMBER} is not compressed with deflate; zip it anew")
            ratio = member.file_size / max(member.compress_size, 1)
            if member.file_size > MOST_BYTES or ratio > MOST_RATIO:
                raise Failure(
                    f"{origin}: {MEMBER} would unpack from {member.compress_size:,} to "
                    f"{member.file_size:,} bytes, which no record of minutes does; refused"
                )
            with archive.open(member) as text:
                while text.read(_BLOCK):
                    pass
    # What zipfile raises where the offsets and flags in a damaged zip lead it.
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError) as error:
        with path.open("rb") as file:
            start = file.read(16)
        raise Failure(
            f"{origin}: not a whole zip ({error}; it starts with {start!r}); fetch it again"
        ) from None
    return member.file_size == UCI_BYTES and member.CRC == UCI_CRC32


@contextmanager
def text(path: Path) -> Iterator[IO[bytes]]:
    """The text inside the archive at `path`, unpacked as it is read."""
    with zipfile.ZipFile(path) as archive, archive.open(MEMBER) as stream:
        yield stream
