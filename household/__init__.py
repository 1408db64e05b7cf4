"""Forecast the electric power of a household. `python -m household` lists the commands."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from household.core import arithmetic

# First, before any other module of the package imports NumPy or TensorFlow.
IS_PINNED = arithmetic.pin()

if TYPE_CHECKING:
    import pandas as pd

    from household.app.run import Run


def __getattr__(name: str) -> str:
    """Return `__version__`, the version of the installed package, when it is asked for."""
    if name == "__version__":
        from importlib import metadata  # noqa: PLC0415

        try:
            return metadata.version("household")
        except metadata.PackageNotFoundError:
            return "of this folder, not installed"
    raise AttributeError(f"module 'household' has no attribute {name!r}")


@contextmanager
def require_extra(extra: str) -> Iterator[None]:
    """Raise UserError if a package that the block imports is not installed."""
    try:
        yield
    except ModuleNotFoundError as error:
        from household.core.errors import UserError  # noqa: PLC0415

        raise UserError(
            f"{(error.name or '').partition('.')[0]} is not installed; in the project's folder, "
            f"python -m pip install '.[{extra}]'"
        ) from None


def predict(model: str | Path, frame: "pd.DataFrame") -> "pd.DataFrame":
    """Forecast the minutes after the readings in `frame`.

    Needs the extra `predict`, and pandas.

    Args:
        model: The folder of a saved model.
        frame: One row a minute and one column for each feature of the model, in its unit. The time
            is the index or a column `timestamp`.

    Returns:
        The next `horizon` minutes, indexed by time: `mean_kw`, `median_kw`, and the bounds
        `low_80_kw`, `high_80_kw`, `low_95_kw` and `high_95_kw` of the 80 and 95 % prediction
        intervals. A model that was trained with another loss than `quantile` gives `forecast_kw`.

    Raises:
        household.core.errors.UserError: The model or the readings cannot be used.
    """
    # Imported here, so that importing the package stays fast.
    with require_extra("predict"):
        import pyarrow as pa  # noqa: PLC0415

        from household.app.forecaster import Forecaster  # noqa: PLC0415
        from household.app.input import select_columns  # noqa: PLC0415
        from household.core.errors import UserError  # noqa: PLC0415

    forecaster = Forecaster(Path(model))
    if not hasattr(frame, "columns"):
        raise UserError(f"expected a pandas DataFrame, found {frame!r:.80}; convert it to one")
    if "timestamp" not in frame:
        frame = frame.rename_axis("timestamp").reset_index()
    table = select_columns(
        pa.Table.from_pandas(frame, preserve_index=False), forecaster.features, "the frame"
    )
    return forecaster.forecast(table, "the frame").to_pandas().set_index("timestamp")


def run(
    model: "str | Path | Run | None" = None, data: "pd.DataFrame | None" = None, **sections: Any
) -> "Run":
    """Run the stages from fetch to evaluate in a temporary folder, and return the results.

    Ctrl-C ends the training and keeps its best epoch so far. Needs the extra `pipeline`.

    Args:
        model: An earlier run or the folder of a saved model, whose weights the training starts
            from.
        data: Readings in the form of `Run.data`: one row a minute, with the power and any other
            columns by their names and in their units, and the time as the index or a column
            `timestamp`. The index or a column `meter` names the meters if there are several. By
            default the readings of `fetch.source`.
        **sections: Parameters that differ from params.yaml, such as `train={"epochs": 3}`.

    Raises:
        household.core.errors.UserError: The readings, the parameters or the model cannot be
            used.
    """
    with require_extra("pipeline"):
        from household.app import run  # noqa: PLC0415

    return run.run(model, data, sections)
