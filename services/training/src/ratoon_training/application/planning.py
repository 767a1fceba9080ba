"""Plans of runs on the machine of this service, in the light of earlier runs and of those in progress."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from ratoon_training.application.ports import Machine
from ratoon_training.domain.plan import ResourcePlan, plan, with_changes
from ratoon_training.domain.predictions import RunHistory
from ratoon_training.domain.recipes import Recipe, Resources
from ratoon_training.domain.runs import State, TrainingRun
from ratoon_training.domain.shapes import ModelShape

EARLIER_RUNS = 50
"""Number of the newest runs of a project whose measurements count for a plan."""
_UNSEEN_S = 60.0
"""Seconds for which an admitted run counts that the store does not show as admitted yet."""

LiveRuns = Callable[[], Sequence[TrainingRun]]


def planned(
    recipe: Recipe,
    resources: Resources,
    shape: ModelShape | None,
    machine: Machine,
    earlier: Sequence[TrainingRun] = (),
    reserved_bytes: int = 0,
) -> ResourcePlan:
    """Return the plan of a run, with changes that the same plan admits if it does not fit.

    `earlier` are runs of the project, whose measurements correct the model; `reserved_bytes` is memory that other runs
    will take, or, below 0, that they will release.
    """
    families, history = machine.families(), RunHistory(earlier)

    def plans(recipe: Recipe, resources: Resources) -> ResourcePlan:
        prior = history.of(recipe, resources, shape)
        free = machine.available_bytes(resources)
        available = max(0, free - reserved_bytes) if free else 0
        return plan(recipe, resources, available, families, shape, prior)

    return with_changes(plans(recipe, resources), recipe, resources, plans)


class Reservations:
    """Memory that admitted runs of one machine will take: free memory does not show it before they have grown."""

    def __init__(self, live: LiveRuns) -> None:
        """`live` returns the runs that have not ended."""
        self._live, self._lock = live, threading.Lock()
        self._unseen: dict[str, tuple[float, int]] = {}

    def admit(self, run: TrainingRun, plans: Callable[[int], ResourcePlan]) -> ResourcePlan:
        """Return the plan of a queued run by `plans`, a function of the bytes that others will take.

        It waits if it fits as soon as others have ended. One run is admitted at a time.
        """
        with self._lock:
            others = [each for each in self._live() if each.name != run.name and _is_admitted(each)]
            now = time.monotonic()
            self._unseen = {
                name: (since, size)
                for name, (since, size) in self._unseen.items()
                if now - since < _UNSEEN_S and name != run.name and name not in {each.name for each in others}
            }
            ahead = sum(max(0, each.plan.measured_bytes - _held_bytes(each)) for each in others)
            unseen = sum(size for _, size in self._unseen.values())
            result = plans(ahead + unseen)
            if result.admitted:
                self._unseen[run.name] = (now, result.measured_bytes)
                return result
            if not others and not unseen:
                return replace(result, capacity_bytes=0)
            released = unseen + sum(map(_released_bytes, others))
            free = plans(0).available_bytes
            result = replace(result, capacity_bytes=free + released if free else 0)
            if result.waits:
                return result
            # What would make it fit depends on what the machine has, not on what others leave at this moment.
            alone = plans(-sum(map(_held_bytes, others)))
            return result if alone.admitted else replace(alone, capacity_bytes=result.capacity_bytes)

    def release(self, name: str) -> None:
        """Release what a run holds that has ended; it may have ended before it was seen as admitted."""
        with self._lock:
            self._unseen.pop(name, None)


def _is_admitted(run: TrainingRun) -> bool:
    return run.state in (State.PREPARING, State.RUNNING, State.CANCELLING)


def _released_bytes(run: TrainingRun) -> int:
    """Return the memory that a run releases at its end: of one that has not reported yet, at most what it planned."""
    return _held_bytes(run) or run.plan.measured_bytes


def _held_bytes(run: TrainingRun) -> int:
    """Return the memory that a run reported last."""
    return int(run.progress.metrics.get("memory_bytes", 0.0)) * run.resources.processes
