"""Take the steps of a training."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from household.core.params import TrainParams
from household.core.schema import Float64
from household.dataset.inputs import READINGS
from household.dataset.shuffle_buffer import Batch
from household.model.tensorflow import keras, tf

# The inputs of the network by name.
Tensors = dict[str, tf.Tensor]
Loss = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
# The loss of a mean is quadratic up to an error of so many standard deviations of the power, so
# that no single minute decides a step.
MEAN_DELTA = 2.0


def make_optimizer(settings: TrainParams, steps: int) -> keras.Optimizer:
    """Return the optimizer for a training of `steps` steps. It expects clipped gradients."""
    rate: Any = settings.learning_rate
    if settings.lr_schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(rate, steps)
    return {
        "rmsprop": keras.optimizers.RMSprop,
        "adam": keras.optimizers.Adam,
        "sgd": keras.optimizers.SGD,
    }[settings.optimizer](rate)


def loss_function(settings: TrainParams, unit: float = 1.0) -> Loss:
    """Return the loss of a training model.

    It takes targets (..., horizon) and the outputs of all members (..., outputs), and averages over
    members and horizon.

    Args:
        settings: The parameters of the train stage.
        unit: The standard deviation of the power in kW, from which on the error of a mean counts
            less than squared.
    """
    if settings.levels:
        return partial(_quantile_loss, settings=settings, unit=unit)
    losses: dict[str, Loss] = {
        "mse": keras.losses.mean_squared_error,
        "mae": keras.losses.mean_absolute_error,
        "huber": partial(keras.losses.huber, delta=settings.huber_delta),
    }
    loss = losses[settings.loss]
    members = settings.ensemble_size
    return lambda targets, outputs: loss(tf.concat([targets] * members, axis=-1), outputs)


def _quantile_loss(
    targets: tf.Tensor, outputs: tf.Tensor, *, settings: TrainParams, unit: float
) -> tf.Tensor:
    """Return twice the mean pinball loss of the quantiles, plus the weighted loss of the mean.

    Both are in kW. The first approximates the continuous ranked probability score. Koenker and
    Bassett (1978), Regression quantiles, Econometrica 46(1).
    """
    count, horizon = len(settings.levels), targets.shape[-1]
    levels = tf.constant(settings.levels)[:, tf.newaxis]
    leading = tf.shape(targets)[:-1]
    by_member = tf.reshape(
        outputs, tf.concat([leading, [settings.ensemble_size, count + 1, horizon]], 0)
    )
    errors = targets[..., tf.newaxis, tf.newaxis, :] - by_member
    of_quantiles, of_mean = errors[..., :-1, :], errors[..., -1, :] / unit
    pinball = tf.maximum(levels * of_quantiles, (levels - 1) * of_quantiles)
    size = tf.abs(of_mean)
    huber = tf.where(size <= MEAN_DELTA, of_mean**2 / 2, MEAN_DELTA * (size - MEAN_DELTA / 2))
    return 2 * tf.reduce_mean(pinball, [-3, -2, -1]) + settings.mean_weight * unit * tf.reduce_mean(
        huber, [-2, -1]
    )


def clip_gradients(gradients: list[tf.Tensor], max_norm: float | None) -> list[tf.Tensor]:
    """Scale the gradients down to a joint norm of at most `max_norm`."""
    if max_norm is None:
        return gradients
    norm = tf.sqrt(
        tf.reduce_sum(tf.stack([tf.reduce_sum(tf.square(gradient)) for gradient in gradients]))
    )
    scaled, _ = tf.clip_by_global_norm(gradients, max_norm, norm)
    return scaled


class TrainStep:
    """Take training steps, one for each batch."""

    def __init__(
        self,
        learner: keras.Model,
        settings: TrainParams,
        steps: int,
        *,
        horizon: int,
        unit: float,
        strategy: tf.distribute.Strategy,
    ) -> None:
        """Prepare the steps of a training.

        Args:
            learner: The training model.
            settings: The parameters of the train stage.
            steps: The number of steps of the whole training.
            horizon: The number of steps of the horizon.
            unit: The standard deviation of the power in kW.
            strategy: How the training is distributed.
        """
        self.learner = learner
        self._loss = loss_function(settings, unit)
        self._max_norm = settings.global_clip_norm
        self._strategy, self._replicas = strategy, strategy.num_replicas_in_sync
        self.optimizer = make_optimizer(settings, steps)
        self.optimizer.build(learner.trainable_variables)
        batch = [
            {each.name: tf.TensorSpec([None, *each.shape[1:]]) for each in learner.inputs},
            tf.TensorSpec([None, *learner.output_shape[1:-1], horizon]),
            tf.TensorSpec([None, *learner.output_shape[1:-1]]),
        ]
        stacked = tf.nest.map_structure(lambda spec: tf.TensorSpec([None, *spec.shape]), batch)
        # Without autograph, which only functions with Python loops or conditions need.
        function = partial(tf.function, autograph=False)
        self._take = function(self._steps, stacked)
        self._share = function(self._shared, batch)
        self._measure = function(self._weighted_loss, batch)

    def train_batches(self, batches: Sequence[Batch]) -> Float64:
        """Train on batches of equal size, one after another; return the mean loss of each."""
        if self._replicas == 1:
            stack = partial(tf.nest.map_structure, lambda *parts: np.stack(parts))
            losses = self._take(*stack(*(tuple(batch) for batch in batches))).numpy()
        else:
            losses = np.array(
                [self._share(*self._pad_to_replicas(batch)).numpy() for batch in batches]
            )
        return losses.astype(np.float64)

    def evaluate(self, batches: Iterator[Batch]) -> float:
        """Return the mean loss of `batches` without training."""
        total = weight = 0.0
        for batch in batches:
            total += float(self._measure(*batch))
            weight += float(batch.weights.sum(dtype=np.float64))
        return total / weight

    def _steps(self, inputs: Tensors, targets: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        batches = (inputs, targets, weights)
        return tf.map_fn(self._step, batches, fn_output_signature=tf.float32)

    def _step(self, batch: tuple[Tensors, tf.Tensor, tf.Tensor]) -> tf.Tensor:
        inputs, targets, weights = batch
        with tf.GradientTape() as tape:
            lost = self._weighted_loss(inputs, targets, weights, training=True)
            mean = tf.math.divide_no_nan(lost, tf.reduce_sum(weights))
        gradients = tape.gradient(mean, self.learner.trainable_variables)
        self.optimizer.apply(
            clip_gradients(gradients, self._max_norm), self.learner.trainable_variables
        )
        return mean

    def _pad_to_replicas(self, batch: Batch) -> Batch:
        """Pad a batch with rows of weight 0, so that each replica gets as many."""
        n_pad = -len(batch.targets) % self._replicas
        padded = tf.nest.map_structure(
            lambda array: np.pad(array, [(0, n_pad)] + [(0, 0)] * (array.ndim - 1)), tuple(batch)
        )
        return Batch(*padded)

    def _shared(self, inputs: Tensors, targets: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        total = tf.reduce_sum(weights)
        parts = self._strategy.run(self._part, (inputs, targets, weights), {"total": total})
        return self._strategy.reduce(tf.distribute.ReduceOp.SUM, parts, axis=None)

    def _part(
        self, inputs: Tensors, targets: tf.Tensor, weights: tf.Tensor, *, total: tf.Tensor
    ) -> tf.Tensor:
        """Take a step on one of several replicas, with its share of the rows."""
        replica = tf.distribute.get_replica_context()
        rows = np.s_[replica.replica_id_in_sync_group :: self._replicas]
        with tf.GradientTape() as tape:
            own = {name: tensor[rows] for name, tensor in inputs.items()}
            lost = self._weighted_loss(own, targets[rows], weights[rows], training=True)
            part = tf.math.divide_no_nan(lost, total)
        gradients = tape.gradient(part, self.learner.trainable_variables)
        # Clip the sum over all replicas here. The optimizer would sum the clipped gradients.
        summed = replica.all_reduce(tf.distribute.ReduceOp.SUM, gradients)
        shares = [gradient / self._replicas for gradient in clip_gradients(summed, self._max_norm)]
        self.optimizer.apply(shares, self.learner.trainable_variables)
        return part

    def _weighted_loss(
        self, inputs: Tensors, targets: tf.Tensor, weights: tf.Tensor, *, training: bool = False
    ) -> tf.Tensor:
        """Return the sum of the losses, each times its weight."""
        # A network that reads nothing but the readings takes their tensor.
        given = inputs if len(inputs) > 1 else inputs[READINGS]
        outputs = self.learner(given, training=training)
        return tf.reduce_sum(self._loss(targets, outputs) * weights)
