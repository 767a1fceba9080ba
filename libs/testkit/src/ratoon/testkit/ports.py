"""Free ports of this machine."""

import random
import socket
from contextlib import ExitStack

_BELOW_CLIENTS = range(10_000, 30_000)
"""Linux gives clients ports above these."""


def free_ports(count: int = 1) -> list[int]:
    """Return `count` successive ports of the loopback address that are free and are given to no client meanwhile."""
    while True:
        first = random.choice(_BELOW_CLIENTS)
        ports = list(range(first, first + count))
        if _are_free(ports):
            return ports


def server_ports(count: int) -> list[int]:
    """Return `count` free ports that are given to no client meanwhile, for servers that start one after the other."""
    while True:
        ports = random.sample(_BELOW_CLIENTS, count)
        if _are_free(ports):
            return ports


def _are_free(ports: list[int]) -> bool:
    with ExitStack() as held:
        try:
            for port in ports:
                held.enter_context(socket.socket()).bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
