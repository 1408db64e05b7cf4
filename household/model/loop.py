"""Train the network epoch by epoch. An interrupted training resumes where it was."""

import itertools
import json
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from tqdm import tqdm

from household.core.errors import UserError
from household.core.parallel import prefetch
from household.core.params import TrainParams
from household.dataset import batches
from household.dataset.batches import Batch, WindowDataset
from household.dataset.scaling import Scaler
from household.model import checkpoint, distributed, network, tensorflow, train_step
from household.model.checkpoint import TrainingState
from household.model.tensorflow import keras, tf
from household.model.train_step import TrainStep

# Enough for a curve and few enough for a plot.
HISTORY_ROWS = 100
# Steps for each call of TensorFlow, which costs some milliseconds. Ctrl-C waits for its end.
STEPS_A_CALL = 16
SPLITS = ("train", "validation")
Report = Callable[[pa.Table], None]


class TrainingData(NamedTuple):
    """Hold what a training learns from."""

    scaling: Scaler
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
) -> None:
    """Train `model` in place.

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

    Raises:
        UserError: The loss is NaN or infinite, or the workers differ or are lost.
    """
    strategy = strategy or tf.distribute.get_strategy()
    shape, size, epochs = network.window_shape(model), settings.batch_size, settings.epochs
    minutes = network.chunk_length(settings)
    count = -(-data.train.n_chunks(minutes) // size)
    with strategy.scope():
        learner = network.build_training_model(shape, data.scaling, settings, minutes=minutes)
        learner.set_weights(model.get_weights())
        steps = TrainStep(learner, settings, count * epochs, strategy=strategy)

    def validation() -> float | None:
        if not data.validation.size:
            return None
        return steps.evaluate(
            prefetch(batches.iter_batches(data.validation, shape, minutes, batch_size=size))
        )

    own_fingerprint = fingerprint(model, data, settings, seed=seed)
    keep: Callable[[TrainingState], None] = partial(
        checkpoint.write, checkpoint_path, own_fingerprint
    )
    if distributed.workers_from_env().index:
        keep = on_epoch_end = _ignore
    progress = TrainingProgress(steps, count, settings, save_state=keep, on_epoch_end=on_epoch_end)
    state = checkpoint.read(checkpoint_path, own_fingerprint)
    if strategy.num_replicas_in_sync > 1:
        _check_workers_agree(strategy, own_fingerprint, state.epochs if state else 0)
    if state is not None:
        progress.restore(state)
        # DVC has removed the losses of the interrupted training.
        on_epoch_end(progress.losses())
        print(
            f"train: resuming after epoch {state.epochs} of {epochs} ({checkpoint_path})",
            flush=True,
        )
    elif warm_start and (initial_loss := validation()) is not None:
        progress.start_from(initial_loss)
    try:
        with _as_failure(strategy):
            while not progress.is_over:
                shuffle = network.epoch_shuffle(seed, progress.done)
                progress.begin_epoch()
                shuffled = batches.iter_batches(
                    data.train, shape, minutes, batch_size=size, shuffle=shuffle
                )
                for group in prefetch(_group_by_size(shuffled)):
                    progress.add(steps.train_batches(group), group)
                progress.end_epoch(validation())
    finally:
        # Also after Ctrl-C.
        model.set_weights(progress.best or learner.get_weights())


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


def _ignore(_: Any) -> None:
    """Do nothing: only the first worker writes."""


def _check_workers_agree(strategy: tf.distribute.Strategy, key: str, epochs: int) -> None:
    """Raise UserError if a worker has other data, settings, code or another checkpoint."""
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
    for _, batches_of_size in itertools.groupby(batches, key=lambda batch: len(batch.inputs)):
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
    modules = (__file__, train_step.__file__, network.__file__, batches.__file__)
    code = [Path(str(file)).read_bytes() for file in modules]
    contents = [*data.scaling, *data.train.key, b"validation", *data.validation.key]
    return checkpoint.fingerprint(
        [json.dumps(record).encode(), *code, *model.get_weights(), *contents]
    )


class TrainingProgress:
    """Track a training: losses, best weights, progress bar and checkpoint."""

    def __init__(
        self,
        steps: TrainStep,
        count: int,
        settings: TrainParams,
        *,
        save_state: Callable[[TrainingState], None],
        on_epoch_end: Report,
    ) -> None:
        self.done = 0
        self.best: list[Any] = []
        self._best_loss, self._waited = math.inf, 0
        # (epoch, index in SPLITS, loss), where the epoch is a fraction within each epoch.
        self._rows: list[tuple[float, int, float]] = []
        self._learner, self._optimizer = steps.learner, steps.optimizer
        self._count, self._settings = count, settings
        # Rows for each epoch, of equally many steps, since a shorter last row would be noisier.
        self._rows_an_epoch = max(1, min(count, HISTORY_ROWS // settings.epochs))
        self._keep, self._report = save_state, on_epoch_end

    @property
    def is_over(self) -> bool:
        """Return whether the training has ended, by its epochs or its patience."""
        patience = self._settings.patience
        return self.done == self._settings.epochs or bool(patience and self._waited >= patience)

    def losses(self) -> pa.Table:
        """Return the losses so far as rows (epoch, split, loss)."""
        epoch, split, loss = zip(*self._rows, strict=True)
        return pa.table({"epoch": epoch, "split": [SPLITS[i] for i in split], "loss": loss})

    def start_from(self, loss: float) -> None:
        """Take the initial weights and their validation loss as the best so far."""
        self.best, self._best_loss = self._learner.get_weights(), loss
        self._rows.append((0.0, 1, loss))
        print(f"train: initial validation loss {loss:.4f}", flush=True)

    def restore(self, state: TrainingState) -> None:
        """Continue from the state of a checkpoint."""
        for variable, value in zip(self._learner.variables, state.network, strict=True):
            variable.assign(value)
        for variable, value in zip(self._optimizer.variables, state.optimizer, strict=True):
            variable.assign(value)
        self.done, self.best = state.epochs, list(state.best)
        self._best_loss, self._waited = state.best_loss, state.waited
        self._rows = [(epoch, int(split), loss) for epoch, split, loss in state.losses.tolist()]

    def begin_epoch(self) -> None:
        """Reset the sums and the progress bar for the next epoch."""
        self._step = 0
        # Sums of the weighted losses and of the weights, for the next row and for the epoch.
        self._of_row, self._of_epoch = np.zeros(2), np.zeros(2)
        self._bar = tqdm(
            total=self._count,
            desc=f"epoch {self.done + 1} of {self._settings.epochs}",
            unit="step",
            leave=False,
            disable=not sys.stderr.isatty(),
        )

    def add(self, losses: npt.NDArray[np.float64], batches: Sequence[Batch]) -> None:
        """Record the loss of each step and its batch."""
        for loss, batch in zip(losses, batches, strict=True):
            weight = float(batch.weights.sum(dtype=np.float64))
            self._of_row += (loss * weight, weight)
            self._step += 1
            if self._step * self._rows_an_epoch % self._count < self._rows_an_epoch:
                self._of_epoch += self._of_row
                total, weight = self._of_row
                epoch = self.done + self._step / self._count
                self._rows.append((epoch, 0, total / weight if weight else 0.0))
                self._of_row = np.zeros(2)
        self._bar.update(len(batches))

    def end_epoch(self, validation: float | None) -> None:
        """Record the validation loss, keep the best weights and write the checkpoint.

        Raises:
            UserError: A loss is NaN or infinite.
        """
        self._bar.close()
        total, weight = self._of_epoch
        mean = total / weight
        if not math.isfinite(mean) or not math.isfinite(validation or 0.0):
            raise UserError(
                "training diverged (loss is NaN or infinite); lower train.learning_rate"
            )
        self.done += 1
        line = f"train: epoch {self.done}/{self._settings.epochs}, loss {mean:.4f}"
        if validation is not None:
            self._rows.append((float(self.done), 1, validation))
            self._waited += 1
            line += f", val_loss {validation:.4f}"
            if validation < self._best_loss:
                self.best, self._best_loss = self._learner.get_weights(), validation
                self._waited = 0
                line += " (best)"
        print(line, flush=True)
        self._report(self.losses())
        self._keep(
            TrainingState(
                epochs=self.done,
                network=[variable.numpy() for variable in self._learner.variables],
                optimizer=[variable.numpy() for variable in self._optimizer.variables],
                best=self.best,
                best_loss=self._best_loss,
                waited=self._waited,
                losses=np.array(self._rows, np.float64),
            )
        )
