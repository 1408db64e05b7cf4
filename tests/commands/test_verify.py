"""What `make verify` takes for a difference, and which it names first; and the command itself."""

import json
from pathlib import Path
from typing import Any

import pytest

from household.core import arithmetic, paths
from tests import verify
from tests.clones import commit, dvc, pretend_that_the_environment_is_made
from tests.project import ROOT
from tests.shell import run

LOCK: dict[str, dict[str, Any]] = {
    "fetch": {"params": {"fetch": 1}, "stages/fetch.py": "a", "data/raw/power": "b"},
    "parse": {"params": None, "household/core": "c", "data/parsed/power": "d"},
    "train": {"params": {"seed": 0}, "lock/run.txt": "e", "models/lstm": "f"},
    "evaluate": {"params": None, "models/lstm": "f", "reports/metrics.json": "g"},
}
SCORES: dict[str, dict[str, Any]] = {
    "LSTM": {"rmse_kw": 0.4131, "skill": -0.1188},
    "persistence": {"skill": 0.0},
}


def first(lock: dict[str, dict[str, Any]], scores: dict[str, Any] | None = None) -> str | None:
    return next(verify.differences(LOCK, lock, SCORES, scores or SCORES), None)


def changed(*places: tuple[str, str]) -> dict[str, dict[str, Any]]:
    made = {stage: dict(entries) for stage, entries in LOCK.items()}
    for stage, name in places:
        made[stage][name] = "other"
    return made


def test_equal_locks_have_no_difference() -> None:
    assert first(LOCK) is None


@pytest.mark.parametrize(
    ("places", "stage", "name"),
    [
        ([("fetch", "data/raw/power"), ("parse", "household/core")], "fetch", "data/raw"),
        ([("parse", "data/parsed/power")], "parse", "data/parsed/power"),
        ([("train", "lock/run.txt"), ("evaluate", "models/lstm")], "train", "lock/run.txt"),
        ([("train", "params")], "train", "params"),
        ([("fetch", "a new file")], "fetch", "a new file"),
    ],
)
def test_the_first_stage_that_differs_is_named(
    places: list[tuple[str, str]], stage: str, name: str
) -> None:
    found = first(changed(*places))
    assert found
    assert found.startswith(f"{stage} differs first: {name}")


def test_verify_tolerates_rounding_of_another_processor() -> None:
    assert first(changed(("train", "models/lstm"), ("evaluate", "models/lstm"))) is None


@pytest.mark.parametrize(
    ("rmse", "differs"), [(0.4131, False), (0.4165, False), (0.4180, True), (0.4, True)]
)
def test_a_score_may_differ_by_a_hundredth(rmse: float, differs: bool) -> None:
    scores = SCORES | {"LSTM": {"rmse_kw": rmse, "skill": -0.1188}}
    assert (first(LOCK, scores) is not None) == differs


def test_a_score_that_is_not_committed_differs() -> None:
    assert first(LOCK, SCORES | {"linear": {"rmse_kw": 0.3}})


def test_a_missing_forecaster_or_score_differs() -> None:
    assert first(LOCK, {"LSTM": SCORES["LSTM"]})
    found = first(LOCK | {"fetch": {"params": {"fetch": 1}, "stages/fetch.py": "a"}})
    assert found
    assert found.startswith("fetch differs first: data/raw/power is None")


def test_a_missing_score_equals_only_a_missing_score() -> None:
    none = SCORES | {"persistence": {"skill": None}}
    assert next(verify.differences(LOCK, LOCK, none, none), None) is None
    assert first(LOCK, none)


def test_verify_accepts_committed_scores_and_no_others() -> None:
    committed = json.loads((ROOT / paths.METRICS).read_text())
    assert next(verify.differences(LOCK, LOCK, committed, committed), None) is None
    changed = json.loads((ROOT / paths.METRICS).read_text())
    changed["intervals"]["LSTM"]["coverage_80"] -= 0.1
    found = next(verify.differences(LOCK, LOCK, committed, changed), None)
    assert found
    assert found.startswith("evaluate differs first: intervals LSTM coverage_80 is 0.")


@pytest.mark.parametrize(("skill", "differs"), [(-0.1098, False), (-0.13, True)])
def test_verify_tolerates_the_same_difference_in_skill_as_in_error(
    skill: float, differs: bool
) -> None:
    scores = SCORES | {"LSTM": {"rmse_kw": 0.4131, "skill": skill}}
    assert (first(LOCK, scores) is not None) == differs


@pytest.mark.parametrize(("width", "differs"), [(0.5, False), (0.52, False), (0.53, True)])
def test_verify_tolerates_more_in_interval_widths(width: float, differs: bool) -> None:
    of = [SCORES | {"intervals": {"LSTM": {"width_80_kw": each}}} for each in (0.5, width)]
    assert (next(verify.differences(LOCK, LOCK, *of), None) is not None) == differs


@pytest.mark.parametrize("other", [None, "text", [1.0], {"more": 1.0}, True, 2.0])
def test_verify_compares_values_of_any_type(other: Any) -> None:
    known = SCORES | {"new": {"of": {"a kind": 1.5}}}
    found = SCORES | {"new": {"of": {"a kind": other}}}
    assert next(verify.differences(LOCK, LOCK, found, found), None) is None
    assert next(verify.differences(LOCK, LOCK, known, found), None)


def test_verify_compares_bytes_unless_the_training_is_not_portable() -> None:
    same = verify.judge(LOCK, LOCK, SCORES, SCORES, "")
    assert same.startswith("verify: all seven stages gave the bytes in dvc.lock")
    rounded = changed(("train", "models/lstm"), ("evaluate", "models/lstm"))
    with pytest.raises(SystemExit, match="verify: train differs first: models/lstm is other"):
        verify.judge(LOCK, rounded, SCORES, SCORES, "")
    said = verify.judge(LOCK, rounded, SCORES, SCORES, "a card is not a CPU")
    assert "fetch to split gave the bytes in dvc.lock" in said
    assert said.endswith("no more was asked, since a card is not a CPU")
    with pytest.raises(SystemExit, match="verify: parse differs first"):
        verify.judge(LOCK, changed(("parse", "data/parsed/power")), SCORES, SCORES, "a card")


def run_here(folder: Path, *command: str) -> None:
    """Run `command` as `verify.run` does, of the pipeline only the first stage."""
    if command[1:] == ("-m", "dvc", "repro"):
        dvc(folder, "repro", "fetch")
    else:
        run(folder, *command)


@pytest.mark.slow(seconds=30)
def test_the_command_reproduces_what_is_committed_or_says_what_differs(
    clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend_that_the_environment_is_made(clone)
    said = run(clone, "make", "verify").splitlines()[-1]
    rule = "all seven stages gave" if arithmetic.has_avx2() else "fetch to split gave"
    assert said.startswith(f"verify: {rule} the bytes in dvc.lock")
    lock = clone / "dvc.lock"
    lock.write_text(lock.read_text().replace("seed: 0", "seed: 1", 1))
    commit(clone)
    monkeypatch.setattr(verify, "ROOT", clone)
    monkeypatch.setattr(verify, "run", run_here)
    with pytest.raises(SystemExit, match="verify: fetch differs first: params is "):
        verify.main()
