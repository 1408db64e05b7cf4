"""The training: its losses, the weights that it keeps, and that one which stopped goes on."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from household.core.params import TrainParams
from household.core.schema import Values
from household.dataset import batches, windows
from household.dataset.windows import WindowShape
from household.model import checkpoint, keras_file, loop, network, portability, progress
from household.model.checkpoint import Checkpoint
from tests.household.model import keras_model, test_network
from tests.household.model.keras_model import ANCHORED, PLAIN, design, series
from tests.household.model.test_network import LOOKBACK, SCALING, SHAPE, STARTS, VALUES

pytestmark = pytest.mark.usefixtures("empty_folder")
# Each layer of each member takes TensorFlow a third of a second to trace.
SMALL = {"ensemble_size": 1, "units": [3]}
TINY = test_network.TINY.model_copy(update=SMALL)
DENSE = test_network.DENSE.model_copy(update=SMALL)


def ignore(_: pa.Table) -> None:
    """Do nothing with the losses."""


def train(
    settings: TrainParams,
    seed: int = 0,
    values: Values = VALUES,
    kept: Path | None = None,
    report: progress.Report = ignore,
    shape: WindowShape = SHAPE,
    weights: list[Any] | None = None,
) -> tuple[network.Model, list[dict[str, Any]]]:
    """Train with a checkpoint at `kept`, or from the start without one.

    With `weights` it is a warm start.
    """
    if kept is None:
        kept = Path("own.npz")
        kept.unlink(missing_ok=True)
    portability.set_determinism(seed, shape, settings)
    model = network.build_model(*design(shape, SCALING, settings))
    if weights is not None:
        model.set_weights(weights)
    reported: list[pa.Table] = []

    def both(losses: pa.Table) -> None:
        reported.append(losses)
        report(losses)

    _, scaling, columns, _ = design(shape, SCALING, settings)
    known = series(values, columns, shape.horizon)
    parts = (batches.in_memory(known, starts) for starts in (STARTS[:3], STARTS[3:]))
    data = loop.TrainingData(scaling, columns, *parts)
    loop.fit(
        model,
        data,
        settings,
        seed=seed,
        checkpoint_path=kept,
        on_epoch_end=both,
        warm_start=weights is not None,
    )
    return model, reported[-1].to_pylist()


@pytest.mark.parametrize("horizon", [1, 2])
def test_losses_are_of_groups_of_steps_and_of_validation_by_epoch(
    horizon: int,
) -> None:
    # At this rate the weights stay as they are, so that the losses can be computed afterwards.
    settings = TINY.model_copy(update={"epochs": 2, "learning_rate": 1e-30, "dropout": 0.0})
    shape = WindowShape(LOOKBACK, horizon)
    model, losses = train(settings, shape=shape)
    assert [(row["epoch"], row["split"]) for row in losses] == [
        (0.5, "train"), (1.0, "train"), (1.0, "validation"),
        (1.5, "train"), (2.0, "train"), (2.0, "validation"),
    ]  # fmt: skip
    errors = keras_model.forecast(model, VALUES, STARTS) - windows.targets(VALUES, STARTS, shape)
    train_loss, validation_loss = np.mean(errors[:3] ** 2), np.mean(errors[3:] ** 2)
    for epoch in (1, 2):
        rows = [row for row in losses if epoch - 1 < row["epoch"] <= epoch]
        first, second = (row["loss"] for row in rows if row["split"] == "train")
        # Batches of two windows and of one.
        assert (2 * first + second) / 3 == pytest.approx(train_loss, rel=1e-5)
        assert rows[-1]["loss"] == pytest.approx(validation_loss, rel=1e-5)


@pytest.mark.parametrize("horizon", [1, 2])
def test_a_loss_at_every_step_is_the_mean_over_windows_with_a_weight(horizon: int) -> None:
    shape = WindowShape(LOOKBACK, horizon)
    settings = DENSE.model_copy(update={"learning_rate": 1e-30, "dropout": 0.0, "batch_size": 99})
    model, losses = train(settings, shape=shape)
    # The network still forecasts its anchor.
    errors = keras_model.forecast(model, VALUES, STARTS) - windows.targets(VALUES, STARTS, shape)
    assert [(row["split"], row["loss"]) for row in losses] == [
        ("train", pytest.approx(np.mean(errors[:3] ** 2), rel=1e-5)),
        ("validation", pytest.approx(np.mean(errors[3:] ** 2), rel=1e-5)),
    ]


@pytest.mark.parametrize("settings", [TINY, DENSE], ids=["last_step", "every_step"])
def test_the_weights_of_the_best_epoch_are_kept(settings: TrainParams) -> None:
    # So fast that the loss goes up and down.
    wild = settings.model_copy(
        update={"epochs": 8, "learning_rate": 1.5, "optimizer": "adam", "dropout": 0.0}
    )
    model, losses = train(wild)
    by_epoch = [row["loss"] for row in losses if row["split"] == "validation"]
    assert by_epoch[-1] > min(by_epoch)
    best = 1 + int(np.argmin(by_epoch))
    expected, _ = train(wild.model_copy(update={"epochs": best}))
    forecasts = [keras_model.forecast(each, VALUES, STARTS).tolist() for each in (model, expected)]
    assert forecasts[0] == forecasts[1]


@pytest.mark.parametrize("settings", [TINY, DENSE], ids=["last_step", "every_step"])
def test_a_warm_start_never_ends_with_a_higher_validation_loss(
    settings: TrainParams, capsys: pytest.CaptureFixture[str]
) -> None:
    wild = settings.model_copy(update={"epochs": 2, "learning_rate": 0.5})
    weights = None
    expected: list[float] = []
    for _ in range(3):
        model, losses = train(wild, weights=weights)
        of_epochs = [row for row in losses if row["split"] == "validation"]
        if weights:
            assert of_epochs[0]["epoch"] == 0
            assert of_epochs[0]["loss"] == pytest.approx(expected[-1], rel=1e-6)
            assert f"initial validation loss {expected[-1]:.4f}" in capsys.readouterr().out
        expected.append(min(row["loss"] for row in of_epochs))
        weights = model.get_weights()
    assert expected == sorted(expected, reverse=True)


def test_a_training_stops_when_its_patience_is_over() -> None:
    wild = TINY.model_copy(update={"epochs": 50, "learning_rate": 0.5, "patience": 2})
    _, losses = train(wild)
    by_epoch = [row["loss"] for row in losses if row["split"] == "validation"]
    assert len(by_epoch) == int(np.argmin(by_epoch)) + 1 + 2 < 50


def test_the_history_of_a_long_training_is_no_longer_than_a_page_holds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = TINY.model_copy(update={"batch_size": 1, "epochs": 3})
    for most, expected in (
        (2, [1, 2, 3]),
        (5, [1, 2, 3]),
        (6, [2 / 3, 1, 5 / 3, 2, 8 / 3, 3]),
        (9, [place / 3 for place in range(1, 10)]),
    ):
        monkeypatch.setattr(progress, "HISTORY_ROWS", most)
        _, losses = train(settings)
        rows = [row["epoch"] for row in losses if row["split"] == "train"]
        assert rows == pytest.approx(expected)


@pytest.mark.parametrize("settings", [TINY, DENSE], ids=["last_step", "every_step"])
def test_a_training_repeated_is_the_same_bytes(tmp_path: Path, settings: TrainParams) -> None:
    first, second, other = tmp_path / "a.keras", tmp_path / "b.keras", tmp_path / "c.keras"
    keras_file.save(train(settings)[0], first)
    keras_file.save(train(settings)[0], second)
    keras_file.save(train(settings, seed=1)[0], other)
    assert first.read_bytes() == second.read_bytes() != other.read_bytes()


LONG = {"epochs": 4, "learning_rate": 0.05, "optimizer": "adam", "lr_schedule": "cosine"}


def stopped(epoch: int, kept: Path, settings: TrainParams, **given: Any) -> list[int]:
    """Trains until Ctrl-C just before the state after `epoch` is kept; gives the epochs begun."""
    seen = []

    def report(losses: pa.Table) -> None:
        seen.append(round(losses["epoch"].to_pylist()[-1]))
        if seen[-1] == epoch:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(settings, kept=kept, report=report, **given)
    return seen


@pytest.mark.parametrize("settings", [TINY, DENSE], ids=["last_step", "every_step"])
def test_a_training_stopped_repeatedly_ends_as_one_that_never_stopped(
    tmp_path: Path, settings: TrainParams
) -> None:
    settings = settings.model_copy(update=LONG)
    kept = tmp_path / "kept.npz"
    assert stopped(1, kept, settings) == [1]
    assert not kept.exists()
    assert stopped(3, kept, settings) == [1, 2, 3]
    model, losses = train(settings, kept=kept)
    expected, expected_losses = train(settings)
    assert losses == expected_losses
    for name, each in (("a", model), ("b", expected)):
        keras_file.save(each, tmp_path / f"{name}.keras")
    assert (tmp_path / "a.keras").read_bytes() == (tmp_path / "b.keras").read_bytes()


def test_patience_counts_the_epochs_before_the_stop(tmp_path: Path) -> None:
    wild = TINY.model_copy(update={"epochs": 50, "learning_rate": 0.5, "patience": 2})
    kept = tmp_path / "kept.npz"
    expected, losses = train(wild)
    last = round(losses[-1]["epoch"])
    stopped(last, kept, wild)
    model, again = train(wild, kept=kept)
    assert again == losses
    # Killed after its last epoch, it has nothing left to train.
    reported: list[pa.Table] = []
    finished, _ = train(wild, kept=kept, report=reported.append)
    assert [each.to_pylist() for each in reported] == [losses]
    for each in (model, finished):
        assert keras_model.forecast(each, VALUES, STARTS).tolist() == (
            keras_model.forecast(expected, VALUES, STARTS).tolist()
        )


def test_a_checkpoint_of_another_training_is_never_resumed(tmp_path: Path) -> None:
    settings = TINY.model_copy(update=LONG)
    kept = tmp_path / "kept.npz"
    assert stopped(3, kept, settings) == [1, 2, 3]
    assert stopped(2, kept, settings, seed=1) == [1, 2]


def test_everything_that_a_training_depends_on_changes_its_fingerprint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = network.build_model(*design(SHAPE, SCALING, TINY))
    longer = network.build_model(*design(WindowShape(LOOKBACK + 1, 1), SCALING, TINY))
    known = series(VALUES, PLAIN)
    learnt, validation = (batches.in_memory(known, starts) for starts in (STARTS[:3], STARTS[3:]))
    data = loop.TrainingData(SCALING, PLAIN, learnt, validation)
    keys = [
        loop.fingerprint(model, data, TINY, seed=0),
        loop.fingerprint(longer, data, TINY, seed=0),
        loop.fingerprint(model, data, TINY.model_copy(update={"epochs": 9}), seed=0),
        loop.fingerprint(model, data, TINY, seed=1),
    ]
    others: list[dict[str, Any]] = [
        {"scaling": SCALING._replace(center=SCALING.center + 1)},
        {"scaling": SCALING._replace(scale=SCALING.scale * 2)},
        {"scaling": SCALING._replace(shares=(0.5,))},
        {"columns": ANCHORED},
        {"train": batches.in_memory(series(VALUES + 1, PLAIN), STARTS[:3])},
        {"train": batches.in_memory(known, STARTS[:2])},
        {"validation": batches.in_memory(known, STARTS[2:])},
    ]
    keys += [loop.fingerprint(model, data._replace(**other), TINY, seed=0) for other in others]
    code = shutil.copytree(Path(loop.__file__).parent, tmp_path / "model")
    with (code / "network.py").open("a") as network_code:
        network_code.write("# another line\n")
    monkeypatch.setattr(loop, "__file__", str(code / "loop.py"))
    keys.append(loop.fingerprint(model, data, TINY, seed=0))
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("size", [None, 0, 40, 700])
def test_a_damaged_checkpoint_is_ignored(tmp_path: Path, size: int | None) -> None:
    kept = tmp_path / "kept.npz"
    if size is not None:
        weights: checkpoint.Arrays = [np.ones(9)]
        state = checkpoint.TrainingState(3, weights, weights, weights, np.inf, 2, np.ones((5, 3)))
        Checkpoint(kept, "a").write(state)
        assert Checkpoint(kept, "a").read() is not None
        kept.write_bytes(kept.read_bytes()[:size])
    assert Checkpoint(kept, "a").read() is None


def test_a_checkpoint_is_read_as_written(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    network_arrays: checkpoint.Arrays = [draw.normal(size=(2, place + 1)) for place in range(12)]
    losses = draw.normal(size=(5, 3))
    state = checkpoint.TrainingState(3, network_arrays, [np.array(7)], [], np.inf, 2, losses)
    Checkpoint(tmp_path / "kept.npz", "a").write(state)
    assert Checkpoint(tmp_path / "kept.npz", "b").read() is None
    found = Checkpoint(tmp_path / "kept.npz", "a").read()
    assert found is not None
    assert [each.tolist() for each in found.network] == [each.tolist() for each in network_arrays]
    assert found.optimizer == [7]
    assert found.losses.tolist() == losses.tolist()
    assert found[3:6] == ([], np.inf, 2)
