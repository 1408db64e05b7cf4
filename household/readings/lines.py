"""Read a text in blocks of whole lines, and quote lines in messages."""

from collections.abc import Iterator
from datetime import datetime
from typing import Protocol

import numpy as np

from household.core.errors import UserError

BLOCK_BYTES = 8 << 20
FLOAT32_MAX = float(np.finfo(np.float32).max)
BEFORE_ALL = datetime(1, 1, 1)
# Longer than the header.
PREVIEW_BYTES = 160
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
DEFAULT_REMEDY = "correct the line and run `dvc repro --force fetch`, or set on_error to skip"


class Text(Protocol):
    """Describe a text: a file, or a file that is still being written."""

    def readline(self, limit: int, /) -> bytes:
        """Return the next line, at most `limit` bytes of it."""

    def read(self, limit: int, /) -> bytes:
        """Return the next bytes, at most `limit` of them."""


FAULTS = ("duplicate", "fields", "number", "out_of_order", "time", "unreadable")


def iter_line_blocks(text: Text, name: str) -> Iterator[bytes]:
    """Yield the rest of `text` in blocks of whole lines, each line ended by a line feed.

    Args:
        text: The text, after its header.
        name: The name of the text in messages.

    Raises:
        UserError: A line is longer than a block.
    """
    pending, line = b"", 2
    while chunk := text.read(BLOCK_BYTES):
        end = chunk.find(b"\n")
        if len(pending) + (end if end >= 0 else len(chunk)) > BLOCK_BYTES:
            raise UserError(
                f"{name} line {line}: longer than {BLOCK_BYTES:,} bytes; "
                "use a text with one reading a line"
            )
        stop = chunk.rfind(b"\n") + 1
        if stop:
            block = pending + chunk[:stop]
            line += block.count(b"\n")
            yield block
            pending = chunk[stop:]
        else:
            pending += chunk
    if pending:
        yield pending + b"\n"


def preview(line: bytes) -> str:
    """Return the start of a line, quoted for a message."""
    text = line[:PREVIEW_BYTES].decode("utf-8", "backslashreplace").rstrip()
    return repr(text) + ("..." if len(line) > PREVIEW_BYTES else "")
