"""A process of its own that fits baselines on another core: scikit-learn loads and fits while models are scored.

It is started at once and its result awaited later. Its directory holds `texts.json`; the result comes in
`answers.json`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

_INPUT, _OUTPUT = "texts.json", "answers.json"


class BaselinesFailed(RuntimeError):
    """The process that fits the baselines ended badly."""

    reason = "BASELINES_FAILED"


class FittingProcess:
    """`python -m <module> <folder>`, which calls `answer_tasks`; without tasks there is none."""

    def __init__(self, folder: Path, module: str, tasks: Sequence[Any]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        if not tasks:
            return
        (folder / _INPUT).write_text(json.dumps(tasks), encoding="utf-8")
        single = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, str(folder)], env={**os.environ, **single}
        )

    def result(self) -> Any:
        """Wait for the result; raises BaselinesFailed."""
        if self._process is None:
            return []
        if self._process.wait():
            raise BaselinesFailed("The baselines could not be fitted; see the job's log for the cause.")
        return json.loads((self._folder / _OUTPUT).read_text(encoding="utf-8"))

    def stop(self) -> None:
        """End the process and remove the texts."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        for name in (_INPUT, _OUTPUT):
            (self._folder / name).unlink(missing_ok=True)


def answer_tasks(folder: Path, answer: Callable[[Any], Any]) -> None:
    """Answer each task of the directory: what the process does."""
    tasks = json.loads((folder / _INPUT).read_text(encoding="utf-8"))
    (folder / _OUTPUT).write_text(json.dumps([answer(task) for task in tasks]), encoding="utf-8")
