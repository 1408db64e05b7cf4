"""Parse the options of a command."""

import argparse


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
