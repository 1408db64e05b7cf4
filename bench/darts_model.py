"""Darts' BlockRNNModel on the same data."""

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from darts import TimeSeries
from darts.models import BlockRNNModel
from darts.utils.data.torch_datasets.utils import PLModuleInput
from pytorch_lightning.callbacks import Callback

from bench.given import Given
from household.dataset import windows

BATCH = 32  # what Darts takes of its own accord


class Epochs(Callback):  # type: ignore[misc]
    """Keeps the weights at the end of each epoch, and stops when the time is over."""

    def __init__(self, begin: float, seconds: float) -> None:
        self.reached: list[tuple[float, dict[str, Any]]] = []
        self._begin, self._seconds = begin, seconds

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        spent = time.perf_counter() - self._begin
        state = {name: value.clone() for name, value in pl_module.state_dict().items()}
        self.reached.append((spent, state))
        trainer.should_stop = spent >= self._seconds


def train(data: Given) -> Iterator[tuple[float, npt.NDArray[np.float32]]]:
    """Train; return the seconds at the end of each epoch and the test forecasts then, in kW."""
    begin = time.perf_counter()
    standard, lookback = data.standard(), data.shape.lookback
    runs = [
        standard[first : last + data.shape.length] for first, last in stretches(np.sort(data.train))
    ]
    epochs = Epochs(begin, data.seconds)
    model = BlockRNNModel(
        input_chunk_length=lookback,
        output_chunk_length=1,
        model="LSTM",
        hidden_dim=50,
        n_rnn_layers=2,
        dropout=0.1,
        batch_size=BATCH,
        n_epochs=1000,
        random_state=data.settings.seed,
        pl_trainer_kwargs={
            "accelerator": "cpu",
            # Of its own accord Darts draws as many windows from each stretch as the longest has:
            # on four simulated years eight times as many as there are.
            "limit_train_batches": len(data.train) // BATCH,
            "callbacks": [epochs],
            "enable_progress_bar": False,
            "enable_model_summary": False,
            "logger": False,
        },
    )
    model.fit(
        [TimeSeries.from_values(run[:, :1]) for run in runs],
        past_covariates=[TimeSeries.from_values(run[:, 1:]) for run in runs],
        verbose=False,
    )
    module = model.model.eval().float()
    for seconds, state in epochs.reached:
        module.load_state_dict(state)
        found = []
        with torch.no_grad():
            for part in np.array_split(data.test, -(-len(data.test) // 512)):
                inputs = torch.from_numpy(windows.inputs(standard, part, lookback))
                given = PLModuleInput(inputs[..., :1], past_covariates=inputs[..., 1:])
                found.append(module(given).prediction[:, 0, 0, 0].numpy())
        yield seconds, data.kilowatts(np.concatenate(found))


def stretches(starts: windows.Starts) -> Iterator[tuple[int, int]]:
    """First and last of each run of starts that follow on each other."""
    cuts = np.flatnonzero(np.diff(starts) != 1) + 1
    for run in np.split(starts, cuts):
        yield int(run[0]), int(run[-1])
