"""A training by two processes: what they make of it together, and where one is missing."""

import json
import re
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from household.core import params, paths
from household.core.errors import UserError
from household.dataset import windows
from household.model import distributed, keras_file, tensorflow
from stages import train
from tests.clones import change
from tests.shell import Start, environment, run

SMALL = {
    "train__dropout": 0.0,
    "train__ensemble_size": 2,
    "train__epochs": 4,
    "train__units": [4, 3],
}


def free_ports(count: int) -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in held]
    for each in held:
        each.close()
    return ports


def config(ports: list[int], own: int) -> str:
    workers = [f"127.0.0.1:{port}" for port in ports]
    return json.dumps({"cluster": {"worker": workers}, "task": {"type": "worker", "index": own}})


def start_rank(
    start: Start, folder: Path, ports: list[int], own: int, *program: str
) -> "subprocess.Popen[str]":
    """Start the rank `own` of train, or of another `program` of Python."""
    given = environment(folder) | {distributed.CONFIG: config(ports, own)}
    return start(folder, "python", *(program or ("-m", "stages.train")), env=given)


def assert_close(folder: Path, expected: list[np.ndarray[Any, Any]]) -> None:
    """Assert that the weights of the model in `folder` are the expected ones but for rounding."""
    for one, other in zip(expected, weights(folder), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-6)


def weights(folder: Path) -> list[np.ndarray[Any, Any]]:
    return keras_file.load(folder / paths.NETWORK).get_weights()


# As many devices as GPUs, of the one CPU.
TWO_DEVICES = """
from household.model import tensorflow
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
tensorflow.distribution_strategy = lambda: tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
from household.core import params
from stages import train
train.main(params.load())
"""
# A rank that is killed as its third epoch begins.
KILLED_AFTER_TWO_EPOCHS = """
import os, signal
from household.model.progress import TrainingProgress
from household.core import params
from stages import train
begin_epoch = TrainingProgress.begin_epoch
def begin_or_die(epochs):
    if epochs.done == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    begin_epoch(epochs)
TrainingProgress.begin_epoch = begin_or_die
train.main(params.load())
"""


@pytest.mark.slow(seconds=50)
def test_two_devices_or_two_workers_give_the_weights_of_one(
    clone: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts = windows.read_starts(clone / paths.TRAIN / "power.parquet")
    stretches = len(windows.chunk_starts(starts, 48))
    # The last batch has one row, which leaves the second rank without any.
    size = next(size for size in range(5, 99) if stretches % size == 1)
    change(clone, **SMALL, train__batch_size=size, train__learning_rate=0.003)
    monkeypatch.chdir(clone)
    train.main(params.load())
    alone, history = weights(clone), (clone / paths.HISTORY).read_text()
    (clone / paths.NETWORK).unlink()
    run(clone, "python", "-c", TWO_DEVICES)
    assert_close(clone, alone)

    (clone / paths.NETWORK).unlink()
    ports = free_ports(2)
    first = start_rank(start, clone, ports, 0)
    second = start_rank(start, clone, ports, 1, "-c", KILLED_AFTER_TWO_EPOCHS)
    second.communicate(timeout=150)
    said, _ = first.communicate(timeout=30)
    assert (first.returncode, second.returncode) == (1, -signal.SIGKILL), said
    assert re.fullmatch(
        r"train: lost connection to another worker \(\w+\); restart all workers to resume after "
        "the last complete epoch",
        said.splitlines()[-1],
    )
    assert (clone / paths.CHECKPOINT).exists()

    ports = free_ports(2)
    both = [start_rank(start, clone, ports, own) for own in range(2)]
    said, other = (each.communicate(timeout=150)[0] for each in both)
    assert [each.returncode for each in both] == [0, 0], said + other
    assert "worker 0 of 2" in said
    assert other.splitlines() == [said.splitlines()[0].replace("worker 0 of 2", "worker 1 of 2")]
    assert "train: resuming after epoch 2 of 4" in said
    assert "epoch 4/4" in said
    assert not (clone / paths.CHECKPOINT).exists()
    assert_close(clone, alone)
    before, after = (
        [float(of) for of in re.findall(r"[\d.e-]+$", text, re.M)]
        for text in (history, (clone / paths.HISTORY).read_text())
    )
    assert after == pytest.approx(before, rel=1e-4)


@pytest.mark.slow
def test_workers_with_other_parameters_are_refused(
    clone: Path, tmp_path: Path, start: Start
) -> None:
    other = tmp_path / "other"
    run(tmp_path, "cp", "-R", str(clone), str(other))
    change(other, seed=1)
    ports = free_ports(2)
    both = [start_rank(start, folder, ports, own) for own, folder in enumerate((clone, other))]
    for each in both:
        said, _ = each.communicate(timeout=100)
        assert each.returncode == 1
        assert "\ntrain: workers differ in data, parameters" in f"\n{said}"


def test_a_missing_worker_is_one_line_in_bounded_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(distributed, "CONNECT_TIMEOUT_SECONDS", 1.0)
    ports = free_ports(2)
    monkeypatch.setenv(distributed.CONFIG, config(ports, 0))
    with pytest.raises(
        UserError, match=rf"worker 1 of 2, 127.0.0.1:{ports[1]}, did not answer within"
    ):
        tensorflow.distribution_strategy()
    with (
        socket.create_server(("", ports[0])),
        pytest.raises(UserError, match=r"cannot listen on .*; choose another port"),
    ):
        tensorflow.distribution_strategy()


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "{}",
        config([1, 2], 2),
        config([1, 2], -1),
        config([1], 0).replace("127.0.0.1:1", "nowhere"),
        config([1, 2], 0).replace('"worker", "index"', '"ps", "index"'),
        config([1, 2], 0).replace('{"worker"', '{"ps": ["a:1"], "worker"'),
    ],
)
def test_an_invalid_tf_config_is_one_line(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(distributed.CONFIG, text)
    with pytest.raises(
        UserError, match=r"TF_CONFIG: expected all workers and the index of this one"
    ):
        distributed.workers_from_env()


def test_without_tf_config_there_is_one_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(distributed.CONFIG, raising=False)
    assert distributed.workers_from_env() == distributed.ALONE
    assert tensorflow.distribution_strategy().num_replicas_in_sync == 1
    monkeypatch.setenv(distributed.CONFIG, config([4321], 0))
    assert tensorflow.distribution_strategy().num_replicas_in_sync == 1
