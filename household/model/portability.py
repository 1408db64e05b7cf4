"""Keep a training from rounding differently on another machine, and say where it may."""

from contextlib import suppress

from household.core import arithmetic
from household.core.params import TrainParams
from household.dataset.windows import WindowShape
from household.model import distributed, network, tensorflow
from household.model.layers import MAX_PORTABLE_TERMS
from household.model.tensorflow import keras, tf

# Chunks in a batch. Found by emulating other processors, as MAX_PORTABLE_TERMS.
MAX_PORTABLE_ROWS = 64


def is_portable(shape: WindowShape, settings: TrainParams) -> bool:
    """Return whether a training gives the same bytes on every x86-64 processor with AVX2.

    TensorFlow splits a large matrix product by the size of the first-level cache and by the number
    of cores, and each way to split it rounds differently. A training with small batches and small
    layers has no such product. The longest sums are over the four gates of each LSTM unit, over the
    steps of a chunk and over the horizon.
    """
    longest_sum = max(
        4 * max(settings.units), *settings.head_units, network.chunk_length(settings), shape.horizon
    )
    return longest_sum <= MAX_PORTABLE_TERMS and settings.batch_size <= MAX_PORTABLE_ROWS


def name_difference(shape: WindowShape, settings: TrainParams) -> str:
    """Return why a training on another machine may round differently, "" if it may not."""
    if tensorflow.device_name() != "the CPU":
        return f"{tensorflow.device_name()} is not a CPU"
    if not arithmetic.has_avx2():
        return "this processor has no AVX2"
    if len(distributed.workers_from_env().addresses) > 1:
        return "several workers train"
    if not is_portable(shape, settings):
        return (
            f"more than {MAX_PORTABLE_ROWS} chunks a batch, {MAX_PORTABLE_TERMS // 4} units a "
            f"layer, or {MAX_PORTABLE_TERMS} steps a chunk or ahead depend on the cache and the "
            "cores"
        )
    return ""


def set_determinism(seed: int, shape: WindowShape, settings: TrainParams) -> None:
    """Seed the random numbers and use deterministic operations and threads."""
    if is_portable(shape, settings):
        # RuntimeError means that TensorFlow has started: in an earlier training of this process, or
        # for several processes or GPUs.
        with suppress(RuntimeError):
            tf.config.threading.set_intra_op_parallelism_threads(1)
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
