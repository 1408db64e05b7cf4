"""A text that somebody else still writes, read as if it were whole: a read waits for more."""

import os
import time
from pathlib import Path
from types import TracebackType
from typing import Self

POLL_SECONDS = 0.2


class ReplacedError(Exception):
    """The file is another one now, or is shorter than before: it has to be read from its start."""


class Growing:
    """The bytes of the file at `path`; with `wait` its end is a pause and not an end.

    Raises ReplacedError where the file has been rotated, truncated or removed and made anew.
    """

    def __init__(self, path: Path, *, wait: bool) -> None:
        self._path, self._wait = path, wait
        self._file = path.open("rb")
        self._rest = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()

    def readline(self, limit: int) -> bytes:
        """The next whole line, once it is there; at most `limit` bytes of it."""
        while b"\n" not in self._rest and len(self._rest) < limit:
            if not (some := self._more(limit)):
                break
            self._rest += some
        end = self._rest.find(b"\n") + 1 or limit
        line, self._rest = self._rest[:end], self._rest[end:]
        return line

    def unread(self, some: bytes) -> None:
        """Puts back what was read last."""
        self._rest = some + self._rest

    def read(self, limit: int) -> bytes:
        """What there is, at most `limit` bytes, once there is something."""
        if self._rest:
            some, self._rest = self._rest[:limit], self._rest[limit:]
            return some
        return self._more(limit)

    def _more(self, limit: int) -> bytes:
        while not (some := self._file.read(limit)) and self._wait:
            time.sleep(POLL_SECONDS)
            self._check()
        return some

    def _check(self) -> None:
        held = os.fstat(self._file.fileno())
        try:
            named = self._path.stat()
        except FileNotFoundError:
            return  # between the removal of the old file and the new one
        if not os.path.samestat(held, named) or named.st_size < self._file.tell():
            raise ReplacedError
