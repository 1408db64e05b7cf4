"""Splits the windows in time order into train, validation and test, and shuffles the training.

The center and the scale are taken here and not with the windows, since those of the training part
can be known only once there is one.

Reads data/windowed/. Writes data/split/{train,validation,test}.parquet, the starts of the
windows of each part, and data/split/scaling.json.
"""

import pyarrow.parquet as pq

from household.forecast import parts, scaling, windows
from household.pipeline import files, paths, stage
from household.pipeline.params import Params


def main(params: Params) -> None:
    window = params.window
    starts = windows.read(paths.WINDOWS)
    shape = windows.Shape(window.lookback, window.horizon)
    split = parts.split(starts, shape, params.split, params.seed)
    features = pq.read_schema(paths.SERIES).names[1:]
    centered, scaled = scaling.counted(window, starts, split.train)
    measured = scaling.measure(
        # One at a time: the minutes of decades are more than a laptop's memory.
        (files.read_table(paths.SERIES, [name])[name] for name in features),
        centered,
        scaled,
        shape,
    )
    windows.write(paths.TRAIN, split.train)
    windows.write(paths.VALIDATION, split.validation)
    windows.write(paths.TEST, split.test)
    scaling.write(paths.SCALING, features, measured)
    print(f"split: {', '.join(f'{len(part):,} {name}' for name, part in split._asdict().items())}")


if __name__ == "__main__":
    stage.run("split", main)
