"""Find the complete steps and the windows in them.

Reads data/parsed/<meter>/. Writes data/series/<meter>.parquet, the complete steps, and
data/windows/<meter>.parquet, the start of each window in them.
"""

from functools import partial
from pathlib import Path

from household.core import files, meters, paths, stage, store
from household.core.params import Params
from household.dataset import series


def main(params: Params, root: Path = Path()) -> None:
    """Run the stage on the files under `root`."""
    window, parsed = params.window, meters.by_name(root / paths.PARSED)
    features = series.available_features(
        (n for path in parsed.values() for n in store.read_metadata(path)), window.columns
    )
    series.check_known_ahead(features, window.known_ahead)
    with (
        files.atomic_folder(root / paths.SERIES) as folder,
        files.atomic_folder(root / paths.WINDOWS) as starts,
    ):
        build_windows = partial(
            series.build_windows,
            parsed=root / paths.PARSED,
            series=folder,
            starts=starts,
            features=features,
            settings=window,
            step=params.step,
        )
        counts, _ = meters.map_meters(
            build_windows, list(parsed), skip=params.on_error == "skip", desc="window"
        )
    print(
        f"window: {sum(n.windows for n in counts.values()):,} windows ({window.lookback} input + "
        f"{window.horizon} target {params.step.nouns}) from "
        f"{sum(n.steps for n in counts.values()):,} complete {params.step.nouns}"
        + ("" if features == window.columns else f" of {', '.join(features)}")
        + (f" of {len(counts):,} meters" if len(parsed) > 1 else "")
    )


if __name__ == "__main__":
    stage.run("window", main)
