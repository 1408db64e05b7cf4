"""The training of the network, epoch by epoch; one that was stopped goes on where it was."""

import json
import math
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from household.forecast import network  # before Keras, whose settings it makes

# isort: split
import keras
import numpy as np
import pyarrow as pa
import tensorflow as tf
from tqdm import tqdm

from household.forecast import checkpoint, windows
from household.forecast.checkpoint import State
from household.forecast.scaling import Scaling
from household.forecast.windows import Starts
from household.meter.series import Values
from household.pipeline.failure import Failure
from household.pipeline.params import Train

# Enough for a curve, and few enough for a page of plots.
HISTORY_ROWS = 100
# Keras takes some milliseconds between two calls of TensorFlow; Ctrl-C waits for the end of one.
STEPS_A_CALL = 16
PARTS = ("train", "validation")
Report = Callable[[pa.Table], None]


class Data(NamedTuple):
    """What a training learns from."""

    scaling: Scaling
    values: Values  # (minutes, features), the target first
    train: Starts
    validation: Starts


def compile_for(model: keras.Model, settings: Train, steps: int) -> None:
    """Gives `model` the loss and the optimizer of `settings` for a training of `steps` steps."""
    rate: Any = settings.learning_rate
    if settings.schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(rate, steps)
    optimizer = {
        "rmsprop": keras.optimizers.RMSprop,
        "adam": keras.optimizers.Adam,
        "sgd": keras.optimizers.SGD,
    }[settings.optimizer](rate, global_clipnorm=settings.clip_norm)
    loss = {
        "mse": keras.losses.MeanSquaredError,
        "mae": keras.losses.MeanAbsoluteError,
        "huber": partial(keras.losses.Huber, settings.huber_delta),
    }[settings.loss](reduction="mean_with_sample_weight")
    model.compile(
        loss=loss,
        optimizer=optimizer,
        steps_per_execution=min(STEPS_A_CALL, _steps_a_row(steps)),
    )


