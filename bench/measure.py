"""What a command costs, and how the figures are written down."""

import functools
import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import vl_convert
from ruamel.yaml import YAML

from household.core import paths

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "bench/results"
Command = Sequence[str]


class Cost(NamedTuple):
    """Of one command or of several after each other."""

    seconds: float  # on the clock
    peak: float  # bytes, of the process that had most in memory

    def __add__(self, other: object) -> "Cost":
        if not isinstance(other, Cost):
            return NotImplemented
        return Cost(self.seconds + other.seconds, max(self.peak, other.peak))


def cost(command: Command, folder: Path) -> Cost:
    """Run `command` in `folder` with the project's code; return its cost.

    End the program if the command fails.
    """
    begin = os.times().elapsed
    process = _started(command, folder, subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    _check(process)
    return Cost(os.times().elapsed - begin, usage.ru_maxrss * 1024)


def run(command: Command, folder: Path) -> str:
    """Return what `command` prints; end the program if it fails."""
    process = _started(command, folder, subprocess.PIPE)
    said, _ = process.communicate()
    _check(process)
    return said


def _started(command: Command, folder: Path, words: int) -> "subprocess.Popen[str]":
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=words, text=True)


def _check(process: "subprocess.Popen[str]") -> None:
    if process.returncode:
        sys.exit(f"bench: {process.args!r} ended with {process.returncode}")


def python(*arguments: str) -> Command:
    return [sys.executable, *arguments]


def settings(folder: Path, changes: list[str]) -> None:
    """params.yaml with some keys set, as `dvc exp run --set-param` does."""
    yaml = YAML(typ="safe")
    record = yaml.load((ROOT / paths.PARAMS).read_text())
    for change in changes:
        key, _, value = change.partition("=")
        *sections, last = key.split(".")
        functools.reduce(lambda node, name: node[name], sections, record)[last] = yaml.load(value)
    yaml.dump(record, folder / paths.PARAMS)


def median(costs: Sequence[Cost]) -> Cost:
    return Cost(*map(statistics.median, zip(*costs, strict=True)))


def machine() -> str:
    """Return the name of the processor."""
    found = Path("/proc/cpuinfo")
    names = [
        line.partition(":")[2].strip()
        for line in (found.read_text().splitlines() if found.exists() else [])
        if line.startswith("model name")
    ]
    return f"{os.cpu_count()} cores, {names[0] if names else platform.processor()}"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def write(name: str, record: Mapping[str, Any], markdown: str) -> None:
    """Leaves the figures as JSON and the tables as Markdown, and prints the tables."""
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps({"machine": machine(), **record}, indent=1)
    (RESULTS / f"{name}.json").write_text(text + "\n")
    (RESULTS / f"{name}.md").write_text(f"{machine()}\n\n{markdown}\n")
    print(markdown, flush=True)


def panel(x: dict[str, Any], y: dict[str, Any], color: dict[str, Any]) -> dict[str, Any]:
    """Lines of `y` over `x`, as Vega-Lite has them."""
    quantity, kind = {"type": "quantitative"}, {"type": "nominal"}
    return {
        "width": 300,
        "height": 240,
        "mark": {"type": "line", "point": True},
        "encoding": {"x": quantity | x, "y": quantity | y, "color": kind | color},
    }


def draw(name: str, rows: Sequence[Mapping[str, Any]], spec: Mapping[str, Any]) -> None:
    """Leaves `rows` as a picture, as a specification of Vega-Lite says."""
    RESULTS.mkdir(exist_ok=True)
    whole = {"background": "white", **spec, "data": {"values": list(rows)}}
    (RESULTS / f"{name}.png").write_bytes(vl_convert.vegalite_to_png(json.dumps(whole), scale=2))
