"""Ports of this machine that nobody listens on."""

import random
import socket
from contextlib import ExitStack

_BELOW_CLIENTS = range(10_000, 30_000)
"""Linux gives clients ports above these."""


def free_ports(count: int = 1) -> list[int]:
    """So many ports in a row, all free on the loopback address at this moment."""
    while True:
        with ExitStack() as held:
            first = held.enter_context(socket.socket())
            first.bind(("127.0.0.1", 0))
            ports = [first.getsockname()[1] + step for step in range(count)]
            try:
                for port in ports[1:]:
                    held.enter_context(socket.socket()).bind(("127.0.0.1", port))
            except (OSError, OverflowError):
                continue
            return ports


def server_ports(count: int) -> list[int]:
    """So many free ports that no client is given meanwhile, for servers that start one after the other."""
    while True:
        ports = random.sample(_BELOW_CLIENTS, count)
        with ExitStack() as held:
            try:
                for port in ports:
                    held.enter_context(socket.socket()).bind(("127.0.0.1", port))
            except OSError:
                continue
            return ports
