"""Each promise of docs/guarantees.md has a test that there is."""

import ast
import re

from tests.conftest import ROOT

PAGE = (ROOT / "docs/guarantees.md").read_text()
NAMED = r"`(tests/[\w/]+\.py)::(\w+)`"


def missing(page: str) -> list[str]:
    """The tests that `page` names and that do not exist."""
    absent = []
    for file, name in re.findall(NAMED, page):
        tree = ast.parse((ROOT / file).read_text() if (ROOT / file).is_file() else "")
        names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        if not name.startswith("test_") or name not in names:
            absent.append(f"{file}::{name}")
    return absent


def test_each_test_that_is_named_exists() -> None:
    assert missing(PAGE) == []


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
