"""The driver's Ray (`ratoon.operations.ray`): settings of Ray Train, and the resources of workers."""

import os
from pathlib import Path

from ratoon.operations.ray import cluster
from ratoon_training.domain.recipes import Accelerator

_WORKERS = 64
"""Maximum number of workers of a group."""
_DEVICES: dict[Accelerator, dict[str, float]] = {
    Accelerator.CPU: {},
    Accelerator.CUDA: {"GPU": 1.0},
    Accelerator.NEURON: {"neuron_cores": 1.0},
}
"""Device of a worker, by Ray's names."""
_QUIET = {
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.5",
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
    "RAY_TRAIN_ENABLE_CONTROLLER_STRUCTURED_LOGGING": "0",
    "RAY_TRAIN_ENABLE_WORKER_STRUCTURED_LOGGING": "0",
    "RAY_TRAIN_METRICS_ENABLED": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
}
"""Environment that turns off monitors and metrics of Ray Train."""

joins_existing, started = cluster.joins_existing, cluster.started


def start(folder: Path) -> None:
    """Start Ray, with its token in `folder`, and connect to it. RayUnavailable if it does not start."""
    os.environ.update(_QUIET)
    cluster.start(folder)


def worker_resources(pods: str, accelerator: Accelerator, devices: int = 1) -> dict[str, float]:
    """Return the Ray resources of a worker: a dedicated pod of the run or CPUs, and its devices.

    An existing cluster gives whole CPUs, the driver's own node next to nothing (threads are the recipe's). Dedicated
    pods offer no CPUs, so that no other worker is placed in them.
    """
    placement = {pods: 1.0} if pods else {"CPU": 1.0 if joins_existing() else 1 / _WORKERS}
    return placement | {unit: amount * devices for unit, amount in _DEVICES[accelerator].items()}


def node_id() -> str:
    """The driver's own node."""
    import ray

    return str(ray.get_runtime_context().get_node_id())


def lacks(workers: int, pods: str, accelerator: Accelerator, devices: int = 1) -> bool:
    """Return True if the whole cluster, were it free, had not the resources of this number of workers."""
    import ray

    available = ray.cluster_resources()
    required = worker_resources(pods, accelerator, devices)
    return any(available.get(unit, 0.0) < workers * amount for unit, amount in required.items())


def capacity(pods: str) -> str:
    """Return the capacity of the cluster as text: of the pods of this name, or all."""
    import ray

    available = ray.cluster_resources()
    if pods:
        return f"{available.get(pods, 0):g} pods of the run's own have joined the Ray cluster"
    counted = [_units(available.get(unit, 0), unit) for unit in ("CPU", "GPU")]
    return f"the Ray cluster has {' and '.join(counted)}"


def _units(count: float, unit: str) -> str:
    return f"{count:g} {unit}" if count == 1 else f"{count:g} {unit}s"
