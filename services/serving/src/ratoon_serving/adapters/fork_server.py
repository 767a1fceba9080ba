"""Client of the fork server of this machine's engines. It knows no version."""

import json
import os
import socket
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from ratoon.engine.contract import FORK_SERVER_MODULE, FORK_SERVER_SOCKET
from ratoon.process.errors import Unavailable
from ratoon.process.files import write_json
from ratoon.process.identity import ProcessIdentity

_TIMEOUT_S = 10.0


class ForkServerClient:
    """Client that starts the fork server if none runs, and requests engines from it.

    A fork server of the previous release has another socket and directory: it holds that release's code, so no engine
    is requested from it. It ends by its own idle timeout, after its last engine.
    """

    def __init__(self, state: Path, run: Path, threads: int) -> None:
        self._state, self._run = state, run
        self._environment = {"OMP_NUM_THREADS": str(threads)}
        self._child: subprocess.Popen[bytes] | None = None

    def ensure(self) -> None:
        """Start the fork server unless it runs; it answers once its imports are done."""
        if self.alive():
            return
        for folder in (self._state, self._run):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        (self._run / FORK_SERVER_SOCKET).unlink(missing_ok=True)
        with (self._state / "log.txt").open("ab") as log:
            self._child = subprocess.Popen(
                [sys.executable, "-m", FORK_SERVER_MODULE, str(self._run)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, **self._environment},
            )
        write_json(self._state / "process.json", asdict(ProcessIdentity.of(self._child.pid)))

    def alive(self) -> bool:
        """Return whether its process runs, also while it imports."""
        if self._child is not None:
            self._child.poll()
        identity = ProcessIdentity.read(self._state)
        return identity is not None and identity.alive()

    def fork(self, folder: Path) -> bool:
        """Request the engine of this directory; False while the server does not answer yet."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_TIMEOUT_S)
            try:
                connection.connect(str(self._run / FORK_SERVER_SOCKET))
                connection.sendall(json.dumps({"folder": str(folder)}).encode() + b"\n")
                line = connection.makefile().readline()
            except OSError:
                return False
        answer = json.loads(line or '{"error": "the fork server ended"}')
        if "error" in answer:
            raise Unavailable(f"The engine was not started: {answer['error']}.", reason="ENGINE_NOT_FORKED")
        return True
