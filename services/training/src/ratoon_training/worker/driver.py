"""The training driver: a process that owns its Ray and a worker group, trains one run after another, and stays warm.

`ratoon.chassis.warm` gives it its life: it takes jobs from a socket in its folder, ends with the job's own process,
and by itself when it was idle for a while. It prepares a run's tokens while Ray and the workers start.
"""

import atexit
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from ratoon.chassis.artifacts import ArtifactStore
from ratoon.chassis.jobs import JobFolder
from ratoon_training.domain.errors import Stopped, TrainingError, WorkersLost
from ratoon_training.domain.places import shelf_of
from ratoon_training.worker import cluster
from ratoon_training.worker.prepare import prepare
from ratoon_training.worker.reporting import PREPARED
from ratoon_training.worker.task_queue import Order, outcome_of
from ratoon_training.worker.worker_group import Group

_POLL_S = 0.05
_PATIENCE_S = 20.0
"""After how long it is said what a run waits for whose workers do not start."""
_TRIES = 4
"""How often a group may begin one order before its workers count as lost."""

_groups: list[Group] = []
"""The group at hand: none before the first run, then one."""


class Ended(TrainingError):
    """A run's end as a worker named it."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def run(spec: dict[str, Any], job: JobFolder) -> dict[str, Any]:
    """Train one run; the result, or an error with its reason."""
    begun = time.monotonic()
    order = Order.of_spec(spec, job.path)
    (job.path / "outcome.json").unlink(missing_ok=True)
    with ThreadPoolExecutor(1) as pool:
        prepared = pool.submit(prepare, spec, order.recipe, order.prepared, lambda told: _tell(job, told))
        group = _group(Path(spec.get("warm") or job.path / "driver"), order)
        prepared.result()
    if cluster.given():
        order = _travelling(order)
    preparing = time.monotonic() - begun
    _tell(job, "Starting the workers.")
    number = group.submit(order)
    result = _wait(job, group, number)
    seconds = time.monotonic() - begun
    metrics = {**result["metrics"], "seconds": seconds, "preparing_seconds": preparing}
    return {**result, "metrics": metrics}


def _travelling(order: Order) -> Order:
    """The order for workers elsewhere: what was prepared as an artifact, checkpoints on the run's shelf."""
    digest = ArtifactStore(order.artifacts).put_tree(order.prepared)
    return replace(order, prepared_digest=digest, shelf=shelf_of(Path(order.work).name))


def _counted(workers: int) -> str:
    return (
        "a free processor for the training worker"
        if workers == 1
        else f"capacity for {workers} training workers"
    )


def _wait(job: JobFolder, group: Group, number: int) -> dict[str, Any]:
    """The result of an order, once its outcome is there."""
    patient_until = time.monotonic() + _PATIENCE_S
    while (outcome := outcome_of(job.path)) is None:
        if time.monotonic() > patient_until and not group.orders.tries(number):
            patient_until = time.monotonic() + _PATIENCE_S
            _tell(job, f"Waiting for {_counted(group.workers)}: {cluster.room(group.pods)}.")
        if job.stop_requested() and not group.orders.tries(number):
            group.orders.finish(number)
            _discard(group)
            raise Stopped("Stopped on request before the first step.")
        if not group.alive:
            _discard(group)
            raise WorkersLost(f"Ray Train could not keep the workers running: {group.error or 'it ended'}.")
        if group.orders.tries(number) > _TRIES:
            _discard(group)
            raise WorkersLost(f"The workers died {_TRIES} times in this run (out of memory? see the log).")
        time.sleep(_POLL_S)
    if "result" in outcome:
        result: dict[str, Any] = outcome["result"]
        return result
    raise Ended(outcome["reason"], outcome["message"])


def _group(folder: Path, order: Order) -> Group:
    """The group at hand if it is what is asked for, else a new one; Ray is started for the first."""
    if _groups and _groups[0].fits(order.resources, order.pods):
        return _groups[0]
    for other in list(_groups):
        _discard(other)
    if not cluster.started():
        cluster.start(folder)
        atexit.register(_close)
    _groups.append(Group(folder, order.resources, order.pods))
    return _groups[0]


def _discard(group: Group) -> None:
    group.close()
    _groups.remove(group)


def _close() -> None:
    """At the driver's end: the workers leave before Ray does."""
    for group in list(_groups):
        _discard(group)


def _tell(job: JobFolder, message: str) -> None:
    job.progress(PREPARED / 2, message)
