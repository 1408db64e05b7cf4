"""What dvc.yaml says of the stages is what their code does."""

import ast
import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from household.pipeline import paths
from household.report import figures
from tests.project import ROOT

PIPELINE = YAML(typ="safe").load(ROOT / "dvc.yaml")
CODE = ("stages/", "household/")
LOCK = "lock/run.txt"
ROOMS = ["pipeline", "meter", "forecast", "report", "use", "household"]
# Run before any module in them; that of household imports others only when it is called.
# Which every stage imports, and what they import at once.
PACKAGES = {"stages/__init__.py", "household/__init__.py", "household/pipeline/arithmetic.py"}
STAGES = ["fetch", "parse", "window", "split", "train", "evaluate", "plot"]


def imported(module: Path) -> Iterator[Path]:
    """Return the modules of the project that `module` imports, itself included."""
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


def code(stage: str) -> set[str]:
    """Return the modules that a stage declares, with those of a folder one by one."""
    declared_code = {dep for dep in declared(stage, "deps") if dep.startswith(CODE)}
    return {
        str(path.relative_to(ROOT))
        for dep in declared_code
        for path in ([ROOT / dep] if dep.endswith(".py") else (ROOT / dep).rglob("*.py"))
    }


def data(stage: str) -> set[str]:
    return {dep for dep in declared(stage, "deps") if not dep.startswith(CODE) and dep != LOCK}


def test_there_are_seven_stages_in_the_order_of_the_data() -> None:
    assert list(PIPELINE["stages"]) == STAGES
    made: set[str] = set()
    for stage in STAGES:
        assert data(stage) <= made, f"{stage} reads what no stage before it makes"
        made |= declared(stage, "outs", "metrics")


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_declares_exactly_the_modules_that_it_imports(stage: str) -> None:
    modules = {str(path.relative_to(ROOT)) for path in imported(ROOT / f"stages/{stage}.py")}
    assert code(stage) == modules | PACKAGES
    assert [module for module in modules if module.startswith("stages/")] == [f"stages/{stage}.py"]


def test_every_stage_but_fetch_depends_on_the_lock_of_the_environment() -> None:
    assert [stage for stage in STAGES if LOCK in declared(stage, "deps")] == STAGES[1:]


def test_no_import_goes_against_the_order_of_the_rooms() -> None:
    for path in (ROOT / "household").rglob("*.py"):
        room = ROOMS.index(path.parent.name)
        for module in imported(path):
            assert ROOMS.index(module.parent.name) <= room, f"{path} imports {module}"


def test_the_paths_are_those_of_dvc_yaml() -> None:
    named = {str(path) for path in vars(paths).values() if isinstance(path, Path)}
    outputs = set().union(*(declared(stage, "outs", "metrics") for stage in STAGES))
    inside = {name for name in named if any(Path(out) in Path(name).parents for out in outputs)}
    none = {str(path) for path in (paths.PARAMS, paths.LOCK, paths.CHECKPOINT)}
    assert named - inside - none == outputs


def test_the_plots_are_those_of_the_report() -> None:
    expected = [plot.dvc() for plot in figures.PLOTS]
    lines = io.StringIO()
    YAML().dump({"plots": expected}, lines)
    assert PIPELINE["plots"] == expected, f"put this into dvc.yaml:\n{lines.getvalue()}"


def test_every_stage_says_what_it_does() -> None:
    assert all(PIPELINE["stages"][stage]["desc"] for stage in STAGES)


def test_ruff_is_the_same_before_a_commit_and_in_make_lint() -> None:
    hooks = YAML(typ="safe").load(ROOT / ".pre-commit-config.yaml")["repos"]
    (rev,) = [repo["rev"] for repo in hooks if repo["repo"].endswith("ruff-pre-commit")]
    locked = (ROOT / "lock/dev.txt").read_text()
    assert f"\nruff=={rev.removeprefix('v')} " in locked
