"""Error against seconds of training: the default, the tutorial's network and the peers.

    python -m bench.training [--set-param key=value] [--seconds 150] [--name training] [way ...]

Each way trains in a process of its own on the same minutes and is scored, at the end of each of its
epochs, on the same test windows. Seconds are those of training, without the scoring. Ways that run
only where they are named: "household, Keras' LSTM" and "household, no GPU".
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bench import measure
from bench.given import Floats, Given, read_given
from household.core import paths
from household.dataset import windows
from household.evaluation import metrics
from household.model.forecast import Forecast

PREPARED = ("fetch", "parse", "window", "split")


class Reached(NamedTuple):
    """Hold the forecast of the test windows after so many seconds of training."""

    seconds: float
    forecast: Forecast


def point(power: Floats) -> Forecast:
    """Return a forecast in kW without a spread: (windows,)."""
    return Forecast(power[:, np.newaxis], power[:, np.newaxis])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("ways", nargs="*", default=list(PEERS))
    parser.add_argument("--set-param", action="append", default=[])
    parser.add_argument("--seconds", type=float, default=150)
    parser.add_argument("--name", default="training")
    parser.add_argument("--way", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        print(json.dumps(list(curve(read_given(options.seconds), WAYS[options.way]))))
        return
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        measure.settings(folder, options.set_param)
        for stage in PREPARED:
            measure.cost(measure.python("-m", f"stages.{stage}"), folder)
        count = len(windows.read_starts(folder / paths.TRAIN / "power.parquet"))
        curves: dict[str, list[dict[str, float]]] = {}
        for name in options.ways:
            curves[name] = of_way(name, folder, options.seconds)
            # A run of hours that is cut short leaves what it has.
            report(options.name, curves, count)


def of_way(name: str, folder: Path, seconds: float) -> list[dict[str, float]]:
    command = measure.python("-m", "bench.training", "--way", name, "--seconds", str(seconds))
    done = measure.run(command, folder)
    print(f"{name}: {done.splitlines()[-1]}", file=sys.stderr)
    return json.loads(done.splitlines()[-1])


def curve(data: Given, way: Callable[[Given], Iterator[Reached]]) -> Iterator[dict[str, float]]:
    actual = windows.targets(data.values, data.test, data.shape)
    levels = data.settings.train.quantiles
    for seconds, forecast in way(data):
        scores = {
            "rmse_kw": metrics.rmse(actual, forecast.mean),
            "mae_kw": metrics.mae(actual, forecast.median),
        }
        # The CRPS of a forecast without a spread is its absolute error.
        scores["crps_kw"] = (
            scores["mae_kw"]
            if forecast.quantiles is None
            else float(metrics.crps(actual, forecast.quantiles, levels).mean())
        )
        yield {"seconds": round(seconds, 2)} | {key: round(each, 5) for key, each in scores.items()}


def persistence(data: Given) -> Iterator[Reached]:
    last = windows.last_input_row(data.test, data.shape.lookback)
    yield Reached(0, point(data.values[last, 0]))


def default(data: Given) -> Iterator[Reached]:
    """Run the train stage; yield the best weights after each epoch."""
    from household.dataset import batches  # noqa: PLC0415
    from household.model import loop, network, portability  # noqa: PLC0415

    begin = time.perf_counter()
    columns = data.inputs.columns
    portability.set_determinism(data.settings.seed, data.shape, data.settings.train)
    model = network.build_model(data.shape, data.scaled, columns, data.settings.train)
    reached: list[tuple[float, list[Any]]] = []

    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder) / "checkpoint.npz"

        def note(_: Any) -> None:
            # The losses are reported before the state of their epoch is kept.
            times.append(time.perf_counter() - begin)
            if len(times) > 1:
                reached.append((times[-2], best(kept)))

        times: list[float] = []
        parts = (batches.in_memory(data.inputs, of) for of in (data.train, data.validation))
        learnt = loop.TrainingData(data.scaled, columns, *parts)
        loop.fit(
            model,
            learnt,
            data.settings.train,
            seed=data.settings.seed,
            checkpoint_path=kept,
            on_epoch_end=note,
        )
        reached.append((times[-1], best(kept)))
    for seconds, weights in reached:
        model.set_weights(weights)
        inputs = data.inputs.windows(data.test, data.shape)
        outputs = model.predict(inputs, batch_size=4096, verbose=0)
        if isinstance(outputs, dict):
            yield Reached(seconds, Forecast.of_distribution(outputs["mean"], outputs["quantiles"]))
        else:
            yield Reached(seconds, Forecast(outputs, outputs))


def with_keras_lstm(data: Given) -> Iterator[Reached]:
    """Run the train stage with Keras's LSTM, which on a CPU is a loop of small operations."""
    from household.model import layers, network  # noqa: PLC0415

    by_keras = layers.TO_TRAIN._replace(lstm=layers.TO_DEPLOY.lstm)
    network.TO_TRAIN = by_keras  # type: ignore[attr-defined]
    return default(data)


def without_gpu(data: Given) -> Iterator[Reached]:
    import tensorflow as tf  # noqa: PLC0415

    tf.config.set_visible_devices([], "GPU")
    return default(data)


def best(kept: Path) -> list[Any]:
    with np.load(kept) as held:
        return [held[name] for name in sorted(held) if name.startswith("best/")]


