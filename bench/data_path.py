"""The way from the zip to the shuffled split: against the tutorial's, and as the minutes grow.

    python -m bench.data_path [--repeat 5] [--most 64]

First on as many minutes as UCI's file has, ours beside the tutorial's in turn: all three processes
of ours (parse, window, split), start and imports included. Then one run each at 1, 4, 16, ... times
1,036,800 minutes, and at lookbacks of 49, 199 and 999.
"""

import argparse
import datetime as dt
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from bench import measure
from bench.measure import Cost
from household.core import paths
from household.readings import archive, simulator, uci_writer

UCI_MINUTES = 2_075_259
BLOCK_DAYS = 720
GROWN = (1, 4, 16, 64)
LOOKBACKS = (49, 199, 999)
RAW = paths.RAW / "power/sample.zip"
STAGES = ("parse", "window", "split")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--most", type=int, default=GROWN[-1])
    options = parser.parse_args()
    if options.repeat:
        against_tutorial(options.repeat)
    if options.most:
        as_minutes_grow([size for size in GROWN if size <= options.most])


def against_tutorial(repeat: int) -> None:
    with tempfile.TemporaryDirectory() as made:
        folder = prepared(Path(made), UCI_MINUTES)
        ours: list[dict[str, Cost]] = []
        theirs: list[Cost] = []
        for _ in range(repeat):
            ours.append({name: measure.cost(stage(name), folder) for name in STAGES})
            reference = measure.python("-m", "bench.tutorial", str(folder / RAW))
            theirs.append(measure.cost(reference, folder))
    each = {name: measure.median([run[name] for run in ours]) for name in STAGES}
    total = measure.median([sum(run.values(), Cost(0, 0)) for run in ours])
    reference_cost = measure.median(theirs)
    each |= {"all three": total, "the tutorial's way": reference_cost}
    rows = [
        [
            name,
            f"{of.seconds:.2f}",
            f"{of.peak / 2**20:.0f}",
            f"{reference_cost.seconds / of.seconds:.1f}",
            f"{reference_cost.peak / of.peak:.1f}",
        ]
        for name, of in each.items()
    ]
    head = [f"{UCI_MINUTES:,} minutes", "seconds", "MiB", "speed-up", "memory ratio"]
    record = {name: of._asdict() for name, of in each.items()}
    measure.write("data_path", record, measure.table(head, rows))


def as_minutes_grow(sizes: list[int]) -> None:
    found: list[dict[str, Any]] = []
    for size in sizes:
        minutes = size * BLOCK_DAYS * 1440
        with tempfile.TemporaryDirectory() as made:
            folder = prepared(Path(made), minutes)
            parsed = measure.cost(stage("parse"), folder)
            for lookback in LOOKBACKS:
                measure.settings(folder, [f"window.lookback={lookback}"])
                of = {"parse": parsed}
                of |= {name: measure.cost(stage(name), folder) for name in STAGES[1:]}
                found += [
                    {"minutes": minutes, "lookback": lookback, "stage": name} | each._asdict()
                    for name, each in of.items()
                ]
    draw(found)
    rows = []
    for size in sizes:
        for lookback in LOOKBACKS:
            of_size = [
                row
                for row in found
                if (row["minutes"], row["lookback"]) == (size * BLOCK_DAYS * 1440, lookback)
            ]
            seconds = sum(row["seconds"] for row in of_size)
            minutes = of_size[0]["minutes"]
            rows.append(
                [
                    f"{minutes:,}",
                    lookback,
                    *(f"{row['seconds']:.2f}" for row in of_size),
                    f"{seconds / minutes * 1e6:.2f}",
                    *(f"{row['peak'] / 2**20:.0f}" for row in of_size),
                ]
            )
    head = ["minutes", "lookback", *(f"{name} (s)" for name in STAGES), "per million minutes (s)"]
    head += [*(f"{name} (MiB)" for name in STAGES)]
    measure.write("growth", {"runs": found}, measure.table(head, rows))


def stage(name: str) -> measure.Command:
    return measure.python("-m", f"stages.{name}")


def prepared(folder: Path, minutes: int) -> Path:
    """With a zip of so many simulated minutes, deflated as UCI's is, and params.yaml."""
    raw = folder / RAW
    raw.parent.mkdir(parents=True)
    left, start = minutes, dt.date(2006, 12, 16)
    # In blocks: a household of a century takes more memory to simulate than to parse.
    with (
        zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as made,
        made.open(archive.TEXT_NAME, "w", force_zip64=True) as text,
    ):
        while left:
            some = min(left, BLOCK_DAYS * 1440)
            lines = uci_writer.to_uci_text(
                simulator.simulate(seed=left, days=some / 1440, start=start)
            )
            header = next(lines)
            if left == minutes:
                text.write(header)
            for block in lines:
                text.write(block)
            left, start = left - some, start + dt.timedelta(days=BLOCK_DAYS)
    measure.settings(folder, [])
    return folder


def draw(found: list[dict[str, Any]]) -> None:
    log = {"scale": {"type": "log"}}
    both = []
    for field, title in (("seconds", "seconds"), ("MiB", "memory at most (MiB)")):
        lines = measure.panel(
            {"field": "minutes"} | log,
            {"field": field, "title": title} | log,
            {"field": "stage", "sort": list(STAGES)},
        )
        lines["encoding"]["strokeDash"] = {"field": "lookback", "type": "nominal"}
        both.append(lines)
    rows = [row | {"MiB": row["peak"] / 2**20} for row in found]
    measure.draw("growth", rows, {"hconcat": both})


if __name__ == "__main__":
    main()
