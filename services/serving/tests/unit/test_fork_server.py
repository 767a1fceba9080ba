"""Client of the fork server: the choice of the server, and its answers."""

import socket
import threading

import pytest

from ratoon.engine.contract import FORK_SERVER_SOCKET
from ratoon.process.errors import Unavailable
from ratoon_serving.adapters.fork_server import ForkServerClient


@pytest.fixture
def client(tmp_path):
    return ForkServerClient(tmp_path / "fork-server", tmp_path, threads=1)


def answering(path, line):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()

    def serve():
        with listener, listener.accept()[0] as connection:
            connection.makefile().readline()
            connection.sendall(line)

    threading.Thread(target=serve, daemon=True).start()


def test_no_engine_is_requested_from_the_fork_server_of_the_previous_release(client, tmp_path):
    with socket.socket(socket.AF_UNIX) as previous:
        previous.bind(str(tmp_path / "nursery.sock"))
        previous.listen()
        previous.setblocking(False)
        assert not client.fork(tmp_path / "engine")
        with pytest.raises(BlockingIOError):
            previous.accept()


@pytest.mark.parametrize(
    ("line", "message"),
    [(b'{"error": "no memory"}\n', "The engine was not started: no memory"), (b"", "the fork server ended")],
)
def test_an_engine_that_was_not_forked_is_an_error_with_its_cause(client, tmp_path, line, message):
    answering(tmp_path / FORK_SERVER_SOCKET, line)
    with pytest.raises(Unavailable, match=message):
        client.fork(tmp_path / "engine")


def test_a_forked_engine_is_reported(client, tmp_path):
    answering(tmp_path / FORK_SERVER_SOCKET, b'{"pid": 7, "start_ticks": 1}\n')
    assert client.fork(tmp_path / "engine")
