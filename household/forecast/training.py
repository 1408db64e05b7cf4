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

from household.forecast import network  # before Keras, which it configures

# isort: split
import keras
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import tensorflow as tf
from tqdm import tqdm

from household.forecast import checkpoint, pieces
from household.forecast.checkpoint import State
from household.forecast.pieces import Batch, Part
from household.forecast.scaling import Scaling
from household.meter.ahead import ahead
from household.pipeline import ranks
from household.pipeline.failure import Failure
from household.pipeline.params import Train

# Enough for a curve and few enough for a plot.
HISTORY_ROWS = 100
# Steps for each call of TensorFlow, which costs some milliseconds. Ctrl-C waits for its end.
STEPS_A_CALL = 16
PARTS = ("train", "validation")
Report = Callable[[pa.Table], None]
Loss = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


class Data(NamedTuple):
    """Hold what a training learns from."""

    scaling: Scaling
    train: Part
    validation: Part


def optimizer(settings: Train, steps: int) -> keras.Optimizer:
    """Return the optimizer for a training of `steps` steps. It expects clipped gradients."""
    rate: Any = settings.learning_rate
    if settings.schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(rate, steps)
    return {
        "rmsprop": keras.optimizers.RMSprop,
        "adam": keras.optimizers.Adam,
        "sgd": keras.optimizers.SGD,
    }[settings.optimizer](rate)


def loss(settings: Train) -> Loss:
    """Return the loss function, which averages over the last axis of targets and outputs."""
    losses: dict[str, Loss] = {
        "mse": keras.losses.mean_squared_error,
        "mae": keras.losses.mean_absolute_error,
        "huber": partial(keras.losses.huber, delta=settings.huber_delta),
    }
    return losses[settings.loss]


def clipped(gradients: list[tf.Tensor], max_norm: float | None) -> list[tf.Tensor]:
    """Scale the gradients down to a joint norm of at most `max_norm`."""
    if max_norm is None:
        return gradients
    norm = tf.sqrt(
        tf.reduce_sum(tf.stack([tf.reduce_sum(tf.square(gradient)) for gradient in gradients]))
    )
    scaled, _ = tf.clip_by_global_norm(gradients, max_norm, norm)
    return scaled


