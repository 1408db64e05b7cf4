"""Track a training: its losses, its best weights and its progress bar."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from household.core.errors import UserError
from household.core.params import TrainParams
from household.core.progress_bar import progress_bar
from household.core.schema import Float64
from household.dataset.shuffle_buffer import Batch
from household.model import distributed
from household.model.checkpoint import Checkpoint, TrainingState
from household.model.train_step import TrainStep

# Enough for a curve and few enough for a plot.
HISTORY_ROWS = 100
SPLITS = ("train", "validation")
Report = Callable[[pa.Table], None]


class TrainingProgress:
    """Track a training: losses, best weights, progress bar and checkpoint."""

    def __init__(
        self,
        steps: TrainStep,
        count: int,
        settings: TrainParams,
        *,
        saved: Checkpoint,
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
        self._saved, self._report = saved, on_epoch_end
        self._bar: Any = None

    @property
    def is_over(self) -> bool:
        """Return whether the training has ended, by its epochs or its patience."""
        patience = self._settings.patience
        return self.done == self._settings.epochs or bool(patience and self._waited >= patience)

    def losses(self) -> pa.Table:
        """Return the losses so far as rows (epoch, split, loss)."""
        epoch, split, loss = zip(*self._rows, strict=True)
        return pa.table({"epoch": epoch, "split": [SPLITS[i] for i in split], "loss": loss})

    def start_from(self, loss: float | None) -> None:
        """Take the initial weights and their validation loss, if any, as the best so far."""
        if loss is None:
            return
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
        # DVC has removed the losses of the interrupted training.
        if distributed.is_first():
            self._report(self.losses())
        epochs = self._settings.epochs
        print(
            f"train: resuming after epoch {self.done} of {epochs} ({self._saved.path})", flush=True
        )

    def begin_epoch(self) -> None:
        """Reset the sums for the next epoch, and show its number."""
        self._step = 0
        # Sums of the weighted losses and of the weights, for the next row and for the epoch.
        self._of_row, self._of_epoch = np.zeros(2), np.zeros(2)
        epochs = self._settings.epochs
        if self._bar is None:
            done, total = self.done * self._count, epochs * self._count
            self._bar = progress_bar("train", total, "steps", done=done)
        self._bar.set_description_str(f"train: epoch {self.done + 1}/{epochs}", refresh=False)

    def close(self) -> None:
        """Remove the progress bar."""
        if self._bar is not None:
            self._bar.close()

    def add(self, losses: Float64, batches: Sequence[Batch]) -> None:
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
        self._bar.clear()
        print(line, flush=True)
        if not distributed.is_first():
            return
        self._report(self.losses())
        self._saved.write(
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
