"""Find the workers of a distributed training, on one host or on several, in TF_CONFIG.

https://www.tensorflow.org/guide/distributed_training#setting_up_the_tf_config_environment_variable
"""

import json
import os
import socket
import time
from dataclasses import dataclass

from household.core.errors import UserError

CONFIG = "TF_CONFIG"
# Time for all workers to start: the last of them may still be importing TensorFlow.
CONNECT_TIMEOUT_SECONDS = 60.0
PAUSE_SECONDS = 0.2
EXAMPLE = '{"cluster": {"worker": ["a:4321", "b:4321"]}, "task": {"type": "worker", "index": 0}}'


@dataclass(frozen=True)
class Workers:
    """List the workers of a training.

    Attributes:
        addresses: host:port of each worker, in the order of their ranks.
        index: The index of this process, from 0.
    """

    addresses: tuple[str, ...]
    index: int


ALONE = Workers(("",), 0)


def workers_from_env() -> Workers:
    """Return the workers that TF_CONFIG names; one without an address if it is not set.

    Only the first worker writes files.

    Raises:
        UserError: TF_CONFIG is not valid.
    """
    text = os.environ.get(CONFIG)
    if not text:
        return ALONE
    try:
        config = json.loads(text)
        addresses = tuple(map(str, config["cluster"]["worker"]))
        index = config["task"]["index"]
        ports = [int(address.rpartition(":")[2]) for address in addresses]
        is_valid = set(config["cluster"]) == {"worker"} and config["task"]["type"] == "worker"
        if not (is_valid and ports and index in range(len(addresses))):
            raise ValueError
    except (ValueError, LookupError, TypeError):
        raise UserError(
            f"{CONFIG}: expected all workers and the index of this one, such as {EXAMPLE}, "
            f"found {text}"
        ) from None
    return Workers(addresses, index)


def is_first() -> bool:
    """Return whether this process is the first worker, which alone writes files."""
    return workers_from_env().index == 0


def wait_for_workers(ranks: Workers) -> None:
    """Wait until every other worker answers.

    TensorFlow itself would block forever and ignore Ctrl-C.

    Raises:
        UserError: A worker does not answer within CONNECT_TIMEOUT_SECONDS, or the port of this one
            is taken.
    """
    deadline = time.monotonic() + CONNECT_TIMEOUT_SECONDS
    try:
        server = socket.create_server(("", int(ranks.addresses[ranks.index].rpartition(":")[2])))
    except OSError as error:
        raise UserError(
            f"{CONFIG}: cannot listen on {ranks.addresses[ranks.index]} ({error.strerror}); "
            "choose another port"
        ) from None
    with server:
        for rank, address in enumerate(ranks.addresses):
            while rank != ranks.index and not _answers(address):
                if time.monotonic() > deadline:
                    raise UserError(
                        f"{CONFIG}: worker {rank} of {len(ranks.addresses)}, {address}, did not "
                        f"answer within {CONNECT_TIMEOUT_SECONDS:g} seconds; start all of them in "
                        "that time"
                    )
                time.sleep(PAUSE_SECONDS)


def _answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except OSError:
        return False
    return True
