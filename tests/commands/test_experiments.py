"""Experiments as README and docs/experiments.md have them: a sweep, compared, kept, shared."""

import csv
import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.clones import UP_TO_DATE, commit, dvc
from tests.commands.test_pipeline import rows_shown
from tests.documents import read_commands, type_command
from tests.shell import run


def shown(folder: Path, *options: str) -> dict[str, dict[str, str]]:
    """Return the rows of `dvc exp show` by experiment, in their order."""
    rows = csv.DictReader(dvc(folder, "exp", "show", "--csv", *options).splitlines())
    return {row["Experiment"]: row for row in rows if row["Experiment"]}


def run_queue(folder: Path, queue: str, wait: str, empty: str) -> str:
    """Return what a queue prints; if DVC loses a run, empty and fill it again as documented."""
    type_command(folder, queue)
    try:
        return type_command(folder, wait, patience=120)
    except subprocess.TimeoutExpired:
        print(dvc(folder, "queue", "status"))
    type_command(folder, empty)
    type_command(folder, queue)
    return type_command(folder, wait)


@pytest.mark.slow(seconds=60)
def test_a_sweep_is_compared_applied_kept_and_shared(clone: Path, tmp_path: Path) -> None:
    dvc(clone, "remote", "add", "--default", "store", str(tmp_path / "store"))
    commit(clone)
    before = (clone / "dvc.lock").read_bytes()
    once, sweep, show = read_commands("docs/index.md", "Try a change")[-3:]
    assert once.startswith("dvc exp run --temp ")
    dvc(clone, *once.split()[1:])
    queue, alone = sweep.split(" && ")
    wait, empty = read_commands("docs/experiments.md", "A sweep")[2:4]
    assert wait == f"{alone} -j 2"
    # Of the three one is enough, beside one that ends soon: two run at once.
    queue = queue.replace("[32],[64],[50", "[50")
    soon = "dvc exp run --queue --name soon --set-param split.train_fraction=0.7 split"
    # It has not the epochs of the one before.
    printed = run_queue(clone, f"{queue} && (dvc exp remove soon || true) && {soon}", wait, empty)
    assert re.findall(r"epoch \d+/\d+", printed) == ["epoch 1/1"]
    dvc(clone, "exp", "remove", "soon")
    assert (clone / "dvc.lock").read_bytes() == before
    assert run(clone, "git", "status", "--porcelain") == ""

    table = type_command(clone, show)
    header = next(line for line in rows_shown(table) if "Experiment" in line)
    names = ("LSTM.rmse_kw", "LSTM.mae_kw", "LSTM.skill", "train.units", "train.epochs")
    assert all(name in header for name in names)
    assert "[50, 100]" in table
    rows = shown(clone, "--sort-by", "LSTM.rmse_kw")
    scores = [float(row["LSTM.rmse_kw"]) for row in rows.values()]
    assert scores == sorted(scores)
    by_units = {row["train.units"]: name for name, row in rows.items()}
    small, large = by_units.pop("[3]"), by_units.pop("[50, 100]")
    assert not by_units
    differ = json.loads(dvc(clone, "exp", "diff", small, large, "--json"))
    assert differ["params"]["params.yaml"] == {
        "train.units": {"old": "[3]", "new": "[50, 100]"},
        "train.epochs": {"old": 3, "new": 1, "diff": -2},
    }
    metrics = differ["metrics"]["reports/metrics.json"]["LSTM.rmse_kw"]
    assert metrics["old"] == float(rows[small]["LSTM.rmse_kw"])
    drawn = json.loads(dvc(clone, "plots", "diff", small, large, "--json"))["data"]
    (loss,) = drawn["loss"]
    assert loss["revisions"] == [small, large]

    # Kept: in the workspace, and as a branch.
    dvc(clone, "exp", "apply", large)
    assert UP_TO_DATE in dvc(clone, "status")
    record = json.loads((clone / "models/lstm/metadata.json").read_text())
    assert record["parameters"]["train"]["units"] == [50, 100]
    dvc(clone, "exp", "branch", small, "kept")
    assert "epochs" in run(clone, "git", "diff", "HEAD", "kept", "--", "params.yaml")

    # Shared: an experiment and its files, to whoever has the repository.
    run(tmp_path, "git", "init", "--quiet", "--bare", "shared.git")
    run(clone, "git", "remote", "add", "origin", "../shared.git")
    run(clone, "git", "push", "--quiet", "origin", "HEAD:main")
    run(clone, "dvc", "exp", "push", "origin", large)
    run(tmp_path, "git", "clone", "--quiet", "--branch", "main", "shared.git", "theirs")
    theirs = tmp_path / "theirs"
    run(theirs, "dvc", "exp", "pull", "origin", large)
    dvc(theirs, "exp", "apply", large)
    model = "models/lstm/model.keras"
    assert (theirs / model).read_bytes() == (clone / model).read_bytes()
