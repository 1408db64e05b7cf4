"""The recipes: settings that fit together, as Make and DVC take them."""

import pytest

from tests.project import ROOT, changed, recipe
from tests.shell import run

NAMES = sorted(path.stem for path in (ROOT / "recipes").glob("*.yaml"))


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_changes_parameters_to_values_that_fit_together(name: str) -> None:
    settings = changed(recipe(name))
    assert settings != changed({})
    # Make passes each line to DVC, which takes no blank in a list.
    lines = (ROOT / "recipes" / f"{name}.yaml").read_text(encoding="utf-8").splitlines()
    assert all(line.startswith("#") or line.count(" ") == 1 for line in lines if line)


def test_make_passes_all_settings_of_a_recipe_to_dvc() -> None:
    changes = ["SOURCE=a.zip", "SET=train.epochs=1 window.known_ahead=[temperature]"]
    said = run(ROOT, "make", "--dry-run", "recipe", "NAME=day_ahead", *changes)
    # Before it, Make may install the packages.
    program, dvc = said[said.index("{ sed -nE") :].split("python -m dvc")
    given = run(ROOT, "bash", "-c", f"{program} printf '%s\\n'").splitlines()
    assert dvc == " exp run --temp --force\n"
    assert "--set-param=window.calendar=[hour,weekday,season]" in given
    # Of two values DVC takes the last.
    assert given[len(recipe("day_ahead")) :] == [
        "--name=day_ahead",
        "--set-param=fetch.source=a.zip",
        "--set-param=train.epochs=1",
        "--set-param=window.known_ahead=[temperature]",
    ]
