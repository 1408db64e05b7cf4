"""Split the windows in time order into train, validation and test.

The training windows are shuffled. The center and scale are computed here, after the split, so that
no test data leaks into them.

Reads data/windowed/. Writes data/split/{train,validation,test}.parquet, the starts of the windows
of each split, and data/split/scaling.json. For several meters each is a folder. Meters that are
held out from training only have test windows.
"""

from collections import Counter
from collections.abc import Iterator
from functools import partial

import numpy as np
import pyarrow.parquet as pq

from household.core import files, meters, paths, stage
from household.core.params import Params
from household.dataset import scaling, split, windows

NONE = np.empty(0, np.int32)


def main(params: Params) -> None:
    """Run the stage."""
    window, several = params.window, meters.several(paths.SERIES)
    shape = windows.WindowShape(window.lookback, window.horizon)
    series, starts = meters.held(paths.SERIES), meters.held(paths.WINDOWS)
    unseen = split.holdout_meters(list(series), params.split, params.seed)
    with meters.written(several, paths.TRAIN, paths.VALIDATION, paths.TEST) as (
        train,
        validation,
        test,
    ):
        jobs = {
            meter: split.Job(
                starts[meter],
                train(meter),
                validation(meter),
                test(meter),
                shape,
                params.split,
                params.seed,
                meter in unseen,
            )
            for meter in series
        }
        skip = params.on_error == "skip"
        sizes, _ = meters.each(split.split_meter, jobs, skip=skip, doing="split")

        def windows_of_meters() -> Iterator[scaling.MeterWindows]:
            for meter, size in sizes.items():
                train_starts = windows.read_starts(jobs[meter].train) if "train" in size else NONE
                yield scaling.MeterWindows(
                    partial(files.read_column, series[meter]),
                    *scaling.windows_to_use(
                        params.scaling, windows.read_starts(starts[meter]), train_starts
                    ),
                )

        features = pq.read_schema(series[next(iter(sizes))]).names[1:]
        fitted = scaling.fit_scaler(features, windows_of_meters(), shape)
    scaling.write(paths.SCALING, features, fitted)
    total = sum(map(Counter, sizes.values()), Counter())
    print(
        f"split: {', '.join(f'{total[name]:,} {name}' for name in split.Splits._fields)}"
        + (f", of {len(sizes):,} meters, {len(unseen):,} of them unseen" if several else "")
    )


if __name__ == "__main__":
    stage.run("split", main)
