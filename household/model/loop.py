"""Train the network epoch by epoch. An interrupted training resumes where it was."""

import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from household.core.errors import UserError
from household.core.parallel import prefetch
from household.core.params import TrainParams
from household.dataset import batches
from household.dataset.batches import WindowDataset
from household.dataset.inputs import InputColumns
from household.dataset.scaling import Scaler
from household.dataset.shuffle_buffer import Batch
from household.dataset.windows import WindowShape
from household.model import checkpoint, network, tensorflow
from household.model.checkpoint import Checkpoint
from household.model.progress import Report, TrainingProgress
from household.model.tensorflow import keras, tf
from household.model.train_step import TrainStep

# Steps for each call of TensorFlow, which costs some milliseconds. Ctrl-C waits for its end.
STEPS_A_CALL = 16


class TrainingData(NamedTuple):
    """Hold what a training learns from."""

    scaling: Scaler
    columns: InputColumns
    train: WindowDataset
    validation: WindowDataset


def fit(
    model: keras.Model,
    data: TrainingData,
    settings: TrainParams,
    *,
    seed: int,
    checkpoint_path: Path,
    on_epoch_end: Report,
    warm_start: bool = False,
    strategy: tf.distribute.Strategy | None = None,
    keep_interrupted: bool = False,
) -> bool:
    """Train `model` in place; return whether Ctrl-C ended the training.

    The weights of the epoch with the lowest validation loss are kept; the last ones if there is no
    validation split. After each epoch the state is written to `checkpoint_path`. A training of the
    same data, settings and code that finds it there resumes from it and gives the same weights.
    Ctrl-C leaves `model` with the best weights so far, or the last ones before the first
    validation.

    With several replicas each batch is divided among them. The weights equal those of one process
    except for rounding and for dropout, which each replica draws separately. Only the first worker
    reports and writes the checkpoint, in a folder that all workers share.

    Args:
        model: The network; for a warm start with trained weights.
        data: The scaling and the splits.
        settings: The parameters of the train stage.
        seed: Seeds the shuffle.
        checkpoint_path: The path of the checkpoint.
        on_epoch_end: Called after each epoch with the losses so far, rows (epoch, split, loss).
        warm_start: Whether to keep the initial weights if no epoch has a lower validation loss.
        strategy: How the training is distributed; by default on one device.
        keep_interrupted: Whether to return after Ctrl-C instead of raising KeyboardInterrupt.

    Raises:
        UserError: The loss is NaN or infinite, or the workers differ or are lost.
    """
    strategy = strategy or tf.distribute.get_strategy()
    shape = network.window_shape(model)
    counted = network.chunk_length(settings) - settings.burn_in
    count = -(-data.train.n_chunks(counted) // settings.batch_size)
    steps = _build_steps(model, data, settings, count=count, strategy=strategy)
    key = fingerprint(model, data, settings, seed=seed)
    saved = Checkpoint(checkpoint_path, key)
    progress = TrainingProgress(steps, count, settings, saved=saved, on_epoch_end=on_epoch_end)
    state = saved.read()
    _check_workers_agree(strategy, key, state.epochs if state else 0)
    if state is not None:
        progress.restore(state)
    elif warm_start:
        progress.start_from(_validation_loss(steps, data, settings, shape=shape))
    try:
        with _as_failure(strategy):
            while not progress.is_over:
                _train_epoch(steps, data, settings, shape=shape, seed=seed, progress=progress)
                progress.end_epoch(_validation_loss(steps, data, settings, shape=shape))
    except KeyboardInterrupt:
        if not keep_interrupted:
            raise
        print("train: interrupted; kept the best epoch so far", flush=True)
        return True
    finally:  # also after Ctrl-C
        progress.close()
        model.set_weights(progress.best or steps.learner.get_weights())
    return False


def _build_steps(
    model: keras.Model,
    data: TrainingData,
    settings: TrainParams,
    *,
    count: int,
    strategy: tf.distribute.Strategy,
) -> TrainStep:
    """Return the steps of the training model, with the weights of `model`."""
    shape, minutes = network.window_shape(model), network.chunk_length(settings)
    with strategy.scope():
        learner = network.build_training_model(
            shape, data.scaling, data.columns, settings, minutes=minutes
        )
        learner.set_weights(model.get_weights())
        return TrainStep(
            learner,
            settings,
            count * settings.epochs,
            horizon=shape.horizon,
            unit=float(data.scaling.scale[0]),
            strategy=strategy,
        )


def _train_epoch(
    steps: TrainStep,
    data: TrainingData,
    settings: TrainParams,
    *,
    shape: WindowShape,
    seed: int,
    progress: TrainingProgress,
) -> None:
    """Train on all windows of the training split once, in an order that depends on the epoch."""
    shuffled = batches.iter_batches(
        data.train,
        shape,
        network.chunk_length(settings),
        batch_size=settings.batch_size,
        burn_in=settings.burn_in,
        shuffle=network.epoch_shuffle(seed, progress.done),
    )
    progress.begin_epoch()
    for group in prefetch(_group_by_size(shuffled)):
        progress.add(steps.train_batches(group), group)


def _validation_loss(
    steps: TrainStep, data: TrainingData, settings: TrainParams, *, shape: WindowShape
) -> float | None:
    """Return the mean loss of the validation split; None if there is none."""
    if not data.validation.size:
        return None
    minutes, size = network.chunk_length(settings), settings.batch_size
    in_order = batches.iter_batches(
        data.validation, shape, minutes, batch_size=size, burn_in=settings.burn_in
    )
    return steps.evaluate(prefetch(in_order))


@contextmanager
def _as_failure(strategy: tf.distribute.Strategy) -> Iterator[None]:
    """Raise UserError if another worker is lost in the block."""
    try:
        yield
    except tf.errors.OpError as error:
        if strategy.num_replicas_in_sync == 1:
            raise
        raise UserError(
            f"lost connection to another worker ({type(error).__name__}); restart all workers to "
            "resume after the last complete epoch"
        ) from None


def _check_workers_agree(strategy: tf.distribute.Strategy, key: str, epochs: int) -> None:
    """Raise UserError if a worker has other data, settings, code or another checkpoint."""
    if strategy.num_replicas_in_sync == 1:
        return
    fingerprint = int(key[:12], 16) + epochs
    by_replica = strategy.run(tf.identity, (tf.constant(fingerprint, tf.int64),))
    total = strategy.reduce(tf.distribute.ReduceOp.SUM, by_replica, axis=None)
    if int(total) != fingerprint * strategy.num_replicas_in_sync:
        raise UserError(
            "workers differ in data, parameters, code, devices or checkpoint; start all of them in "
            "the same folder"
        )


def _group_by_size(batches: Iterator[Batch]) -> Iterator[list[Batch]]:
    """Group batches of equal size for a call; the last batch of an epoch may be smaller."""
    for _, batches_of_size in itertools.groupby(batches, key=lambda batch: len(batch.targets)):
        while group := list(itertools.islice(batches_of_size, STEPS_A_CALL)):
            yield group


def fingerprint(model: keras.Model, data: TrainingData, settings: TrainParams, *, seed: int) -> str:
    """Return a fingerprint of everything that determines the trained weights."""
    record = [
        settings.model_dump(),
        seed,
        network.window_shape(model),
        [keras.__version__, tf.__version__, np.__version__, tensorflow.device_name()],
    ]
    rooms = (Path(__file__).parent, Path(batches.__file__).parent)
    code = [file.read_bytes() for room in rooms for file in sorted(room.glob("*.py"))]
    record += [data.columns, data.scaling.shares]
    contents = [
        data.scaling.center,
        data.scaling.scale,
        *data.train.key,
        b"validation",
        *data.validation.key,
    ]
    return checkpoint.fingerprint(
        [json.dumps(record).encode(), *code, *model.get_weights(), *contents]
    )
