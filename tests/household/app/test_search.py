"""The search: what it tries, how it cuts trials short, goes on, and makes an experiment of one."""

import csv
import json
import math
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import numpy as np
import optuna
import pyarrow as pa
import pytest
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import TrialState

from household.__main__ import main
from household.app import search, search_report
from household.core import params, paths
from household.core.errors import UserError
from household.model import loop, progress, trainer
from tests.clones import change, commit, dvc, pretend_that_the_environment_is_made
from tests.in_process import run_dvc
from tests.project import SHIPPED, changed
from tests.shell import environment, run

SPACE = ("train.units=[3],[4,4]", "train.learning_rate=0.002:0.03:log")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("train.dropout=0:0.4", FloatDistribution(0, 0.4)),
        ("train.learning_rate=1e-3:3e-2:log", FloatDistribution(0.001, 0.03, log=True)),
        ("train.ensemble_size=1:4", IntDistribution(1, 4)),
        ("train.batch_size=8,16", CategoricalDistribution(["8", "16"])),
        ("train.units=[32],[64,64]", CategoricalDistribution(["[32]", "[64, 64]"])),
        ("train.difference_inputs=true,false", CategoricalDistribution(["true", "false"])),
        ("train.global_clip_norm=null,1.0", CategoricalDistribution(["null", "1.0"])),
    ],
)
def test_searched_values_are_read_as_dvc_writes_them(text: str, expected: BaseDistribution) -> None:
    key = text.partition("=")[0]
    assert search.parse_space([text]) == {key: expected}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("window.lookback=9:19", "window.lookback cannot be searched; use train. and one of "),
        ("train.unit=1,2", "train.unit cannot be searched"),
        ("train.loss=mae,mse", "train.loss cannot be searched"),
        ("train.dropout=", "train.dropout=: write values as train.dropout=1,2 or a range as"),
        ("train.dropout=0.4:0.1", "train.dropout=0.4:0.1: write values"),
        ("train.dropout=a:b:c:[", "train.dropout=a:b:c:[: write values"),
    ],
)
def test_invalid_search_values_are_refused(text: str, said: str) -> None:
    with pytest.raises(UserError) as caught:
        search.parse_space([text])
    assert str(caught.value).startswith(said)


