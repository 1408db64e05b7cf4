"""The code is short enough to read, and its docstrings name what is there."""

import ast
import builtins
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.project import ROOT

FILES = [file for folder in ("household", "stages") for file in (ROOT / folder).rglob("*.py")]
NAMES = [str(file.relative_to(ROOT)) for file in FILES]
MAX_FILE, MAX_STAGE, MAX_FUNCTION = 300, 50, 40
# Environment variables.
ELSEWHERE = {"HOUSEHOLD_CLUSTER", "TF_CONFIG"}


def definitions(file: Path) -> Iterator[ast.FunctionDef | ast.ClassDef]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node


def entries(docstring: str, section: str) -> list[str]:
    """Return the names that a section of a docstring describes."""
    _, _, rest = docstring.partition(f"{section}:\n")
    return re.findall(r"^    \**([\w.]+):", rest.split("\n\n")[0], re.MULTILINE)


def code_lines(function: ast.FunctionDef) -> int:
    """Return the number of lines without the docstring."""
    first = function.body[0]
    docstring = (first.end_lineno or 0) - first.lineno + 1 if ast.get_docstring(function) else 0
    return (function.end_lineno or 0) - function.lineno + 1 - docstring


@pytest.mark.parametrize("file", FILES, ids=NAMES)
def test_a_file_and_each_of_its_functions_are_short(file: Path) -> None:
    most = MAX_STAGE if file.parent.name == "stages" else MAX_FILE
    assert len(file.read_text().splitlines()) <= most
    for node in definitions(file):
        if isinstance(node, ast.FunctionDef):
            assert code_lines(node) <= MAX_FUNCTION, node.name


@pytest.mark.parametrize("file", FILES, ids=NAMES)
def test_a_docstring_describes_the_arguments_and_attributes_that_exist(file: Path) -> None:
    for node in definitions(file):
        docstring = ast.get_docstring(node) or ""
        if isinstance(node, ast.ClassDef):
            code = ast.unparse(ast.Module(node.body[1:], []))
            absent = [
                name
                for name in entries(docstring, "Attributes")
                if not re.search(rf"\b{name}\b", code)
            ]
            assert not absent, f"{node.name} has no attribute {', '.join(absent)}"
        elif described := entries(docstring, "Args"):
            arguments = node.args
            every = [*arguments.args, arguments.vararg, *arguments.kwonlyargs, arguments.kwarg]
            names = [each.arg for each in every if each and each.arg not in ("self", "cls")]
            assert described == names, f"{node.name} describes other arguments"


def test_exceptions_and_constants_that_a_docstring_names_exist() -> None:
    code = "\n".join(file.read_text() for file in FILES)
    classes = set(re.findall(r"^class (\w+)", code, re.MULTILINE))
    constants = set(re.findall(r"^([A-Z][A-Z_]+)\b.*=", code, re.MULTILINE))
    for file in FILES:
        for node in definitions(file):
            docstring = ast.get_docstring(node) or ""
            raised = {name.rpartition(".")[2] for name in entries(docstring, "Raises")}
            unknown = [name for name in raised - classes if not hasattr(builtins, name)]
            named = re.findall(r"\b[A-Z]+_[A-Z_]+\b", docstring)
            unknown += set(named) - constants - ELSEWHERE
            assert not unknown, f"{file.name} {node.name}: {', '.join(unknown)}"
