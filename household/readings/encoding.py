"""Read texts in other encodings as UTF-8."""

import codecs
from typing import IO

from household.readings.lines import Text

HEAD_BYTES = 1 << 16
MARKS = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


class Transcoded:
    """Read a text in some encoding as UTF-8; has the methods of `household.readings.lines.Text`."""

    def __init__(self, stream: IO[bytes], encoding: str) -> None:
        """Prepare to read the text in `stream`, which is at its start."""
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
        self._pending = b""

    def readline(self, limit: int, /) -> bytes:
        """Return the next line, at most `limit` bytes of it."""
        while b"\n" not in self._pending and len(self._pending) < limit:
            if not (more := self._more(HEAD_BYTES)):
                break
            self._pending += more
        return self._take(min(self._pending.find(b"\n") + 1 or limit, limit))

    def read(self, limit: int, /) -> bytes:
        """Return the next bytes, at most `limit` of them."""
        while not self._pending and (more := self._more(limit)):
            self._pending = more
        return self._take(limit)

    def _take(self, count: int) -> bytes:
        data, self._pending = self._pending[:count], self._pending[count:]
        return data

    def _more(self, limit: int) -> bytes:
        """Return more of the text, b"" at its end."""
        while data := self._stream.read(limit):
            if text := self._decoder.decode(data):
                return text.encode()
        return self._decoder.decode(b"", final=True).encode()


def detect(head: bytes) -> str | None:
    """Return the encoding of a text from its first bytes, None for UTF-8."""
    if head[:2] in MARKS:
        return MARKS[head[:2]]
    if b"\0" in head[:200]:
        return "utf-16-le" if head[1:2] == b"\0" else "utf-16-be"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return "cp1252"
    return None


def as_utf8(stream: IO[bytes], encoding: str | None = None) -> Text:
    """Return a text as UTF-8.

    Args:
        stream: The text, at its start; it can be read again from there.
        encoding: Its encoding, None to recognise UTF-16 and Latin-1 by the first bytes.
    """
    if encoding is None:
        encoding = detect(stream.read(HEAD_BYTES))
        stream.seek(0)
    return Transcoded(stream, encoding) if encoding else stream
