"""A clone of the project in which the pipeline has run, and what a person does in it."""

import configparser
import io
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from ruamel.yaml import YAML

from tests.in_process import run_dvc
from tests.project import ROOT, section
from tests.shell import environment, run

UP_TO_DATE = "Data and pipelines are up to date."


def copy(folder: Path) -> None:
    """Make `folder` a clone of the project as it is, in which nothing has run."""
    listed = run(ROOT, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    for name in filter(None, listed.split("\0")):
        kept = (ROOT / name).is_file() or (ROOT / name).is_symlink()
        if kept and name != "dvc.lock":
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name, follow_symlinks=False)
    config = folder / ".dvc/config"
    config.write_text(without_remotes(config.read_text()))
    run(folder, "git", "init", "--quiet")


def reproduce(folder: Path) -> str:
    """Make `folder` a clone in which the pipeline has run on a day of the sample.

    Returns:
        What `dvc repro` printed.
    """
    copy(folder)
    change(folder, fetch__sample__days=1, train__ensemble_size=1, train__units=[3], train__epochs=1)
    commit(folder)
    output = run(folder, "python", "-m", "dvc", "repro")
    commit(folder)
    return output


def without_remotes(config: str) -> str:
    """Return a .dvc/config without the remotes of its user, which no test may reach."""
    parser = configparser.ConfigParser()
    parser.read_string(config)
    for name in parser.sections():
        if "remote" in name:
            parser.remove_section(name)
    parser.remove_option("core", "remote")
    lines = io.StringIO()
    parser.write(lines)
    return lines.getvalue()


def make_once(
    factory: pytest.TempPathFactory, name: str, make: Callable[[Path], str]
) -> tuple[Path, str]:
    """Have one worker of pytest `make` the folder `name` for all of them.

    Returns:
        The folder, and what `make` returned.
    """
    shared = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    folder, result = shared / name, shared / f"{name}.txt"
    with FileLock(shared / f"{name}.lock"):
        if not result.exists():
            result.write_text(make(folder))
    return folder, result.read_text()


def change(folder: Path, **values: Any) -> None:
    """Change parameters as a person would in an editor: comments stay.

    A key such as train.epochs is written as train__epochs.
    """
    yaml = YAML()
    params = yaml.load(folder / "params.yaml")
    for dotted, value in values.items():
        where, key = section(params, dotted.replace("__", "."))
        where[key] = value
    yaml.dump(params, folder / "params.yaml")


def commit(folder: Path) -> None:
    """Commit everything in `folder`."""
    run(folder, "git", "add", "--all")
    run(folder, "git", "commit", "--quiet", "--message", "all")


def dvc(folder: Path, *arguments: str, fails: bool = False) -> str:
    """Return what a command of DVC printed, run in this process; assert how it ended."""
    status, printed = run_dvc(folder, environment(folder), *arguments)
    assert (status != 0) == fails, printed
    return printed


def stages_run(output: str) -> list[str]:
    """Return the stages that ran, in their order, by what `dvc repro` printed."""
    return re.findall(r"^Running stage '(\w+)'", output, re.M)


def pretend_that_the_environment_is_made(folder: Path) -> None:
    """Have `make` take the environment of the test for the one that it would make."""
    for name in (".venv", ".venv/bin"):
        (folder / name).mkdir()
    for name in (".venv/bin/python", ".venv/run.done"):
        (folder / name).touch()
