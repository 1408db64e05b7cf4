"""Makes what a person looks at: tables for `dvc plots`, and the same as pictures.

Reads reports/predictions.parquet, reports/train/history.csv, reports/metrics.json and
data/raw/source.json. Writes reports/plots/*.csv and reports/figures/*.png.
"""

import pandas as pd
import pyarrow as pa

from household.pipeline import files, paths, stage
from household.pipeline.params import Params
from household.report import figures


def main(params: Params) -> None:
    results = figures.Results(
        predictions=pd.read_parquet(paths.PREDICTIONS),
        losses=pd.read_csv(paths.HISTORY),
        metrics=files.read_json(paths.METRICS),
        steps=params.plot.steps,
        household=figures.household(files.read_json(paths.SOURCE)),
    )
    for plot in figures.PLOTS:
        if callable(plot.table):
            table = plot.table(results).assign(household=results.household)
            files.write_csv(plot.path, pa.Table.from_pandas(table, preserve_index=False))
        with files.atomic_write(paths.FIGURES / f"{plot.name}.png") as partial:
            # Matplotlib would write its own version into the picture.
            plot.picture(results).savefig(partial, metadata={"Software": None})
    print(
        f"plot: {len(figures.PLOTS)} pictures in {paths.FIGURES}; "
        "`dvc plots show` makes a page of them"
    )


if __name__ == "__main__":
    stage.run("plot", main)
