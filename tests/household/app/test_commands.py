"""The command `household`: its help, its old forms, its completion and `household run`."""

import subprocess
import sys
from pathlib import Path

import pytest

from household.__main__ import main
from household.app import commands, recipes
from household.core import paths
from household.core.errors import UserError
from household.model import saved_model
from tests.project import ROOT, SMALL_RUN

COMMANDS = (
    "predict", "watch", "layout", "run", "search", "provenance", "repair", "completion",
)  # fmt: skip


def type_in_shell(*command: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("form", [("household",), (sys.executable, "-m", "household")])
@pytest.mark.parametrize("options", [(), ("--help",)])
def test_household_lists_its_commands(form: tuple[str, ...], options: tuple[str, ...]) -> None:
    listed = type_in_shell(*form, *options)
    assert listed.returncode == 0
    for command in COMMANDS:
        assert f"\n    {command} " in listed.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_a_command_fits_a_terminal(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit, match="0"):
        main([command, "--help"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"usage: household {command} ")
    assert max(map(len, lines)) <= 80


def test_the_examples_of_the_help_are_valid_commands() -> None:
    parser = commands.build_parser()
    action = next(each for each in parser._actions if each.dest == "command")
    n_examples = 0
    for name, command in dict(action.choices or {}).items():
        for line in (command.epilog or "").splitlines():
            if (typed := line.partition(f"household {name} ")[2]) and line.startswith("  "):
                words = typed.partition(")")[0].partition(">")[0].partition("#")[0].split()
                assert parser.parse_args([name, *words]).command == name
                n_examples += 1
    assert n_examples >= 18


def test_help_waits_for_no_library() -> None:
    code = (
        "import sys; from household.__main__ import main\n"
        "try: main(['predict', '--help'])\n"
        "except SystemExit: pass\n"
        "print(*{name.partition('.')[0] for name in sys.modules} - sys.stdlib_module_names)"
    )
    imported = type_in_shell(sys.executable, "-c", code).stdout.splitlines()[-1].split()
    assert "household" in imported
    assert not {"numpy", "pyarrow", "onnxruntime", "pydantic", "shtab"} & set(imported)


@pytest.mark.parametrize(
    ("command", "package", "extra"),
    [("run", "pandas", "pipeline"), ("search", "optuna", "pipeline,search"),
     ("repair", "dvc", "pipeline"), ("watch a b", "rich", "watch")],
)  # fmt: skip
def test_a_missing_package_is_named_with_its_extra(command: str, package: str, extra: str) -> None:
    code = (
        f"import sys; sys.modules[{package!r}] = None; from household.__main__ import main; "
        f"main({command.split()!r})"
    )
    said = type_in_shell(sys.executable, "-c", code)
    assert said.returncode == 1
    assert said.stderr == (
        f"{command.split(maxsplit=1)[0]}: {package} is not installed; in the project's folder, "
        f"python -m pip install '.[{extra}]'\n"
    )


def test_an_unknown_command_is_refused_with_those_that_exist() -> None:
    refused = type_in_shell("household", "predcit")
    assert refused.returncode == 2
    assert "invalid choice: 'predcit' (choose from " in refused.stderr
    assert "provenance" in refused.stderr


@pytest.mark.parametrize(
    ("old", "new"),
    [("predict", "predict"), ("watch", "watch"), ("origin", "provenance"), ("mend", "repair")],
)
def test_the_old_form_of_a_command_works_and_names_the_new_one(old: str, new: str) -> None:
    helped = type_in_shell(sys.executable, "-m", f"household.{old}", "--help")
    assert helped.returncode == 0
    assert f"usage: household {new} " in helped.stdout
    assert helped.stderr == (
        f"household: `python -m household.{old}` is now `household {new}`; the old form will be "
        "removed\n"
    )


def test_bash_completes_commands_and_options(tmp_path: Path) -> None:
    script = tmp_path / "completion.sh"
    script.write_text(type_in_shell("household", "completion", "bash").stdout)
    typed = f"""
        source {script}
        complete() {{ COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); }}
        complete household p; _shtab_household; echo "${{COMPREPLY[@]}}"
        complete household predict --ma; _shtab_household; echo "${{COMPREPLY[@]}}"
    """
    offered = type_in_shell("bash", "-c", typed)
    assert offered.stdout.splitlines() == ["predict provenance", "--max-age"], offered.stderr


@pytest.mark.usefixtures("empty_folder")
def test_run_trains_scores_and_saves_a_model(capsys: pytest.CaptureFixture[str]) -> None:
    main(["run", *SMALL_RUN, "--save=mine"])
    said = capsys.readouterr().out
    assert "\nrun: LSTM RMSE 0." in said
    assert said.endswith("run: wrote mine; household predict mine READINGS\n")
    assert {path.name for path in Path("mine").iterdir()} >= {"metadata.json", "model.onnx"}
    assert saved_model.load(Path("mine"), saved_model.NETWORK).record["trained_on"]["windows"]
    assert [path.name for path in Path.cwd().iterdir()] == ["mine"]


@pytest.mark.usefixtures("empty_folder")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["absent.csv"], "run: fetch.source: no file at absent.csv; "),
        (["--recipe=month"], "run: no recipe 'month'; use one of day_ahead, hour_ahead, "),
        (["--save=a.zip"], "run: --save a.zip: a file of this name exists; name a folder"),
        (["--set=train.epochs"], "run: train.epochs: write a setting as KEY=VALUE, such as "),
        (["--set=train.epoch=3"], "run: the parameters: train.epoch: "),
        (["--set=seed=1", "--set=seed.x=1"], "run: seed.x: seed is set twice, "),
    ],
)
def test_what_run_cannot_use_is_reported_in_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("a.zip").touch()
    with pytest.raises(SystemExit, match="1"):
        main(["run", *arguments])
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert said.err.startswith(message)
    assert [path.name for path in Path.cwd().iterdir()] == ["a.zip"]


def test_a_recipe_and_settings_become_sections() -> None:
    settings = recipes.read("day_ahead") | recipes.parse_settings(["train.units=[8, 8]"])
    nested = recipes.nest(settings)
    assert nested["parse"] == {"step": "1h"}
    assert nested["train"]["units"] == [8, 8]
    assert nested["fetch"] == {"sample": {"days": 730}}
    with pytest.raises(UserError, match=r"^no recipe 'x'"):
        recipes.read("x")
    assert paths.in_project(paths.PARAMS) == ROOT / "params.yaml"
