"""Define the plots of `dvc plots`, and draw them as pictures.

Each plot is defined once, in PLOTS, with a Vega-Lite template in templates/, where DVC finds it
through .dvc/plots. dvc.yaml has to repeat what DVC needs of the definitions, and a test compares
both.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import vl_convert
from dvc_render import VegaRenderer

from household.core import paths
from household.report import facts, tables
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
# Drawn if a plot has no value, such as the gain over a forecaster that makes no error.
NOTHING = {
    "data": {"values": [{}]},
    "encoding": {"text": {"value": "no data"}},
    "width": 600,
    "height": 60,
}
SCALE = 1.25  # pixels of a picture for each pixel of its template


class Plot(NamedTuple):
    """Define a plot of column `y` over `x` in a table, drawn with the template of its name.

    Attributes:
        name: The name of the plot, its table and its template.
        title: Its title.
        x: The column of the x axis.
        y: The column of the y axis.
        x_label: The label of the x axis.
        y_label: The label of the y axis.
        table: Returns its table.
        written: The file that another stage writes while it runs, so that the plot can grow with
            it.
        folder: The folder of the table if the plot stage writes it.
    """

    name: str
    title: str
    x: str
    y: str
    x_label: str
    y_label: str
    table: Callable[[Results], pd.DataFrame]
    written: Path | None = None
    folder: Path = paths.PLOTS

    @property
    def path(self) -> Path:
        """Return the path of the table."""
        return self.written or self.folder / f"{self.name}.csv"

    def dvc(self) -> dict[str, Any]:
        """Return the entry of this plot in dvc.yaml."""
        path = str(self.path)
        return {
            self.name: {
                "title": self.title,
                "template": self.name,
                "x": {path: self.x},
                "y": {path: self.y},
                "x_label": self.x_label,
                "y_label": self.y_label,
            }
        }

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
            x=self.x,
            y=self.y,
            x_label=self.x_label,
            y_label=self.y_label,
            title=self.title,
        ).get_filled_template()
        # The schema names the oldest version that can draw it, and a newer one would warn.
        del spec["$schema"]
        if spec["usermeta"].get("others") and len({row["rev"] for row in rows}) == 1:
            _drop_first_look(spec["spec"])
        return spec

    def to_png(self, table: pd.DataFrame) -> bytes:
        """Return the plot of `table` as PNG."""
        drawn = table.dropna(subset=[self.x, self.y])
        spec = {"title": self.title, "mark": "text"} | NOTHING
        if not drawn.empty:
            spec = self.render_spec(drawn.assign(rev="workspace").to_dict("records"))
        return vl_convert.vegalite_to_png(spec, VEGA_LITE, scale=SCALE, config=LOOK)


def _drop_first_look(unit: dict[str, Any]) -> None:
    """Remove the color and shape of the LSTM from a plot of the other forecasters."""
    for layer in unit["layer"]:
        for channel in ("color", "shape"):
            if channel in layer["encoding"]:
                del layer["encoding"][channel]["scale"]["range"][0]


# Tables that the page shows as headings and tables.
FACTS = Plot("facts", "Findings", "name", "text", "", "", facts.facts, folder=paths.SUMMARY)
SETTINGS = Plot(
    "settings",
    "Settings",
    "setting",
    "value",
    "setting",
    "value",
    facts.settings,
    folder=paths.SUMMARY,
)
CHARTS = (
    Plot(
        "scores",
        "Error of each forecaster on the test split",
        "ratio",
        "series",
        "RMSE relative to persistence (log scale)",
        "forecaster",
        tables.scores,
        folder=paths.SUMMARY,
    ),
    Plot(
        "forecast",
        "Forecast and actual, minute by minute",
        "timestamp",
        "power_kw",
        "time",
        "active power (kW)",
        tables.forecast,
    ),
    Plot(
        "gain_by_day",
        "Gain of the LSTM on each test day",
        "day",
        "gain",
        "day",
        "RMSE reduction",
        tables.gain_by_day,
    ),
    Plot(
        "gain_by_month",
        "Gain of the LSTM in each test month",
        "gain",
        "month",
        "RMSE reduction against persistence",
        "month",
        tables.gain_by_month,
    ),
    Plot(
        "gain_by_meter",
        "Gain of the LSTM on each meter",
        "gain",
        "share",
        "RMSE reduction against persistence",
        "share of the meters with no larger gain",
        tables.gain_by_meter,
    ),
    Plot(
        "error_by_day",
        "Error of the LSTM on each test day, by hour",
        "day",
        "hour",
        "day",
        "hour of the day",
        tables.error_by_day,
    ),
    Plot(
        "error_by_hour",
        "Error by hour of the day",
        "hour",
        "rmse_kw",
        "hour of the day",
        "RMSE (kW)",
        tables.error_by_hour,
    ),
    Plot(
        "error_by_step",
        "Error by the minute of the horizon",
        "step",
        "rmse_kw",
        "minutes ahead",
        "RMSE (kW)",
        tables.error_by_step,
    ),
    Plot(
        "error_by_change",
        "Error by the size of the change",
        "change",
        "rmse_kw",
        "change from the last input minute (kW)",
        "RMSE (kW)",
        tables.error_by_change,
    ),
    Plot(
        "coverage_by_hour",
        "Coverage of the intervals by hour of the day",
        "hour",
        "coverage",
        "hour of the day",
        "share of the minutes",
        tables.coverage_by_hour,
    ),
    Plot(
        "predicted_actual",
        "Forecast against actual",
        "actual_kw",
        "forecast_kw",
        "actual (kW)",
        "forecast (kW)",
        tables.predicted_actual,
    ),
    Plot(
        "error_distribution",
        "Distribution of the errors",
        "error_kw",
        "share",
        "forecast minus actual (kW)",
        "share of the minutes",
        tables.error_distribution,
    ),
    Plot(
        "loss",
        "Loss during the training",
        "epoch",
        "loss",
        "epoch",
        "loss (of the power in kW)",
        lambda results: results.losses,
        paths.HISTORY,
    ),
    Plot(
        "gaps",
        "Gaps in the readings",
        "day",
        "month",
        "day of the month",
        "month",
        tables.gaps_by_day,
    ),
)
PLOTS = (FACTS, *CHARTS, SETTINGS)
