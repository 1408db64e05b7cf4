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
    """Time an up-to-date `dvc repro`, here and in a pipeline of one stage."""
    said = measure.run(measure.python("-m", "dvc", "repro"), measure.ROOT)
    if "Running stage" in said:
        raise SystemExit("bench: the pipeline was not up to date; run it again")
    with tempfile.TemporaryDirectory() as made:
        small = Path(made)
        one_stage(small)
        ways = {
            "repro": ("repro", measure.ROOT),
            "repro of one stage": ("repro", small),
            "version": ("version", measure.ROOT),
        }
        taken: dict[str, list[Cost]] = {name: [] for name in ways}
        for _ in range(repeat):
            for name, (command, folder) in ways.items():
                taken[name].append(measure.cost(measure.python("-m", "dvc", command), folder))
    seconds = {name: measure.median(each).seconds for name, each in taken.items()}
    rows = [
        [f"dvc {name}", f"{spent:.2f}", f"{spent / seconds['version']:.2f}"]
        for name, spent in seconds.items()
    ]
    table = measure.table(["up to date", "seconds", "time relative to `dvc version`"], rows)
    measure.write("nothing_to_do", seconds, table)


def one_stage(folder: Path) -> None:
    """Turn `folder` into a repository with the smallest pipeline, up to date."""
    (folder / "a").write_text("a")
    measure.run(["git", "init", "-q"], folder)
    add = ("stage", "add", "--run", "-n", "copy", "-d", "a", "-o", "b", "cp a b")
    for arguments in (("init", "-q"), ("config", "core.analytics", "false"), add):
        measure.run(measure.python("-m", "dvc", *arguments), folder)


if __name__ == "__main__":
    main()
