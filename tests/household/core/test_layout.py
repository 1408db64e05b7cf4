"""What a layout may hold, and what is said of one that is broken."""

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from household.core import params, schema
from household.core.errors import UserError
from household.core.layout import LayoutParams
from household.readings import layouts
from household.readings.text_format import UCI, TextFormat, milliseconds
from tests.project import SHIPPED


def load(folder: Path, layout: Any) -> LayoutParams:
    values = YAML(typ="safe").load(SHIPPED)
    values["parse"]["layout"] = layout
    path = folder / "params.yaml"
    YAML(typ="safe").dump(values, path)
    return params.load(path).parse.layout


BROKEN = [
    ({"delimiter": ""}, "delimiter"),
    ({"delimiter": ";;"}, "delimiter"),
    ({"delimiter": "é"}, "delimiter"),
    ({"delimiter": "\0"}, "delimiter"),
    ({"delimiter": '"'}, "delimiter"),
    ({"delimiter": ";\n"}, "delimiter"),
    ({"decimal": ";"}, "decimal"),
    ({"time_columns": "Date"}, "time_columns"),
    ({"time_format": ""}, "time_format"),
    ({"quantity": "current"}, "quantity"),
    ({"unit": "W/m2"}, "unit"),
    ({"units": {"voltage": "kvar"}}, "units.voltage"),
    ({"hold": "soon"}, "hold"),
    ({"hold": 60}, "hold"),
    ({"columns": {"power": "P"}}, "columns.power"),
    ({"columns": {"voltage": []}}, "columns"),
    ({"separator": ";"}, "separator"),
]


@pytest.mark.parametrize(("layout", "key"), BROKEN, ids=[str(each) for each, _ in BROKEN])
def test_a_bad_value_is_named(tmp_path: Path, layout: dict[str, Any], key: str) -> None:
    with pytest.raises(UserError, match=rf": parse\.layout\.{key}[:.]") as caught:
        load(tmp_path, layout)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "layout",
    [
        {"time_columns": ["Date", "Date"]},
        {"time_columns": ["Date"], "columns": {"voltage": "Date"}},
        {"columns": {"voltage": "V", "global_intensity": "V"}},
        {"columns": {"global_active_power": ["V", "-V"]}},
    ],
)
def test_a_header_names_only_one_column(tmp_path: Path, layout: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"parse\.layout: .* name (Date|V) more than once"):
        load(tmp_path, layout)


@pytest.mark.parametrize(
    ("layout", "reason"),
    [
        ({}, "time_columns should name the column of the time"),
        ({"time_columns": ["t"]}, "columns.global_active_power should name the column of the"),
        ({"extends": "uci", "quantity": "energy"}, "unit of energy should be Wh, kWh, MWh, found"),
        ({"extends": "uci", "unit": "Wh"}, "unit of power should be W, kW, MW, found Wh"),
        ({"extends": "nobody"}, "no layout 'nobody'; use one of dsmr, "),
        ("nobody", "no layout 'nobody'"),
    ],
)
def test_a_layout_is_complete_or_refused(
    tmp_path: Path, layout: dict[str, Any] | str, reason: str
) -> None:
    loaded = load(tmp_path, layout)
    with pytest.raises(UserError, match=reason):
        layouts.resolve(loaded)


@pytest.mark.usefixtures("empty_folder")
def test_a_layout_extends_a_file_of_the_project() -> None:
    layouts.FOLDER.mkdir()
    (layouts.FOLDER / "mine.yaml").write_text("extends: uci\ndelimiter: ','\nunit: W\n")
    given = LayoutParams.model_validate(
        {"extends": "mine", "delimiter": "|", "columns": {"voltage": None}}
    )
    found = layouts.resolve(given)
    assert found["delimiter"] == "|"
    assert found["unit"] == "W"
    covariates = {column.name: None for column in schema.COVARIATES}
    assert found["columns"] == UCI["columns"] | covariates | {"voltage": None}
    assert found["time_format"] == UCI["time_format"]
    assert "voltage" not in TextFormat.of(found).columns


@pytest.mark.usefixtures("empty_folder")
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("extends: mine\n", "layouts mine: each extends another one; break the loop"),
        ("unit: [\n", r"layouts/mine\.yaml is not YAML"),
        ("power: kW\n", r"layouts/mine\.yaml: power: Extra inputs are not permitted"),
        ("extends: other\n", "no layout 'other'"),
    ],
)
def test_a_broken_file_of_a_layout_is_named(text: str, reason: str) -> None:
    layouts.FOLDER.mkdir()
    (layouts.FOLDER / "mine.yaml").write_text(text)
    with pytest.raises(UserError, match=reason):
        layouts.resolve(LayoutParams(extends="mine"))


@pytest.mark.parametrize("name", layouts.names())
def test_each_layout_of_the_project_is_complete(name: str) -> None:
    resolved = layouts.resolve(LayoutParams(extends=name))
    assert TextFormat.of(resolved).columns["global_active_power"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("90s", 90_000), ("10min", 600_000), ("2h", 7_200_000), ("1d", 86_400_000)],
)
def test_durations_have_a_unit(text: str, expected: int) -> None:
    assert milliseconds(text) == expected
