"""How a stage ends: in one line, whatever ends it, and never beside another."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from household.pipeline import paths, stage
from household.pipeline.failure import Failure
from household.pipeline.params import Params
from tests.conftest import ROOT, SHIPPED

SLOW = """
import sys, time
from pathlib import Path
from household.pipeline import files, stage

def main(params):
    with files.atomic_write(Path("out")) as partial:
        partial.write_text("half")
        print("begun", flush=True)
        time.sleep(60)

stage.run("slow", main)
"""
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copy(SHIPPED, tmp_path)
    return tmp_path


def test_a_ctrl_c_ends_it_in_one_line_without_half_a_file(folder: Path) -> None:
    (folder / "out").write_text("old")
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW],
        cwd=folder,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    assert process.stdout.readline() == "begun\n"
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert said == "slow: interrupted; `dvc repro` goes on\n"
    assert process.returncode == 130
    assert (folder / "out").read_text() == "old"
    assert sorted(path.name for path in folder.iterdir()) == [".dvc", "out", "params.yaml"]


def test_a_ctrl_c_while_it_imports_is_no_traceback(folder: Path) -> None:
    """Each of these moments is in the imports: the folder has no input to go on with."""
    for moment in (0.1, 0.2, 0.4, 0.6):
        process = subprocess.Popen(
            [sys.executable, "-m", "stages.window"],
            cwd=folder,
            env=ENVIRONMENT,
            stderr=subprocess.PIPE,
            text=True,
        )
        time.sleep(moment)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
        # Python itself prints one where it has not yet reached any module.
        assert "stages" not in said or "Traceback" not in said
        assert process.returncode


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (Failure("the file: odd;\n correct it"), "x: the file: odd; correct it"),
        (OSError(28, "No space left on device", "a"), "x: a: No space left on device"),
        (OSError("odd"), "x: the operating system says: odd"),
        (MemoryError(), "x: not enough memory; free some, or use fewer minutes by window.fraction"),
    ],
)
def test_what_goes_wrong_is_one_line_and_status_1(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
    line: str,
) -> None:
    def main(_: Params) -> None:
        raise error

    monkeypatch.chdir(folder)
    with pytest.raises(SystemExit) as caught:
        stage.run("x", main)
    assert caught.value.code == 1
    assert capsys.readouterr() == ("", f"{line}\n")


def test_it_waits_for_one_that_an_earlier_run_left_at_work(folder: Path) -> None:
    (folder / paths.LOCK).parent.mkdir(parents=True)
    with (folder / paths.LOCK).open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        process = subprocess.Popen(
            [sys.executable, "-m", "stages.fetch"],
            cwd=folder,
            env=ENVIRONMENT,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr
        waits = "fetch: waits for a stage that an earlier run left at work\n"
        assert process.stderr.readline() == waits
        assert not (folder / paths.RAW).exists()
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (0, "")
    assert (folder / paths.RAW).exists()
