"""Run `household layout`: find out how a file of readings is written, and how it would be read."""

import argparse
import io
import re
import shlex
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, get_args

from ruamel.yaml import YAML

from household.core import files, meters, store
from household.core.errors import UserError, exit_on_error
from household.core.layout import Doubted, LayoutParams
from household.core.schema import TARGET
from household.core.step import MINUTE, Step, find_step
from household.readings import archive, header, layouts, pack, parse, quality, sniff, source
from household.readings.encoding import as_utf8
from household.readings.text_format import TextFormat

# The part of a text from which its layout is guessed.
HEAD_BYTES = 8 << 20
SHOWN = 5
# What differs between the texts of a known layout, and the doubts about that.
OF_TEXT = ("meter", "meter_names", "timezone")
DOUBTS_OF_TEXT = ("the sensor", "the time zone", "whether all of")


class Fit(NamedTuple):
    """Hold a layout that fits a text.

    Attributes:
        keys: Its keys, only `extends` for a known layout that fits as it is.
        interval: The usual time between two readings in milliseconds, None if it is not known yet.
        doubts: What the text does not decide.
    """

    keys: dict[str, Any]
    interval: int | None
    doubts: list[str]

    @property
    def known(self) -> str | None:
        """Return the name of the known layout that fits as it is."""
        return self.keys["extends"] if self.keys.keys() == {"extends"} else None


class Trial(NamedTuple):
    """Hold what comes of reading a text in a layout.

    Attributes:
        fit: The layout.
        step: The step that fits the readings.
        doubts: What the text does not decide.
        has_bad_lines: Whether some lines are no readings.
    """

    fit: Fit
    step: Step
    doubts: list[str]
    has_bad_lines: bool


def main(options: argparse.Namespace) -> None:
    """Run the command."""
    with exit_on_error("layout", file=options.file):
        _check(options)
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            _show(options, folder)


def _check(options: argparse.Namespace) -> None:
    """Raise UserError if the name of the layout cannot be used."""
    if options.write is None:
        return
    if not meters.PLAIN_NAME.fullmatch(options.write) or options.write == "uci":
        raise UserError(f"--write {options.write}: use letters, digits, - and _ in a new name")
    path = layouts.FOLDER / f"{options.write}.yaml"
    if path.exists():
        raise UserError(f"{path} exists; remove it, or write another name")


def _show(options: argparse.Namespace, folder: Path) -> None:
    """Print the layout, the readings and the doubts; write the layout if that is asked for."""
    zip_path = folder / "raw" / "power" / source.zip_name(options.file.name)
    zip_path.parent.mkdir(parents=True)
    pack.copy_or_zip(str(options.file), zip_path)
    archive.verify(zip_path, str(options.file))
    trial = _first_that_reads(list(_fits(zip_path, str(options.file))), folder)
    fit = trial.fit
    print(f"\nlayout: {fit.known}" if fit.known else f"\n{_yaml(fit.keys).rstrip()}")
    if trial.doubts:
        print("\n".join(["\nunsure of:", *(f"- {doubt}" for doubt in trial.doubts)]))
    print()
    name = fit.known or options.write or "mine"
    if not fit.known and options.write:
        written = layouts.FOLDER / f"{options.write}.yaml"
        comment = f"# The layout of {options.file.name}, found by `household layout`."
        files.write_text(written, f"{comment}\n{_yaml(fit.keys)}")
        print(f"wrote {written}; use it by")
    elif not fit.known:
        print(f"household layout {shlex.quote(str(options.file))} --write {name}")
    settings = [f"parse.layout={name}", f"parse.step={trial.step}"]
    settings += ["on_error=skip"] if trial.has_bad_lines else []
    print(_command(options.file, settings))


def _command(file: Path, settings: Sequence[str]) -> str:
    """Return the command that trains a model on `file`: with DVC in a project, else without."""
    if not Path("dvc.yaml").is_file():
        words = ["household", "run", str(file), *(f"--set={setting}" for setting in settings)]
        return shlex.join([*words, "--save=my-model"])
    path = str(file.resolve())
    # DVC reads a path with other characters only in quotes of its own.
    quoted = path if re.fullmatch(r"[\w./-]+", path) else f"'{path}'"
    pairs = [shlex.quote(f"fetch.source={quoted}"), *settings]
    return " ".join(["dvc exp run", *(f"-S {pair}" for pair in pairs)])


