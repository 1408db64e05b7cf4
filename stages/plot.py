"""Write what people look at: tables for `dvc plots`, pictures, the report and the model card.

Reads reports/predictions.parquet, reports/coverage.csv, reports/quantiles.csv,
reports/train/history.csv, reports/metrics.json, reports/meters.csv, reports/data_quality.json,
data/source.json and models/lstm/metadata.json. Writes reports/plots/*.csv, reports/summary/*.csv,
reports/figures/*.png, reports/report.md and models/lstm/README.md.
"""

from pathlib import Path

import pyarrow as pa

from household.core import files, paths, stage
from household.core.params import Params
from household.report import facts, markdown, model_card, plots
from household.report.results import Results


def main(params: Params, root: Path = Path()) -> None:
    """Run the stage on the files under `root`."""
    results = Results.read(params, root)
    household = facts.source_label(results.source)
    tables = {plot.name: plot.table(results).assign(household=household) for plot in plots.PLOTS}
    for plot in plots.PLOTS:
        if plot.written is None:
            table = pa.Table.from_pandas(tables[plot.name], preserve_index=False)
            files.write_csv(root / plot.path, table)
    # A new folder, so that pictures of removed plots disappear.
    with files.atomic_folder(root / paths.FIGURES) as folder:
        for plot in plots.CHARTS:
            if plot.is_shown(tables[plot.name]):
                with files.atomic_write(folder / f"{plot.name}.png") as partial:
                    partial.write_bytes(plot.to_png(tables[plot.name]))
    files.write_text(root / paths.REPORT, markdown.render(tables))
    files.write_text(root / paths.CARD, model_card.render(results, tables["scores"]))
    print(f"plot: wrote {root / paths.REPORT}; run `dvc plots show` for the interactive page")


if __name__ == "__main__":
    stage.run("plot", main)
