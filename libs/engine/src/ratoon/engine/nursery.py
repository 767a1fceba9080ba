"""`python -m ratoon.engine.nursery <folder>`: imports vLLM once, forks engines when asked.

The imports are four fifths of an engine's cold start and half of its memory; a forked engine shares them.
This process runs no thread, no event loop and no tensor operation, so that a fork of it is safe. Engines are
sessions of their own: they go on when it ends. It ends by itself when it has had no engine and no request for
a while. It knows no deployment and no version.

Protocol, on `<folder>/nursery.sock`: one JSON line `{"folder": "…"}` in, `{"pid": 1, "start_ticks": 2}` or
`{"error": "…"}` out. The folder holds `engine.json`; `process.json` is written there before the engine runs.
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

from ratoon.chassis.files import write_json
from ratoon.engine.launch import ENVIRONMENT, launch, preload
from ratoon.engine.settings import STARTED
from ratoon.process.identity import ProcessIdentity

SOCKET = "nursery.sock"
_LINGER_S = 600.0
_REQUEST_S = 10.0


class Nursery:
    """One fork server: a socket, and the engines that it forked."""

    def __init__(self, folder: Path, linger_s: float = _LINGER_S) -> None:
        self._path = folder / SOCKET
        self._linger_s = linger_s
        self._children: set[int] = set()

    def serve(self) -> None:
        """Fork what is asked for until nobody has asked for a while and no engine is left."""
        with socket.socket(socket.AF_UNIX) as listener:
            self._path.unlink(missing_ok=True)
            listener.bind(str(self._path))
            listener.listen()
            listener.settimeout(self._linger_s)
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
            connection.settimeout(_REQUEST_S)
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
        gate, go = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(go)
            _become_engine(folder, gate, inherited)
        os.close(gate)
        mark = asdict(ProcessIdentity.of(pid))
        write_json(folder / "process.json", mark)
        os.write(go, b"1")
        os.close(go)
        self._children.add(pid)
        return mark

    def _reap(self) -> bool:
        """Bury the engines that ended; whether any is left."""
        for pid in list(self._children):
            if os.waitpid(pid, os.WNOHANG)[0]:
                self._children.discard(pid)
        return bool(self._children)


def main(folder: Path) -> None:
    """Import what engines share, then serve."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.update(ENVIRONMENT)
    preload()
    gc.collect()
    gc.freeze()
    Nursery(folder).serve()


def _become_engine(folder: Path, gate: int, inherited: list[int]) -> None:
    """The forked side: wait until the mark is on disk, then never come back."""
    try:
        os.setsid()
        if not os.read(gate, 1):
            os._exit(1)
        for descriptor in (gate, *inherited):
            os.close(descriptor)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        log = os.open(folder / "log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.write(log, STARTED.encode())
        launch(folder / "engine.json")
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
