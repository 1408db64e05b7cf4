"""Times the trained network in Keras and in ONNX Runtime on the test part, and compares the two.

    python -m bench.runtimes [--repeat 5]

Prints the median seconds of each, their ratio, and the largest difference of a forecast, in kW.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from household.forecast import network, runtime, windows
from household.meter import series
from household.pipeline import paths

Forecast = Callable[[], npt.NDArray[np.float32]]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeat", type=int, default=5)
    repeat = parser.parse_args().repeat
    values = series.values(pq.read_table(paths.SERIES))
    starts = windows.read(paths.TEST)
    model, session = network.load(paths.NETWORK), runtime.load(paths.GRAPH)
    ways: dict[str, Forecast] = {
        "Keras": lambda: network.forecast(model, values, starts),
        "ONNX Runtime": lambda: runtime.forecast(session, values, starts),
    }
    # The first of each also prepares what the others use.
    first = {name: way() for name, way in ways.items()}
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeat):
        for name, way in ways.items():
            begin = time.perf_counter()
            way()
            taken[name].append(time.perf_counter() - begin)
    keras, onnx = (statistics.median(each) for each in taken.values())
    difference = np.abs(first["Keras"] - first["ONNX Runtime"]).max()
    print(f"{len(starts):,} windows: Keras {keras:.2f} s, ONNX Runtime {onnx:.2f} s")
    print(f"ONNX Runtime is {keras / onnx:.1f} times as fast, and at most {difference:.1e} kW off")


if __name__ == "__main__":
    main()
