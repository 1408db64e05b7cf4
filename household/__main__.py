"""Run a command of the package: `python -m household` lists them."""

import sys
from importlib import import_module

USAGE = """\
python -m household predict MODEL READINGS    forecast what comes after given readings
python -m household watch MODEL FILE          show a meter and its forecast live in the terminal
python -m household layout FILE               find out how a file of readings is written
python -m household search                    search for better parameters of the training
python -m household provenance MODEL          print which data and code a model came from
python -m household repair                    repair the records of DVC after it was killed

MODEL is the folder of a saved model. Each command lists its options with --help.
To train a model, run `make repro` in the repository."""
COMMANDS = ("predict", "watch", "layout", "search", "provenance", "repair")


def main(*arguments: str) -> None:
    """Run the command named by the first of `arguments` with the others as its options."""
    if arguments in ((), ("-h",), ("--help",)):
        print(USAGE)
        return
    name, *options = arguments
    if name not in COMMANDS:
        sys.exit(f"household: no command {name}; use one of {', '.join(COMMANDS)}")
    # Imported here, so that a command only waits for its own imports.
    import_module(f"household.app.{name}").main(options)


def main_of_old_form(old: str, name: str) -> None:
    """Run a command by the form of earlier versions, `python -m household.<old>`."""
    print(
        f"household: `python -m household.{old}` is now `python -m household {name}`; the old "
        "form will be removed",
        file=sys.stderr,
    )
    main(name, *sys.argv[1:])


if __name__ == "__main__":
    main(*sys.argv[1:])
