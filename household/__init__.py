"""Forecasts of one household's electric power: `python -m household` lists what there is."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from household.pipeline import arithmetic

# First, before another module of the package imports NumPy or TensorFlow.
IS_PINNED = arithmetic.pin()

if TYPE_CHECKING:
    import pandas as pd

    from household.use.whole import Run


@contextmanager
def _require_extra(extra: str) -> Iterator[None]:
    """Raise Failure where a package that the block imports is not installed."""
    try:
        yield
    except ModuleNotFoundError as error:
        from household.pipeline.failure import Failure  # noqa: PLC0415

        raise Failure(
            f"{error.name} is not installed; in the project's folder, "
            f"python -m pip install '.[{extra}]'"
        ) from None


def predict(model: str | Path, frame: "pd.DataFrame") -> "pd.DataFrame":
    """The minutes after the readings in `frame`, by the model in the folder `model`.

    `frame` has a column for each feature of the model, in its unit, and a row for each minute,
    whose time is in the index or in a column `timestamp`. Gives the next `horizon` minutes by
    their time: `power_kw`, and from `low_80_kw` to `high_80_kw` and from `low_95_kw` to
    `high_95_kw` where the power lies in 80 and in 95 % of the minutes. Raises
    `household.pipeline.failure.Failure` where the readings cannot be used. Needs the extra
    `predict`, and pandas.
    """
    # Whoever imports the package for something else waits for none of these.
    with _require_extra("predict"):
        import pyarrow as pa  # noqa: PLC0415

        from household.pipeline.failure import Failure  # noqa: PLC0415
        from household.use import readings  # noqa: PLC0415
        from household.use.forecaster import Forecaster  # noqa: PLC0415

    forecaster = Forecaster(Path(model))
    if not hasattr(frame, "columns"):
        raise Failure(f"expected a frame of pandas, found {frame!r:.80}; read it into one")
    if "timestamp" not in frame:
        frame = frame.rename_axis("timestamp").reset_index()
    table = readings.typed(
        pa.Table.from_pandas(frame, preserve_index=False), forecaster.features, "the frame"
    )
    return forecaster.forecast(table, "the frame").to_pandas().set_index("timestamp")


def run(
    model: "str | Path | Run | None" = None, data: "pd.DataFrame | None" = None, **sections: Any
) -> "Run":
    """The whole pipeline in memory: reads, splits, trains, scores; no file is written.

    `sections` are parameters that differ from params.yaml, such as `train={"epochs": 3}`. `data`
    are minutes that are already there, as `Run.data` has them: a column for each of the power and
    what else the meter measures, by their names and in their units, the time in the index or in a
    column `timestamp`; without it those that `fetch.source` names are read. `model` is an earlier
    run, or the folder of a model, whose weights the training goes on with. Ctrl-C ends the training
    and keeps its best epoch so far.

    Raises `household.pipeline.failure.Failure` where the readings, the parameters or the model
    cannot be used. Needs the extra `pipeline`.
    """
    with _require_extra("pipeline"):
        from household.use import whole  # noqa: PLC0415

    return whole.run(model, data, sections)
