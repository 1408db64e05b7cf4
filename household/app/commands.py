"""Declare the commands of `household`, their options and their help.

Imports only the standard library, so that `household --help` answers at once.
"""

import argparse
import textwrap
from pathlib import Path
from typing import Any

DESCRIPTION = "Forecast the electric power of a house, from the readings of its meter."
EPILOG = """
first steps:
  household layout readings.csv               find out how your meter writes
  household run readings.csv --save my-model  train a model on it and compare it with baselines
  household predict my-model readings.csv     forecast what comes next

`household COMMAND --help` explains a command. In the project's folder, `dvc
repro` runs the stages and reruns only what changed.
"""
SHELLS = ("bash", "zsh", "tcsh")
# The extra that a command needs, if it is not `pipeline`.
EXTRAS = {
    "predict": "predict",
    "watch": "watch",
    "search": "pipeline,search",
    "provenance": "predict",
}


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands; `command` is the name of the one that was typed."""
    parser = argparse.ArgumentParser(
        "household",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("-V", "--version", action="store_true", help="print the version")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for add in (_predict, _watch, _layout, _run, _search, _provenance, _repair, _completion):
        add(commands)
    return parser


def _add(commands: Any, name: str, summary: str, text: str) -> argparse.ArgumentParser:
    """Add a command, and return its parser.

    Args:
        commands: The action that `add_subparsers` returned.
        name: The name of the command.
        summary: What it does, in one line without a full stop.
        text: Examples and explanations, which follow the options.
    """
    return commands.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=textwrap.dedent(text),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _predict(commands: Any) -> None:
    parser = _add(
        commands,
        "predict",
        "forecast what comes after given readings",
        """
        examples:
          household predict models/lstm readings.csv
          household predict models/lstm readings.csv --json --max-age 5
          curl --silent http://meter/readings.csv | household predict models/lstm -
          household predict models/lstm last_year.csv --backtest

        MODEL is the output folder of the train stage, models/lstm, or what `household
        run --save` wrote. READINGS is a file, or - for standard input: UCI's text or
        zip, the layout that the model was trained on, or CSV or Parquet with a column
        timestamp and one for each feature.

        Needs the extra `predict`, but neither TensorFlow nor DVC.
        """,
    )
    parser.add_argument("model", type=Path, metavar="MODEL", help="the folder of the model")
    parser.add_argument("readings", metavar="READINGS", help="a file, or - for standard input")
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--csv", action="store_true", help="print CSV")
    output.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--backtest", action="store_true", help="forecast every step, and score it")
    parser.add_argument(
        "--max-age",
        type=float,
        metavar="MINUTES",
        help="refuse readings whose last one is older than this, by this machine's clock",
    )
    parser.add_argument(
        "--quantiles",
        type=levels,
        metavar="LEVELS",
        help="print these quantiles instead of the intervals, such as 0.05,0.5,0.95",
    )


def levels(text: str) -> list[float]:
    """Return levels separated by commas; argparse reports a ValueError by the name `levels`."""
    return [float(level) for level in text.split(",")]


def _watch(commands: Any) -> None:
    parser = _add(
        commands,
        "watch",
        "show a meter and its forecast live in the terminal",
        """
        examples:
          household watch models/lstm meter.csv
          household watch models/lstm evening.txt --speed 1200

        FILE is a text that is still being written, one reading a line: UCI's text, a
        CSV with a column timestamp and one for each feature, or the layout that the
        model was trained on. Ctrl-C ends it.

        Needs the extra `watch`, but neither TensorFlow nor DVC.
        """,
    )
    parser.add_argument("model", type=Path, metavar="MODEL", help="the folder of the model")
    parser.add_argument("file", type=Path, metavar="FILE", help="the text to follow")
    parser.add_argument(
        "--speed",
        type=float,
        metavar="N",
        help="replay the file from its start, N of its readings a minute",
    )


def _layout(commands: Any) -> None:
    parser = _add(
        commands,
        "layout",
        "find out how a file of readings is written",
        """
        examples:
          household layout readings.csv
          household layout readings.csv --write mine

        Prints the layout that fits FILE: the name of a known layout, or the keys of
        one that it guesses; the first readings, as the pipeline would read them; and
        what it is unsure of. With --write the layout is written to layouts/NAME.yaml,
        for `parse.layout: NAME`.

        Needs the extra `pipeline`.
        """,
    )
    parser.add_argument(
        "file",
        type=Path,
        metavar="FILE",
        help="a text, a zip with one, Parquet, or an Excel workbook",
    )
    parser.add_argument("--write", metavar="NAME", help="write layouts/NAME.yaml")


def _run(commands: Any) -> None:
    parser = _add(
        commands,
        "run",
        "train a model on given readings, score it and save it",
        """
        examples:
          household run
          household run readings.csv --set parse.layout=mine --save my-model
          household run readings.csv --recipe day_ahead --save my-model
          household run --set train.epochs=3 --set train.units=[32]

        Runs the stages from fetch to evaluate in a temporary folder, without git or
        DVC, and prints how the network compares with the baselines. READINGS is a zip,
        a text, a URL or `uci`; without it the readings are simulated. For experiments
        that are kept and compared, clone the project and use `dvc exp run`.

        Needs the extra `pipeline`.
        """,
    )
    parser.add_argument("source", nargs="?", metavar="READINGS", help="a value of fetch.source")
    parser.add_argument(
        "--recipe", metavar="NAME", help="hour_ahead, day_ahead, week_ahead or tutorial"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        dest="settings",
        metavar="KEY=VALUE",
        help="a parameter of params.yaml, such as train.epochs=3; may be repeated",
    )
    parser.add_argument("--save", type=Path, metavar="FOLDER", help="write the model to FOLDER")


def _search(commands: Any) -> None:
    parser = _add(
        commands,
        "search",
        "search for better parameters of the training",
        """
        examples:
          household search --trials 20
          household search train.units=[32],[64,64] train.dropout=0:0.4
          household search train.learning_rate=0.001:0.03:log --workers 2
          household search --apply 16

        Run `dvc repro split` first; `make search` does that. Each trial trains with
        other values of the given keys of train. A trial ends early if its lowest
        validation loss so far is above the median of the others at that epoch. Results
        are kept in reports/search: the same command continues the search, also while
        another one is running.

        Needs the extra `search`.
        """,
    )
    parser.add_argument("space", nargs="*", metavar="KEY=VALUES", help="values to try for a key")
    parser.add_argument(
        "--trials", type=_positive, default=20, metavar="N", help="number of trials of the study"
    )
    parser.add_argument(
        "--workers", type=_positive, default=1, metavar="N", help="number of parallel workers"
    )
    parser.add_argument(
        "--apply",
        type=int,
        metavar="TRIAL",
        help="run a trial's values as a DVC experiment, from the data to the plots",
    )


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("should be 1 or more")
    return number


def _provenance(commands: Any) -> None:
    parser = _add(
        commands,
        "provenance",
        "print which data and code a model came from",
        """
        example:
          household provenance models/lstm

        MODEL may be a copy in another place: the folder itself has the data and the
        earlier trainings. The commits whose dvc.lock has the same network are looked
        up in the repository, experiments included.
        """,
    )
    parser.add_argument("model", type=Path, metavar="MODEL", help="the folder of the model")
    parser.add_argument(
        "--repository",
        type=Path,
        default=Path(),
        metavar="FOLDER",
        help="the project's folder; by default this one",
    )


def _repair(commands: Any) -> None:
    _add(
        commands,
        "repair",
        "repair the records of DVC after it was killed",
        """
        DVC writes dvc.lock and .dvc/tmp/rwlock in place. If it is killed then, it
        leaves a truncated file that no later command can read. This restores the last
        whole dvc.lock that git knows. What that lacks of the latest run is still in
        DVC's cache. The exit status is 1 if there is nothing to repair. `make repro`
        runs this and then DVC again if DVC fails.
        """,
    )


def _completion(commands: Any) -> None:
    parser = _add(
        commands,
        "completion",
        "print a script that completes these commands in a shell",
        """
        examples:
          source <(household completion bash)               # this terminal
          household completion bash >> ~/.bash_completion   # all terminals
          household completion zsh > ~/.zfunc/_household    # a folder of $fpath
        """,
    )
    parser.add_argument("shell", choices=SHELLS, help="the shell")
