"""Split the windows in time order into train, validation and test.

The training windows are shuffled. The center and scale are computed here, after the split, so that
no test data leaks into them.

Reads data/series/ and data/windows/. Writes data/split/{train,validation,test}/<meter>.parquet, the
starts of the windows of each split, and data/split/scaling.json. Meters that are held out from
training only have test windows.
"""

from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from household.core import files, meters, paths, stage
from household.core.params import Params
from household.dataset import scaling, split, windows

NONE = np.empty(0, np.int32)


def main(params: Params, root: Path = Path()) -> None:
    """Run the stage on the files under `root`."""
    shape = windows.WindowShape(params.window.lookback, params.window.horizon)
    starts = meters.by_name(root / paths.WINDOWS)
    holdout = split.holdout_meters(list(starts), params.split, params.seed)
    with (
        files.atomic_folder(root / paths.TRAIN) as train,
        files.atomic_folder(root / paths.VALIDATION) as validation,
        files.atomic_folder(root / paths.TEST) as test,
    ):
        split_meter = partial(
            split.split_meter,
            starts=root / paths.WINDOWS,
            folders={"train": train, "validation": validation, "test": test},
            shape=shape,
            settings=params.split,
            seed=params.seed,
            holdout=holdout,
        )
        sizes, _ = meters.map_meters(
            split_meter, list(starts), skip=params.on_error == "skip", desc="split"
        )
    series, train_starts = meters.by_name(root / paths.SERIES), meters.by_name(root / paths.TRAIN)

    def windows_of_meters() -> Iterator[scaling.MeterWindows]:
        for meter in sizes:
            in_training = meter in train_starts
            yield scaling.MeterWindows(
                partial(files.read_column, series[meter]),
                *scaling.windows_to_use(
                    params.scaling,
                    windows.read_starts(starts[meter]),
                    windows.read_starts(train_starts[meter]) if in_training else NONE,
                ),
            )

    features = pq.read_schema(series[next(iter(sizes))]).names[1:]
    scaling.write(
        root / paths.SCALING, features, scaling.fit_scaler(features, windows_of_meters(), shape)
    )
    total = sum(map(Counter, sizes.values()), Counter())
    print(
        f"split: {', '.join(f'{total[name]:,} {name}' for name in split.Splits._fields)}"
        + (
            f", of {len(sizes):,} meters, {len(holdout):,} of them held out"
            if len(starts) > 1
            else ""
        )
    )


if __name__ == "__main__":
    stage.run("split", main)
