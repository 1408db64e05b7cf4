"""dvc.yaml declares what the stages import, and the rooms import each other in one order."""

import ast
import io
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from household.core import paths
from household.report import plots
from tests.project import ROOT

PIPELINE = YAML(typ="safe").load(ROOT / "dvc.yaml")
CODE = ("stages/", "household/")
LOCK = "lock/run.txt"
GIVEN = {LOCK, "layouts"}
# The rooms of household/, each with those that it may import.
ROOMS = {
    "core": set[str](),
    "readings": {"core"},
    "dataset": {"core"},
    "model": {"core", "dataset"},
    "evaluation": {"core", "dataset", "model"},
    "report": {"core", "evaluation"},
    "app": {"core", "readings", "dataset", "model", "evaluation", "report", "stages"},
}
STAGES = ["fetch", "parse", "window", "split", "train", "evaluate", "plot"]


def imports(module: Path) -> set[Path]:
    """Return the modules of the project that `module` imports, anywhere in its code."""
    names = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    files = {ROOT / Path(*name.split(".")).with_suffix(".py") for name in names}
    return {file for file in files if file.is_file()} - {module}


def imported(module: Path) -> set[Path]:
    """Return all modules that run when `module` is imported, with those of their packages."""
    seen, queue = {module}, [module]
    while queue:
        new = imports(queue.pop()) - seen
        seen |= new
        queue += new
    packages = {parent / "__init__.py" for file in seen for parent in file.parents}
    # household/__init__.py imports it before a stage imports NumPy.
    pinned = ROOT / "household/core/arithmetic.py"
    return seen | {pinned} | {file for file in packages if file.is_file()}


def declared(stage: str, *kinds: str) -> set[str]:
    entries = [entry for kind in kinds for entry in PIPELINE["stages"][stage].get(kind, [])]
    return {next(iter(entry)) if isinstance(entry, dict) else entry for entry in entries}


def code(stage: str) -> set[str]:
    """Return the modules and rooms that a stage declares."""
    return {dep for dep in declared(stage, "deps") if dep.startswith(CODE)}


def data(stage: str) -> set[str]:
    return {dep for dep in declared(stage, "deps") if not dep.startswith(CODE) and dep not in GIVEN}


def test_there_are_seven_stages_in_the_order_of_the_data() -> None:
    assert list(PIPELINE["stages"]) == STAGES
    made: set[str] = set()
    for stage in STAGES:
        assert data(stage) <= made, f"{stage} reads what no stage before it makes"
        made |= declared(stage, "outs", "metrics")


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_declares_exactly_the_rooms_that_it_imports(stage: str) -> None:
    modules = imported(ROOT / f"stages/{stage}.py")
    by_dep = {
        dep: [module for module in modules if (module / "x").is_relative_to(ROOT / dep)]
        for dep in code(stage)
    }
    assert all(by_dep.values()), "a declared module or room is not imported"
    undeclared = modules.difference(*by_dep.values())
    assert not undeclared, "an imported module is not declared"
    stages = {module.stem for module in modules if module.parent.name == "stages"}
    assert stages == {"__init__", stage}


def test_every_stage_but_fetch_depends_on_the_lock_of_the_environment() -> None:
    assert [stage for stage in STAGES if LOCK in declared(stage, "deps")] == STAGES[1:]


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_the_rooms_below_it(room: str) -> None:
    files = list((ROOT / "household" / room).glob("*.py"))
    assert files
    for file in files:
        others = {module.parent.name for module in imports(file)} - {room}
        assert others <= ROOMS[room], f"{file.name} imports {others - ROOMS[room]}"


def test_no_modules_import_each_other_in_a_circle() -> None:
    files = [file for name in ("bench", *CODE, "tests") for file in (ROOT / name).rglob("*.py")]
    TopologicalSorter({file: imports(file) for file in files}).prepare()


def test_a_room_says_what_is_in_it() -> None:
    for room in ROOMS:
        (docstring,) = ast.parse((ROOT / "household" / room / "__init__.py").read_text()).body
        assert isinstance(docstring, ast.Expr), "expected a docstring alone"


def test_the_paths_are_those_of_dvc_yaml() -> None:
    named = {str(path) for path in vars(paths).values() if isinstance(path, Path)}
    outputs = set().union(*(declared(stage, "outs", "metrics") for stage in STAGES))
    inside = {name for name in named if any(Path(out) in Path(name).parents for out in outputs)}
    none = {str(path) for path in (paths.PARAMS, paths.LOCK, paths.CHECKPOINT)}
    assert named - inside - none == outputs


def test_the_plots_are_those_of_the_report() -> None:
    expected = [plot.dvc() for plot in plots.PLOTS]
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
