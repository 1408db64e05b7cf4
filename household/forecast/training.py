"""The training of the network, epoch by epoch; one that was stopped goes on where it was."""

import itertools
import json
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from household.forecast import network  # before Keras, whose settings it makes

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

# Enough for a curve, and few enough for a page of plots.
HISTORY_ROWS = 100
# Some milliseconds lie between two calls of TensorFlow; Ctrl-C waits for the end of one.
STEPS_A_CALL = 16
PARTS = ("train", "validation")
Report = Callable[[pa.Table], None]
Loss = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


class Data(NamedTuple):
    """What a training learns from."""

    scaling: Scaling
    train: Part
    validation: Part


def optimizer(settings: Train, steps: int) -> keras.Optimizer:
    """The optimizer of a training of `steps` steps; its gradients come clipped."""
    rate: Any = settings.learning_rate
    if settings.schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(rate, steps)
    return {
        "rmsprop": keras.optimizers.RMSprop,
        "adam": keras.optimizers.Adam,
        "sgd": keras.optimizers.SGD,
    }[settings.optimizer](rate)


def loss(settings: Train) -> Loss:
    """Of targets and outputs (..., n), the mean over the last axis."""
    losses: dict[str, Loss] = {
        "mse": keras.losses.mean_squared_error,
        "mae": keras.losses.mean_absolute_error,
        "huber": partial(keras.losses.huber, delta=settings.huber_delta),
    }
    return losses[settings.loss]


def clipped(gradients: list[tf.Tensor], longest: float | None) -> list[tf.Tensor]:
    """Gradients whose length, of all of them together, is `longest` where it was more."""
    if longest is None:
        return gradients
    length = tf.sqrt(tf.reduce_sum(tf.stack([tf.reduce_sum(tf.square(of)) for of in gradients])))
    within, _ = tf.clip_by_global_norm(gradients, longest, length)
    return within


