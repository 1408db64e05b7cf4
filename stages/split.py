"""Splits the windows in time order into train, validation and test, and shuffles the training.

The center and the scale are taken here and not with the windows, since those of the training part
can be known only once there is one.

Reads data/windowed/. Writes data/split/{train,validation,test}.parquet, the starts of the
windows of each part, and data/split/scaling.json; of several meters a folder of each. Those that
training is not to see have no windows but in the test part.
"""

from collections import Counter
from collections.abc import Iterator
from functools import partial

import numpy as np
import pyarrow.parquet as pq

from household.forecast import parts, scaling, windows
from household.meter import meters
from household.pipeline import files, paths, stage
from household.pipeline.params import Params

NONE = np.empty(0, np.int32)


def main(params: Params) -> None:
    window, several = params.window, meters.several(paths.SERIES)
    shape = windows.Shape(window.lookback, window.horizon)
    series, starts = meters.held(paths.SERIES), meters.held(paths.WINDOWS)
    unseen = parts.unseen(list(series), params.split, params.seed)
    with meters.written(several, paths.TRAIN, paths.VALIDATION, paths.TEST) as (
        train,
        validation,
        test,
    ):
        jobs = {
            meter: parts.Job(
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
        skip = params.parse.on_bad_line == "skip"
        made, _ = meters.each(parts.cut, jobs, skip=skip, doing="split")

        def counted() -> Iterator[scaling.Counted]:
            for meter, sizes in made.items():
                learnt = windows.read(jobs[meter].train) if "train" in sizes else NONE
                yield scaling.Counted(
                    partial(files.read_column, series[meter]),
                    *scaling.counted(window, windows.read(starts[meter]), learnt),
                )

        features = pq.read_schema(series[next(iter(made))]).names[1:]
        measured = scaling.measure(features, counted(), shape)
    scaling.write(paths.SCALING, features, measured)
    total = sum(map(Counter, made.values()), Counter())
    print(
        f"split: {', '.join(f'{total[name]:,} {name}' for name in parts.Parts._fields)}"
        + (f", of {len(made):,} meters, {len(unseen):,} of them unseen" if several else "")
    )


if __name__ == "__main__":
    stage.run("split", main)
