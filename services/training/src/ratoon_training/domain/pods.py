"""How large a pod of workers is: what a plan asks of one, and what a run may plan with where pods are there already.

All sizes are bytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ratoon_training.domain.plan import MEBI, ResourcePlan
from ratoon_training.domain.recipes import Accelerator, Resources

RAY_BYTES = 400 * MEBI
"""What Ray's own processes hold in a pod of workers: 301 MiB measured before any worker is there (raylet, agents, log
monitor of Ray 2.60), and a third of that for what they grow by. A run of the default recipe took 1,180 MiB at its peak
in a memory control group of its plan and this, 1,315 MiB."""


@dataclass(frozen=True)
class Group:
    """Pods that are there for all runs, each with places for so many workers."""

    accelerator: Accelerator
    pods: int
    places: int
    memory_bytes: int
    """Of each pod."""


def pod_bytes(planned: ResourcePlan, workers: int) -> int:
    """Memory of a pod for one of a run's workers: its part of the plan and what Ray needs beside it, in whole MiB."""
    return -(-(planned.measured_bytes + workers * RAY_BYTES) // (workers * MEBI)) * MEBI


def own_bytes(resources: Resources, most: int) -> int:
    """What a run may plan with whose workers get pods of their own, of so many bytes each at most."""
    return resources.workers * max(0, most - RAY_BYTES)


def shared_bytes(resources: Resources, groups: Sequence[Group]) -> int:
    """What a run may plan with on pods that are there for all; 0 when none of them has its accelerator.

    Ray fills a pod before it takes the next, so workers have the memory of as few pods as hold them. A group that is
    scaled to none counts as one pod: the run waits for it.
    """
    suited = [group for group in groups if group.accelerator is resources.accelerator]
    if not suited and resources.accelerator is Accelerator.CPU:
        suited = list(groups)
    return max((_filled(group, resources.workers) for group in suited), default=0)


def _filled(group: Group, workers: int) -> int:
    pods = min(max(1, group.pods), -(-workers // max(1, group.places)))
    return pods * max(0, group.memory_bytes - RAY_BYTES)
