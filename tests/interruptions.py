"""Interrupts the pipeline at random moments, and sees what the next `dvc repro` makes of it.

    python -m tests.interruptions 1000 --seed 0 --workers 2

Each time SIGINT, SIGTERM or SIGKILL goes to a stage, to DVC or to all of them at once, as Ctrl-C
does, while one stage is run again or, now and then, the whole pipeline from nothing. Then
`dvc repro` has to succeed and to leave the files of an undisturbed run, to the byte, and no other.
How often it needed household repair, as `make repro` runs it, is counted.
"""

import argparse
import hashlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import psutil

from household.core import paths
from tests.clones import reproduce
from tests.shell import environment
from tests.test_dvc_yaml import STAGES

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
TARGETS = ("stage", "dvc", "all")
WHOLE = "whole pipeline"
DVC = (sys.executable, "-m", "dvc")
# Made by the stages and by DVC; the rest of a clone is its user's.
MADE = ("data", "models", "reports", "dvc.lock")
# How often each is run; the longer the less.
WEIGHTS = dict.fromkeys(STAGES, 10) | {"evaluate": 8, "plot": 6, "train": 4, WHOLE: 1}
# How long a stage with DVC around it takes, in seconds, until its runs tell.
AT_FIRST = 3.0


class Interruption(NamedTuple):
    what: str  # the stage that was run, or WHOLE
    to: str
    by: signal.Signals
    moment: float  # in seconds since DVC was started
    ended: bool  # before that moment, so nothing was interrupted
    said: str
    mended: str  # what household repair said, "" where `dvc repro` alone did
    fault: str  # "" where in the end all was as if nothing had happened


def state(folder: Path) -> dict[str, str]:
    """Return a hash of each file that the pipeline wrote, by path.

    A killed stage leaves a partial file under another name, which git and DVC ignore and its next
    run removes, and a training leaves its checkpoint. Both stay if DVC has the outcome in its
    cache, so they are not counted.
    """
    left = (paths.CHECKPOINT.name, ".gitignore")
    roots = [folder / name for name in MADE]
    files = [path for root in roots for path in (root, *root.rglob("*")) if path.is_file()]
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if path.name not in left and not path.name.startswith(".partial-")
    }


class Campaign:
    """Interruptions of the pipeline in a clone in which it has run.

    `repro` runs `dvc repro` in a folder; it returns the exit status and what was printed.
    """

    def __init__(
        self, clone: Path, seed: int, repro: Callable[[Path], tuple[int, str]] | None = None
    ) -> None:
        self._clone = clone
        self._run_repro = repro or (lambda folder: _run(folder, "dvc", "repro"))
        self._random = random.Random(seed)
        self._expected = state(clone)
        self._seconds: dict[str, float] = {}

    def interrupt(self, what: str) -> Interruption:
        """Interrupts the stage `what`, or WHOLE, once, and sees to it that all is well after."""
        draw = self._random
        to, by = draw.choice(TARGETS), draw.choice(SIGNALS)
        # Else DVC takes from its cache what a stage that came to its end had given.
        if draw.random() < 0.5:
            shutil.rmtree(self._clone / ".dvc/cache/runs", ignore_errors=True)
        command = [*DVC, "repro", "--force", "--single-item", what]
        if what == WHOLE:
            for name in (*MADE, ".dvc/cache"):
                _remove(self._clone / name)
            subprocess.run(["git", "checkout", "--quiet", "."], cwd=self._clone, check=True)
            (self._clone / "dvc.lock").unlink()
            command = [*DVC, "repro"]
        seconds = self._seconds.get(what, AT_FIRST)
        moment = draw.uniform(0, seconds)
        with tempfile.TemporaryFile("w+") as out:
            started = time.monotonic()
            process = subprocess.Popen(
                command,
                cwd=self._clone,
                env=environment(self._clone),
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                process.wait(moment)
                ended = True
            except subprocess.TimeoutExpired:
                ended = False
                _signal(process.pid, to, by)
            process.wait(300)
            taken = time.monotonic() - started
            self._seconds[what] = taken if process.returncode == 0 else max(seconds, 1.5 * moment)
            out.seek(0)
            said = out.read()
        return Interruption(what, to, by, moment, ended, said, *self._repro())

    def _repro(self) -> tuple[str, str]:
        """Run `dvc repro`; return what repaired the clone, and what is still wrong."""
        status, said = self._run_repro(self._clone)
        mended = ""
        if status:
            status, mended = _run(self._clone, "household", "repair")
            if status:
                return "", said
            status, said = self._run_repro(self._clone)
        if status:
            return mended, said
        found = state(self._clone)
        differ = {name for name, _ in found.items() ^ self._expected.items()}
        return mended, f"other files: {sorted(differ)}" if differ else ""


def _run(folder: Path, module: str, *arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=folder,
        env=environment(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=600,
    )
    return done.returncode, done.stdout


def _remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def _signal(pid: int, to: str, by: signal.Signals) -> None:
    """Signals DVC, whose process is `pid`, the stage that it runs, if it runs one, or both."""
    try:
        if to == "all":
            os.killpg(pid, by)
            return
        stages = [
            child
            for child in psutil.Process(pid).children(recursive=True)
            if "stages." in " ".join(child.cmdline())
        ]
        psutil.Process(stages[-1].pid if to == "stage" and stages else pid).send_signal(by)
    except (ProcessLookupError, psutil.NoSuchProcess):
        pass  # it came to its end meanwhile


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        first = Path(made) / "0"
        reproduce(first)
        copies = (Path(made) / str(worker) for worker in range(1, given.workers))
        clones = [first, *(shutil.copytree(first, copy, symlinks=True) for copy in copies)]

        def work(worker: int) -> Counter[str]:
            campaign = Campaign(clones[worker], given.seed + worker)
            draw = random.Random(given.seed + worker)
            counts: Counter[str] = Counter()
            for number in range(worker, given.count, given.workers):
                done = campaign.interrupt(draw.choices(list(WEIGHTS), list(WEIGHTS.values()))[0])
                counts.update(tally(done))
                if done.fault or "traceback of a stage" in tally(done):
                    print(done, flush=True)
                if done.fault:
                    break
                if number % 20 == worker:
                    print(worker, number, dict(counts), flush=True)
            return counts

        with ThreadPoolExecutor(given.workers) as pool:
            total = sum(pool.map(work, range(given.workers)), Counter())
    for what, count in sorted(total.items()):
        print(f"{count:6} {what}")


def tally(done: Interruption) -> list[str]:
    """Count the outcomes."""
    if done.ended:
        return ["came to its end before"]
    counted = ["interrupted", f"interrupted: {done.what}", f"by {done.by.name} to {done.to}"]
    if "Traceback" in done.said:
        # Python itself prints one where it is interrupted before it has reached any module.
        ours = re.search(r"/(?:stages|household)/\w", done.said)
        counted.append("traceback of a stage" if ours else "traceback of Python or DVC")
    if done.mended:
        counted.append(done.mended.strip())
    counted.append("FAULT" if done.fault else "recovered")
    return counted


if __name__ == "__main__":
    main()