def _steps_a_row(steps: int) -> int:
    """How many of the `steps` of a training share a row of its history."""
    return -(-steps // HISTORY_ROWS)


def fit(
    model: keras.Model,
    data: Data,
    settings: Train,
    seed: int,
    kept: Path,
    report: Report,
    warm: bool = False,
) -> None:
    """Trains `model` in place.

    The weights of the epoch with the lowest validation loss are kept, the last ones where there
    is no validation part. After each epoch `report` is given the losses so far (epoch, part, loss),
    and the state is written to `kept`: a training of the same data, settings and code that finds
    it there goes on from it, to the same weights. Where it is `warm`, `model` comes trained, and
    its weights are kept if no epoch has a lower validation loss. Raises Failure where the loss is
    no number. A Ctrl-C leaves `model` with the best weights so far, the last ones before there are
    any.
    """
    shape, size, epochs = network.shape(model), settings.batch_size, settings.epochs
    minutes = network.stretch(settings)
    learner = network.learner(shape, data.scaling, settings, minutes)
    learner.set_weights(model.get_weights())
    items = len(windows.stretches(data.train, minutes))
    steps = -(-items // size)
    compile_for(learner, settings, steps * epochs)
    learner.optimizer.build(learner.trainable_variables)

    def for_each_member(*batch: tf.Tensor) -> tuple[tf.Tensor, ...]:
        inputs, targets, weights = batch
        return inputs, tf.concat([targets] * settings.members, axis=-1), weights

    due = key(model, data, settings, seed)
    validation = (
        network.labelled_batches(
            data.values, data.validation, shape, minutes, network.FORECAST_BATCH // minutes
        ).map(for_each_member)
        if len(data.validation)
        else None
    )
    watch = _Epochs(items, settings, lambda state: checkpoint.write(kept, due, state), report)
    batches = network.shuffled_batches(
        data.values, data.train, shape, minutes, size, seed, watch.epoch
    )
    watch.set_model(learner)
    found = checkpoint.read(kept, due)
    if found is not None:
        watch.restore(found)
        # DVC has removed the table of losses that the stopped training left.
        report(watch.losses())
        print(f"train: goes on after epoch {found.epochs} of {epochs}, from {kept}", flush=True)
    elif warm and validation is not None:
        watch.begin(learner.evaluate(validation, verbose=0))
    try:
        if not watch.over:
            learner.fit(
                batches.map(for_each_member),
                initial_epoch=watch.done,
                epochs=epochs,
                validation_data=validation,
                callbacks=[watch],
                # The batches come shuffled; Keras would warn that it can't shuffle them.
                shuffle=False,
                verbose=0,
            )
    finally:
        # What there is so far, where a Ctrl-C stops it.
        model.set_weights(watch.best or learner.get_weights())


def key(model: keras.Model, data: Data, settings: Train, seed: int) -> str:
    """One for all that the weights depend on, code and libraries included."""
    record = [
        settings.model_dump(),
        seed,
        network.shape(model),
        [keras.__version__, tf.__version__, np.__version__, network.device()],
    ]
    code = [Path(str(each)).read_bytes() for each in (__file__, network.__file__)]
    arrays = [*model.get_weights(), *data.scaling, *data[1:]]
    return checkpoint.key([json.dumps(record).encode(), *code, *arrays])


class _Epochs(keras.callbacks.Callback):  # type: ignore[misc]
    """Follows a training: its losses, its best weights, what is shown and what is kept of it."""

    def __init__(
        self, items: int, settings: Train, keep: Callable[[State], None], report: Report
    ) -> None:
        super().__init__()
        self.done = 0
        self.epoch = tf.Variable(0, dtype=tf.int64)  # the one under way
        self.best: list[Any] = []
        self._best_loss, self._waited = math.inf, 0
        # (epoch, place in PARTS, loss); the epoch is a count from 0 that grows within each as well.
        self._rows: list[tuple[float, int, float]] = []
        self._items, self._settings = items, settings
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
        self.best, self._best_loss = self.model.get_weights(), loss
        self._rows.append((0.0, 1, loss))
        print(f"train: begins with validation {loss:.4f}", flush=True)

    def restore(self, state: State) -> None:
        for variable, value in zip(self.model.variables, state.network, strict=True):
            variable.assign(value)
        for variable, value in zip(self.model.optimizer.variables, state.optimizer, strict=True):
            variable.assign(value)
        self.done, self.best = state.epochs, list(state.best)
        self._best_loss, self._waited = state.best_loss, state.waited
        self._rows = [(epoch, int(part), loss) for epoch, part, loss in state.losses.tolist()]

    def on_epoch_begin(self, epoch: int, _: Any = None) -> None:
        self.epoch.assign(epoch)
        self._steps = self.params["steps"]
        self._stretch = _steps_a_row(self._steps * self._settings.epochs)
        self._step, self._seen, self._sum = 0, 0, 0.0
        self._bar = tqdm(
            total=self._steps,
            desc=f"epoch {epoch + 1} of {self._settings.epochs}",
            unit="step",
            leave=False,
            disable=not sys.stderr.isatty(),
        )

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        # Keras counts the last call of an epoch as if it had been a full one.
        step = min(batch + 1, self._steps)
        self._bar.update(step - self._step)
        whole = step // self._stretch > self._step // self._stretch
        self._step = step
        if not whole and step < self._steps:
            return
        # Keras gives the mean over the epoch so far; what this stretch adds to the sum is its own.
        seen = min(step * self._settings.batch_size, self._items)
        total = float(logs["loss"]) * seen
        loss = (total - self._sum) / (seen - self._seen)
        self._rows.append((int(self.epoch) + step / self._steps, 0, loss))
        self._seen, self._sum = seen, total

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._bar.close()
        if not all(math.isfinite(loss) for loss in (logs or {}).values()):
            raise Failure(
                "the loss is no longer a number: the training went astray; "
                "lower train.learning_rate"
            )
        self.done = epoch + 1
        said = f"train: epoch {self.done} of {self._settings.epochs}, loss {logs['loss']:.4f}"
        if "val_loss" in logs:
            loss = float(logs["val_loss"])
            self._rows.append((epoch + 1.0, 1, loss))
            self._waited += 1
            said += f", validation {loss:.4f}"
            if loss < self._best_loss:
                self.best, self._best_loss, self._waited = self.model.get_weights(), loss, 0
                said += ", the best so far"
        print(said, flush=True)
        self._report(self.losses())
        self._keep(
            State(
                epochs=self.done,
                network=[variable.numpy() for variable in self.model.variables],
                optimizer=[variable.numpy() for variable in self.model.optimizer.variables],
                best=self.best,
                best_loss=self._best_loss,
                waited=self._waited,
                losses=np.array(self._rows, np.float64),
            )
        )
        self.model.stop_training = self.over
