"""Run `household completion`: print a script that completes the commands in a shell."""

import argparse
import sys

from household.app import commands

try:
    import shtab
except ModuleNotFoundError:
    sys.exit("completion: shtab is not installed; python -m pip install shtab")


def main(options: argparse.Namespace) -> None:
    """Run the command."""
    print(shtab.complete(commands.build_parser(), options.shell))
