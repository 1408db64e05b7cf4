"""What tests/interruptions.py does by hand for an hour, for a minute; and what it has found."""

import subprocess
import sys
from pathlib import Path

import pytest

from household.app import repair
from tests.clones import UP_TO_DATE, dvc, pretend_that_the_environment_is_made
from tests.in_process import run_dvc
from tests.interruptions import WHOLE, Campaign, tally
from tests.project import ROOT
from tests.shell import environment, run


@pytest.mark.slow(seconds=30)
@pytest.mark.parametrize(
    ("what", "seed"), [("parse", 1), ("split", 2), ("evaluate", 3), (WHOLE, 4)]
)
def test_a_run_after_an_interruption_gives_the_files_of_an_undisturbed_one(
    clone: Path, what: str, seed: int
) -> None:
    # All of it in a folder of another name.
    folder = clone.rename(clone.with_name("mein Haus, größer 'und' 家 $(x)"))
    campaign = Campaign(folder, seed, lambda folder: run_dvc(folder, environment(folder), "repro"))
    done = campaign.interrupt(what)
    assert not done.fault, done
    assert "traceback of a stage" not in tally(done), done


def test_a_truncated_record_of_dvc_is_repaired(clone: Path) -> None:
    record = clone / repair.LOCKFILE
    whole = record.read_bytes()
    record.write_bytes(whole[:4096])
    (clone / repair.RWLOCK).write_bytes(b"")
    dvc(clone, "repro", fails=True)
    said = run(clone, "python", "-m", "household", "repair")
    assert said.startswith(f"repair: {repair.RWLOCK} was truncated; removed it\n")
    # Some of what it is cut to DVC itself takes for whole, and makes whole again.
    dvc(clone, "repro")
    assert record.read_bytes() == whole


def test_an_intact_record_is_left_alone(clone: Path) -> None:
    assert run(clone, "python", "-m", "household", "repair", fails=True) == ""


def test_without_an_intact_record_in_git_the_broken_one_is_removed(tmp_path: Path) -> None:
    (tmp_path / repair.LOCKFILE).write_text("schema: '2.0")
    done = subprocess.run(
        [sys.executable, "-m", "household", "repair"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == "repair: dvc.lock was truncated; removed it, since git has none\n"
    assert not (tmp_path / repair.LOCKFILE).exists()


def test_make_repro_repairs_a_broken_record(clone: Path) -> None:
    pretend_that_the_environment_is_made(clone)
    whole = (clone / repair.LOCKFILE).read_bytes()
    (clone / repair.LOCKFILE).write_bytes(b"")
    output = run(clone, "make", "repro")
    assert "repair: dvc.lock was truncated; restored the last version in git" in output
    assert UP_TO_DATE in output
    assert (clone / repair.LOCKFILE).read_bytes() == whole
