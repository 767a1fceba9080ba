"""Processes of engines of small models: `python -m ratoon.engine`, without a fork server and without vLLM."""

import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from ratoon.engine.contract import ENGINE_FILE, LOG_FILE, LOG_START
from ratoon.process.files import write_json
from ratoon.process.identity import ProcessIdentity

ENGINE_MODULE = "ratoon.engine"


class ClassicalProcesses:
    """Starts engines, each a session of its own, which outlives the platform."""

    def __init__(self) -> None:
        self._children: list[subprocess.Popen[bytes]] = []

    def start(self, folder: Path) -> None:
        """Start the engine of a directory, unless its process runs."""
        self._children = [child for child in self._children if child.poll() is None]
        running = ProcessIdentity.read(folder)
        if running is not None and running.alive():
            return
        with (folder / LOG_FILE).open("ab") as log:
            log.write(LOG_START.encode())
            log.flush()
            child = subprocess.Popen(
                [sys.executable, "-m", ENGINE_MODULE, str(folder / ENGINE_FILE)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            )
        self._children.append(child)
        write_json(folder / "process.json", asdict(ProcessIdentity.of(child.pid)))
