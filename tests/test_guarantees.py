"""Each promise of docs/guarantees.md has a test that there is."""

import ast
import re

from tests.project import ROOT

PAGE = (ROOT / "docs/guarantees.md").read_text()
NAMED = r"`(tests/[\w/]+\.py)::(\w+)`"


def find_test(file: str, name: str) -> tuple[ast.Module, ast.FunctionDef] | None:
    """Return the test `name` and the module that it is in, or None where there is none."""
    module = ast.parse((ROOT / file).read_text() if (ROOT / file).is_file() else "")
    for node in module.body:
        if isinstance(node, ast.FunctionDef) and node.name == name and name.startswith("test_"):
            return module, node
    return None


def is_slow(module: ast.Module, test: ast.FunctionDef) -> bool:
    """Return whether the test, and not only some of its parameters, is marked as slow."""
    of_module = [ast.unparse(node) for node in module.body if isinstance(node, ast.Assign)]
    return any(
        line.startswith(("pytestmark = ", "pytest.mark.slow")) and "pytest.mark.slow" in line
        for line in (*of_module, *map(ast.unparse, test.decorator_list))
    )


def missing(page: str) -> list[str]:
    """Return the tests that `page` names and that do not exist."""
    return [
        f"{file}::{name}" for file, name in re.findall(NAMED, page) if not find_test(file, name)
    ]


def test_each_test_that_is_named_exists() -> None:
    assert missing(PAGE) == []


def test_each_test_that_is_slow_is_marked_so() -> None:
    for file, name, mark in re.findall(rf"{NAMED}( \(slow\))?", PAGE):
        found = find_test(file, name)
        assert found
        assert is_slow(*found) == bool(mark), name


def test_each_promise_names_a_test_or_a_command() -> None:
    rows = re.findall(r"^\| (.+) \| (.+) \|$", PAGE, re.M)
    promises = [row for row in rows if row != ("promise", "proved by")]
    assert len(promises) > 20
    for promise, proof in promises:
        assert re.search(NAMED, proof) or re.search(r"`python -m (tests|bench)\.\w+", proof), (
            promise
        )
    for module in re.findall(r"`python -m ((?:tests|bench|household)\.\w+)", PAGE):
        assert (ROOT / module.replace(".", "/")).with_suffix(".py").is_file()


def test_a_test_that_does_not_exist_is_found() -> None:
    for name in ("tests/test_guarantees.py::test_nothing", "tests/test_none.py::test_it"):
        assert missing(f"| it holds | `{name}` |") == [name]
