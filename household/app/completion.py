"""Run `household completion`: print a script that completes the commands in a shell."""

import argparse

import shtab

from household.app import commands


def main(options: argparse.Namespace) -> None:
    """Run the command."""
    print(shtab.complete(commands.build_parser(), options.shell))
