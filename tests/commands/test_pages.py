"""Each command of README and docs/ is valid, and either typed by a test or marked as not run."""

import ast
import itertools
import re
import shlex
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import pytest

from household.app import commands
from household.core import params
from tests.documents import BLOCK, COMMENT, PROGRAMS
from tests.project import ROOT, SHIPPED, leaves

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
# The tests that type the commands below a heading without `read_commands`.
TYPED = {
    ("README.md", "Household power"): "test_one_command_runs_all_and_leaves_nothing_to_do",
    ("docs/tutorial.md", "Compare with the tutorial"): "test_the_tutorial_is_one_command",
    ("docs/using-the-model.md", "Forecast the next minutes"): (
        "test_the_wheel_trains_and_forecasts_without_the_repository"
    ),
    ("docs/using-the-model.md", "Measure the error on your readings"): (
        "test_a_backtest_scores_the_model_beside_persistence"
    ),
    (
        "docs/using-the-model.md",
        "Watch a meter live",
    ): "test_a_replay_ends_with_the_errors_of_all_its_minutes",
    ("docs/report.md", "Compare runs"): "test_the_page_of_several_says_what_differs",
    ("docs/meters.md", "Forecast your own meter"): "test_the_layout_of_a_text_is_found",
    ("docs/experiments.md", "A search"): (
        "test_a_search_resumes_and_makes_an_experiment_of_a_trial"
    ),
    ("docs/experiments.md", "Continue from a model"): (
        "test_a_warm_start_is_compared_with_the_previous_model"
    ),
    ("docs/experiments.md", "Versions of the model"): (
        "test_the_model_is_an_artifact_that_others_get_by_its_name"
    ),
}
NOT_RUN = 'title="Not run by a test"'
# A target of Make and its settings, a parameter of DVC.
TARGETS = set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.M))
KEYS = {name for name, _ in leaves(params.load(SHIPPED).model_dump())} | {"parse.layout"}


class Block(NamedTuple):
    """Commands of a page, in a block of their own.

    Attributes:
        page: Its path.
        heading: The heading above it.
        info: What follows the language.
        lines: The commands.
    """

    page: str
    heading: str
    info: str
    lines: list[str]


def read_blocks() -> Iterator[Block]:
    for path in PAGES:
        heading = ""
        text = path.read_text(encoding="utf-8")
        pattern = rf"^#+ ([^\n]*)$|{BLOCK.pattern}"
        for match in re.finditer(pattern, text, re.M | re.S):
            heading = match[1] or heading
            if match[1] or match[2] not in ("", "sh"):
                continue
            lines = match[4].replace("\\\n", " ").splitlines()
            if typed := [COMMENT.sub("", line) for line in lines if line.startswith(PROGRAMS)]:
                yield Block(str(path.relative_to(ROOT)), heading, match[3].strip(), typed)


BLOCKS = list(read_blocks())


def headings_in_tests() -> set[tuple[str, str]]:
    """Return the page and heading of each call of `read_commands` in the tests."""
    calls = (
        node
        for file in (ROOT / "tests").rglob("test_*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "read_commands"
    )
    return {tuple(ast.literal_eval(argument) for argument in call.args) for call in calls}


def test_a_command_is_typed_by_a_test_or_marked_as_not_run() -> None:
    typed = headings_in_tests() | set(TYPED)
    for block in BLOCKS:
        is_marked = block.info == NOT_RUN
        assert is_marked != ((block.page, block.heading) in typed), block
    found = "\n".join(
        file.read_text(encoding="utf-8") for file in (ROOT / "tests").rglob("test_*.py")
    )
    for name in TYPED.values():
        assert f"def {name}" in found, name


@pytest.mark.parametrize(
    "line", [line for block in BLOCKS for line in block.lines], ids=lambda line: line[:60]
)
def test_a_command_is_valid(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    for program, *arguments in split_commands(line):
        if program == "household":
            assert commands.build_parser().parse_args(arguments).command, capsys.readouterr()
        elif program == "make":
            targets = [word for word in arguments if "=" not in word and not word.startswith("-")]
            assert set(targets) <= TARGETS
            for word in arguments:
                if word.startswith("SET="):
                    check_settings(word.removeprefix("SET=").split())
        elif arguments[:1] == ["-m"]:
            assert find_spec(arguments[1]), arguments[1]
        elif program == "dvc":
            check_settings(
                setting for option, setting in itertools.pairwise(arguments) if option == "-S"
            )


def split_commands(line: str) -> list[list[str]]:
    """Return the words of each command of a line, of which a shell joins several."""
    words = shlex.shlex(line, posix=True, punctuation_chars="&|")
    words.whitespace_split, words.commenters = True, ""
    groups = itertools.groupby(words, lambda word: set(word) <= {"&", "|"})
    return [list(group) for is_between, group in groups if not is_between]


def check_settings(settings: Iterator[str] | list[str]) -> None:
    for setting in settings:
        key, equals, _ = setting.partition("=")
        assert (equals and key in KEYS) or key.startswith("$"), setting


@pytest.mark.parametrize("page", PAGES, ids=lambda page: Path(page).name)
def test_a_page_is_in_the_contents_of_the_site(page: Path) -> None:
    if page.parent.name == "docs":
        assert f": {page.name}\n" in (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
