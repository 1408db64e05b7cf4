"""Run the network by ONNX Runtime, without TensorFlow."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

# Read at import. Otherwise ONNX Runtime would send usage data to its maker and keep an identifier
# in the home folder.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import onnxruntime

from household.core.schema import Float32
from household.dataset.inputs import READINGS, Inputs
from household.dataset.windows import Starts, WindowShape
from household.model.forecast import Forecast

NAME = "LSTM"
FOLDER_OF_WEIGHTS = "session.model_external_initializers_file_folder_path"
# Windows at a time. More of them are no faster and take more memory.
BATCH = 128


def load_session(path: Path) -> onnxruntime.InferenceSession:
    """Return a session of the ONNX file at `path`."""
    return create_session(path.read_bytes())


def create_session(graph: bytes) -> onnxruntime.InferenceSession:
    """Return a session of a serialized ONNX graph."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors
    options.intra_op_num_threads = 1  # parallel batches are a quarter faster
    # All weights are in the file. Refuse a graph that reads some from other files.
    options.add_session_config_entry(FOLDER_OF_WEIGHTS, os.devnull)
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def window_shape(session: onnxruntime.InferenceSession) -> WindowShape:
    """Return the shape of the windows for which the network was built."""
    (readings,) = (each for each in session.get_inputs() if each.name == READINGS)
    return WindowShape(readings.shape[1], session.get_outputs()[0].shape[1])


def has_quantiles(session: onnxruntime.InferenceSession) -> bool:
    """Return whether the network forecasts a distribution."""
    return len(session.get_outputs()) > 1


def predict(session: onnxruntime.InferenceSession, inputs: Inputs, starts: Starts) -> Forecast:
    """Return the forecasts for windows of a series.

    The target steps need not exist: the last possible start is len(values) - lookback.

    Args:
        session: The network.
        inputs: What forecasts of the series read.
        starts: The starts of the windows.
    """
    shape = window_shape(session)

    def run_batch(first: int) -> list[Float32]:
        return session.run(None, inputs.windows(starts[first : first + BATCH], shape))

    with ThreadPoolExecutor(os.cpu_count()) as threads:
        outputs = list(threads.map(run_batch, range(0, len(starts), BATCH)))
    mean, *quantiles = map(np.concatenate, zip(*outputs, strict=True))
    return Forecast.of_distribution(mean, *quantiles) if quantiles else Forecast(mean, mean)
