"""Start of an engine: its child does not keep the listener, sockets are private, kernels are the requested ones."""

import os
import signal
import socket

import pytest

from ratoon.engine import launch, vllm_internals
from ratoon.engine.launch import private_sockets, release_listener
from ratoon.engine.settings import EngineSettings
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


def test_batch_invariant_kernels_are_for_gpus_alone(monkeypatch):
    monkeypatch.setattr(vllm_internals, "runs_on_cpu", lambda: False)
    assert vllm_internals.batch_invariance() == {"VLLM_BATCH_INVARIANT": "1"}
    monkeypatch.setattr(vllm_internals, "runs_on_cpu", lambda: True)
    with pytest.raises(RuntimeError, match="RATOON_ENGINE_BATCH_INVARIANT"):
        vllm_internals.batch_invariance()


@pytest.mark.parametrize("requested", [False, True])
def test_an_engine_uses_them_if_its_settings_say_so(tmp_path, monkeypatch, requested):
    file = tmp_path / "engine.json"
    EngineSettings("e", "v", "d" * 64, "model", ("m",), "", "s", "key").write(file)
    monkeypatch.setenv("RATOON_ENGINE_BATCH_INVARIANT", "true" if requested else "")
    monkeypatch.setattr(launch, "verify", lambda settings: None)
    monkeypatch.setattr(vllm_internals, "runs_on_cpu", lambda: False)
    monkeypatch.setattr(launch.os, "environ", environment := dict(os.environ))
    served = []
    monkeypatch.setattr(
        launch, "_serve", lambda settings: served.append(environment.get("VLLM_BATCH_INVARIANT"))
    )
    launch.launch(file)
    assert served == ["1" if requested else None]
