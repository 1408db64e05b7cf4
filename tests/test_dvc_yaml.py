"""What dvc.yaml says of the stages is what their code does."""

import ast
import importlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from ruamel.yaml import YAML

from household import params

ROOT = Path(__file__).parents[1]
PIPELINE = YAML(typ="safe").load(ROOT / "dvc.yaml")
STAGES = ["fetch", "parse", "window", "split", "train", "evaluate", "plot"]


def imported(module: Path) -> Iterator[Path]:
    """The modules of the project that `module` imports, itself included."""
    seen = [module]
    for path in seen:
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            for name in names:
                file = ROOT / Path(*name.split(".")).with_suffix(".py")
                if file.is_file() and file not in seen:
                    seen.append(file)
    yield from seen


def declared(stage: str, *kinds: str) -> set[str]:
    entries = [entry for kind in kinds for entry in PIPELINE["stages"][stage].get(kind, [])]
    return {next(iter(entry)) if isinstance(entry, dict) else entry for entry in entries}


def test_there_are_seven_stages_in_the_order_of_the_data() -> None:
    assert list(PIPELINE["stages"]) == STAGES
    made: set[str] = set()
    for stage in STAGES:
        data = {dep for dep in declared(stage, "deps") if not dep.endswith(".py")}
        assert data <= made, f"{stage} reads what no stage before it makes"
        made |= declared(stage, "outs", "metrics")


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_declares_exactly_the_modules_that_it_imports(stage: str) -> None:
    modules = {str(path.relative_to(ROOT)) for path in imported(ROOT / f"stages/{stage}.py")}
    assert {dep for dep in declared(stage, "deps") if dep.endswith(".py")} == modules
    assert [module for module in modules if module.startswith("stages/")] == [f"stages/{stage}.py"]


class Recorder:
    """Parameters that note each key that is read."""

    def __init__(self, section: BaseModel, name: str, read: set[str]) -> None:
        self._section, self._name, self._read = section, name, read

    def __getattr__(self, key: str) -> Any:
        value = getattr(self._section, key)
        name = f"{self._name}{key}"
        if isinstance(value, BaseModel):
            return Recorder(value, f"{name}.", self._read)
        self._read.add(name)
        return value


def leaves(values: dict[str, Any], name: str = "") -> set[str]:
    found: set[str] = set()
    for key, value in values.items():
        inner = isinstance(value, dict)
        found |= leaves(value, f"{name}{key}.") if inner else {f"{name}{key}"}
    return found


def test_a_stage_reads_and_writes_exactly_what_it_declares(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each runs in a folder of its own that holds the files it declares, and no others."""
    small = params.load(ROOT / "params.yaml").model_dump()
    small["fetch"]["sample"]["days"] = 1
    small["train"]["hidden"] = [2]
    made = tmp_path / "made"
    for stage in STAGES:
        folder = tmp_path / stage
        inputs = {name for name in declared(stage, "deps") if not name.endswith(".py")}
        for name in inputs:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(made / name, folder / name)
        folder.mkdir(exist_ok=True)
        monkeypatch.chdir(folder)
        read: set[str] = set()
        recorder = Recorder(params.Params.model_validate(small), "", read)
        importlib.import_module(f"stages.{stage}").main(recorder)

        written = {
            str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()
        } - inputs
        outputs = declared(stage, "outs", "metrics")
        assert {next((o for o in outputs if Path(o) in Path(w).parents), w) for w in written} == (
            outputs
        ), stage
        keys = declared(stage, "params")
        assert read == {
            leaf
            for leaf in leaves(small)
            if any(leaf == key or leaf.startswith(f"{key}.") for key in keys)
        }, stage
        shutil.copytree(folder, made, dirs_exist_ok=True)


def test_every_stage_says_what_it_does() -> None:
    assert all(PIPELINE["stages"][stage]["desc"] for stage in STAGES)
