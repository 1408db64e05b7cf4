"""Find the complete minutes and the windows in them.

Reads data/parsed/power/. Writes data/windowed/series.parquet, the complete minutes, and
data/windowed/windows.parquet, the start of each window in them. For several meters each is a
folder.
"""

from household.core import meters, paths, stage, store
from household.core.params import Params
from household.dataset import series


def main(params: Params) -> None:
    """Run the stage."""
    window, parsed = params.window, meters.held(paths.PARSED)
    features = series.available_features(
        (n for path in parsed.values() for n in store.read_metadata(path)), window.features
    )
    several, skip = meters.several(paths.PARSED), params.on_error == "skip"
    with meters.written(several, paths.SERIES, paths.WINDOWS) as (minutes, starts):
        jobs = {
            meter: series.Job(path, minutes(meter), starts(meter), features, window)
            for meter, path in parsed.items()
        }
        counts, _ = meters.each(series.build_windows, jobs, skip=skip, doing="window")
    print(
        f"window: {sum(n.windows for n in counts.values()):,} windows ({window.lookback} input + "
        f"{window.horizon} target minutes) from {sum(n.minutes for n in counts.values()):,} "
        "complete minutes"
        + ("" if features == window.features else f" of {', '.join(features)}")
        + (f" of {len(counts):,} meters" if several else "")
    )


if __name__ == "__main__":
    stage.run("window", main)
