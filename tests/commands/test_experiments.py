"""Experiments as docs/experiments.md has them: a queue, compared, applied, kept, shared."""

import csv
import json
import time
from pathlib import Path

import pytest

from tests.clones import commit, dvc
from tests.shell import run

WAIT_SECONDS = 240


def finished(clone: Path) -> bool:
    status = dvc(clone, "queue", "status")
    assert "Failed" not in status
    return not any(state in status for state in ("Queued", "Running"))


def shown(folder: Path, *options: str) -> dict[str, dict[str, str]]:
    """The rows of `dvc exp show` by the name of the experiment, in their order."""
    rows = csv.DictReader(dvc(folder, "exp", "show", "--csv", *options).splitlines())
    return {row["Experiment"]: row for row in rows if row["Experiment"]}


@pytest.mark.slow(seconds=30)
def test_a_queue_of_experiments_is_run_two_at_once_compared_applied_and_shared(
    clone: Path, tmp_path: Path
) -> None:
    dvc(clone, "remote", "add", "--default", "store", str(tmp_path / "store"))
    commit(clone)
    before = (clone / "dvc.lock").read_bytes()
    for name, units in (("small", "[2]"), ("large", "[4,4]")):
        dvc(
            clone, "exp", "run", "--queue", "--name", name, "-S", f"train.units={units}", "evaluate"
        )
    dvc(clone, "queue", "start", "--jobs", "2")
    until = time.monotonic() + WAIT_SECONDS
    while not finished(clone):
        assert time.monotonic() < until
        time.sleep(0.2)
    assert (clone / "dvc.lock").read_bytes() == before
    assert run(clone, "git", "status", "--porcelain") == ""

    rows = shown(clone, "--sort-by", "LSTM.rmse_kw")
    scores = [
        float(row["LSTM.rmse_kw"]) for name, row in rows.items() if name in ("small", "large")
    ]
    assert len(scores) == 2
    assert scores == sorted(scores)
    assert (rows["small"]["train.units"], rows["large"]["train.units"]) == ("[2]", "[4, 4]")
    differ = json.loads(dvc(clone, "exp", "diff", "small", "large", "--json"))
    assert differ["params"]["params.yaml"] == {"train.units": {"old": "[2]", "new": "[4, 4]"}}
    metrics = differ["metrics"]["reports/metrics.json"]["LSTM.rmse_kw"]
    assert metrics["old"] == float(rows["small"]["LSTM.rmse_kw"])
    drawn = json.loads(dvc(clone, "plots", "diff", "small", "large", "--json"))["data"]
    (loss,) = drawn["loss"]
    assert loss["revisions"] == ["small", "large"]

    # Kept: in the workspace, and as a branch.
    dvc(clone, "exp", "apply", "large")
    assert "Data and pipelines are up to date." in dvc(clone, "status", "evaluate")
    record = json.loads((clone / "models/lstm/forecaster.json").read_text())
    assert record["parameters"]["train"]["units"] == [4, 4]
    dvc(clone, "exp", "branch", "small", "kept")
    assert "units" in run(clone, "git", "diff", "HEAD", "kept", "--", "params.yaml")

    # Shared: an experiment and its files, to whoever has the repository.
    run(tmp_path, "git", "init", "--quiet", "--bare", "shared.git")
    run(clone, "git", "remote", "add", "origin", "../shared.git")
    run(clone, "git", "push", "--quiet", "origin", "HEAD:main")
    run(clone, "dvc", "exp", "push", "origin", "large")
    run(tmp_path, "git", "clone", "--quiet", "--branch", "main", "shared.git", "theirs")
    theirs = tmp_path / "theirs"
    run(theirs, "dvc", "exp", "pull", "origin", "large")
    dvc(theirs, "exp", "apply", "large")
    model = "models/lstm/network.keras"
    assert (theirs / model).read_bytes() == (clone / model).read_bytes()
