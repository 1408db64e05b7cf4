"""Forecasts of 205,000 windows by the trained model: ONNX Runtime and PyTorch in turn.

    python -m bench.prediction [--repeat 5] [--windows 205000]

Both have the weights of models/lstm and gather the windows from the series. Prints the median
seconds of each, their ratio to ONNX Runtime's, which is what `household` uses, and, on some of the
windows, the largest difference of a forecast from that of Keras, in kW, and the time of that.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch

from bench import measure
from bench.given import read_given
from bench.torch_network import Forecaster, forecast, of_outputs
from household.core import paths
from household.core.params import TrainParams
from household.dataset import windows
from household.model import inference, keras_file, network

SOME = 8192
Forecast = Callable[[], npt.NDArray[np.float32]]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--windows", type=int, default=205_000)
    options = parser.parse_args()
    data = read_given(0)
    lookback = data.shape.lookback
    # As many as asked for, though the series have fewer.
    starts = np.resize(windows.read_starts(paths.WINDOWS / "power.parquet"), options.windows)
    model, session = keras_file.load(paths.NETWORK), inference.load_session(paths.GRAPH)
    copy, standard = of_torch(model, data.settings.train), torch.from_numpy(data.standard_inputs())

    def by_torch() -> npt.NDArray[np.float32]:
        return of_outputs(data, forecast(copy, standard, starts, lookback)).mean[:, 0]

    ways: dict[str, Forecast] = {
        "ONNX Runtime": lambda: inference.predict(session, data.inputs, starts).mean[:, 0],
        "PyTorch": by_torch,
    }
    first = {name: way() for name, way in ways.items()}  # and warm
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(options.repeat):
        for name, way in ways.items():
            begin = time.perf_counter()
            way()
            taken[name].append(time.perf_counter() - begin)
    medians = {name: statistics.median(each) for name, each in taken.items()}
    some = starts[:SOME]
    model.predict(data.inputs.windows(some, data.shape), verbose=0)
    begin = time.perf_counter()
    given = data.inputs.windows(some, data.shape)
    outputs = model.predict(given, batch_size=4096, verbose=0)
    keras = outputs["mean"][:, 0]
    medians["Keras"] = (time.perf_counter() - begin) * len(starts) / len(some)
    off = {name: float(np.abs(each[: len(some)] - keras).max()) for name, each in first.items()}
    rows = [
        [
            name,
            f"{seconds:.2f}",
            f"{len(starts) / seconds:,.0f}",
            f"{seconds / medians['ONNX Runtime']:.2f}",
            f"{off[name]:.0e}" if name in off else "",
        ]
        for name, seconds in medians.items()
    ]
    head = [f"{len(starts):,} windows", "seconds", "windows/s"]
    head += ["time relative to ONNX Runtime", "largest difference (kW)"]
    measure.write("prediction", {"seconds": medians, "off_kw": off}, measure.table(head, rows))


def of_torch(model: network.Model, settings: TrainParams) -> Forecaster:
    """Return the Keras network in PyTorch, with the same weights."""
    inputs, _ = model.get_layer("lstm_1_1").cell.kernel.shape
    copy = Forecaster((inputs - 1) // 2, settings)
    with torch.no_grad():
        for number, member in enumerate(copy.members, 1):
            for depth, layer in enumerate((member.first, member.second), 1):
                kernel, recurrent, bias = model.get_layer(f"lstm_{number}_{depth}").get_weights()
                layer.weight_ih_l0.copy_(torch.from_numpy(kernel.T.copy()))
                layer.weight_hh_l0.copy_(torch.from_numpy(recurrent.T.copy()))
                layer.bias_ih_l0.copy_(torch.from_numpy(bias))
                layer.bias_hh_l0.zero_()
            kernel, bias = model.get_layer(f"linear_{number}").get_weights()
            member.linear.weight.copy_(torch.from_numpy(kernel.T.copy()))
            member.linear.bias.copy_(torch.from_numpy(bias))
    return copy


if __name__ == "__main__":
    main()
