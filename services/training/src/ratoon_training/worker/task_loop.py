"""Loop of each worker of a Ray Train group: it takes task after task, and so stays warm between runs."""

import time
from typing import Any

from ratoon_training.worker.task_channel import TaskChannel
from ratoon_training.worker.task_queue import TrainingTask

_POLL_S = 0.05


def run_tasks(config: dict[str, Any]) -> None:
    """Run tasks until no more follow. `config`: `channel`, their source."""
    from ray.train import get_context

    from ratoon_training.worker.running import execute

    context = get_context()
    rank, world_size = context.get_world_rank(), context.get_world_size()
    channel: TaskChannel = config["channel"]
    number = channel.next()
    while (task := _wait(channel, number)) is not None:
        if rank == 0:
            channel.begin(number, world_size)
        local, job = channel.localize(task)
        try:
            execute(local, rank, world_size, job)
        finally:
            channel.settle(number, task, job)
        number += 1


def _wait(channel: TaskChannel, number: int) -> TrainingTask | None:
    """Wait for the task of this number and return it; None if no more follow."""
    while (task := channel.get(number)) is None:
        if channel.closed():
            return None
        time.sleep(_POLL_S)
    return task
