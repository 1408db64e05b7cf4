"""Set up TensorFlow before it is imported, and choose the devices of a training."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from household.model import distributed


@contextmanager
def _without_stderr() -> Iterator[None]:
    """Discard what C++ code writes to standard error, which no setting can turn off."""
    saved = os.dup(2)
    with Path(os.devnull).open("wb") as null:
        os.dup2(null.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)


# TensorFlow and Keras read these at import. Otherwise Keras would use any backend and precision
# that the user has set for other work, in the environment or in ~/.keras.
os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["KERAS_HOME"] = os.devnull
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
# Otherwise TensorFlow would reserve all memory of a GPU, which another training may need too.
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
# The layers of an ensemble member run one after another in one thread. With a thread for each of
# two cores, the third member would start when another ends, and one core would then be idle.
if (os.cpu_count() or 1) < 3:
    os.environ.setdefault("TF_NUM_INTEROP_THREADS", "3")
# Silence TensorFlow's GPU warnings; `train` prints the device.
with _without_stderr():
    import keras
    import tensorflow as tf
# Silence the warning for each further graph, of which a search builds many.
tf.get_logger().setLevel("ERROR")

__all__ = ["device_name", "distribution_strategy", "keras", "tf"]


def distribution_strategy() -> tf.distribute.Strategy:
    """Return how to distribute the training over the processes of TF_CONFIG or over GPUs.

    Call this before anything else in TensorFlow.

    Raises:
        UserError: Another process does not answer.
    """
    workers = distributed.workers_from_env()
    if len(workers.addresses) > 1:
        distributed.wait_for_workers(workers)
        return tf.distribute.MultiWorkerMirroredStrategy()
    if len(tf.config.get_visible_devices("GPU")) > 1:
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()


def device_name() -> str:
    """Return the name of the device on which the network runs."""
    names = [
        tf.config.experimental.get_device_details(gpu).get("device_name", "a GPU")
        for gpu in tf.config.get_visible_devices("GPU")
    ]
    return ", ".join(names) or "the CPU"
