"""Memory of worker pods: the size that a plan needs, and the memory that a run may plan with on existing pods.

All sizes are bytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ratoon_training.domain.plan import MEBI, ResourcePlan
from ratoon_training.domain.recipes import Accelerator, Resources

RAY_BYTES = 400 * MEBI
"""Memory of Ray's own processes in a pod of workers: 301 MiB measured before any worker starts (raylet, agents, log
monitor of Ray 2.60), and a third of that for what they grow by. A run of the default recipe took 1,180 MiB at its peak
in a memory control group of its plan and this, 1,315 MiB."""


@dataclass(frozen=True)
class SharedPods:
    """Pods that all runs share, each with `places` workers."""

    accelerator: Accelerator
    pods: int
    places: int
    memory_bytes: int
    """Memory of each pod."""


def pod_bytes(planned: ResourcePlan, workers: int) -> int:
    """Return the memory of a pod for one worker: its part of the plan and what Ray needs in addition, in whole MiB."""
    return -(-(planned.measured_bytes + workers * RAY_BYTES) // (workers * MEBI)) * MEBI


def own_bytes(resources: Resources, max_pod_bytes: int) -> int:
    """Return the memory that a run may plan with if each worker gets a dedicated pod of at most `max_pod_bytes`."""
    return resources.processes * max(0, max_pod_bytes - RAY_BYTES)


def shared_bytes(resources: Resources, shared: Sequence[SharedPods]) -> int:
    """Return the memory that a run may plan with on shared pods; 0 if none of them has its accelerator.

    Ray fills a pod before it takes the next, so workers have the memory of as few pods as hold them. A pool that is
    scaled to zero counts as one pod: the run waits for it.
    """
    suited = [pool for pool in shared if pool.accelerator is resources.accelerator]
    if not suited and resources.accelerator is Accelerator.CPU:
        suited = list(shared)
    return max((_filled(pool, resources.processes) for pool in suited), default=0)


def _filled(pool: SharedPods, workers: int) -> int:
    pods = min(max(1, pool.pods), -(-workers // max(1, pool.places)))
    return pods * max(0, pool.memory_bytes - RAY_BYTES)
