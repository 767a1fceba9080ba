"""What each worker of a Ray Train group runs: it takes order after order, and so stays warm from run to run."""

import time
from typing import Any

from ratoon_training.worker.task_channel import Desk
from ratoon_training.worker.task_queue import Order

_POLL_S = 0.05


def serve(config: dict[str, Any]) -> None:
    """Take orders until no more come. `config`: `desk`, where they lie."""
    from ray.train import get_context

    from ratoon_training.worker.running import execute

    context = get_context()
    rank, world = context.get_world_rank(), context.get_world_size()
    desk: Desk = config["desk"]
    number = desk.next()
    while (order := _wait(desk, number)) is not None:
        if rank == 0:
            desk.begin(number)
        mine, job = desk.here(order)
        try:
            execute(mine, rank, world, job)
        finally:
            desk.settle(number, order, job)
        number += 1


def _wait(desk: Desk, number: int) -> Order | None:
    """The order of this number once it is there; None when no more come."""
    while (order := desk.get(number)) is None:
        if desk.closed():
            return None
        time.sleep(_POLL_S)
    return order
