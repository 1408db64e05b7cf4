"""Reproduces the pipeline from nothing and compares it with what is committed.

    python -m tests.verify

Runs in a temporary clone of HEAD with an empty cache. The stages from fetch to split have to give
the bytes in dvc.lock, and every stage has to start from the code, the parameters and the
environment in it. The errors that evaluate finds have to be those committed within TOLERANCE, since
a training rounds otherwise on another kind of processor. The first stage that differs is named.
"""

import json
import math
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from household.pipeline import paths

ROOT = Path(__file__).parents[1]
# Share of a committed error by which another may differ, and the least that counts as a difference.
TOLERANCE, NEGLIGIBLE = 0.01, 0.001
# A skill is one minus a ratio of errors, and so may differ by as much as an error by its share. The
# width of an interval is no score: Winkler's weighs it against what the interval misses.
OF_A_SKILL, OF_A_WIDTH = 0.01, 0.05
CODE = ("stages/", "household/", "lock/")
SAME_BYTES = ("fetch", "parse", "window", "split")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "clone"
        run(ROOT, "git", "clone", "--quiet", str(ROOT), str(clone))
        # A cache that the user shares between projects would save the work that is to be checked.
        cache = str(Path(folder) / "cache")
        run(clone, sys.executable, "-m", "dvc", "config", "--local", "cache.dir", cache)
        committed, scores = locked(clone), json.loads((clone / paths.METRICS).read_text())
        run(clone, sys.executable, "-m", "dvc", "repro")
        found, found_scores = locked(clone), json.loads((clone / paths.METRICS).read_text())
    difference = next(differences(committed, found, scores, found_scores), None)
    if difference:
        sys.exit(f"verify: {difference}")
    same = "the same bytes" if committed["train"] == found["train"] else "other bytes"
    print(
        f"verify: fetch to split gave the bytes in dvc.lock; train gave {same}, and every error is "
        f"within {TOLERANCE:.0%} of the committed one"
    )


def run(folder: Path, *command: str) -> None:
    if subprocess.run(command, cwd=folder, check=False).returncode:
        sys.exit(f"verify: {' '.join(command)} failed")


def locked(folder: Path) -> dict[str, dict[str, Any]]:
    """What dvc.lock says of each stage: the hash of each file by its path, and the parameters."""
    stages = YAML(typ="safe").load(folder / "dvc.lock")["stages"]
    return {
        name: {
            "params": stage.get("params"),
            **{entry["path"]: entry["md5"] for entry in [*stage["deps"], *stage["outs"]]},
        }
        for name, stage in stages.items()
    }


def differences(
    committed: dict[str, dict[str, Any]],
    found: dict[str, dict[str, Any]],
    scores: dict[str, Any],
    found_scores: dict[str, Any],
) -> Iterator[str]:
    """Yield what differs, in the order of the stages, each in a sentence that names its stage."""
    for stage, entries in found.items():
        locked_entries = committed.get(stage, {})
        for name in entries | locked_entries:
            value, known = entries.get(name), locked_entries.get(name)
            exact = stage in SAME_BYTES or name == "params" or name.startswith(CODE)
            if exact and value != known:
                yield (
                    f"{stage} differs first: {name} is {value}, in dvc.lock {known}; run "
                    "`make repro` and commit what it changes, or find out why it does"
                )
    known_scores, new_scores = dict(flatten(scores)), dict(flatten(found_scores))
    for keys in known_scores | new_scores:
        known, value = known_scores.get(keys), new_scores.get(keys)
        # The verdict follows from the predictions, as the scores do.
        if keys[0] != "verdict" and not is_close(keys[-1], known, value):
            yield f"evaluate differs first: {' '.join(keys)} is {value}, committed {known}"


def flatten(record: Any, keys: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield each value of nested dictionaries with the keys that lead to it."""
    if not isinstance(record, dict):
        yield keys, record
        return
    for key, value in record.items():
        yield from flatten(value, (*keys, key))


def is_close(name: str, known: Any, value: Any) -> bool:
    """Whether two numbers agree as far as those of that name have to; all else has to be equal."""
    if not all(isinstance(each, int | float) for each in (known, value)):
        return bool(known == value)
    share = OF_A_WIDTH if name.startswith("width") else TOLERANCE
    least = OF_A_SKILL if name == "skill" else NEGLIGIBLE
    return math.isclose(value, known, rel_tol=share, abs_tol=least)


if __name__ == "__main__":
    main()
