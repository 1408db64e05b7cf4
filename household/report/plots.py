"""Define the plots of `dvc plots`, and draw them as pictures.

Each plot is defined once: its table in PLOTS, all else in a Vega-Lite template in templates/.
dvc.yaml has to repeat title, columns and labels, and a test compares both.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import vl_convert
from dvc_render import VegaRenderer

from household.core import paths
from household.report import distribution, facts, tables
from household.report.results import Results

TEMPLATES = Path(__file__).parent / "templates"
# The newest version in the locked vl-convert-python that fits its vega.
VEGA_LITE = "6.4"
# vl-convert prefers a system font to its own font of the same name. No system has this one, so a
# picture is the same everywhere.
vl_convert.register_font_directory(str(Path(__file__).parent / "fonts"))
LOOK = {
    "background": "white",
    "padding": 12,
    "font": "Household Plots",
    "title": {"fontSize": 15, "offset": 10},
    "axis": {"labelFontSize": 11, "titleFontSize": 11, "gridColor": "#dddddd"},
    "legend": {"labelFontSize": 11, "titleFontSize": 11, "labelLimit": 300},
    "view": {"stroke": None},
}
SCALE = 1.25  # pixels of a picture for each pixel of its template


class Plot(NamedTuple):
    """Define a plot of a table, drawn with the template of its name.

    Attributes:
        name: The name of the plot, its table and its template.
        table: Returns its table.
        written: The file that another stage writes while it runs, so that the plot can grow with
            it.
        folder: The folder of the table if the plot stage writes it.
    """

    name: str
    table: Callable[[Results], pd.DataFrame]
    written: Path | None = None
    folder: Path = paths.PLOTS

    @property
    def path(self) -> Path:
        """Return the path of the table."""
        return self.written or self.folder / f"{self.name}.csv"

    @property
    def axes(self) -> dict[str, str]:
        """Return title, columns (x, y) and labels (x_label, y_label), as the template has them."""
        return self.template["usermeta"]["plot"]

    def dvc(self) -> dict[str, Any]:
        """Return the entry of this plot in dvc.yaml."""
        axes = self.axes
        columns = {axis: {self.path.as_posix(): axes[axis]} for axis in ("x", "y")}
        template = f"household/report/templates/{self.name}.json"
        return {self.name: axes | {"template": template} | columns}

    @property
    def template(self) -> Any:
        """Return the template, whose `usermeta` describes how the page shows the plot."""
        return json.loads((TEMPLATES / f"{self.name}.json").read_text(encoding="utf-8"))

    def is_shown(self, table: pd.DataFrame) -> bool:
        """Return whether a report shows the plot, which may be optional and empty."""
        return not (table.empty and self.template["usermeta"].get("optional"))

    def render_spec(self, rows: list[dict[Any, Any]]) -> dict[str, Any]:
        """Return the template with `rows`, each with its revision `rev`, as the page fills it."""
        spec = VegaRenderer(
            rows,
            self.name,
            template=self.name,
            template_dir=str(TEMPLATES),
            **self.axes,
        ).get_filled_template()
        # The schema names the oldest version that can draw it, and a newer one would warn.
        del spec["$schema"]
        if spec["usermeta"].get("others") and len({row["rev"] for row in rows}) == 1:
            _drop_first_look(spec["spec"])
        return spec

    def to_png(self, table: pd.DataFrame) -> bytes:
        """Return the plot of `table` as PNG."""
        axes = self.axes
        drawn = table.dropna(subset=[axes["x"], axes["y"]])
        if drawn.empty:
            return to_png(without_data(axes["title"]))
        return to_png(self.render_spec(drawn.assign(rev="workspace").to_dict("records")))


def without_data(title: str) -> dict[str, Any]:
    """Return what is drawn if a plot has no value, as over a forecaster that makes no error."""
    return {
        "title": {"text": title, "anchor": "start"},
        "data": {"values": [{}]},
        "mark": "text",
        "encoding": {"text": {"value": "no data"}},
        "width": 600,
        "height": 60,
    }


def to_png(spec: dict[str, Any]) -> bytes:
    """Return a picture of a Vega-Lite specification as PNG."""
    return vl_convert.vegalite_to_png(spec, VEGA_LITE, scale=SCALE, config=LOOK)


def _drop_first_look(unit: dict[str, Any]) -> None:
    """Remove the color and shape of the LSTM from a plot of the other forecasters."""
    for layer in unit["layer"]:
        for channel in ("color", "shape"):
            if channel in layer["encoding"]:
                del layer["encoding"][channel]["scale"]["range"][0]


# Tables that the page shows as headings and tables.
FACTS = Plot("facts", facts.facts, folder=paths.SUMMARY)
SETTINGS = Plot("settings", facts.settings, folder=paths.SUMMARY)
CHARTS = (
    Plot("scores", tables.scores, folder=paths.SUMMARY),
    Plot("forecast", tables.forecast),
    Plot("gain_by_day", tables.gain_by_day),
    Plot("gain_by_month", tables.gain_by_month),
    Plot("gain_by_meter", tables.gain_by_meter),
    Plot("error_by_day", tables.error_by_day),
    Plot("error_by_hour", tables.error_by_hour),
    Plot("error_by_step", tables.error_by_step),
    Plot("error_by_change", tables.error_by_change),
    Plot("fan", distribution.fan),
    Plot("reliability", distribution.reliability),
    Plot("pit", distribution.pit),
    Plot("coverage_by_hour", distribution.coverage_by_hour),
    Plot("width_by_hour", distribution.coverage_by_hour),
    Plot("width_by_change", distribution.width_by_change),
    Plot("predicted_actual", distribution.predicted_actual),
    Plot("error_distribution", distribution.error_distribution),
    Plot("loss", lambda results: results.losses, paths.HISTORY),
    Plot("gaps", tables.gaps_by_day),
)
PLOTS = (FACTS, *CHARTS, SETTINGS)
