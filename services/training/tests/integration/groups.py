"""Runs of several workers: one process imports torch, and forks the workers of one run after another.

    python groups.py FOLDER

`FOLDER/cases.json` lists the runs: job directory, number of workers, port of their process group, and the step before
which one of them is killed, if any. Of a run that loses a worker, the others fail, and the next run is taken.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from ratoon.testkit.ports import free_ports

TIMEOUT_S = 240


class Group:
    """Runs to come of one launch."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._cases: list[dict[str, Any]] = []

    def add(self, job: Path, workers: int, killed_at: int = 0) -> None:
        """Add the run of a job directory; a worker is killed before this step, 0: none."""
        port = free_ports()[0]
        self._cases.append({"job": str(job), "workers": workers, "port": port, "killed_at": killed_at})

    def run(self) -> None:
        """Take all runs; AssertionError if a worker fails that lost no other."""
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / "cases.json").write_text(json.dumps(self._cases))
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
        command = [sys.executable, str(Path(__file__)), str(self._folder)]
        log = self._folder / "log.txt"
        with log.open("wb") as sink:
            code = subprocess.call(command, env=environment, stdout=sink, stderr=subprocess.STDOUT)
        assert code == 0, log.read_text()[-6000:]


def _take(rank: int, case: dict[str, Any]) -> None:
    """Train a run on one worker."""
    import torch.distributed as dist

    from ratoon_training.worker import mesh, running
    from ratoon_training.worker.session import Session
    from ratoon_training.worker.task_queue import TrainingTask

    taken = Session.train_step

    def killed(session: Session, rate: float, **requests: bool) -> list[float]:
        if rank == case["workers"] - 1 and session.step == case["killed_at"] - 1:
            os._exit(9)
        return taken(session, rate, **requests)

    Session.train_step = killed  # type: ignore[method-assign]
    address = f"tcp://127.0.0.1:{case['port']}"
    spec = json.loads((Path(case["job"]) / "spec.json").read_text())
    backend = "nccl" if spec["resources"]["accelerator"] == "CUDA" else "gloo"
    if backend == "nccl":
        # As Ray does: a worker sees its own GPU alone.
        os.environ["CUDA_VISIBLE_DEVICES"] = str(rank)
    mesh.join(backend, address, rank, case["workers"])
    running.execute(TrainingTask.of_spec(spec, Path(case["job"])), rank, case["workers"])
    dist.barrier()


def _fork(rank: int, case: dict[str, Any]) -> int:
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        _take(rank, case)
        code = 0
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _wait(children: list[int]) -> bool:
    """Return True if all workers end well; kill those that wait for one that did not."""
    running, deadline, fails = set(children), time.monotonic() + TIMEOUT_S, False
    while running:
        child, status = os.waitpid(-1, os.WNOHANG)
        if child:
            running.discard(child)
            fails |= status != 0
        elif fails or time.monotonic() > deadline:
            for each in running:
                os.kill(each, 9)
            fails = True
            time.sleep(0.1)
        else:
            time.sleep(0.02)
    return not fails


if __name__ == "__main__":
    import torch

    from ratoon_training.worker import running, sharding  # noqa: F401  imported once for all workers

    torch.set_num_threads(1)
    for each in json.loads((Path(sys.argv[1]) / "cases.json").read_text()):
        begun = time.monotonic()
        ended = _wait([_fork(rank, each) for rank in range(each["workers"])])
        print(Path(each["job"]).name, f"{time.monotonic() - begun:.1f} s", flush=True)
        if not ended and not each["killed_at"]:
            sys.exit(f"A worker of {each['job']} failed.")