class Steps:
    """Take training steps, one for each batch."""

    def __init__(
        self, learner: keras.Model, settings: Train, steps: int, strategy: tf.distribute.Strategy
    ) -> None:
        """Prepare the steps of a training.

        Args:
            learner: The training model.
            settings: The parameters of the train stage.
            steps: The number of steps of the whole training.
            strategy: How the training is distributed.
        """
        self.learner = learner
        self._loss, self._members = loss(settings), settings.members
        self._max_norm = settings.clip_norm
        self._strategy, self._replicas = strategy, strategy.num_replicas_in_sync
        self.optimizer = optimizer(settings, steps)
        self.optimizer.build(learner.trainable_variables)
        (_, length, features) = learner.input_shape
        batch = [
            tf.TensorSpec([None, length, features]),
            tf.TensorSpec([None, *learner.output_shape[1:-1], None]),
            tf.TensorSpec([None, *learner.output_shape[1:-1]]),
        ]
        stacked = [tf.TensorSpec([None, *spec.shape]) for spec in batch]
        # Without autograph, which only functions with Python loops or conditions need.
        function = partial(tf.function, autograph=False)
        self._take = function(self._steps, stacked)
        self._share = function(self._shared, batch)
        self._measure = function(self._weighted_loss, batch)

    def take(self, batches: Sequence[Batch]) -> npt.NDArray[np.float64]:
        """Train on batches of equal size, one after another; return the mean loss of each."""
        if self._replicas == 1:
            losses = self._take(*map(np.stack, zip(*batches, strict=True))).numpy()
        else:
            losses = np.array(
                [self._share(*self._pad_to_replicas(batch)).numpy() for batch in batches]
            )
        return losses.astype(np.float64)

    def measure(self, batches: Iterator[Batch]) -> float:
        """Return the mean loss of `batches` without training."""
        total = weight = 0.0
        for batch in batches:
            total += float(self._measure(*batch))
            weight += float(batch.weights.sum(dtype=np.float64))
        return total / weight

    def _steps(self, inputs: tf.Tensor, targets: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        batches = (inputs, targets, weights)
        return tf.map_fn(self._step, batches, fn_output_signature=tf.float32)

    def _step(self, batch: tuple[tf.Tensor, tf.Tensor, tf.Tensor]) -> tf.Tensor:
        inputs, targets, weights = batch
        with tf.GradientTape() as tape:
            lost = self._weighted_loss(inputs, targets, weights, training=True)
            mean = tf.math.divide_no_nan(lost, tf.reduce_sum(weights))
        gradients = tape.gradient(mean, self.learner.trainable_variables)
        self.optimizer.apply(clipped(gradients, self._max_norm), self.learner.trainable_variables)
        return mean

    def _pad_to_replicas(self, batch: Batch) -> Batch:
        """Pad a batch with rows of weight 0, so that each replica gets as many."""
        n_pad = -len(batch.inputs) % self._replicas
        return Batch(
            *(np.pad(array, [(0, n_pad)] + [(0, 0)] * (array.ndim - 1)) for array in batch)
        )

    def _shared(self, inputs: tf.Tensor, targets: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        total = tf.reduce_sum(weights)
        parts = self._strategy.run(self._part, (inputs, targets, weights, total))
        return self._strategy.reduce(tf.distribute.ReduceOp.SUM, parts, axis=None)

    def _part(
        self, inputs: tf.Tensor, targets: tf.Tensor, weights: tf.Tensor, total: tf.Tensor
    ) -> tf.Tensor:
        """Take a step on one of several replicas, with its share of the rows."""
        replica = tf.distribute.get_replica_context()
        rows = np.s_[replica.replica_id_in_sync_group :: self._replicas]
        with tf.GradientTape() as tape:
            lost = self._weighted_loss(inputs[rows], targets[rows], weights[rows], training=True)
            part = tf.math.divide_no_nan(lost, total)
        gradients = tape.gradient(part, self.learner.trainable_variables)
        # Clip the sum over all replicas here. The optimizer would sum the clipped gradients.
        summed = replica.all_reduce(tf.distribute.ReduceOp.SUM, gradients)
        shares = [gradient / self._replicas for gradient in clipped(summed, self._max_norm)]
        self.optimizer.apply(shares, self.learner.trainable_variables)
        return part

    def _weighted_loss(
        self, inputs: tf.Tensor, targets: tf.Tensor, weights: tf.Tensor, training: bool = False
    ) -> tf.Tensor:
        """Return the sum of the losses, each times its weight."""
        outputs = self.learner(inputs, training=training)
        targets_of_members = tf.concat([targets] * self._members, axis=-1)
        return tf.reduce_sum(self._loss(targets_of_members, outputs) * weights)


def fit(
    model: keras.Model,
    data: Data,
    settings: Train,
    seed: int,
    kept: Path,
    report: Report,
    warm: bool = False,
    strategy: tf.distribute.Strategy | None = None,
) -> None:
    """Train `model` in place.

    The weights of the epoch with the lowest validation loss are kept; the last ones if there is no
    validation split. After each epoch the state is written to `kept`. A training of the same data,
    settings and code that finds it there resumes from it and gives the same weights. Ctrl-C leaves
    `model` with the best weights so far, or the last ones before the first validation.

    With several replicas each batch is divided among them. The weights equal those of one process
    except for rounding and for dropout, which each replica draws separately. Only the first worker
    reports and writes the checkpoint, in a folder that all workers share.

    Args:
        model: The network; for a warm start with trained weights.
        data: The scaling and the splits.
        settings: The parameters of the train stage.
        seed: Seeds the shuffle.
        kept: The path of the checkpoint.
        report: Called after each epoch with the losses so far, rows (epoch, part, loss).
        warm: Whether to keep the initial weights if no epoch has a lower validation loss.
        strategy: How the training is distributed; by default on one device.

    Raises:
        Failure: The loss is NaN or infinite, or the workers differ or are lost.
    """
    strategy = strategy or tf.distribute.get_strategy()
    shape, size, epochs = network.shape(model), settings.batch_size, settings.epochs
    minutes = network.stretch(settings)
    count = -(-data.train.stretches(minutes) // size)
    with strategy.scope():
        learner = network.learner(shape, data.scaling, settings, minutes)
        learner.set_weights(model.get_weights())
        steps = Steps(learner, settings, count * epochs, strategy)

    def validation() -> float | None:
        if not data.validation.size:
            return None
        return steps.measure(ahead(pieces.batches(data.validation, shape, minutes, size)))

    fingerprint = key(model, data, settings, seed)
    keep: Callable[[State], None] = partial(checkpoint.write, kept, fingerprint)
    if ranks.read().own:
        keep = report = _ignore
    progress = _Progress(steps, count, settings, keep, report)
    state = checkpoint.read(kept, fingerprint)
    if strategy.num_replicas_in_sync > 1:
        _check_workers_agree(strategy, fingerprint, state.epochs if state else 0)
    if state is not None:
        progress.restore(state)
        # DVC has removed the losses of the interrupted training.
        report(progress.losses())
        print(f"train: resuming after epoch {state.epochs} of {epochs} ({kept})", flush=True)
    elif warm and (initial_loss := validation()) is not None:
        progress.begin(initial_loss)
    try:
        with _as_failure(strategy):
            while not progress.over:
                shuffle = network.shuffled(seed, progress.done)
                progress.begin_epoch()
                batches = pieces.batches(data.train, shape, minutes, size, shuffle)
                for group in ahead(_group_by_size(batches)):
                    progress.add(steps.take(group), group)
                progress.end_epoch(validation())
    finally:
        # Also after Ctrl-C.
        model.set_weights(progress.best or learner.get_weights())


@contextmanager
def _as_failure(strategy: tf.distribute.Strategy) -> Iterator[None]:
    """Raise Failure if another worker is lost in the block."""
    try:
        yield
    except tf.errors.OpError as error:
        if strategy.num_replicas_in_sync == 1:
            raise
        raise Failure(
            f"lost connection to another worker ({type(error).__name__}); restart all workers to "
            "resume after the last complete epoch"
        ) from None


def _ignore(_: Any) -> None:
    """Do nothing: only the first worker writes."""


def _check_workers_agree(strategy: tf.distribute.Strategy, key: str, epochs: int) -> None:
    """Raise Failure if a worker has other data, settings, code or another checkpoint."""
    fingerprint = int(key[:12], 16) + epochs
    by_replica = strategy.run(tf.identity, (tf.constant(fingerprint, tf.int64),))
    total = strategy.reduce(tf.distribute.ReduceOp.SUM, by_replica, axis=None)
    if int(total) != fingerprint * strategy.num_replicas_in_sync:
        raise Failure(
            "workers differ in data, parameters, code, devices or checkpoint; start all of them in "
            "the same folder"
        )


def _group_by_size(batches: Iterator[Batch]) -> Iterator[list[Batch]]:
    """Group batches of equal size for a call; the last batch of an epoch may be smaller."""
    for _, batches_of_size in itertools.groupby(batches, key=lambda batch: len(batch.inputs)):
        while group := list(itertools.islice(batches_of_size, STEPS_A_CALL)):
            yield group


def key(model: keras.Model, data: Data, settings: Train, seed: int) -> str:
    """Return a fingerprint of everything that determines the trained weights."""
    record = [
        settings.model_dump(),
        seed,
        network.shape(model),
        [keras.__version__, tf.__version__, np.__version__, network.device()],
    ]
    modules = (__file__, network.__file__, pieces.__file__)
    code = [Path(str(file)).read_bytes() for file in modules]
    contents = [*data.scaling, *data.train.key, b"validation", *data.validation.key]
    return checkpoint.key([json.dumps(record).encode(), *code, *model.get_weights(), *contents])


class _Progress:
    """Track a training: losses, best weights, progress bar and checkpoint."""

    def __init__(
        self,
        steps: Steps,
        count: int,
        settings: Train,
        keep: Callable[[State], None],
        report: Report,
    ) -> None:
        self.done = 0
        self.best: list[Any] = []
        self._best_loss, self._waited = math.inf, 0
        # (epoch, index in PARTS, loss), where the epoch is a fraction within each epoch.
        self._rows: list[tuple[float, int, float]] = []
        self._learner, self._optimizer = steps.learner, steps.optimizer
        self._count, self._settings = count, settings
        # Rows for each epoch, of equally many steps, since a shorter last row would be noisier.
        self._rows_an_epoch = max(1, min(count, HISTORY_ROWS // settings.epochs))
        self._keep, self._report = keep, report

    @property
    def over(self) -> bool:
        """Return whether the training has ended, by its epochs or its patience."""
        patience = self._settings.patience
        return self.done == self._settings.epochs or bool(patience and self._waited >= patience)

    def losses(self) -> pa.Table:
        """Return the losses so far as rows (epoch, part, loss)."""
        epoch, part, loss = zip(*self._rows, strict=True)
        return pa.table({"epoch": epoch, "part": [PARTS[i] for i in part], "loss": loss})

    def begin(self, loss: float) -> None:
        """Take the initial weights and their validation loss as the best so far."""
        self.best, self._best_loss = self._learner.get_weights(), loss
        self._rows.append((0.0, 1, loss))
        print(f"train: initial validation loss {loss:.4f}", flush=True)

    def restore(self, state: State) -> None:
        """Continue from the state of a checkpoint."""
        for variable, value in zip(self._learner.variables, state.network, strict=True):
            variable.assign(value)
        for variable, value in zip(self._optimizer.variables, state.optimizer, strict=True):
            variable.assign(value)
        self.done, self.best = state.epochs, list(state.best)
        self._best_loss, self._waited = state.best_loss, state.waited
        self._rows = [(epoch, int(part), loss) for epoch, part, loss in state.losses.tolist()]

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
            Failure: A loss is NaN or infinite.
        """
        self._bar.close()
        total, weight = self._of_epoch
        mean = total / weight
        if not math.isfinite(mean) or not math.isfinite(validation or 0.0):
            raise Failure("training diverged (loss is NaN or infinite); lower train.learning_rate")
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
            State(
                epochs=self.done,
                network=[variable.numpy() for variable in self._learner.variables],
                optimizer=[variable.numpy() for variable in self._optimizer.variables],
                best=self.best,
                best_loss=self._best_loss,
                waited=self._waited,
                losses=np.array(self._rows, np.float64),
            )
        )
