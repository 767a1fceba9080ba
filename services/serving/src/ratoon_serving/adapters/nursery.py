"""The fork server of this machine's engines, from outside. It knows no version."""

import json
import os
import socket
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from ratoon.chassis.errors import Unavailable
from ratoon.chassis.files import write_json
from ratoon.process.identity import ProcessIdentity

MODULE = "ratoon.engine.nursery"
_SOCKET = "nursery.sock"
_ANSWER_S = 10.0


class Nursery:
    """Starts the fork server when it is not there, and passes requests to it."""

    def __init__(self, state: Path, run: Path, threads: int) -> None:
        self._state, self._run = state, run
        self._environment = {"OMP_NUM_THREADS": str(threads)}
        self._child: subprocess.Popen[bytes] | None = None

    def ensure(self) -> None:
        """See to it that the fork server runs; it needs a while before it answers."""
        if self.alive():
            return
        for folder in (self._state, self._run):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        (self._run / _SOCKET).unlink(missing_ok=True)
        with (self._state / "log.txt").open("ab") as log:
            self._child = subprocess.Popen(
                [sys.executable, "-m", MODULE, str(self._run)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, **self._environment},
            )
        write_json(self._state / "process.json", asdict(ProcessIdentity.of(self._child.pid)))

    def alive(self) -> bool:
        """Whether it runs, still importing or not."""
        if self._child is not None:
            self._child.poll()
        mark = ProcessIdentity.read(self._state)
        return mark is not None and mark.alive()

    def fork(self, folder: Path) -> bool:
        """Ask for the engine that this folder describes; False while nobody answers yet."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_ANSWER_S)
            try:
                connection.connect(str(self._run / _SOCKET))
                connection.sendall(json.dumps({"folder": str(folder)}).encode() + b"\n")
                line = connection.makefile().readline()
            except OSError:
                return False
        answer = json.loads(line or '{"error": "the fork server ended"}')
        if "error" in answer:
            raise Unavailable(f"The engine was not started: {answer['error']}.", reason="ENGINE_NOT_FORKED")
        return True

    def last_words(self) -> str:
        """The end of its log."""
        return last_line(self._state / "log.txt")


def last_line(log: Path) -> str:
    """The last line of a log that says something; empty when there is none."""
    if not log.exists():
        return ""
    with log.open("rb") as source:
        source.seek(max(0, log.stat().st_size - 4096))
        lines = [line.strip() for line in source.read().decode(errors="replace").splitlines()]
    return next((line for line in reversed(lines) if line), "")
