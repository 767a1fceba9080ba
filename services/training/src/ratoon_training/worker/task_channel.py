"""What passes between a driver and its workers while they train: orders, wishes, progress and ends.

On one machine they share folders. On a given Ray cluster the workers are elsewhere: there an actor on the driver's own
node reads and writes those folders for them, tokens and artifacts go through the artifact store, and checkpoints lie
on a shelf beside it.
"""

import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from ratoon.chassis.artifacts import ArtifactStore
from ratoon.chassis.jobs import JobFolder, JobProgress
from ratoon_training.worker.task_queue import Order, Orders, outcome_of, tell_outcome

JSON = dict[str, Any]


class Desk(Protocol):
    """Where the workers of a group get orders and leave what came of them."""

    def next(self) -> int:
        """The first number that is not done."""
        ...

    def get(self, number: int) -> Order | None:
        """The order of this number, if it is there."""
        ...

    def closed(self) -> bool:
        """Whether no more orders come."""
        ...

    def begin(self, number: int) -> None:
        """Count that the group begins an order."""
        ...

    def here(self, order: Order) -> tuple[Order, JobFolder]:
        """The order with what it needs on this machine, and where its worker tells how it goes."""
        ...

    def settle(self, number: int, order: Order, job: JobFolder) -> None:
        """Leave the order's end, if it has come to one, and nothing else on this machine."""
        ...


class FolderDesk:
    """Folders that driver and workers share."""

    def __init__(self, folder: Path) -> None:
        self._orders = Orders(folder)

    def next(self) -> int:
        """The first number that is not done."""
        return self._orders.next()

    def get(self, number: int) -> Order | None:
        """The order of this number, if it is there."""
        return self._orders.get(number)

    def closed(self) -> bool:
        """Whether no more orders come."""
        return self._orders.closed

    def begin(self, number: int) -> None:
        """Count that the group begins an order."""
        self._orders.begin(number)

    def here(self, order: Order) -> tuple[Order, JobFolder]:
        """As it is: all is here."""
        return order, JobFolder(Path(order.job))

    def settle(self, number: int, order: Order, job: JobFolder) -> None:
        """The order is done once its end is in its job folder."""
        if outcome_of(Path(order.job)) is not None:
            self._orders.finish(number)

    def stop_requested(self, job: str) -> bool:
        """Whether the platform asked this job to stop."""
        return JobFolder(Path(job)).stop_requested()

    def report(self, job: str, progress: JobProgress) -> None:
        """How far a job is."""
        JobFolder(Path(job)).report(progress)

    def end(self, number: int, job: str, outcome: JSON) -> None:
        """A job's end."""
        tell_outcome(Path(job), outcome)
        self._orders.finish(number)


class RayDesk:
    """The driver's desk by way of an actor on its node; what an order needs is fetched to a folder of this process."""

    def __init__(self, actor: Any) -> None:
        self._actor = actor

    def next(self) -> int:
        """The first number that is not done."""
        return int(self._ask("next"))

    def get(self, number: int) -> Order | None:
        """The order of this number, if it is there."""
        order: Order | None = self._ask("get", number)
        return order

    def closed(self) -> bool:
        """Whether no more orders come."""
        return bool(self._ask("closed"))

    def begin(self, number: int) -> None:
        """Count that the group begins an order."""
        self._ask("begin", number)

    def here(self, order: Order) -> tuple[Order, JobFolder]:
        """The order with job and work folders of this process, its tokens and base model fetched."""
        scratch = _scratch()
        shutil.rmtree(scratch, ignore_errors=True)
        (scratch / "job").mkdir(parents=True)
        mine = replace(order, job=str(scratch / "job"), work=str(scratch / "work"))
        ArtifactStore(order.artifacts).fetch_tree(order.prepared_digest, mine.prepared)
        return mine, _FarJob(scratch / "job", order.job, self._ask)

    def settle(self, number: int, order: Order, job: JobFolder) -> None:
        """Send the order's end, if it has come to one, and forget its folder."""
        outcome = outcome_of(job.path)
        if outcome is not None:
            self._ask("end", number, order.job, outcome)
        shutil.rmtree(_scratch(), ignore_errors=True)

    def _ask(self, method: str, *arguments: Any) -> Any:
        import ray

        return ray.get(getattr(self._actor, method).remote(*arguments))


class _FarJob(JobFolder):
    """A job whose folder is on the driver's machine; what is written for later lies in a folder of this process."""

    def __init__(self, path: Path, name: str, ask: Any) -> None:
        super().__init__(path)
        self._name, self._ask = name, ask

    def report(self, progress: JobProgress) -> None:
        """Tell how far the work is."""
        self._ask("tell", self._name, progress)

    def stop_requested(self) -> bool:
        """Whether the platform asked this job to stop."""
        return bool(self._ask("stop_requested", self._name))


def far_desk(folder: Path, node_id: str) -> RayDesk:
    """A desk over this folder for workers elsewhere, on the node that shares it."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(node_id, soft=False)
    actor = ray.remote(num_cpus=0, max_restarts=-1, scheduling_strategy=here)(FolderDesk)
    return RayDesk(actor.remote(folder))


def _scratch() -> Path:
    """This process's own folder for one order."""
    return Path(tempfile.gettempdir()) / f"ratoon-training-{os.getpid()}"
