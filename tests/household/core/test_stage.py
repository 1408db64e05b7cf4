"""How a stage ends: in one line, whatever ends it, and never beside another."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

from household.core import paths, stage
from household.core.errors import UserError
from household.core.params import Params
from tests.project import ROOT, SHIPPED
from tests.shell import Start, environment

SLOW = """
import sys, time
from pathlib import Path
from household.core import files, stage

def main(params):
    with files.atomic_write(Path("out")) as partial:
        partial.write_text("half")
        print("begun", flush=True)
        time.sleep(60)

stage.run("slow", main)
"""
ENVIRONMENT = environment(ROOT) | {"PYTHONPATH": str(ROOT)}


@pytest.fixture
def params_folder(tmp_path: Path) -> Path:
    """Change to a folder with the shipped parameters, which is all that a stage needs."""
    shutil.copy(SHIPPED, tmp_path)
    return tmp_path


def test_ctrl_c_ends_a_stage_with_one_line_and_no_partial_file(
    params_folder: Path, start: Start
) -> None:
    (params_folder / "out").write_text("old")
    process = start(params_folder, "python", "-c", SLOW, env=ENVIRONMENT)
    assert process.stdout
    assert process.stdout.readline() == "begun\n"
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert said == "slow: interrupted; run `dvc repro` to resume\n"
    assert process.returncode == 130
    assert (params_folder / "out").read_text() == "old"
    assert sorted(path.name for path in params_folder.iterdir()) == [".dvc", "out", "params.yaml"]


# Interrupts the process as it begins to import a module.
INTERRUPT = """
import os, signal, sys

class Interrupt:
    def find_spec(self, name, *_):
        if name == {name!r}:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupt())
"""


@pytest.mark.parametrize("name", ["household", "numpy", "pyarrow", "household.core.stage"])
def test_ctrl_c_during_imports_prints_no_traceback(params_folder: Path, name: str) -> None:
    (params_folder / "sitecustomize.py").write_text(INTERRUPT.format(name=name))
    done = subprocess.run(
        [sys.executable, "-m", "stages.window"],
        cwd=params_folder,
        env=ENVIRONMENT | {"PYTHONPATH": f"{params_folder}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == -signal.SIGINT
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (UserError("the file: odd;\n correct it"), "x: the file: odd; correct it"),
        (OSError(28, "No space left on device", "a"), "x: a: No space left on device"),
        (OSError("odd"), "x: I/O error: odd"),
        (MemoryError(), "x: out of memory; free some or lower window.use_fraction"),
    ],
)
def test_an_error_is_one_line_and_exit_status_1(
    params_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
    line: str,
) -> None:
    def main(_: Params) -> None:
        raise error

    monkeypatch.chdir(params_folder)
    with pytest.raises(SystemExit) as caught:
        stage.run("x", main)
    assert caught.value.code == 1
    assert capsys.readouterr() == ("", f"{line}\n")


def test_the_lock_is_free_after_a_stage(
    params_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(params_folder)
    lock = FileLock(paths.LOCK)
    # Kept here, since a lock is also released when nothing refers to it any more.
    monkeypatch.setattr(stage, "FileLock", lambda _: lock)
    stage.run("x", lambda _: None)
    assert not lock.is_locked


def test_a_stage_waits_for_one_that_an_earlier_run_left_at_work(
    params_folder: Path, start: Start
) -> None:
    (params_folder / paths.LOCK).parent.mkdir(parents=True)
    with FileLock(params_folder / paths.LOCK):
        process = start(params_folder, "python", "-m", "stages.fetch", env=ENVIRONMENT)
        assert process.stdout
        waits = "fetch: waiting for a stage still running from an earlier run\n"
        assert process.stdout.readline() == waits
        assert not (params_folder / paths.RAW).exists()
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert said.startswith("fetch: ")
    assert said.count("\n") == 1
    assert (params_folder / paths.RAW).exists()
