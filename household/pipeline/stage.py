"""How every stage starts and ends."""

import fcntl
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

from household.pipeline import params, paths, ranks
from household.pipeline.failure import Failure
from household.pipeline.params import Params


def run(name: str, main: Callable[[Params], None]) -> None:
    """Runs `main` on the checked parameters; what fails is told in one line, exit status 1."""
    # Until here a Ctrl-C ended it without a word; see stages/__init__.py.
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        # Ranks of one training are at work at the same time, and the first alone writes.
        with nullcontext() if ranks.read().own else _alone(name):
            main(params.load())
    except Failure as failure:
        _end(f"{name}: {failure}")
    except OSError as error:
        _end(f"{name}: {error.filename or 'the operating system says'}: {error.strerror or error}")
    except MemoryError:
        _end(f"{name}: not enough memory; free some, or use fewer minutes by window.fraction")
    except KeyboardInterrupt:
        _end(
            f"{name}: interrupted; `dvc repro` goes on",
            status=130,
        )


@contextmanager
def _alone(name: str) -> Iterator[None]:
    """Waits for any other stage that works in this folder.

    DVC runs one at a time; but one whose DVC was killed works on, beside those of the next
    `dvc repro`.
    """
    paths.LOCK.parent.mkdir(parents=True, exist_ok=True)
    with paths.LOCK.open("w") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"{name}: waits for a stage that an earlier run left at work", file=sys.stderr)
            fcntl.flock(held, fcntl.LOCK_EX)
        yield


def _end(line: str, status: int = 1) -> None:
    print(line, file=sys.stderr)
    sys.exit(status)
