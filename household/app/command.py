"""Parse the options of a command, and end it with one line if it fails."""

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from household.core.errors import UserError


def make_parser(name: str, doc: str | None) -> argparse.ArgumentParser:
    """Return a parser whose help is the docstring of the command's module.

    Args:
        name: The name of the command.
        doc: Its docstring: a summary, the usage and a description, each a paragraph.
    """
    summary, _usage, description = (doc or "").split("\n\n", 2)
    return argparse.ArgumentParser(
        f"python -m household {name}", description=summary, epilog=description
    )


@contextmanager
def exit_on_error(name: str, file: object = None) -> Iterator[None]:
    """Report an error of the block in one line, and exit with status 1.

    Args:
        name: The name of the command.
        file: The file to name if an error of the operating system does not name one.
    """
    try:
        yield
    except UserError as failure:
        sys.exit(f"{name}: {failure}")
    except OSError as error:
        sys.exit(f"{name}: {error.filename or file or 'I/O error'}: {error.strerror or error}")
