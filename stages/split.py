"""Split the windows in time order into train, validation and test.

The training windows are shuffled. The center and scale are computed here, after the split, so that
no test data leaks into them.

Reads data/series/ and data/windows/. Writes data/split/{train,validation,test}/<meter>.parquet, the
starts of the windows of each split, and data/split/scaling.json. Meters that are held out from
training only have test windows.
"""

from collections import Counter
from functools import partial
from pathlib import Path

from household.core import files, meters, paths, stage
from household.core.params import Params
from household.dataset import scaling, split


def main(params: Params, root: Path = Path()) -> None:
    """Run the stage on the files under `root`."""
    starts = meters.by_name(root / paths.WINDOWS)
    holdout = split.holdout_meters(list(starts), params.split, params.seed)
    with (
        files.atomic_folder(root / paths.TRAIN) as train,
        files.atomic_folder(root / paths.VALIDATION) as validation,
        files.atomic_folder(root / paths.TEST) as test,
    ):
        split_meter = partial(
            split.split_meter,
            params=params,
            starts=root / paths.WINDOWS,
            folders={"train": train, "validation": validation, "test": test},
            holdout=holdout,
        )
        sizes, _ = meters.map_meters(
            split_meter, list(starts), skip=params.on_error == "skip", desc="split"
        )
    scaling.write(root / paths.SCALING, *scaling.fit_to_meters(list(sizes), params, root))
    total = sum(map(Counter, sizes.values()), Counter())
    line = ", ".join(f"{total[name]:,} {name}" for name in split.Splits._fields)
    if len(starts) > 1:
        n_held_out = sum(name in holdout for name in sizes)
        line += f", of {len(sizes):,} meters, {n_held_out:,} of them held out"
    print(f"split: {line}")


if __name__ == "__main__":
    stage.run("split", main)
