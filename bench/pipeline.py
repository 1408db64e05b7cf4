"""The seven stages one by one, and what `dvc repro` costs where there is nothing to do.

    python -m bench.pipeline [--repeat 5] [--set-param key=value ...] [--name pipeline]

Each stage in a process of its own, start and imports included, with params.yaml as it is but for
what is set; train is run once, the others `--repeat` times. Seconds are what is left when those of
a Python that does nothing are taken away.
"""

import argparse
import tempfile
from pathlib import Path

from bench import measure
from bench.measure import Cost

STAGES = ("fetch", "parse", "window", "split", "train", "evaluate", "plot")
ONCE = ("train",)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--set-param", action="append", default=[])
    parser.add_argument("--name", default="pipeline")
    options = parser.parse_args()
    of_stages(options.name, options.set_param, options.repeat)
    if not options.set_param:
        nothing_to_do(options.repeat)


def of_stages(name: str, changes: list[str], repeat: int) -> None:
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        measure.settings(folder, changes)
        nothing = measure.median(
            [measure.cost(measure.python("-c", ""), folder) for _ in range(repeat)]
        )
        costs: dict[str, Cost] = {}
        for stage in STAGES:
            command = measure.python("-m", f"stages.{stage}")
            runs = [measure.cost(command, folder) for _ in range(1 if stage in ONCE else repeat)]
            costs[stage] = measure.median(runs)
        said = measure.run(measure.python("-m", "stages.evaluate"), folder).strip()
    spent = {stage: Cost(of.seconds - nothing.seconds, of.peak) for stage, of in costs.items()}
    spent["all seven"] = sum(spent.values(), Cost(0, 0))
    rows = [[stage, f"{of.seconds:.2f}", f"{of.peak / 2**20:.0f}"] for stage, of in spent.items()]
    record = {"stages": {stage: of._asdict() for stage, of in spent.items()}, "verdict": said}
    made_of = measure.table(["stage", "seconds", "MiB"], rows)
    measure.write(name, record, f"{made_of}\n\n```\n{said}\n```")


def nothing_to_do(repeat: int) -> None:
    """The seconds of `dvc repro` in this folder, where all is up to date, and of `dvc version`."""
    said = measure.run(measure.python("-m", "dvc", "repro"), measure.ROOT)
    if "Running stage" in said:
        raise SystemExit("bench: the pipeline was not up to date; run it again")
    ways = {"repro": ["repro"], "version": ["version"]}
    taken: dict[str, list[Cost]] = {name: [] for name in ways}
    for _ in range(repeat):
        for name, arguments in ways.items():
            taken[name].append(measure.cost(measure.python("-m", "dvc", *arguments), measure.ROOT))
    repro, version = (measure.median(each).seconds for each in taken.values())
    words = f"`dvc repro` takes {repro:.2f} s, {repro / version:.2f} times `dvc version`"
    measure.write("nothing_to_do", {"repro": repro, "version": version}, words)


if __name__ == "__main__":
    main()
