"""Trains, evaluates and plots on several processors, and compares each file that this writes.

    python -m tests.processors [PROCESSOR ...] [KEY=VALUE ...]
    python -m tests.processors Haswell train.units=[8] train.ensemble_size=1 train.epochs=1

Processors that this machine lacks are emulated by `qemu-x86_64`, from Debian's package qemu-user,
some hundred times slower than they are. It works in a temporary clone of HEAD with other values of
the parameters KEY, and prints a table: a file, and the hash that each processor gave.
"""

import shutil
import sys
import tempfile
import time
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from ruamel.yaml import YAML

from household.core import files
from tests.clones import change
from tests.project import ROOT
from tests.shell import environment, run

HERE = "this one"
# The same with as many threads as it may have elsewhere.
THREADS = {"1 thread": 1, "16 threads": 16}
NUMBERS_OF_THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")
# As qemu names them: of two makers, without AVX-512, with caches of other sizes. To a program its
# Skylake-Client is a Haswell of another number.
EMULATED = ("Haswell", "EPYC")
BEFORE, COMPARED = ("fetch", "parse", "window", "split"), ("train", "evaluate", "plot")
# One process for all stages, since an emulated one takes half a minute to import TensorFlow.
PROGRAM = """
import importlib, os
{cores}
from household.core import stage
{pictures}
for name in {stages}:
    stage.run(name, importlib.import_module("stages." + name).main)
"""
DRAWN_ALONE = """
from household.report import plots
draw = plots.Plot.to_png
plots.Plot.to_png = lambda plot, table: draw(plot, table) if plot.name in {names} else b""
"""
PATIENCE = 3600  # seconds


def prepare(project: Path, changes: dict[str, str]) -> None:
    """Run the stages before train in `project`, with other values at the dotted keys."""
    read = YAML(typ="safe").load
    change(project, **{key.replace(".", "__"): read(value) for key, value in changes.items()})
    run(project, "python", "-c", PROGRAM.format(cores="", pictures="", stages=BEFORE))


def write_outputs(
    project: Path,
    folder: Path,
    processor: str,
    *,
    stages: Sequence[str] = COMPARED,
    trained: Path | None = None,
    drawn: Collection[str] | None = None,
) -> dict[str, str]:
    """Run `stages` in a copy of `project`, as on `processor`.

    Args:
        project: A clone in which the stages before train have run.
        folder: The copy, which is made.
        processor: HERE, or one of THREADS or EMULATED.
        stages: The last of train, evaluate and plot, or train alone.
        trained: A copy in which train has run, for stages without it.
        drawn: The names of the plots that are drawn, or None for all.

    Returns:
        The hash of each file that there is then, by its path, without the pictures not `drawn`.
    """
    (folder / "reports").mkdir(parents=True)
    if trained:
        for name in ("models", "reports/train"):
            shutil.copytree(trained / name, folder / name)
    for name in ("household", "stages", "data", "params.yaml", "lock"):
        (folder / name).symlink_to(project / name)
    quality = Path("reports/data_quality.json")
    (folder / quality).write_bytes((project / quality).read_bytes())
    given, cores = environment(folder), ""
    emulator: list[str] = []
    if processor in EMULATED:
        emulator = ["qemu-x86_64", "-cpu", processor]
        given |= dict.fromkeys(NUMBERS_OF_THREADS, "1")  # threads that wait cost qemu much
    elif processor in THREADS:
        cores = f"os.cpu_count = lambda: {THREADS[processor]}"
        given |= dict.fromkeys(NUMBERS_OF_THREADS, str(THREADS[processor]))
    pictures = "" if drawn is None else DRAWN_ALONE.format(names=tuple(drawn))
    program = PROGRAM.format(cores=cores, pictures=pictures, stages=tuple(stages))
    run(folder, *emulator, sys.executable, "-c", program, env=given, patience=PATIENCE)
    return {
        str(path.relative_to(folder)): files.sha256(path)
        for made in ("models", "reports")
        for path in sorted((folder / made).rglob("*"))
        if path.is_file()
        and path != folder / quality
        and (drawn is None or path.suffix != ".png" or path.stem in drawn)
    }


def table(hashes: dict[str, dict[str, str]]) -> Iterator[str]:
    """Yield a line for each file: the hash that all processors gave, or each its own."""
    for name in sorted(set().union(*hashes.values())):
        given = [of_one.get(name, "none")[:12] for of_one in hashes.values()]
        yield f"{name:40} " + (f"{given[0]} all" if len(set(given)) == 1 else " ".join(given))


def main() -> None:
    changes = dict(argument.split("=", 1) for argument in sys.argv[1:] if "=" in argument)
    named = [argument for argument in sys.argv[1:] if "=" not in argument]
    if unknown := set(named) - {*THREADS, *EMULATED}:
        sys.exit(f"processors: no {', '.join(unknown)}; there are {', '.join(EMULATED)}")
    hashes = {}
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder, "clone")
        run(ROOT, "git", "clone", "--quiet", str(ROOT), str(clone))
        prepare(clone, changes)
        for processor in (HERE, *(named or [*THREADS, *EMULATED])):
            begin = time.monotonic()
            hashes[processor] = write_outputs(clone, Path(folder, processor), processor)
            print(f"{processor}: {time.monotonic() - begin:.0f} s", flush=True)
    print(*table(hashes), sep="\n")
    sys.exit(len({str(of_one) for of_one in hashes.values()}) - 1)


if __name__ == "__main__":
    main()