def tutorial(data: Given) -> Iterator[Reached]:
    """Train the tutorial's network as it does, on windows of the power built one by one."""
    from bench import tutorial as reference  # noqa: PLC0415

    model = reference.network()
    begin = time.perf_counter()
    power = data.values[:, 0] - data.scaled.center[0]
    length = data.shape.length
    rows = np.array([power[start : start + length] for start in data.train], np.float32)
    reached = []
    while time.perf_counter() - begin < data.seconds:
        model.fit(rows[:, :-1, np.newaxis], rows[:, -1], batch_size=reference.BATCH, verbose=0)
        reached.append((time.perf_counter() - begin, model.get_weights()))
    inputs = windows.inputs(power[:, np.newaxis].astype(np.float32), data.test, data.shape.lookback)
    for seconds, weights in reached:
        model.set_weights(weights)
        found = model.predict(inputs, batch_size=4096, verbose=0)[:, 0]
        yield Reached(seconds, point(found + np.float32(data.scaled.center[0])))


def torch_dense(data: Given) -> Iterator[Reached]:
    """Train the default network in PyTorch, with a loss at every minute of a chunk."""
    from bench.torch_network import train  # noqa: PLC0415

    return (Reached(*each) for each in train(data, dense=True))


def torch_windows(data: Given) -> Iterator[Reached]:
    """Train the default network in PyTorch in the usual way: one loss a window."""
    from bench.torch_network import train  # noqa: PLC0415

    return (Reached(*each) for each in train(data, dense=False))


def darts(data: Given) -> Iterator[Reached]:
    """Darts' BlockRNNModel: an LSTM of two layers of 50 on all columns, else as Darts has it."""
    from bench.darts_model import train  # noqa: PLC0415

    return (Reached(seconds, point(power)) for seconds, power in train(data))


def lightgbm(data: Given) -> Iterator[Reached]:
    """Train the trees of `evaluate.lightgbm`, scored after every 50 of each kind."""
    from household.core.quantiles import interpolate_levels  # noqa: PLC0415
    from household.core.schema import REPORTED_QUANTILES  # noqa: PLC0415
    from household.evaluation import lightgbm  # noqa: PLC0415

    known = data.context
    trees = lightgbm.make_dataset(known, data.scaled.shares)

    def grow(level: float | None) -> tuple[Any, list[float]]:
        begin, times = time.perf_counter(), list[float]()
        booster = lightgbm.train(trees, level, lambda _: times.append(time.perf_counter() - begin))
        return booster, times

    boosters, times = zip(*map(grow, (None, *REPORTED_QUANTILES)), strict=True)
    seconds = np.sum(times, axis=0)
    for count in range(50, lightgbm.ROUNDS + 1, 50):
        mean, *quantiles = lightgbm.forecast(
            boosters, known, data.test, data.scaled.shares, rounds=count
        )
        ordered = np.sort(np.stack(quantiles, axis=-1))
        levels = data.settings.train.quantiles
        by_level = interpolate_levels(ordered, REPORTED_QUANTILES, levels)
        yield Reached(seconds[count - 1], Forecast.of_distribution(mean, by_level))


PEERS = {
    "persistence": persistence,
    "household": default,
    "tutorial": tutorial,
    "PyTorch, dense": torch_dense,
    "PyTorch, windows": torch_windows,
    "Darts": darts,
    "LightGBM": lightgbm,
}
WAYS = PEERS | {
    "household, Keras' LSTM": with_keras_lstm,
    "household, no GPU": without_gpu,
}


def report(name: str, curves: dict[str, list[dict[str, float]]], count: int) -> None:
    """Write the curves of a training on `count` windows."""
    ours = curves.get("household", [])
    rows = []
    for way, points in curves.items():
        lowest = min(points, key=lambda point: point["rmse_kw"])
        # When ours was first as good as this way ever was.
        overtaken = next((p["seconds"] for p in ours if p["rmse_kw"] <= lowest["rmse_kw"]), None)
        ratio = lowest["seconds"] / overtaken if overtaken and way != "household" else None
        # The first epoch makes a graph as well, and fifty trees are no epoch.
        seconds = [point["seconds"] for point in points if way != "LightGBM"]
        rows.append(
            [
                way,
                f"{count / np.median(np.diff(seconds)):,.0f}" if len(seconds) > 1 else "",
                f"{points[0]['seconds']:.0f}",
                f"{points[0]['rmse_kw']:.4f}",
                f"{lowest['seconds']:.0f}",
                f"{lowest['rmse_kw']:.4f}",
                f"{lowest['mae_kw']:.4f}",
                f"{lowest['crps_kw']:.4f}",
                "" if overtaken is None else f"{overtaken:.0f}",
                "" if ratio is None else f"{ratio:.1f}",
            ]
        )
    head = [
        "method",
        "windows/s",
        "time to first score (s)",
        "first RMSE",
        "time to best score (s)",
        "best RMSE",
        "MAE then",
        "CRPS then",
        "seconds until household matches it",
        "speed-up",
    ]
    measure.write(name, {"curves": curves}, measure.table(head, rows))
    most = max(point["seconds"] for points in curves.values() for point in points)
    drawn = [
        {"way": way, **point}
        for way, points in curves.items()
        for point in ([points[0], points[0] | {"seconds": most}] if len(points) == 1 else points)
    ]

    both = [
        measure.panel(
            {"field": "seconds", "title": "seconds of training"},
            {"field": field, "title": title, "scale": {"zero": False}},
            {"field": "way", "sort": list(WAYS), "title": None},
        )
        for field, title in (
            ("rmse_kw", "test RMSE (kW)"),
            ("mae_kw", "test MAE (kW)"),
            ("crps_kw", "test CRPS (kW)"),
        )
    ]
    measure.draw(name, drawn, {"hconcat": both})


if __name__ == "__main__":
    main()
