"""Runs fetch to split on as many minutes as UCI's file has, with 1 GiB of memory to have.

    python -m bench.memory [--days 1441.152]

Prints what each stage had in memory at its peak, in MiB and as a share of the text of the minutes.
More than 1 GiB of its own is refused by the system, and ends the stage.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from household.pipeline import paths

ROOT = Path(__file__).parents[1]
LIMIT = 1 << 30
STAGES = ("fetch", "parse", "window", "split")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--days", type=float, default=1441.152)  # 2,075,259 minutes
    days = parser.parse_args().days
    resource.setrlimit(resource.RLIMIT_DATA, (LIMIT, LIMIT))  # of the stages as well
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        text = (ROOT / paths.PARAMS).read_text()
        changed = text.replace("    days: 63 ", f"    days: {days} ")
        assert changed != text, "params.yaml has another number of days"
        (folder / paths.PARAMS).write_text(changed)
        for stage in STAGES:
            peak = peak_of(stage, folder)
            size = (folder / paths.RAW).stat().st_size  # of a sample the zip does not compress it
            print(f"{stage:7} {peak / 2**20:5.0f} MiB, {peak / size:.1f} times the text")


def peak_of(stage: str, folder: Path) -> int:
    """The bytes that the stage had in memory at most."""
    process = subprocess.Popen(
        [sys.executable, "-m", f"stages.{stage}"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"memory: {stage} did not come to its end")
    return usage.ru_maxrss * 1024


if __name__ == "__main__":
    main()
