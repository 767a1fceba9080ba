"""Sockets of an engine: its child does not keep the listener, and those between its processes are private."""

import os
import signal
import socket

import pytest

from ratoon.engine.launch import private_sockets, release_listener
from ratoon.engine.sockets import SOCKETS_FILE, remove_sockets


def bound(family: socket.AddressFamily, path: str) -> tuple[socket.socket, str | int]:
    created = socket.socket(family)
    created.bind(path if family is socket.AF_UNIX else ("127.0.0.1", 0))
    return created, path if family is socket.AF_UNIX else created.getsockname()[1]


@pytest.mark.parametrize("family", [socket.AF_UNIX, socket.AF_INET])
def test_callers_of_a_killed_server_are_refused_while_its_child_lives(tmp_path, family):
    server, at = bound(family, str(tmp_path / "listener"))
    other, elsewhere = bound(socket.AF_UNIX, str(tmp_path / "other"))
    other.listen()
    address = server.getsockname()
    done, released = os.pipe()
    child = os.fork()
    if child == 0:
        release_listener(at)
        os.write(released, b"x")
        signal.pause()
    try:
        os.read(done, 1)
        server.listen()
        server.close()
        other.close()
        with socket.socket(family) as caller, pytest.raises(ConnectionRefusedError):
            caller.connect(address)
        with socket.socket(socket.AF_UNIX) as caller:
            caller.connect(str(elsewhere))  # other sockets stay
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_sockets_between_an_engines_processes_are_private_and_gone_at_its_end(tmp_path):
    with private_sockets(tmp_path) as sockets:
        assert sockets.stat().st_mode & 0o077 == 0
        (sockets / "socket").touch()
        assert (tmp_path / SOCKETS_FILE).read_text() == str(sockets)
    assert not sockets.exists()


def test_the_sockets_of_a_killed_engine_are_removed_by_whoever_comes_next(tmp_path):
    killed = private_sockets(tmp_path)
    left = killed.__enter__()
    with private_sockets(tmp_path) as sockets:
        assert not left.exists()
        assert sockets.exists()
    remove_sockets(tmp_path)
    remove_sockets(tmp_path)


def test_a_note_that_names_another_directory_removes_nothing(tmp_path):
    other = tmp_path / "precious"
    other.mkdir()
    (tmp_path / SOCKETS_FILE).write_text(str(other))
    remove_sockets(tmp_path)
    assert other.exists()
