"""Errors that a user can correct, and how a command ends with one."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


class UserError(Exception):
    """Report what is wrong and what to do about it, in one line."""

    def __init__(self, reason: str) -> None:
        super().__init__(" ".join(reason.split()))


@contextmanager
def exit_on_error(
    name: str, *, file: object = None, resume: str = "run it again"
) -> Iterator[None]:
    """Report an error of the block in one line, and exit with status 1; after Ctrl-C with 130.

    Args:
        name: The name of the command.
        file: The file to name if an error of the operating system does not name one.
        resume: What to do after Ctrl-C.
    """
    try:
        yield
        return
    except UserError as error:
        reason, status = str(error), 1
    except OSError as error:
        reason, status = f"{error.filename or file or 'I/O error'}: {error.strerror or error}", 1
    except MemoryError:
        reason, status = "out of memory; free some or lower window.use_fraction", 1
    except KeyboardInterrupt:
        reason, status = f"interrupted; {resume}", 130
    print(f"{name}: {reason}", file=sys.stderr)
    sys.exit(status)
