"""The default network and its training in PyTorch, for a comparison on the same data."""

import math
import time
from collections.abc import Iterator
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from bench.given import Given
from household.core.params import TrainParams
from household.dataset import windows
from household.model.forecast import Forecast

WINDOWS_A_STEP = 512
# As household.model.train_step has it, which imports TensorFlow.
MEAN_DELTA = 2.0
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


class Member(nn.Module):  # type: ignore[misc]
    def __init__(self, features: int, units: list[int], dropout: float, outputs: int) -> None:
        super().__init__()
        self.first = nn.LSTM(features, units[0], batch_first=True)
        self.second = nn.LSTM(units[0], units[1], batch_first=True)
        self.linear = nn.Linear(units[1], outputs)
        self.dropout = nn.Dropout(dropout)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, inputs: torch.Tensor, minutes: int) -> torch.Tensor:
        hidden = self.dropout(self.first(inputs)[0])
        hidden = self.second(hidden)[0][:, -minutes:]
        return self.linear(self.dropout(hidden))


class Forecaster(nn.Module):  # type: ignore[misc]
    """From standardised readings to the distribution of the minute after each of the last.

    The columns are the features, the anomaly of the power and the anchor of the forecast.
    The outputs (members, windows, minutes, levels + 1) are the standardised quantiles and the mean.
    """

    def __init__(self, features: int, settings: TrainParams) -> None:
        super().__init__()
        outputs = len(settings.levels) + 1
        made = [
            Member(2 * features + 1, settings.units, settings.dropout, outputs)
            for _ in range(settings.ensemble_size)
        ]
        self.members = nn.ModuleList(made)

    def forward(self, readings: torch.Tensor, minutes: int) -> torch.Tensor:
        features = readings[..., :-2]
        changes = torch.diff(features, dim=1, prepend=features[:, :1])
        inputs = torch.cat([readings[..., :-1], changes], dim=2)
        anchor = readings[:, -minutes:, -1:]
        return torch.stack([anchor + member(inputs, minutes) for member in self.members])


def distribution_loss(
    outputs: torch.Tensor, power: torch.Tensor, settings: TrainParams
) -> torch.Tensor:
    """Return the loss of household.model.train_step for each member, window and minute."""
    levels = torch.tensor(settings.levels, device=outputs.device)
    errors = power[..., None] - outputs
    pinball = torch.maximum(levels * errors[..., :-1], (levels - 1) * errors[..., :-1])
    huber = nn.functional.huber_loss(
        outputs[..., -1], power.expand(outputs.shape[:-1]), reduction="none", delta=MEAN_DELTA
    )
    return 2 * pinball.mean(dim=-1) + settings.mean_weight * huber


def train(data: Given, *, dense: bool) -> Iterator[tuple[float, Forecast]]:
    """Train; return the seconds at the end of each epoch and the test forecasts then."""
    begin = time.perf_counter()
    settings = data.settings.train
    torch.manual_seed(data.settings.seed)
    draw = np.random.default_rng(data.settings.seed)
    count = partial(torch.arange, device=DEVICE)
    # Without `network`: after TensorFlow, PyTorch's optimizers end the process.
    minutes = settings.chunk_length if dense else 1
    standard = torch.from_numpy(data.standard_inputs()).to(DEVICE)
    model = Forecaster(standard.shape[1] - 2, settings).to(DEVICE)
    counts = np.zeros(len(data.values) + minutes, np.float32)
    counts[data.train] = 1
    weight = torch.from_numpy(counts).to(DEVICE)
    firsts = windows.chunk_starts(data.train, minutes)
    size = settings.batch_size if dense else WINDOWS_A_STEP
    lookback = data.shape.lookback
    before = 0 if dense else lookback - 1
    steps = -(-len(firsts) // size) * settings.epochs
    optimizer = torch.optim.Adam(model.parameters(), settings.learning_rate)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: (1 + math.cos(math.pi * min(step / steps, 1))) / 2
    )
    reached: list[tuple[float, dict[str, torch.Tensor]]] = []
    spent = 0.0
    while spent < data.seconds and len(reached) < settings.epochs:
        shift = int(draw.integers(minutes)) if dense else 0
        order = draw.permutation(firsts) + shift
        model.train()
        for first in range(0, len(order), size):
            chosen = order[first : first + size, None].astype(np.int64)
            some = torch.from_numpy(chosen).to(DEVICE)
            # The rows that are read, and the target of the last.
            rows = some + (lookback - 1 - before) + count(before + minutes + 1)
            held = standard[rows.clamp(0, len(standard) - 1)]
            targets = some + count(minutes)
            counted = weight[targets.clamp(0)] * (targets >= 0)
            outputs = model(held[:, :-1], minutes)
            errors = distribution_loss(outputs, held[:, -minutes:, 0], settings)
            loss = (errors * counted).sum() / counted.sum().clamp(1) / settings.ensemble_size
            optimizer.zero_grad()
            loss.backward()
            if settings.global_clip_norm:
                nn.utils.clip_grad_norm_(model.parameters(), settings.global_clip_norm)
            optimizer.step()
            schedule.step()
        state = {name: value.clone().cpu() for name, value in model.state_dict().items()}
        spent = time.perf_counter() - begin
        reached.append((spent, state))
    for seconds, state in reached:
        model.load_state_dict(state)
        yield seconds, of_outputs(data, forecast(model, standard, data.test, lookback))


def of_outputs(data: Given, standard: npt.NDArray[np.float32]) -> Forecast:
    """Return the forecast in kW of standardised outputs (windows, levels + 1)."""
    power = data.kilowatts(standard)[:, np.newaxis]
    return Forecast.of_distribution(power[..., -1], np.sort(power[..., :-1]))


@torch.no_grad()  # type: ignore[untyped-decorator]
def forecast(
    model: Forecaster, standard: torch.Tensor, starts: windows.Starts, lookback: int
) -> npt.NDArray[np.float32]:
    """Return the standardised outputs for each window: (windows, levels + 1)."""
    model.eval()
    found = []
    for part in np.array_split(starts.astype(np.int64), -(-len(starts) // 512)):
        rows = torch.from_numpy(windows.input_rows(part, lookback)).to(standard.device)
        found.append(model(standard[rows], 1).mean(dim=0)[:, 0].cpu().numpy())
    return np.concatenate(found)
