"""Run Keras's layers in the training, faster and with the same bytes on every processor."""

from typing import Any, NamedTuple

from household.model.tensorflow import keras, tf

# Terms of a sum up to which TensorFlow computes a matrix product in the same order on every
# processor. Found by emulating other processors.
MAX_PORTABLE_TERMS = 400


class FusedLSTM(keras.layers.LSTM):  # type: ignore[misc]
    """Run Keras's LSTM layer as one TensorFlow operation for a whole sequence.

    Weights, outputs and gradients are the same except for rounding. Keras instead runs a loop of
    many small operations a minute. On a CPU, with layers and batches as small as the defaults, that
    costs more than the arithmetic.
    """

    def call(self, sequences: tf.Tensor, initial_state: Any = None, **_: Any) -> tf.Tensor:
        """Return the outputs of the layer: (batch, units) or (batch, minutes, units)."""
        kernel = tf.concat([self.cell.kernel, self.cell.recurrent_kernel], axis=0)
        zeros = tf.zeros((tf.shape(sequences)[0], self.units))
        hidden, cell = initial_state or (zeros, zeros)
        no_peephole = tf.zeros(self.units)
        # BlockLSTMV2 takes the gates in the order of Keras, but TensorFlow computes its gradient as
        # if they were in the order of BlockLSTM.
        *_, outputs = tf.raw_ops.BlockLSTM(
            seq_len_max=tf.constant(sequences.shape[1], tf.int64),
            x=tf.transpose(sequences, (1, 0, 2)),
            w=_to_block_lstm_order(kernel),
            b=_to_block_lstm_order(self.cell.bias),
            h_prev=hidden,
            cs_prev=cell,
            wci=no_peephole,
            wcf=no_peephole,
            wco=no_peephole,
            forget_bias=0.0,
            cell_clip=0.0,
        )
        return tf.transpose(outputs, (1, 0, 2)) if self.return_sequences else outputs[-1]


class BatchedDense(keras.layers.Dense):  # type: ignore[misc]
    """Run Keras's dense layer as a separate matrix product for each chunk and block of outputs.

    Keras joins all chunks into one matrix, whose sums are too long for `is_portable`.
    """

    def call(self, hidden: tf.Tensor, **_: Any) -> tf.Tensor:
        """Return the outputs of the layer: (batch, minutes, units), or (..., horizon, units)."""
        outputs = _multiply(hidden, self.kernel)
        if self.use_bias:
            outputs += self.bias
        return self.activation(outputs)


class BatchedEinsumDense(keras.layers.EinsumDense):  # type: ignore[misc]
    """Run Keras's dense layer with a bias for each step, as `BatchedDense` does."""

    def call(self, known: tf.Tensor, **_: Any) -> tf.Tensor:
        """Return the outputs of the layer: (batch, minutes, horizon, units)."""
        return _multiply(known, self.kernel) + self.bias


def _multiply(inputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """Return the product of `inputs`, (batch, minutes, ...), with `kernel`, in small products."""
    shape = inputs.shape[1:-1]
    rows = inputs
    if len(shape) == 2:  # (minutes, horizon)
        minutes, horizon = shape
        most = max(MAX_PORTABLE_TERMS // horizon, 1)
        of_block = max(n for n in range(1, min(minutes, most) + 1) if minutes % n == 0)
        rows = tf.reshape(inputs, (-1, of_block * horizon, inputs.shape[-1]))
    units = kernel.shape[-1]
    blocks = [
        tf.matmul(rows, kernel[:, first : first + MAX_PORTABLE_TERMS])
        for first in range(0, units, MAX_PORTABLE_TERMS)
    ]
    product = tf.concat(blocks, axis=-1)
    return tf.reshape(product, (-1, *shape, units)) if len(shape) == 2 else product


class Layers(NamedTuple):
    """Hold the layer types of a network.

    Attributes:
        lstm: A recurrent layer.
        dense: A dense layer.
        step_dense: A dense layer with a bias for each step of the horizon.
        joined: Joins the outputs of the members.
    """

    lstm: type[keras.layers.LSTM]
    dense: type[keras.layers.Dense]
    step_dense: type[keras.layers.EinsumDense]
    joined: type[keras.layers.Layer]


TO_DEPLOY = Layers(
    keras.layers.LSTM, keras.layers.Dense, keras.layers.EinsumDense, keras.layers.Average
)
TO_TRAIN = Layers(FusedLSTM, BatchedDense, BatchedEinsumDense, keras.layers.Concatenate)
# On a GPU Keras uses the LSTM of cuDNN.
TO_TRAIN_ON_GPU = TO_DEPLOY._replace(joined=keras.layers.Concatenate)


def _to_block_lstm_order(weights: tf.Tensor) -> tf.Tensor:
    """Reorder the gates of an LSTM from Keras to BlockLSTM: input, cell, forget, output."""
    input_gate, forget_gate, cell, output_gate = tf.split(weights, 4, axis=-1)
    return tf.concat([input_gate, cell, forget_gate, output_gate], axis=-1)
