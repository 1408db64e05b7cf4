"""Read a text that is still being written, as `tail -F` does."""

import os
import time
from pathlib import Path

POLL_SECONDS = 0.2


class FileReplacedError(Exception):
    """Signal that the file was replaced or truncated and has to be read from its start."""


class FollowedFile:
    """Read the bytes of a file; with `wait`, block at the end of the file until more is written."""

    def __init__(self, path: Path, *, wait: bool) -> None:
        """Open the file.

        Args:
            path: The file.
            wait: Whether to wait for more at its end.
        """
        self._path, self._wait = path, wait
        self._file = path.open("rb")
        self._pending = b""

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def readline(self, limit: int) -> bytes:
        """Return the next line once it is complete, at most `limit` bytes of it.

        Raises:
            FileReplacedError: The file was replaced, truncated or removed and created again.
        """
        while b"\n" not in self._pending and len(self._pending) < limit:
            if not (more := self._more(limit)):
                break
            self._pending += more
        end = self._pending.find(b"\n") + 1 or limit
        line, self._pending = self._pending[:end], self._pending[end:]
        return line

    def unread(self, data: bytes) -> None:
        """Put back the bytes that were read last."""
        self._pending = data + self._pending

    def read(self, limit: int) -> bytes:
        """Return the available bytes, at most `limit`, once there are some.

        Raises:
            FileReplacedError: As in `readline`.
        """
        if self._pending:
            data, self._pending = self._pending[:limit], self._pending[limit:]
            return data
        return self._more(limit)

    def _more(self, limit: int) -> bytes:
        while not (data := self._file.read(limit)) and self._wait:
            time.sleep(POLL_SECONDS)
            self._check()
        return data

    def _check(self) -> None:
        opened = os.fstat(self._file.fileno())
        try:
            current = self._path.stat()
        except FileNotFoundError:
            return  # the new file does not exist yet
        if not os.path.samestat(opened, current) or current.st_size < self._file.tell():
            raise FileReplacedError