def _first_that_reads(fits: Sequence[Fit], folder: Path) -> Trial:
    """Return the first layout that reads the text, and what comes of it.

    Raises:
        UserError: None of them reads it.
    """
    *known, guessed = fits
    for fit in known:
        with suppress(UserError):
            return _read(folder, fit)
    return _read(folder, guessed)


def _fits(zip_path: Path, name: str) -> Iterator[Fit]:
    """Yield the known layouts whose header is in a text, and one that is guessed.

    Raises:
        UserError: None is known, and none can be guessed.
    """
    with archive.open_text(zip_path) as stream:
        head = as_utf8(stream).read(HEAD_BYTES)
    guess, known = None, list[Fit]()
    for layout_name in layouts.names():
        layout = TextFormat.of(layouts.resolve(LayoutParams(extends=layout_name)))
        if not layout.header and header.fits(head, layout):
            known.append(Fit({"extends": layout_name}, None, []))
    try:
        guess = sniff.sniff(head.decode("utf-8", "replace"), name)
    except UserError:
        if not known:
            raise
    for fit in known:
        if guess is None:
            yield fit
            continue
        of_text = {key: guess.layout[key] for key in OF_TEXT if key in guess.layout}
        doubts = [doubt for doubt in guess.doubts if doubt.startswith(DOUBTS_OF_TEXT)]
        own = layouts.resolve(LayoutParams.model_validate(fit.keys))
        new = {key: value for key, value in of_text.items() if not own[key]}
        yield Fit(fit.keys | new, guess.interval, doubts if new else [])
    if guess:
        yield Fit(guess.layout, guess.interval, guess.doubts)


def _read(folder: Path, fit: Fit) -> Trial:
    """Print the first readings; return the step that fits them, and what is doubtful.

    Raises:
        UserError: The layout does not read the text.
    """
    doubts = list(fit.doubts)
    layout = layouts.resolve(LayoutParams.model_validate(fit.keys))
    step = MINUTE
    if fit.interval and not layout["hold"]:
        step = find_step(fit.interval / 60_000) or Step.parse("1d")
    parsed = folder / "parsed"
    accepted = layout | {"accept": list(get_args(Doubted))}
    found = parse.parse_meter(
        "power", folder / "raw", parsed, layout=accepted, step=step, skip=True
    )
    n_bad = 0
    for meter, record in found.records.items():
        mean = record["columns"][TARGET]["mean"]
        of = f" of {meter}" if len(found.records) > 1 else ""
        print(
            f"{record['rows']:,} {step.nouns}{of} from {_shown(record['first'])} to "
            f"{_shown(record['last'])}, {record['missing'][TARGET]:,} without a value, "
            f"{record['gaps']['missing_rows']:,} without a row"
            + (f", mean {mean:.3f} kW" if mean is not None else "")
            + quality.describe_averaging(record, step)
        )
        doubts += record["caveats"]
        n_bad += sum(record["skipped_lines"].values())
    if n_bad:
        doubts.append(f"{n_bad:,} bad line{'s' * (n_bad > 1)}, which on_error: skip leaves out")
    _print_first(parsed / next(iter(found.records)))
    return Trial(fit, step, list(dict.fromkeys(doubts)), n_bad > 0)


def _print_first(folder: Path) -> None:
    table = next(store.iter_months(folder))[:SHOWN]
    for stamp, power in zip(table["timestamp"].to_pylist(), table[TARGET].to_pylist(), strict=True):
        shown = "missing" if power is None else f"{power:.3f} kW"
        print(f"  {stamp.isoformat(' ', 'minutes')}  {shown}")


def _shown(stamp: str) -> str:
    return stamp.replace("T", " ")


def _yaml(layout: dict[str, Any]) -> str:
    stream = io.StringIO()
    yaml = YAML()
    yaml.indent(sequence=2, offset=0)
    yaml.dump(layout, stream)
    return stream.getvalue()
