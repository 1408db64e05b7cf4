"""Time DVC on a file for each month of many meters, against one file for each meter.

    python -m bench.dvc_files [--meters 1000] [--months 24] [--repeat 3]

The files hold random bytes, the same total in both cases, and the remote is a local folder.
"""

import argparse
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from bench import measure

METER_BYTES = 120_000
COMMANDS = ("add data", "status", "push", "status --cloud")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--meters", type=int, default=1000)
    parser.add_argument("--months", type=int, default=24)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    layouts = {"a file for each meter": 1, "a file for each month": options.months}
    seconds: dict[str, list[dict[str, float]]] = {name: [] for name in layouts}
    for _ in range(options.repeat):
        for name, count in layouts.items():
            seconds[name].append(time_commands(options.meters, count))
    medians = {
        name: [statistics.median(run[command] for run in runs) for command in COMMANDS]
        for name, runs in seconds.items()
    }
    one, many = medians.values()
    rows = [
        [f"dvc {command}", f"{first:.1f}", f"{second:.1f}", f"{second / first:.1f}"]
        for command, first, second in zip(COMMANDS, one, many, strict=True)
    ]
    print(measure.table(["command", *(f"{name} (s)" for name in layouts), "ratio"], rows))


def time_commands(meters: int, files: int) -> dict[str, float]:
    """Return the seconds of each command in a new repository."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made) / "project"
        folder.mkdir()
        run(folder, "git", "init", "--quiet")
        run(folder, "dvc", "init", "--quiet")
        run(folder, "dvc", "remote", "add", "--quiet", "--default", "local", "../remote")
        for meter in range(meters):
            (folder / f"data/{meter}").mkdir(parents=True)
            for number in range(files):
                path = folder / f"data/{meter}/{number}.parquet"
                path.write_bytes(os.urandom(METER_BYTES // files))
        seconds = {}
        for command in COMMANDS:
            begin = time.perf_counter()
            run(folder, "dvc", *command.split(), "--quiet")
            seconds[command] = time.perf_counter() - begin
        return seconds


def run(folder: Path, *command: str) -> None:
    subprocess.run(command, cwd=folder, check=True)


if __name__ == "__main__":
    main()
