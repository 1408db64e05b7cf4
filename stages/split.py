"""Splits the windows in time order into train, validation and test, and shuffles the training.

The center is taken here and not with the windows, since that of the training part can be known
only once there is one.

Reads data/windowed/. Writes data/split/{train,validation,test}.parquet, the starts of the
windows of each part, and data/split/center.json.
"""

import numpy as np
import pyarrow.parquet as pq

from household.forecast import parts, windows
from household.meter import series
from household.pipeline import files, paths, stage
from household.pipeline.params import Params


def main(params: Params) -> None:
    lookback = params.window.lookback
    starts = windows.read(paths.WINDOWS)
    split = parts.split(starts, lookback, params.split, params.seed)
    minutes = pq.read_table(paths.SERIES)
    values = series.values(minutes)
    counted = {"all": starts, "train": split.train, "none": None}[params.window.center]
    center = (
        np.zeros(values.shape[1]) if counted is None else windows.mean(values, counted, lookback)
    )
    windows.write(paths.TRAIN, split.train)
    windows.write(paths.VALIDATION, split.validation)
    windows.write(paths.TEST, split.test)
    files.write_json(
        paths.CENTER, dict(zip(minutes.column_names[1:], center.tolist(), strict=True))
    )
    print(f"split: {', '.join(f'{len(part):,} {name}' for name, part in split._asdict().items())}")


if __name__ == "__main__":
    stage.run("split", main)
