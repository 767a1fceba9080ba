"""Second engine: green has a process of its own next to blue's, and both serve at the same time."""

from dataclasses import dataclass, replace
from datetime import datetime

from ratoon_serving.domain.rollouts.plan import Observation, Plan
from ratoon_serving.domain.rollouts.rollout import Phase, Placement, ProcessUse, Rollout, Strategy
from ratoon_serving.domain.rollouts.routing import route_actions
from ratoon_serving.domain.rollouts.transitions import enter, start

_MIB = 1 << 20


@dataclass(frozen=True)
class Headroom:
    """Capacity for another engine where engines run: memory in bytes, or processes."""

    available_bytes: int = 0
    overhead_bytes: int = 0
    """Memory that an engine takes in addition to its weights."""
    free_processes: int | None = None
    """Number of processes that can be added, where processes are counted and memory is not."""
    unbounded: bool = False
    """True if no bound is known in advance."""

    def shortage(self, size_bytes: int, processes: int = 1) -> str:
        """Return the shortage of capacity for another engine with weights of this size; empty if there is none."""
        needed = size_bytes + self.overhead_bytes
        if self.free_processes is not None:
            message = (
                f"the pool of engines has {self.free_processes or 'no'} place left, but a second engine needs "
                f"{processes}"
            )
            return "" if self.free_processes >= processes else message
        if self.unbounded or self.available_bytes >= needed:
            return ""
        free_mib = self.available_bytes // _MIB
        return f"{free_mib} MiB of memory are free, but a second engine needs {needed // _MIB}"


def move_out(
    rollout: Rollout, engine: str, phase: Phase, message: str, observation: Observation, now: datetime
) -> Plan:
    """Continue a rollout in place with a second engine: this engine gets a process of its own."""
    moving = replace(
        rollout, strategy=Strategy.SECOND_ENGINE, placement=Placement(ProcessUse.OWN_PROCESS, engine)
    )
    moved = enter(moving, phase, now, message)
    return Plan(moved, (*route_actions(moved, observation), start(moved, engine)), wake_after=0.0)
