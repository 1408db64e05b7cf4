"""Decides which minutes form a window.

Reads data/parsed/power/. Writes data/windowed/series.parquet, the minutes that count, and
data/windowed/windows.parquet, the start of each window in them; of several meters a folder of each.
"""

from household.forecast import windowed
from household.meter import meters, months, series
from household.pipeline import paths, stage
from household.pipeline.params import Params


def main(params: Params) -> None:
    window, parsed = params.window, meters.held(paths.PARSED)
    features = series.present(
        (each for path in parsed.values() for each in months.metadata(path)), window.features
    )
    several, skip = meters.several(paths.PARSED), params.parse.on_bad_line == "skip"
    with meters.written(several, paths.SERIES, paths.WINDOWS) as (minutes, starts):
        jobs = {
            meter: windowed.Job(path, minutes(meter), starts(meter), features, window)
            for meter, path in parsed.items()
        }
        found, _ = meters.each(windowed.cut, jobs, skip=skip, doing="window")
    print(
        f"window: {sum(each.windows for each in found.values()):,} windows of {window.lookback} + "
        f"{window.horizon} minutes in {sum(each.minutes for each in found.values()):,} minutes"
        + ("" if features == window.features else f" of {', '.join(features)}")
        + (f" of {len(found):,} meters" if several else "")
    )


if __name__ == "__main__":
    stage.run("window", main)
