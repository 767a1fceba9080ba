"""The fork server over its socket, with an engine that only waits in place of vLLM."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from ratoon.engine.contract import FORK_SERVER_SOCKET
from ratoon.process.identity import ProcessIdentity
from ratoon.testkit.waiting import until

SERVER = """
import signal, sys
from pathlib import Path
from ratoon.engine import fork_server

fork_server.launch = lambda file: signal.pause() if file.exists() else sys.exit("no settings")
fork_server.EngineForkServer(Path(sys.argv[1]), idle_s=3).serve()
"""


@pytest.fixture
def server(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", SERVER, str(tmp_path)])
    until(lambda: answers(tmp_path), message="the fork server does not answer", interval_s=0.01)
    yield process
    process.kill()
    process.wait()


def answers(directory: Path) -> bool:
    try:
        return "error" in request(directory, b"no request")
    except OSError:
        return False


def request(directory: Path, line: bytes) -> dict:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(directory / FORK_SERVER_SOCKET))
        connection.sendall(line + b"\n")
        return json.loads(connection.makefile().readline())


def engine_directory(directory: Path, name: str) -> Path:
    folder = directory / name
    folder.mkdir()
    (folder / "engine.json").write_text("{}")
    return folder


def test_an_engine_is_forked_once_outlives_its_request_and_ends_with_its_own_session(tmp_path, server):
    folder = engine_directory(tmp_path, "e")
    line = json.dumps({"folder": str(folder)}).encode()
    identity = ProcessIdentity(**request(tmp_path, line))
    try:
        assert identity == ProcessIdentity(**request(tmp_path, line)) == ProcessIdentity.read(folder)
        assert os.getsid(identity.pid) == identity.pid != server.pid
        assert server.poll() is None
    finally:
        os.killpg(identity.pid, signal.SIGKILL)
    assert server.wait(30) == 0
    assert not (tmp_path / FORK_SERVER_SOCKET).exists()


def test_a_request_that_is_not_valid_is_refused_and_the_next_is_served(tmp_path, server):
    assert "error" in request(tmp_path, b"{}")
    folder = engine_directory(tmp_path, "e")
    identity = ProcessIdentity(**request(tmp_path, json.dumps({"folder": str(folder)}).encode()))
    os.killpg(identity.pid, signal.SIGKILL)


def test_the_start_of_an_engine_without_settings_is_in_its_log(tmp_path, server):
    folder = tmp_path / "e"
    folder.mkdir()
    request(tmp_path, json.dumps({"folder": str(folder)}).encode())
    log = folder / "log.txt"
    until(
        lambda: log.exists() and "no settings" in log.read_text(), message="the log does not show the cause"
    )
