"""`python -m ratoon.engine.fork_server <directory>`: import vLLM once, then fork engines from this process.

The imports are four fifths of an engine's cold start and half of its memory; a forked engine shares them.
This process runs no thread, no event loop and no tensor operation, so that a fork of it is safe. Engines are
sessions of their own: they outlive it. It ends when it has had no engine and no request for ten minutes. It knows
no deployment and no version.

Protocol, on `<directory>/fork-server.sock`: one JSON line `{"folder": "…"}` in, `{"pid": 1, "start_ticks": 2}` or
`{"error": "…"}` out. The directory holds `engine.json`; `process.json` is written there before the engine runs.
"""

import gc
import json
import os
import signal
import socket
import sys
import traceback
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ratoon.engine.contract import ENGINE_FILE, FORK_SERVER_SOCKET, LOG_FILE, LOG_START
from ratoon.engine.launch import ENVIRONMENT, launch, preload
from ratoon.process.files import write_json
from ratoon.process.identity import ProcessIdentity

_IDLE_S = 600.0
_REQUEST_TIMEOUT_S = 10.0


class EngineForkServer:
    """Socket on which engines are requested, and the engines that were forked."""

    def __init__(self, directory: Path, idle_s: float = _IDLE_S) -> None:
        self._path = directory / FORK_SERVER_SOCKET
        self._idle_s = idle_s
        self._children: set[int] = set()

    def serve(self) -> None:
        """Fork engines on request until there has been no request for a while and no engine is left."""
        with socket.socket(socket.AF_UNIX) as listener:
            self._path.unlink(missing_ok=True)
            listener.bind(str(self._path))
            listener.listen()
            listener.settimeout(self._idle_s)
            while self._serve_one(listener) or self._reap():
                pass
        self._path.unlink(missing_ok=True)

    def _serve_one(self, listener: socket.socket) -> bool:
        """Answer one request; False when none came."""
        try:
            connection, _ = listener.accept()
        except TimeoutError:
            return False
        self._reap()
        with connection:
            connection.settimeout(_REQUEST_TIMEOUT_S)
            try:
                folder = Path(json.loads(connection.makefile().readline())["folder"])
                answer = self._fork(folder, [listener.fileno(), connection.fileno()])
            except Exception as error:
                answer = {"error": repr(error)}
            _send(connection, answer)
        return True

    def _fork(self, folder: Path, inherited: list[int]) -> dict[str, Any]:
        running = ProcessIdentity.read(folder)
        if running is not None and running.alive():
            return asdict(running)
        start_gate, start = os.pipe()
        in_session, session = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(start)
            os.close(in_session)
            _become_engine(folder, start_gate, session, inherited)
        os.close(start_gate)
        os.close(session)
        os.read(in_session, 1)
        os.close(in_session)
        identity = asdict(ProcessIdentity.of(pid))
        write_json(folder / "process.json", identity)
        os.write(start, b"1")
        os.close(start)
        self._children.add(pid)
        return identity

    def _reap(self) -> bool:
        """Collect the exit status of engines that ended; return whether any is left."""
        for pid in list(self._children):
            if os.waitpid(pid, os.WNOHANG)[0]:
                self._children.discard(pid)
        return bool(self._children)


def main(directory: Path) -> None:
    """Import what engines share, then serve."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.update(ENVIRONMENT)
    preload()
    gc.collect()
    gc.freeze()
    EngineForkServer(directory).serve()


def _become_engine(folder: Path, start_gate: int, session: int, inherited: list[int]) -> None:
    """Run the engine in the forked process, once its identity is on disk; does not return.

    The server waits until `session` is closed: from then on the process leads a group, which can be signalled.
    """
    try:
        os.setsid()
        os.close(session)
        if not os.read(start_gate, 1):
            os._exit(1)
        for descriptor in (start_gate, *inherited):
            os.close(descriptor)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        log = os.open(folder / LOG_FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.write(log, LOG_START.encode())
        launch(folder / ENGINE_FILE)
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


def _send(connection: socket.socket, answer: dict[str, Any]) -> None:
    try:
        connection.sendall(json.dumps(answer).encode() + b"\n")
    except OSError:
        return


if __name__ == "__main__":
    main(Path(sys.argv[1]))
