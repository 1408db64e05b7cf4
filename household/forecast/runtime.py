"""The network by ONNX Runtime: what a forecast needs, and no TensorFlow."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt

# Read at import. ONNX Runtime would else send its maker what runs here, and keep a number for the
# user in the home folder.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import onnxruntime

from household.forecast import windows
from household.forecast.windows import Shape, Starts
from household.meter.series import Values

NAME = "LSTM"
FOLDER_OF_WEIGHTS = "session.model_external_initializers_file_folder_path"
# Windows at a time: as fast as more of them, in less memory.
BATCH = 128


def load(path: Path) -> onnxruntime.InferenceSession:
    return session(path.read_bytes())


def session(graph: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors
    options.intra_op_num_threads = 1  # batches run side by side, which is a quarter faster
    # All weights are in the file: one that takes some from other files is none of ours.
    options.add_session_config_entry(FOLDER_OF_WEIGHTS, os.devnull)
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def shape(session: onnxruntime.InferenceSession) -> Shape:
    """The shape of the windows that the network was built for."""
    return Shape(session.get_inputs()[0].shape[1], session.get_outputs()[0].shape[1])


def forecast(
    session: onnxruntime.InferenceSession, values: Values, starts: Starts
) -> npt.NDArray[np.float32]:
    """The forecasts for each window of the series `values`, in kW: (windows, horizon).

    The target minutes need not be there yet: the last start is len(values) - lookback.
    """
    lookback = shape(session).lookback
    name = session.get_inputs()[0].name

    def of_batch(first: int) -> npt.NDArray[np.float32]:
        batch = windows.inputs(values, starts[first : first + BATCH], lookback)
        return session.run(None, {name: batch})[0]

    with ThreadPoolExecutor(os.cpu_count()) as threads:
        return np.concatenate(list(threads.map(of_batch, range(0, len(starts), BATCH))))
