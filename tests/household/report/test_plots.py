"""Each plot as a picture, and what its template has to have."""

import csv
import io
import json
import os
import re
import struct
import subprocess
import sys
from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import vl_convert

from household.evaluation.predictions import BASELINES
from household.report import plots
from tests.household.report.example_results import METERS, predictions, results
from tests.project import ROOT

COLORS = ["#0A7CC0", "#D55E00", "#008A64"]
# The oldest stands for editors, which draw the templates with a version of their own.
VERSIONS = [vl_convert.get_vegalite_versions()[0], plots.VEGA_LITE]
NAMES = [plot.name for plot in plots.CHARTS]
RESULTS = results(predictions(300, horizon=3))._replace(meters=METERS)


def svg(plot: plots.Plot, revisions: list[str], version: str = plots.VEGA_LITE) -> str:
    """Draw the plot of these revisions as DVC fills its template."""
    table = plot.table(RESULTS).assign(household="a household")
    return drawn(plot, table, revisions, version)


def drawn(plot: plots.Plot, table: pd.DataFrame, revisions: list[str], version: str) -> str:
    # DVC reads every value of a CSV as text.
    texts = list(csv.DictReader(io.StringIO(table.to_csv(index=False))))
    rows: list[dict[Any, Any]] = [row | {"rev": rev} for rev in revisions for row in texts]
    return vl_convert.vegalite_to_svg(plot.render_spec(rows), version)


@pytest.mark.parametrize("plot", plots.CHARTS, ids=NAMES)
@pytest.mark.parametrize("version", VERSIONS)
def test_a_picture_names_the_plot_the_household_and_every_series(
    plot: plots.Plot, version: str
) -> None:
    shown = svg(plot, ["workspace"], version)
    texts = set(re.findall(r"<text[^>]*>([^<]*)<", shown))
    assert plot.axes["title"] in texts
    assert any("a household" in text for text in texts)
    assert "NaN" not in shown
    assert "workspace" not in texts
    table = plot.table(RESULTS)
    series = next((name for name in ("series", "split") if name in table), None)
    for name in table[series].unique() if series else ():
        assert any(name in text for text in texts), name


@pytest.mark.parametrize("name", ["scores", "error_by_step"])
def test_a_plot_of_all_forecasters_has_a_color_and_a_shape_for_each(name: str) -> None:
    # The LSTM, that of a previous model, LightGBM and the other baselines.
    count = 3 + len(BASELINES)
    (plot,) = (each for each in plots.CHARTS if each.name == name)
    ranges = re.findall(r'"range": (\[[^\]]*\])', json.dumps(plot.template))
    lists = [json.loads(each) for each in ranges]
    lists = [each for each in lists if all(isinstance(entry, str) for entry in each)]
    assert len(lists) >= 2
    assert all(len(set(each)) >= count for each in lists)


@pytest.mark.parametrize("plot", plots.CHARTS, ids=NAMES)
@pytest.mark.parametrize("revisions", [["main", "HEAD"], ["tutorial", "workspace", "main"]])
def test_each_revision_is_named_and_has_its_color_and_shape(
    plot: plots.Plot, revisions: list[str]
) -> None:
    shown = svg(plot, revisions)
    texts = re.findall(r"<text[^>]*>([^<]*)<", shown)
    shapes = []
    for revision, color in zip(revisions, COLORS, strict=False):
        assert any(revision in text for text in texts), revision
        marks = re.findall(rf'<path [^>]*(?:fill|stroke)="{color}"[^>]*>', shown)
        assert marks, revision
        shapes.append({outline(mark) for mark in marks})
    assert all(one != other for one, other in combinations(shapes, 2))


def outline(mark: str) -> tuple[str, str]:
    """Return the commands of a path without repetitions, and its dashes."""
    (path,) = re.findall(r' d="([^"]*)"', mark)
    commands = re.sub(r"[^a-zA-Z]", "", path)
    return re.sub(r"(.)\1+", r"\1", commands), "".join(re.findall(r'dasharray="([^"]*)"', mark))