class Steps:
    """The steps of a training, each of one batch."""

    def __init__(
        self, learner: keras.Model, settings: Train, steps: int, strategy: tf.distribute.Strategy
    ) -> None:
        self.learner = learner
        self._loss, self._members = loss(settings), settings.members
        self._longest = settings.clip_norm
        self._strategy, self._replicas = strategy, strategy.num_replicas_in_sync
        self.optimizer = optimizer(settings, steps)
        self.optimizer.build(learner.trainable_variables)
        (_, length, features) = learner.input_shape
        batch = [
            tf.TensorSpec([None, length, features]),
            tf.TensorSpec([None, *learner.output_shape[1:-1], None]),
            tf.TensorSpec([None, *learner.output_shape[1:-1]]),
        ]
        several = [tf.TensorSpec([None, *spec.shape]) for spec in batch]
        # None has a loop or a condition in Python, for which autograph would read its source.
        function = partial(tf.function, autograph=False)
        self._take = function(self._steps, several)
        self._share = function(self._shared, batch)
        self._measure = function(self._lost, batch)

    def take(self, batches: Sequence[Batch]) -> npt.NDArray[np.float64]:
        """Learns from batches of one size in turn; returns the loss of each, over its weights."""
        if self._replicas == 1:
            taken = self._take(*map(np.stack, zip(*batches, strict=True))).numpy()
        else:
            taken = np.array([self._share(*self._even(batch)).numpy() for batch in batches])
        return taken.astype(np.float64)

    def measure(self, batches: Iterator[Batch]) -> float:
        """The mean loss over all weights, without learning."""
        lost = counted = 0.0
        for batch in batches:
            lost += float(self._measure(*batch))
            counted += float(batch.weights.sum(dtype=np.float64))
        return lost / counted

    def _steps(self, inputs: tf.Tensor, targets: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        batches = (inputs, targets, weights)
        return tf.map_fn(self._step, batches, fn_output_signature=tf.float32)

    def _step(self, batch: tuple[tf.Tensor, tf.Tensor, tf.Tensor]) -> tf.Tensor:
        inputs, targets, weights = batch
        with tf.GradientTape() as tape:
            lost = self._lost(inputs, targets, weights, training=True)
            mean = tf.math.divide_no_nan(lost, tf.reduce_sum(weights))
        gradients = tape.gradient(mean, self.learner.trainable_variables)
        self.optimizer.apply(clipped(gradients, self._longest), self.learner.trainable_variables)
        return mean

    def _even(self, batch: Batch) -> Batch:
        """With rows without a weight at its end, so that each replica has as many."""
        more = -len(batch.inputs) % self._replicas
        return Batch(*(np.pad(of, [(0, more)] + [(0, 0)] * (of.ndim - 1)) for of in batch))

    def _shared(self, inputs: tf.Tensor, targets: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        total = tf.reduce_sum(weights)
        parts = self._strategy.run(self._part, (inputs, targets, weights, total))
        return self._strategy.reduce(tf.distribute.ReduceOp.SUM, parts, axis=None)

    def _part(
        self, inputs: tf.Tensor, targets: tf.Tensor, weights: tf.Tensor, total: tf.Tensor
    ) -> tf.Tensor:
        """A step by one of several replicas, which has every so many rows of the batch."""
        replica = tf.distribute.get_replica_context()
        own = np.s_[replica.replica_id_in_sync_group :: self._replicas]
        with tf.GradientTape() as tape:
            lost = self._lost(inputs[own], targets[own], weights[own], training=True)
            part = tf.math.divide_no_nan(lost, total)
        gradients = tape.gradient(part, self.learner.trainable_variables)
        # Here and not in the optimizer: what is clipped is the sum of all. That sums them up too.
        summed = replica.all_reduce(tf.distribute.ReduceOp.SUM, gradients)
        shares = [of / self._replicas for of in clipped(summed, self._longest)]
        self.optimizer.apply(shares, self.learner.trainable_variables)
        return part

    def _lost(
        self, inputs: tf.Tensor, targets: tf.Tensor, weights: tf.Tensor, training: bool = False
    ) -> tf.Tensor:
        """The sum of the losses, each times its weight."""
        outputs = self.learner(inputs, training=training)
        of_each_member = tf.concat([targets] * self._members, axis=-1)
        return tf.reduce_sum(self._loss(of_each_member, outputs) * weights)


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
    """Trains `model` in place.

    The weights of the epoch with the lowest validation loss are kept, the last ones where there
    is no validation part. After each epoch `report` is given the losses so far (epoch, part, loss),
    and the state is written to `kept`: a training of the same data, settings and code that finds
    it there goes on from it, to the same weights. Where it is `warm`, `model` comes trained, and
    its weights are kept if no epoch has a lower validation loss. Raises Failure where the loss is
    no number. A Ctrl-C leaves `model` with the best weights so far, the last ones before there are
    any.

    With a `strategy` of several replicas each has a part of every batch: the weights are those of
    one but for rounding, and but for dropout, of which each draws its own. All ranks of one take
    part in all that is said here; the first alone reports, and writes to `kept`, where the others
    have to see it.
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

    due = key(model, data, settings, seed)
    keep: Callable[[State], None] = partial(checkpoint.write, kept, due)
    if ranks.read().own:
        keep = report = _leave_it
    watch = _Epochs(steps, count, settings, keep, report)
    found = checkpoint.read(kept, due)
    if strategy.num_replicas_in_sync > 1:
        _agree(strategy, due, found.epochs if found else 0)
    if found is not None:
        watch.restore(found)
        # DVC has removed the table of losses that the stopped training left.
        report(watch.losses())
        print(f"train: goes on after epoch {found.epochs} of {epochs}, from {kept}", flush=True)
    elif warm and (first := validation()) is not None:
        watch.begin(first)
    try:
        with _together(strategy):
            while not watch.over:
                shuffle = network.shuffled(seed, watch.done)
                watch.begin_epoch()
                batches = pieces.batches(data.train, shape, minutes, size, shuffle)
                for several in ahead(_of_one_size(batches)):
                    watch.add(steps.take(several), several)
                watch.end_epoch(validation())
    finally:
        # What there is so far, where a Ctrl-C stops it.
        model.set_weights(watch.best or learner.get_weights())


@contextmanager
def _together(strategy: tf.distribute.Strategy) -> Iterator[None]:
    """Raises Failure where a rank of the strategy is lost."""
    try:
        yield
    except tf.errors.OpError as error:
        if strategy.num_replicas_in_sync == 1:
            raise
        raise Failure(
            f"another rank is gone ({type(error).__name__}); start all of them again: they go on "
            "after the last epoch that was whole"
        ) from None


def _leave_it(_: Any) -> None:
    """What the first rank does for all."""


def _agree(strategy: tf.distribute.Strategy, key: str, epochs: int) -> None:
    """Raises Failure where a rank has other data, settings or code, or another state to go on."""
    own = int(key[:12], 16) + epochs
    of_each = strategy.run(tf.identity, (tf.constant(own, tf.int64),))
    total = strategy.reduce(tf.distribute.ReduceOp.SUM, of_each, axis=None)
    if int(total) != own * strategy.num_replicas_in_sync:
        raise Failure(
            "the ranks have other data, parameters, code or devices, or do not see the same state "
            "of the training; give all of them the same folder"
        )


def _of_one_size(batches: Iterator[Batch]) -> Iterator[list[Batch]]:
    """The batches of each call: some of one size, the last of an epoch, which may be smaller."""
    for _, same in itertools.groupby(batches, key=lambda batch: len(batch.inputs)):
        while several := list(itertools.islice(same, STEPS_A_CALL)):
            yield several


def key(model: keras.Model, data: Data, settings: Train, seed: int) -> str:
    """One for all that the weights depend on, code and libraries included."""
    record = [
        settings.model_dump(),
        seed,
        network.shape(model),
        [keras.__version__, tf.__version__, np.__version__, network.device()],
    ]
    modules = (__file__, network.__file__, pieces.__file__)
    code = [Path(str(each)).read_bytes() for each in modules]
    contents = [*data.scaling, *data.train.key, b"validation", *data.validation.key]
    return checkpoint.key([json.dumps(record).encode(), *code, *model.get_weights(), *contents])


class _Epochs:
    """Follows a training: its losses, its best weights, what is shown and what is kept of it."""

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
        # (epoch, place in PARTS, loss); the epoch is a count from 0 that grows within each as well.
        self._rows: list[tuple[float, int, float]] = []
        self._learner, self._optimizer = steps.learner, steps.optimizer
        self._count, self._settings = count, settings
        # Rows of each epoch, of as many steps as one another: a short last one would be a spike.
        self._rows_an_epoch = max(1, min(count, HISTORY_ROWS // settings.epochs))
        self._keep, self._report = keep, report

    @property
    def over(self) -> bool:
        patience = self._settings.patience
        return self.done == self._settings.epochs or bool(patience and self._waited >= patience)

    def losses(self) -> pa.Table:
        epoch, part, loss = zip(*self._rows, strict=True)
        return pa.table({"epoch": epoch, "part": [PARTS[each] for each in part], "loss": loss})

    def begin(self, loss: float) -> None:
        """Takes the weights that the model comes with, and their validation loss, as the best."""
        self.best, self._best_loss = self._learner.get_weights(), loss
        self._rows.append((0.0, 1, loss))
        print(f"train: begins with validation {loss:.4f}", flush=True)

    def restore(self, state: State) -> None:
        for variable, value in zip(self._learner.variables, state.network, strict=True):
            variable.assign(value)
        for variable, value in zip(self._optimizer.variables, state.optimizer, strict=True):
            variable.assign(value)
        self.done, self.best = state.epochs, list(state.best)
        self._best_loss, self._waited = state.best_loss, state.waited
        self._rows = [(epoch, int(part), loss) for epoch, part, loss in state.losses.tolist()]

    def begin_epoch(self) -> None:
        self._step = 0
        # Sums of losses, each times the weight of its batch, and of these weights.
        self._of_row, self._of_epoch = np.zeros(2), np.zeros(2)
        self._bar = tqdm(
            total=self._count,
            desc=f"epoch {self.done + 1} of {self._settings.epochs}",
            unit="step",
            leave=False,
            disable=not sys.stderr.isatty(),
        )

    def add(self, losses: npt.NDArray[np.float64], batches: Sequence[Batch]) -> None:
        """Takes down the loss of each step, with the batch that it was of."""
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
        self._bar.close()
        total, weight = self._of_epoch
        mean = total / weight
        if not math.isfinite(mean) or not math.isfinite(validation or 0.0):
            raise Failure(
                "the loss is no longer a number: the training went astray; "
                "lower train.learning_rate"
            )
        self.done += 1
        said = f"train: epoch {self.done} of {self._settings.epochs}, loss {mean:.4f}"
        if validation is not None:
            self._rows.append((float(self.done), 1, validation))
            self._waited += 1
            said += f", validation {validation:.4f}"
            if validation < self._best_loss:
                self.best, self._best_loss = self._learner.get_weights(), validation
                self._waited = 0
                said += ", the best so far"
        print(said, flush=True)
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
