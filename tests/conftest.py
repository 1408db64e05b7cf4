"""What several tests share: the shipped parameters, changed, and folders to work in."""

import configparser
import fcntl
import io
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import hypothesis
import pytest
from ruamel.yaml import YAML

from household.pipeline import params, paths
from household.pipeline.params import Params
from tests.in_process import run_dvc

# A slow machine is no failure.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

ROOT = Path(__file__).parents[1]
SHIPPED = ROOT / paths.PARAMS


def tutorial() -> dict[str, Any]:
    """The parameters that `make tutorial` changes, by their dotted keys."""
    lines = (ROOT / "tutorial.txt").read_text(encoding="utf-8").splitlines()
    pairs = (line.split("=") for line in lines if line and not line.startswith("#"))
    return {key: YAML(typ="safe").load(value) for key, value in pairs}


def section(record: Any, dotted: str) -> tuple[Any, str]:
    """The section of `record` that holds the key `dotted`, and the key's own name in it."""
    *parents, key = dotted.split(".")
    for parent in parents:
        record = record[parent]
    return record, key


def leaves(record: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every dotted key of `record` that is no section, with its value, in order."""
    for key, value in record.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def changed(values: Mapping[str, Any]) -> Params:
    """The shipped parameters with others at the keys of `values`, such as "train.epochs"."""
    record = params.load(SHIPPED).model_dump()
    for dotted, value in values.items():
        where, key = section(record, dotted)
        where[key] = value
    return Params.model_validate(record)


def pytest_configure() -> None:
    """Let Ctrl-C end what the tests start, as it does in a terminal.

    A runner in the background ignores SIGINT, and whatever it starts inherits that.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the slow tests, so that none of them is left alone at the end."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder for the time of the test."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def environment(folder: Path) -> dict[str, str]:
    """As the one that is activated by hand, of a person without settings of their own."""
    name = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a"}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {"PATH": path, "HOME": str(folder.parent), "GIT_COMMITTER_EMAIL": "a@b", **name}


def run(folder: Path, *command: str, fails: bool = False) -> str:
    """What `command` printed, run as in the activated environment; asserts how it ended."""
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=300,
    )
    assert (done.returncode != 0) == fails, done.stdout
    return done.stdout


def dvc(folder: Path, *arguments: str, fails: bool = False) -> str:
    """What a command of DVC printed, run in this process; asserts how it ended."""
    status, printed = run_dvc(folder, environment(folder), *arguments)
    assert (status != 0) == fails, printed
    return printed


class Started(Protocol):
    """Starts `command` in `folder`, by default in the environment of `environment`."""

    def __call__(
        self, folder: Path, *command: str, env: Mapping[str, str] | None = None
    ) -> "subprocess.Popen[str]": ...


@pytest.fixture
def start() -> Iterator[Started]:
    """Starts processes, each in a session of its own; the end of the test ends them."""
    started: list[subprocess.Popen[str]] = []

    def popen(
        folder: Path, *command: str, env: Mapping[str, str] | None = None
    ) -> "subprocess.Popen[str]":
        started.append(
            subprocess.Popen(
                command,
                cwd=folder,
                env=env or environment(folder),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        )
        return started[-1]

    yield popen
    for process in started:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdout:
            process.stdout.close()


def can(*command: str) -> bool:
    """Whether this machine has the program, and lets it do that."""
    return (
        shutil.which(command[0]) is not None
        and not subprocess.run(command, capture_output=True, check=False).returncode
    )


def without_remotes(config: str) -> str:
    """A .dvc/config as it was before its user added a remote, which no test may reach."""
    parser = configparser.ConfigParser()
    parser.read_string(config)
    for name in parser.sections():
        if "remote" in name:
            parser.remove_section(name)
    parser.remove_option("core", "remote")
    lines = io.StringIO()
    parser.write(lines)
    return lines.getvalue()


def commit(folder: Path) -> None:
    run(folder, "git", "add", "--all")
    run(folder, "git", "commit", "--quiet", "--message", "all")


def change(folder: Path, **values: Any) -> None:
    """Changes parameters as a person would in an editor: comments stay."""
    yaml = YAML()
    params = yaml.load(folder / "params.yaml")
    for dotted, value in values.items():
        where, key = section(params, dotted.replace("__", "."))
        where[key] = value
    yaml.dump(params, folder / "params.yaml")


def ran(output: str) -> list[str]:
    return re.findall(r"^Running stage '(\w+)'", output, re.M)


def reproduce(folder: Path) -> str:
    """Makes `folder` a clone in which the pipeline has run on a day of the sample; what it said."""
    listed = run(ROOT, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    for name in filter(None, listed.split("\0")):
        kept = (ROOT / name).is_file() or (ROOT / name).is_symlink()
        if kept and name != "dvc.lock":
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name, follow_symlinks=False)
    config = folder / ".dvc/config"
    config.write_text(without_remotes(config.read_text()))
    run(folder, "git", "init", "--quiet")
    change(folder, fetch__sample__days=1, train__members=1, train__units=[3], train__epochs=1)
    commit(folder)
    output = run(folder, "python", "-m", "dvc", "repro")
    commit(folder)
    return output


def once(
    factory: pytest.TempPathFactory, name: str, make: Callable[[Path], str]
) -> tuple[Path, str]:
    """The folder that `make` has filled, one for all workers, and what it gave."""
    shared = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    folder, given = shared / name, shared / f"{name}.txt"
    with (shared / f"{name}.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if not given.exists():
            given.write_text(make(folder))
    return folder, given.read_text()


@pytest.fixture(scope="session")
def reproduced(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A clone in which the pipeline has run, to be copied, and what it said."""
    return once(tmp_path_factory, "reproduced", reproduce)


@pytest.fixture
def clone(reproduced: tuple[Path, str], tmp_path: Path) -> Path:
    """A copy of it to change."""
    shutil.copytree(reproduced[0], tmp_path / "clone", symlinks=True)
    return tmp_path / "clone"