@pytest.mark.parametrize("name", [plot.name for plot in plots.PLOTS])
def test_a_template_has_a_description_and_a_section(name: str) -> None:
    (record,) = (plot.template for plot in plots.PLOTS if plot.name == name)
    assert len(record["description"]) > 15
    assert record["usermeta"]["section"]
    assert record["data"]["values"] == "<DVC_METRIC_DATA>"
    assert record["title"]["text"] == "<DVC_METRIC_TITLE>"


def test_there_is_a_template_for_each_plot_and_no_other() -> None:
    assert {path.stem for path in plots.TEMPLATES.iterdir()} == {plot.name for plot in plots.PLOTS}


def test_a_picture_is_the_same_twice() -> None:
    plot = plots.CHARTS[0]
    table = plot.table(RESULTS).assign(household="a household")
    picture = plot.to_png(table)
    assert picture.startswith(b"\x89PNG")
    assert picture == plot.to_png(table)


@pytest.mark.slow
def test_a_picture_does_not_depend_on_the_zone_of_the_machine() -> None:
    """In Mexico the minutes of these predictions hold an hour that the clock left out."""
    code = (
        "import hashlib; from household.report import plots; "
        "from tests.household.report.example_results import predictions, results; "
        "(plot,) = (plot for plot in plots.CHARTS if plot.name == 'forecast'); "
        "table = plot.table(results(predictions(400, horizon=2))).assign(household='a'); "
        "print(hashlib.md5(plot.to_png(table)).hexdigest())"
    )
    zones = ("UTC", "America/Mexico_City", "Asia/Tokyo")
    assert len({printed(code, TZ=zone) for zone in zones}) == 1


def test_a_picture_does_not_depend_on_the_fonts_of_the_machine(tmp_path: Path) -> None:
    """This system has bold letters under the name of the font that vl-convert brings."""
    code = (
        "import hashlib; import vl_convert; from household.report import plots; "
        "spec = {'data': {'values': [{}]}, 'mark': {'type': 'text', 'text': 'Forecast'}}; "
        "looks = [plots.LOOK, {'font': 'Liberation Sans'}]; "
        "drawn = [vl_convert.vegalite_to_png(spec, config=look) for look in looks]; "
        "print(*(hashlib.md5(each).hexdigest() for each in drawn))"
    )
    ours, theirs = printed(code, HOME=str(tmp_path)).split()
    fonts = Path(plots.__file__).parent / "fonts"
    (tmp_path / ".fonts").mkdir()
    (tmp_path / ".fonts" / "font.ttf").write_bytes(
        renamed((fonts / "HouseholdPlots-Bold.ttf").read_bytes(), "Liberation Sans")
    )
    ours_there, theirs_there = printed(code, HOME=str(tmp_path)).split()
    # A Liberation Sans of the system goes before the one in HOME.
    installed = any(Path("/usr/share/fonts").rglob("LiberationSans*"))
    assert installed or theirs_there != theirs
    assert ours_there == ours != theirs_there


def renamed(font: bytes, family: str) -> bytes:
    """Return the font as the regular weight of `family`, a name of the same length."""
    changed = font.replace("Household Plots".encode("utf-16-be"), family.encode("utf-16-be"))
    assert len(changed) == len(font)
    assert changed != font
    # Of each table: its tag, checksum, offset and length. usWeightClass is the third of OS/2.
    tables = [struct.unpack_from(">4sIII", font, 12 + 16 * number) for number in range(font[5])]
    (place,) = (offset for tag, _, offset, _ in tables if tag == b"OS/2")
    return changed[: place + 4] + struct.pack(">H", 400) + changed[place + 6 :]


def printed(code: str, **environment: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


@pytest.mark.parametrize(("best", "anchor"), [(7, ""), (14, "end")])
def test_the_best_epoch_is_named_within_the_plot(best: int, anchor: str) -> None:
    (plot,) = (plot for plot in plots.CHARTS if plot.name == "loss")
    losses = [(epoch, "validation", 1 + abs(epoch - best)) for epoch in range(1, 21)]
    table = pd.DataFrame(losses, columns=["epoch", "split", "loss"])
    shown = drawn(plot, table, ["workspace"], plots.VEGA_LITE)
    (attributes,) = re.findall(rf"<text([^>]*)>best: epoch {best}<", shown)
    assert "".join(re.findall(r'text-anchor="(.*?)"', attributes)).removeprefix("start") == anchor
