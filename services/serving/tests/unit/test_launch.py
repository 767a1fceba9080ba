"""A child that an engine forks does not keep the engine's door open."""

import os
import signal
import socket

import pytest

from ratoon_serving.engine.launch import forget_door


def door(family: socket.AddressFamily, path: str) -> tuple[socket.socket, str | int]:
    made = socket.socket(family)
    made.bind(path if family is socket.AF_UNIX else ("127.0.0.1", 0))
    return made, path if family is socket.AF_UNIX else made.getsockname()[1]


@pytest.mark.parametrize("family", [socket.AF_UNIX, socket.AF_INET])
def test_who_calls_a_server_that_was_killed_is_refused_while_its_child_lives(tmp_path, family):
    server, at = door(family, str(tmp_path / "door"))
    other, elsewhere = door(socket.AF_UNIX, str(tmp_path / "other"))
    other.listen()
    address = server.getsockname()
    done, told = os.pipe()
    child = os.fork()
    if child == 0:
        forget_door(at)
        os.write(told, b"x")
        signal.pause()
    try:
        os.read(done, 1)
        server.listen()
        server.close()
        other.close()
        with socket.socket(family) as caller, pytest.raises(ConnectionRefusedError):
            caller.connect(address)
        with socket.socket(socket.AF_UNIX) as caller:
            caller.connect(str(elsewhere))  # what is none of its business stays
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
