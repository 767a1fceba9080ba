"""What each worker of a Ray Train group runs: it takes order after order, and so stays warm from run to run."""

import time
from pathlib import Path
from typing import Any

from ratoon_training.worker.orders import Order, Orders, outcome_of

_POLL_S = 0.05


def serve(config: dict[str, Any]) -> None:
    """Take orders until the folder is closed. `config`: `orders`, the folder between driver and group."""
    from ray.train import get_context

    from ratoon_training.worker.running import execute

    context = get_context()
    rank, world = context.get_world_rank(), context.get_world_size()
    orders = Orders(Path(config["orders"]))
    number = orders.next()
    while (order := _wait(orders, number)) is not None:
        if rank == 0:
            orders.begin(number)
        try:
            execute(order, rank, world)
        finally:
            if outcome_of(Path(order.job)) is not None:
                orders.finish(number)
        number += 1


def _wait(orders: Orders, number: int) -> Order | None:
    """The order of this number once it is there; None when no more come."""
    while (order := orders.get(number)) is None:
        if orders.closed:
            return None
        time.sleep(_POLL_S)
    return order
