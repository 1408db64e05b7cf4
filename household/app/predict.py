"""Run `household predict`: forecast what comes after given readings."""

import argparse
import datetime as dt
import json
import signal
import sys
import time
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from household.app.forecaster import Forecaster
from household.app.input import format_minute
from household.core.errors import UserError, exit_on_error
from household.core.schema import TARGET
from household.core.step import Step
from household.evaluation import metrics


def main(options: argparse.Namespace) -> None:
    """Run the command."""
    if sys.platform != "win32":
        # A reader such as head may close the pipe early; then end silently.
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    with exit_on_error("predict", file=options.readings):
        if options.quantiles and options.backtest and not (options.csv or options.json):
            raise UserError("--backtest scores mean and median; add --csv or --json to --quantiles")
        forecaster = Forecaster(options.model)
        table = forecaster.read(options.readings)
        if options.max_age is not None:
            _check_age(table, options.readings, forecaster.step, options.max_age)
        begin = time.perf_counter()
        forecast = forecaster.backtest if options.backtest else forecaster.forecast
        rows = forecast(table, options.readings, options.quantiles)
        seconds = time.perf_counter() - begin
        if not options.backtest:
            _report_short_history(table, options.readings, forecaster)
    if options.csv:
        pa.csv.write_csv(_with_texts(rows), sys.stdout.buffer)
    elif options.json:
        print(json.dumps(_with_texts(rows).to_pylist(), indent=1))
    elif options.backtest:
        print(_scores(rows, forecaster, seconds))
    else:
        print(_columns(rows))


def _check_age(table: pa.Table, name: str, step: Step, max_age: float) -> None:
    measured = _measured(table)
    if not len(measured):
        return
    last = pc.max(measured)
    # A time without an offset is local time of this machine.
    age = (dt.datetime.now(last.as_py().tzinfo) - last.as_py()) / dt.timedelta(minutes=1)
    if age > max_age:
        raise UserError(
            f"{name}: the last {step.noun} is {format_minute(last)}, {age:,.0f} minutes ago; "
            f"expected at most {max_age:g} (--max-age)"
        )


def _measured(table: pa.Table) -> pa.ChunkedArray:
    """Return the times of the readings that have a power, unlike rows of what is known ahead."""
    return table["timestamp"].filter(pc.is_valid(table[TARGET]))


def _report_short_history(table: pa.Table, name: str, forecaster: Forecaster) -> None:
    """Report that there are fewer readings than a forecast can take into account, if so."""
    step, wanted = forecaster.step, forecaster.shape.lookback + forecaster.history
    measured = _measured(table)
    span = pc.max(measured).as_py() - pc.min(measured).as_py()
    given = span // step.duration + 1
    if given < wanted:
        print(
            f"predict: {name}: {given:,} {step.nouns}; a forecast takes up to {wanted:,} into "
            "account, for the usual power at each time of day",
            file=sys.stderr,
        )


def _with_texts(rows: pa.Table) -> pa.Table:
    """Return `rows` with times as text, such as 2007-03-31T23:59 or 2007-03-31T23:59+02:00."""
    stamps = rows["timestamp"]
    form = "%Y-%m-%dT%H:%M" + ("%Ez" if stamps.type.tz else "")
    return rows.set_column(0, "timestamp", pc.strftime(stamps, form))


def _columns(rows: pa.Table) -> str:
    lines = [rows.column_names, *(list(map(_cell, row.values())) for row in rows.to_pylist())]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True))
        for line in lines
    )


def _cell(value: Any) -> str:
    if isinstance(value, dt.datetime):
        return value.isoformat(" ", "minutes")
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _scores(rows: pa.Table, forecaster: Forecaster, seconds: float) -> str:
    """Return the errors of the model and of persistence, and how old the readings are."""
    power = {name: rows[name].to_numpy() for name in rows.column_names[1:]}
    mean = power["mean_kw" if "mean_kw" in power else "forecast_kw"]
    by_forecaster = metrics.score_all(
        power["actual_kw"],
        {"the model": mean, metrics.PERSISTENCE: power["persistence_kw"]},
        np.nan,
        medians={"the model": power.get("median_kw", mean)},
    )
    lines = [
        f"{name}: RMSE {record['rmse_kw']:.4f} kW, MAE {record['mae_kw']:.4f} kW"
        for name, record in by_forecaster.items()
    ]
    count, nouns = rows.num_rows // forecaster.shape.horizon, forecaster.step.nouns
    skill = by_forecaster["the model"]["skill"]
    gain = "" if skill is None else f", skill {skill:+.1%}"
    lines.append(f"{count:,} windows in {seconds:.1f} s{gain}")
    if n_learnt := forecaster.count_training_overlap(rows["timestamp"]):
        lines.append(
            f"{n_learnt:,} of these {rows.num_rows:,} {nouns} ({n_learnt / rows.num_rows:.0%}) are "
            f"not after the training: the error on later {nouns} may be larger"
        )
    return "\n".join(lines)
