"""Ports of training."""

from collections.abc import Collection
from typing import Protocol

from ratoon.operations.job_machine import JobObservation
from ratoon_training.application.commands import BaseModel
from ratoon_training.domain.machines import MachineFamily
from ratoon_training.domain.places import Place
from ratoon_training.domain.recipes import Resources
from ratoon_training.domain.runs import Trained, TrainingRun


class Drivers(Protocol):
    """The jobs of runs, which a training driver takes. One job an attempt."""

    def observe(self, job_id: str) -> JobObservation[Trained]:
        """The job as it is now."""
        ...

    def start(self, job_id: str, run: TrainingRun, place: Place, fence: int) -> None:
        """Start the job there, unless it was started before; it publishes under the fencing number."""
        ...

    def stop(self, job_id: str) -> None:
        """Ask the job to end; kill it after a grace."""
        ...

    def clean(self, run: TrainingRun) -> None:
        """Remove the run's tokens and checkpoints."""
        ...


class Workers(Protocol):
    """Dedicated pods of runs; without them, runs use shared workers."""

    def ensure(self, run: TrainingRun) -> Place:
        """Create the run's dedicated pods, sized by its plan, unless they exist; return where its workers compute."""
        ...

    def waits_for(self, run: TrainingRun) -> str:
        """Return why the run's dedicated pods do not run, in the cluster's words; empty: unknown."""
        ...

    def remove(self, run: str) -> None:
        """Delete the dedicated pods of the run of this name, if there are any."""
        ...

    def runs(self) -> Collection[str]:
        """Return the names of the runs that have dedicated pods."""
        ...


class Machine(Protocol):
    """Capacity for new runs."""

    def available_bytes(self, resources: Resources) -> int:
        """Return the memory that a run of these resources may use now, in bytes."""
        ...

    def families(self) -> tuple[MachineFamily, ...]:
        """The families that operators can choose from."""
        ...


class Parts(Protocol):
    """Parts of splits."""

    def check_not_erased(self, digest: str) -> None:
        """FailedPrecondition, with the reason, when the part held records that were erased."""
        ...


class References(Protocol):
    """References to runs from resources of other services."""

    def referrers(self, name: str) -> list[str]:
        """Return the names of at most ten resources that name a run; raise if a service does not answer."""
        ...


class BaseModels(Protocol):
    """Model artifacts that runs continue."""

    def describe(self, digest: str) -> BaseModel:
        """Return the artifact's description; NotFound, or BadBaseModel if it is no model."""
        ...
