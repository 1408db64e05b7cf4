"""Results of a run, made by hand for the tests of the report."""

from typing import Any

import numpy as np
import pandas as pd

from household.core import schema
from household.core.step import MINUTE, Spacing
from household.dataset.scaling import Scaler
from household.dataset.windows import WindowShape
from household.evaluation import breakdown, evaluate, metrics
from household.evaluation.predictions import ForecastSet
from household.model import metadata
from household.model.forecast import Forecast
from household.report.results import Results
from tests.project import changed

FORECASTERS = ["LSTM", "persistence", "linear"]
# kW from the forecast to each quantile; the others are the ends of the 80 and the 95 % interval.
OFF = {0.025: -0.4, 0.1: -0.25, 0.5: 0.0, 0.9: 0.25, 0.975: 0.4}
QUANTILES = [f"q{level}" for level in OFF]
SAMPLE = {"simulated": True, "licence": None, "address": "simulated household, seed 0"}
QUALITY: dict[str, Any] = {
    "first": "2007-01-30T17:24",
    "last": "2007-04-01T23:59",
    "rows": 89_676,
    "missing": {"global_active_power": 1_443},
    "caveats": [],
    "skipped_lines": {"number": 2, "time": 0},
    "gaps": {
        "missing_rows": 5,
        "count": 2,
        "longest_minutes": 1_440,
        "by_day": {"2007-02-01": 3, "2007-03-31": 1_440},
    },
}


def predictions(n: int, seed: int = 0, horizon: int = 1) -> pd.DataFrame:
    """Return every seventh minute from 31 March, with random power.

    With a horizon of more than a minute they are the targets of windows that are as far apart.
    """
    draw = np.random.default_rng(seed)
    actual = draw.integers(100, 9_000, n) / 1000
    power = pd.DataFrame({"actual": actual})
    # The best baseline is linear, the LSTM better than both.
    for name, off in (("LSTM", 0.2), ("persistence", 2.0), ("linear", 1.0)):
        power[name] = actual + draw.normal(0, off, n).round(3)
    window, step = np.divmod(np.arange(n), horizon)
    stamps = pd.Timestamp("2007-03-31 21:58") + pd.to_timedelta(window * 7 + step, "min")
    made = power.astype(np.float32).assign(timestamp=stamps, step=(step + 1).astype(np.int16))
    made["LSTM median"] = made["LSTM"]
    for level, off in OFF.items():
        made[f"q{level}"] = made["LSTM"].to_numpy() + np.float32(off)
    steps = ["step"] if horizon > 1 else []
    return made[["timestamp", *steps, "actual", *FORECASTERS, "LSTM median", *QUANTILES]]


# What the evaluate stage says of four meters, on one of which there is nothing to forecast.
METERS = pd.DataFrame(
    [
        ("b", True, 90, 0.3, 0.4, 0.25, 0.1, 0.3),
        ("a", True, 80, 0.44, 0.4, -0.1, None, None),
        ("d", False, 70, 0.2, 0.4, 0.5, 0.4, 0.6),
        ("c", True, 60, 0.1, 0.0, None, None, None),
    ],
    columns=[
        "meter",
        "in_training",
        "windows",
        "rmse_kw",
        "persistence_kw",
        "skill",
        "ci_low",
        "ci_high",
    ],
)

SPACING = Spacing(1, MINUTE)


def results(made: pd.DataFrame, steps: int = 100, **params: Any) -> Results:
    """Return the results that the stages would have left for these predictions."""
    horizon = int(made["step"].max()) if "step" in made else 1
    power = {name: made[name].to_numpy().reshape(-1, horizon) for name in ("actual", *FORECASTERS)}
    stamps = made["timestamp"].to_numpy().reshape(-1, horizon)
    actual = power.pop("actual")
    verdict = evaluate.compare_with_baselines(actual, power, "LSTM", spacing=SPACING)
    verdict |= {"last_month": None, "last_month_skill": None}
    # Of a few minutes at random another one may be the best.
    verdict["best_baseline"] = "linear"
    losses = [(0.5, "train", 2.0), (1.0, "train", 0.5), (1.0, "validation", 1.0)]
    forecasts = {name: Forecast(each, each) for name, each in power.items()}
    off = np.array(list(OFF.values()), np.float32)
    for name in ("LSTM", "persistence"):
        quantiles = power[name][..., np.newaxis] + off
        forecasts[name] = Forecast.of_distribution(power[name], quantiles)
    compared = ForecastSet(stamps, actual, forecasts, list(OFF), 1.0, None, MINUTE)
    crps = {
        name: metrics.crps(actual, each, list(OFF)) for name, each in compared.quantiles.items()
    }
    covered = breakdown.intervals_by_group(compared)
    settings = {"plot.steps": steps, "window.horizon": horizon, "train.quantiles": list(OFF)}
    given = changed(settings | params)
    values = np.tile(np.array([[0.2] * 7, [4.5] * 7], np.float32), (1_500, 1))
    clock = np.datetime64("2007-01-01T10:00", "ms") + np.arange(3_000) * np.timedelta64(1, "m")
    record = metadata.build(
        given,
        list(schema.NAMES),
        Scaler(np.zeros(7), np.ones(7)),
        source=SAMPLE,
        trained_on=[
            metadata.training_extent(
                clock, values, np.arange(952, dtype=np.int32), shape=WindowShape(49, horizon)
            )
        ],
    )
    return Results(
        predictions=made,
        forecaster=record,
        coverage=covered.to_pandas(),
        quantiles=breakdown.quantile_scores(compared).to_pandas(),
        losses=pd.DataFrame(losses, columns=["epoch", "split", "loss"]),
        metrics=metrics.score_all(actual, power, 1.0, crps=crps)
        | {
            "verdict": verdict,
            "distribution": evaluate.compare_distributions(crps, "LSTM", spacing=SPACING),
            "intervals": breakdown.overall_intervals(covered),
        },
        quality=QUALITY,
        source=SAMPLE,
        params=given,
    )