@pytest.mark.usefixtures("empty_folder")
def test_a_trial_above_the_median_is_pruned_and_a_diverged_one_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With trainings that report given losses."""
    due: list[list[float]] = [
        *[[3.0, 2, 1]] * search_report.STARTUP_TRIALS,
        *([4.0, 3, 2], [2.0, 1, 0.5], [math.nan]),
    ]

    def fit(*_: Any, on_epoch_end: Callable[[pa.Table], None], **__: Any) -> None:
        rows: list[dict[str, Any]] = []
        for epoch, loss in enumerate(due[trial.number], 1):
            if math.isnan(loss):
                raise UserError("the loss is no longer a number")
            rows += [{"epoch": epoch, "split": split, "loss": loss} for split in progress.SPLITS]
            on_epoch_end(pa.Table.from_pylist(rows))

    monkeypatch.setattr(loop, "fit", fit)
    monkeypatch.setattr(trainer, "build_or_warm_start", lambda *_: None)
    study = search.open_study()
    found = []
    for _ in due:
        trial = study.ask(search.parse_space(["train.epochs=3,3"]))
        loss, state = search.train(changed({}), None, trial)
        study.tell(trial, loss, state=state)
        found.append((state, loss, len(study.trials[trial.number].intermediate_values)))
    complete = (TrialState.COMPLETE, 1, 3)
    assert found[: search_report.STARTUP_TRIALS] == [complete] * search_report.STARTUP_TRIALS
    assert found[search_report.STARTUP_TRIALS :] == [
        (TrialState.PRUNED, None, 2),
        (TrialState.COMPLETE, 0.5, 3),
        (TrialState.FAIL, None, 0),
    ]
    assert [trial.number for trial in search_report.finished_trials(study)] == [
        5,
        *range(search_report.STARTUP_TRIALS),
        4,
    ]
    assert "pruned" in search_report.describe(study.trials[4])
    assert ": diverged, " in search_report.describe(study.trials[6])
    rows = search_report.history(search_report.finished_trials(study))
    assert [row["outcome"] for row in rows] == [
        *["complete"] * search_report.STARTUP_TRIALS,
        *("pruned", "complete"),
    ]
    assert search_report.write(study, search.FOLDER).count("\n") == 1 + 6


@pytest.mark.usefixtures("empty_folder")
def test_parameters_that_matter_are_ranked_above_those_that_do_not() -> None:
    study = search.open_study()
    draw = np.random.default_rng(0)
    for loss in draw.random(30):
        study.add_trial(
            optuna.trial.create_trial(
                params={"train.dropout": loss, "train.learning_rate": draw.random()},
                distributions={
                    key: FloatDistribution(0, 1) for key in ("train.dropout", "train.learning_rate")
                },
                value=loss,
            )
        )
    shares = search_report.importance(study)
    assert shares["train.dropout"] > 0.8
    assert sum(shares.values()) == pytest.approx(1)


@pytest.mark.slow(seconds=30)
def test_a_search_resumes_and_makes_an_experiment_of_a_trial(
    clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend_that_the_environment_is_made(clone)
    (clone / ".venv/search.done").touch()
    change(clone, train__epochs=2)
    commit(clone)
    output = run(clone, "make", "search", "TRIALS=3", "WORKERS=2", f"SPACE={' '.join(SPACE)}")
    assert "search: trial 2: val_loss " in output
    before = read(clone)
    assert 3 <= len(before) <= 4  # both may have begun the last
    monkeypatch.chdir(clone)
    search.run_worker(0, shipped=params.load(), space=search.parse_space(list(SPACE)), trials=5)
    search_report.write(search.open_study(), search.FOLDER)
    after = read(clone)
    assert len(after) == 5
    assert {key: after[key] for key in before} == before
    report = (clone / "reports/search/report.md").read_text()
    assert all(
        f"| {number} | {row['validation loss']} |" in report for number, row in after.items()
    )
    assert "| units | learning_rate |" in report
    assert max(len(line) for line in report.splitlines() if line.startswith("|")) <= 100
    for name in ("history", "importance"):
        assert (clone / f"reports/search/{name}.png").read_bytes().startswith(b"\x89PNG")

    number = min(after, key=lambda each: float(after[each]["validation loss"]))

    def run_here(command: list[str], **_: Any) -> "subprocess.CompletedProcess[str]":
        status, printed = run_dvc(clone, environment(clone), *command[3:])
        return subprocess.CompletedProcess(command, status, printed)

    monkeypatch.setattr(search, "subprocess", SimpleNamespace(run=run_here))
    with pytest.raises(SystemExit, match=r"^0$"):
        main(["search", "--apply", str(number)])
    dvc(clone, "exp", "apply", f"trial-{number}")
    assert run(clone, "git", "diff", "--name-only", "HEAD", "params.yaml")
    losses = csv.DictReader((clone / paths.HISTORY).read_text().splitlines())
    least = min(float(row["loss"]) for row in losses if row["split"] == "validation")
    assert f"{least:.6f}" == after[number]["validation loss"]
    record = json.loads((clone / paths.FORECASTER).read_text())
    assert json.dumps(record["parameters"]["train"]["units"]) == after[number]["train.units"]


@pytest.mark.usefixtures("empty_folder")
def test_a_study_of_other_data_and_a_missing_trial_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(UserError, match=r"^no trial 0 in .*journal\.log; it has none$"):
        search.apply(0)
    assert not search.JOURNAL.exists()
    study = search.open_study()
    study.set_user_attr("of", "another")
    study.add_trial(optuna.trial.create_trial(value=1.0))
    monkeypatch.setattr(search, "read", lambda *_: (None, "this"))
    with pytest.raises(
        UserError, match=r"was created with other data, parameters or values; delete"
    ):
        search.run_worker(0, shipped=changed({}), space={}, trials=9)
    with pytest.raises(UserError, match=r"; it has 0$"):
        search.apply(99)


@pytest.mark.usefixtures("empty_folder")
def test_a_search_before_the_split_stage_says_what_to_run(
    capsys: pytest.CaptureFixture[str],
) -> None:
    shutil.copy(SHIPPED, ".")
    with pytest.raises(SystemExit, match=r"^1$"):
        main(["search", "--trials=1"])
    assert capsys.readouterr().err == "search: no data/series; run `dvc repro split` first\n"


@pytest.mark.usefixtures("empty_folder")
def test_an_interrupted_search_says_how_to_resume(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "apply", Mock(side_effect=KeyboardInterrupt))
    with pytest.raises(SystemExit, match=r"^130$"):
        main(["search", "--apply=1"])
    assert capsys.readouterr().err == "search: interrupted; run the same command to resume\n"


def read(clone: Path) -> dict[str, dict[str, str]]:
    with (clone / "reports/search/trials.csv").open() as file:
        return {row["trial"]: row for row in csv.DictReader(file)}
