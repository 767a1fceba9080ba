"""Runs in processes of their own, which may be killed or limited: one process imports torch and forks them."""

import json
import subprocess
import sys
from pathlib import Path

Call = tuple[str, str, int]
"""Module, name and number of a call."""
_PARENT = """
import functools, importlib, json, os, signal, sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from ratoon_training.worker import running
from ratoon_training.worker.prepare import prepare
from ratoon_training.worker.task_queue import TrainingTask

def kill_at(module, name, calls):
    owner = importlib.import_module(module)
    *parents, last = name.split(".")
    for parent in parents:
        owner = getattr(owner, parent)
    original, count = getattr(owner, last), 0
    @functools.wraps(original)
    def counted(*args, **kwargs):
        nonlocal count
        count += 1
        if count == calls:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*args, **kwargs)
    setattr(owner, last, counted)

print("ready", flush=True)
for line in sys.stdin:
    case = json.loads(line)
    child = os.fork()
    if not child:
        if case["at"]:
            kill_at(*case["at"])
        task = TrainingTask.of_spec(case["spec"], Path(case["job"]))
        prepare(case["spec"], task.recipe, task.prepared, lambda _: None)
        running.execute(task, 0, 1)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Children:
    """Process that imports torch and forks a child for each run."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._line() == "ready"

    def run(self, job: Path, at: Call | None = None) -> int:
        """Train the run of a job folder in a child that is killed (SIGKILL) at a call; the exit code of the child."""
        assert self._process.stdin is not None
        case = {"spec": json.loads((job / "spec.json").read_text()), "job": str(job), "at": at}
        self._process.stdin.write(f"{json.dumps(case)}\n")
        self._process.stdin.flush()
        return int(self._line())

    def close(self) -> None:
        """End the process."""
        self._process.communicate(timeout=60)

    def _line(self) -> str:
        assert self._process.stdout is not None
        while True:
            line = self._process.stdout.readline()
            assert line, "the process has ended"
            if line.strip() == "ready" or line.strip().lstrip("-").isdigit():
                return line.strip()
