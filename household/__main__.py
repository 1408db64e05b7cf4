"""Run a command of the package: `household --help` lists them, as does `python -m household`."""

import sys
from collections.abc import Sequence
from importlib import import_module

import household
from household.app import commands
from household.core.errors import exit_on_error


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command that `arguments` name, by default those of the command line."""
    parser = commands.build_parser()
    options = parser.parse_args(arguments)
    if options.version:
        # Looked up here, since finding the installed package takes longer than a help.
        print(f"household {household.__version__}")
        return
    if options.command is None:
        parser.print_help()
        return
    # Imported here, so that a command only waits for its own imports.
    extra = commands.EXTRAS.get(options.command, "pipeline")
    with exit_on_error(options.command), household.require_extra(extra):
        module = import_module(f"household.app.{options.command}")
    module.main(options)


def main_of_old_form(old: str, name: str) -> None:
    """Run a command by the form of earlier versions, `python -m household.<old>`."""
    print(
        f"household: `python -m household.{old}` is now `household {name}`; the old form will be "
        "removed",
        file=sys.stderr,
    )
    main([name, *sys.argv[1:]])


if __name__ == "__main__":
    main()
