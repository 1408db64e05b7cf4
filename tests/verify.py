"""Reproduces the pipeline from nothing and compares it with what is committed.

    python -m tests.verify

Runs in a temporary clone of HEAD with an empty cache. Every stage has to start from the code, the
parameters and the environment in dvc.lock, and to give the bytes in it. Where a training rounds
otherwise, as on a GPU or an ARM processor, that holds from fetch to split, and the errors that
evaluate finds have to be those committed within TOLERANCE. The first stage that differs is named.
"""

import json
import math
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from household.core import params, paths
from household.dataset.windows import WindowShape
from household.model import portability

ROOT = Path(__file__).parents[1]
# Share of a committed error by which another may differ, and the least that counts as a difference.
TOLERANCE, NEGLIGIBLE = 0.01, 0.001
# A skill is one minus a ratio of errors, and so may differ by as much as an error by its share. The
# width of an interval is no score: Winkler's weighs it against what the interval misses.
OF_A_SKILL, OF_A_WIDTH = 0.01, 0.05
CODE = ("stages/", "household/", "lock/", "params")
SAME_BYTES = ("fetch", "parse", "window", "split")
Locked = dict[str, dict[str, Any]]


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
        given = params.load(clone / paths.PARAMS)
        shape = WindowShape(given.window.lookback, given.window.horizon)
        reason = portability.name_difference(shape, given.train)
    print(judge(committed, found, scores, found_scores, reason))


def judge(
    committed: Locked,
    found: Locked,
    scores: dict[str, Any],
    found_scores: dict[str, Any],
    reason: str,
) -> str:
    """Return what agrees, and by which rule; exit with the first difference.

    The bytes of all stages have to agree, unless there is a `reason` why those of train may not.
    """
    if reason:
        difference = next(differences(committed, found, scores, found_scores), None)
    else:
        difference = next(other_bytes(committed, found), None)
    if difference:
        sys.exit(f"verify: {difference}")
    if not reason:
        return (
            "verify: all seven stages gave the bytes in dvc.lock, as every x86-64 processor with "
            "AVX2 has to"
        )
    return (
        "verify: fetch to split gave the bytes in dvc.lock, and every error is within "
        f"{TOLERANCE:.0%} of the committed one; no more was asked, since {reason}"
    )


def run(folder: Path, *command: str) -> None:
    if subprocess.run(command, cwd=folder, check=False).returncode:
        sys.exit(f"verify: {' '.join(command)} failed")


def locked(folder: Path) -> Locked:
    """Return the hash of each file of each stage in dvc.lock, and the parameters."""
    stages = YAML(typ="safe").load(folder / "dvc.lock")["stages"]
    return {
        name: {
            "params": stage.get("params"),
            **{entry["path"]: entry["md5"] for entry in [*stage["deps"], *stage["outs"]]},
        }
        for name, stage in stages.items()
    }


def differences(
    committed: Locked,
    found: Locked,
    scores: dict[str, Any],
    found_scores: dict[str, Any],
) -> Iterator[str]:
    """Yield what differs by more than rounding, in the order of the stages, each in a sentence."""
    yield from other_bytes(
        committed, found, lambda stage, name: stage in SAME_BYTES or name.startswith(CODE)
    )
    known_scores, new_scores = dict(flatten(scores)), dict(flatten(found_scores))
    for keys in known_scores | new_scores:
        known, value = known_scores.get(keys), new_scores.get(keys)
        # The verdict follows from the predictions, as the scores do.
        if keys[0] != "verdict" and not is_close(keys[-1], known, value):
            yield f"evaluate differs first: {' '.join(keys)} is {value}, committed {known}"


def other_bytes(
    committed: Locked, found: Locked, is_exact: Callable[[str, str], bool] = lambda *_: True
) -> Iterator[str]:
    """Yield each file that differs and `is_exact`, in the order of the stages, in a sentence.

    `is_exact` takes the name of a stage and that of one of its files, or "params".
    """
    for stage, entries in found.items():
        locked_entries = committed.get(stage, {})
        for name in entries | locked_entries:
            value, known = entries.get(name), locked_entries.get(name)
            if is_exact(stage, name) and value != known:
                yield (
                    f"{stage} differs first: {name} is {value}, in dvc.lock {known}; run "
                    "`make repro` and commit what it changes, or find out why it does"
                )


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
