"""What a command costs, and how the figures are written down."""

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
    """That of `command`, run in `folder` with the project's code; its words are dropped.

    Ends the program where the command fails.
    """
    begin = os.times().elapsed
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"bench: {' '.join(command)} ended with {process.returncode}")
    return Cost(os.times().elapsed - begin, usage.ru_maxrss * 1024)


def run(command: Command, folder: Path) -> str:
    """What `command` prints; ends the program where it fails."""
    done = subprocess.run(
        command,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"bench: {' '.join(command)} ended with {done.returncode}")
    return done.stdout


def python(*arguments: str) -> Command:
    return [sys.executable, *arguments]


def sum_of(commands: Iterable[Command], folder: Path) -> Cost:
    """That of all of them, one after the other."""
    total = Cost(0, 0)
    for command in commands:
        total += cost(command, folder)
    return total


def median(costs: Sequence[Cost]) -> Cost:
    return Cost(*map(statistics.median, zip(*costs, strict=True)))


def machine() -> str:
    """The processor, in words."""
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


def draw(name: str, rows: Sequence[Mapping[str, Any]], spec: Mapping[str, Any]) -> None:
    """Leaves `rows` as a picture, as a specification of Vega-Lite says."""
    RESULTS.mkdir(exist_ok=True)
    whole = {"background": "white", **spec, "data": {"values": list(rows)}}
    (RESULTS / f"{name}.png").write_bytes(vl_convert.vegalite_to_png(json.dumps(whole), scale=2))
