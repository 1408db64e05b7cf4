"""Find the workers of a distributed training, on one host or on several, in TF_CONFIG.

https://www.tensorflow.org/guide/distributed_training#setting_up_the_tf_config_environment_variable
"""

import json
import os
import socket
import time
from typing import NamedTuple

from household.core.errors import Failure

CONFIG = "TF_CONFIG"
# Time for all workers to start: the last of them may still be importing TensorFlow.
MEET_SECONDS = 60.0
PAUSE_SECONDS = 0.2
EXAMPLE = '{"cluster": {"worker": ["a:4321", "b:4321"]}, "task": {"type": "worker", "index": 0}}'


class Ranks(NamedTuple):
    """List the workers of a training.

    Attributes:
        addresses: host:port of each worker, in the order of their ranks.
        own: The rank of this process, from 0.
    """

    addresses: tuple[str, ...]
    own: int


ALONE = Ranks(("",), 0)


def read() -> Ranks:
    """Return the workers that TF_CONFIG names; one without an address if it is not set.

    Only the first worker writes files.

    Raises:
        Failure: TF_CONFIG is not valid.
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
        raise Failure(
            f"{CONFIG}: expected all workers and the index of this one, such as {EXAMPLE}, "
            f"found {text}"
        ) from None
    return Ranks(addresses, index)


def is_first() -> bool:
    """Return whether this process is the first worker, which alone writes files."""
    return read().own == 0


def meet(ranks: Ranks) -> None:
    """Wait until every other worker answers.

    TensorFlow itself would block forever and ignore Ctrl-C.

    Raises:
        Failure: A worker does not answer within MEET_SECONDS, or the port of this one is taken.
    """
    deadline = time.monotonic() + MEET_SECONDS
    try:
        server = socket.create_server(("", int(ranks.addresses[ranks.own].rpartition(":")[2])))
    except OSError as error:
        raise Failure(
            f"{CONFIG}: cannot listen on {ranks.addresses[ranks.own]} ({error.strerror}); "
            "choose another port"
        ) from None
    with server:
        for rank, address in enumerate(ranks.addresses):
            while rank != ranks.own and not _answers(address):
                if time.monotonic() > deadline:
                    raise Failure(
                        f"{CONFIG}: worker {rank} of {len(ranks.addresses)}, {address}, did not "
                        f"answer within {MEET_SECONDS:g} seconds; start all of them in that time"
                    )
                time.sleep(PAUSE_SECONDS)


def _answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except OSError:
        return False
    return True
