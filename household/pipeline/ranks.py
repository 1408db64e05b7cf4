"""The processes that train together, on one host or on several, as TF_CONFIG names them.

https://www.tensorflow.org/guide/distributed_training#setting_up_the_tf_config_environment_variable
"""

import json
import os
import socket
import time
from typing import NamedTuple

from household.pipeline.failure import Failure

CONFIG = "TF_CONFIG"
# For all of them to be there, the last of which may still import TensorFlow.
MEET_SECONDS = 60.0
PAUSE_SECONDS = 0.2
EXAMPLE = '{"cluster": {"worker": ["a:4321", "b:4321"]}, "task": {"type": "worker", "index": 0}}'


class Ranks(NamedTuple):
    addresses: tuple[str, ...]  # host:port of each, in the order of the ranks
    own: int


ALONE = Ranks(("",), 0)


def read() -> Ranks:
    """Which rank this process is, and where the others are; raises Failure where that is unclear.

    The first alone writes what comes of the training.
    """
    text = os.environ.get(CONFIG)
    if not text:
        return ALONE
    try:
        config = json.loads(text)
        addresses = tuple(map(str, config["cluster"]["worker"]))
        own = config["task"]["index"]
        ports = [int(address.rpartition(":")[2]) for address in addresses]
        right = set(config["cluster"]) == {"worker"} and config["task"]["type"] == "worker"
        if not (right and ports and own in range(len(addresses))):
            raise ValueError
    except (ValueError, LookupError, TypeError):
        raise Failure(
            f"{CONFIG}: expected workers and which of them this is, such as {EXAMPLE}, found {text}"
        ) from None
    return Ranks(addresses, own)


def meet(ranks: Ranks) -> None:
    """Returns once every other rank answers; raises Failure where one does not within a minute.

    TensorFlow itself would wait for it without an end, and without an ear for a signal.
    """
    until = time.monotonic() + MEET_SECONDS
    try:
        own = socket.create_server(("", int(ranks.addresses[ranks.own].rpartition(":")[2])))
    except OSError as error:
        raise Failure(
            f"{CONFIG}: {ranks.addresses[ranks.own]} is not to be had here ({error.strerror}); "
            "give another port"
        ) from None
    with own:
        for rank, address in enumerate(ranks.addresses):
            while rank != ranks.own and not _answers(address):
                if time.monotonic() > until:
                    raise Failure(
                        f"{CONFIG}: rank {rank} of {len(ranks.addresses)}, {address}, does not "
                        f"answer after {MEET_SECONDS:g} seconds; start all ranks within that time"
                    )
                time.sleep(PAUSE_SECONDS)


def _answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except OSError:
        return False
    return True
