"""Many simulated meters: in one process, in a pool, and on a cluster that loses a worker.

    python -m bench.meters [--meters 200] [--days 5] [--repeat 3] [--grow 100,300,1000]

First parse and window of the same meters each way, start and imports included, and whether what
they wrote is the same to the byte. Then parse, window and split in a pool, as the meters grow.
"""

import argparse
import contextlib
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench import measure
from bench.measure import ROOT, Cost
from household.core import parallel, paths

STAGES = ("parse", "window")
# Once all workers are at work.
KILLED_AFTER_SECONDS = 3.0
ALONE = (
    "from household.core import parallel; parallel.SERIAL_THRESHOLD = 10**9; "
    "from household.core import params; import stages.{0} as stage; stage.main(params.load())"
)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--meters", type=int, default=200)
    parser.add_argument("--days", type=float, default=5)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--grow", default="100,300,1000")
    options = parser.parse_args()
    if options.meters:
        each_way(options.meters, options.days, options.repeat)
    if options.grow:
        as_meters_grow([int(size) for size in options.grow.split(",")], options.days)


def each_way(meters: int, days: float, repeat: int) -> None:
    with tempfile.TemporaryDirectory() as made:
        folder = prepared(Path(made), meters, days)
        costs: dict[str, list[Cost]] = {}
        contents = set()
        for _ in range(repeat):
            for way, run in {"one process": alone, "a pool": pool}.items():
                costs.setdefault(way, []).append(run(folder))
                contents.add(content(folder))
            for way, lost in {"a cluster": False, "a cluster, a worker killed": True}.items():
                with cluster(folder, lost):
                    costs.setdefault(way, []).append(pool(folder))
                contents.add(content(folder))
    each = {way: measure.median(of) for way, of in costs.items()}
    rows = [
        [
            way,
            f"{of.seconds:.1f}",
            f"{meters / of.seconds:.0f}",
            f"{each['one process'].seconds / of.seconds:.2f}",
        ]
        for way, of in each.items()
    ]
    head = [f"{meters:,} meters of {days:g} days", "seconds", "meters/s", "speed-up"]
    same = "the same bytes each time" if len(contents) == 1 else "OTHER BYTES"
    record = {way: of._asdict() for way, of in each.items()} | {"same": len(contents) == 1}
    measure.write("meters", record, f"{measure.table(head, rows)}\n\nparse and window; {same}.")


def as_meters_grow(sizes: list[int], days: float) -> None:
    rows, found = [], []
    for size in sizes:
        with tempfile.TemporaryDirectory() as made:
            folder = prepared(Path(made), size, days)
            for stage in (*STAGES, "split"):
                of = measure.cost(measure.python("-m", f"stages.{stage}"), folder)
                found.append({"meters": size, "stage": stage} | of._asdict())
                speed = f"{size / of.seconds:.0f}"
                rows.append(
                    [f"{size:,}", stage, f"{of.seconds:.1f}", speed, f"{of.peak / 2**20:.0f}"]
                )
    head = ["meters", "stage", "seconds", "meters/s", "MiB"]
    measure.write("meters_growth", {"grown": found}, measure.table(head, rows))


def prepared(folder: Path, meters: int, days: float) -> Path:
    """Where the zips are."""
    sample = [f"fetch.sample.meters={meters}", f"fetch.sample.days={days}"]
    measure.settings(folder, sample)
    measure.cost(measure.python("-m", "stages.fetch"), folder)
    return folder


def alone(folder: Path) -> Cost:
    costs = [measure.cost(measure.python("-c", ALONE.format(stage)), folder) for stage in STAGES]
    return sum(costs, Cost(0, 0))


def pool(folder: Path) -> Cost:
    costs = [measure.cost(measure.python("-m", f"stages.{stage}"), folder) for stage in STAGES]
    return sum(costs, Cost(0, 0))


def content(folder: Path) -> str:
    """Return a hash of all outputs of the stages."""
    made = [folder / paths.QUALITY, *(folder / "data").rglob("*.parquet")]
    whole = hashlib.sha256()
    for path in sorted(path for path in made if path.is_file()):
        whole.update(f"{path.relative_to(folder)}".encode() + path.read_bytes())
    return whole.hexdigest()


@contextlib.contextmanager
def cluster(folder: Path, lost: bool) -> Iterator[None]:
    """Run a scheduler and two workers in the block; kill one of the workers if asked."""
    file = folder / "scheduler.json"
    file.unlink(missing_ok=True)
    options = ["--nthreads", "1", "--no-nanny", "--local-directory", str(folder / "dask")]
    started = [_dask("scheduler", file, "--host", "127.0.0.1", "--port", "0")]
    while not file.exists():
        time.sleep(0.05)
    started += [_dask("worker", file, *options) for _ in range(2)]
    os.environ[parallel.CLUSTER] = json.loads(file.read_text())["address"]
    killer = None
    if lost:
        command = f"sleep {KILLED_AFTER_SECONDS}; kill -9 {started[-1].pid}"
        killer = subprocess.Popen(["sh", "-c", command])
    try:
        yield
    finally:
        del os.environ[parallel.CLUSTER]
        for process in started:
            process.kill()
            process.wait()
        if killer:
            killer.wait()


def _dask(kind: str, file: Path, *options: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "dask", kind, "--no-dashboard", "--scheduler-file", str(file)]
    return subprocess.Popen([*command, *options], cwd=ROOT, stderr=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
