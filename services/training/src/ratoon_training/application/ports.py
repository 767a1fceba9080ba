"""What training needs from the world."""

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
        """Begin there, unless this job was begun before; what it publishes counts under the fencing number."""
        ...

    def stop(self, job_id: str) -> None:
        """Ask the job to end; kill it after a grace."""
        ...

    def clean(self, run: TrainingRun) -> None:
        """Remove the run's tokens and checkpoints."""
        ...


class Workers(Protocol):
    """Pods that are made for one run and go with it; where there are none, runs take what is there for all."""

    def ensure(self, run: TrainingRun) -> Place:
        """See to it that the run's own pods are being made, as large as its plan; where its workers compute."""
        ...

    def waits_for(self, run: TrainingRun) -> str:
        """What keeps the run's own pods from running, as the cluster says it; empty: nothing that is known."""
        ...

    def remove(self, run: str) -> None:
        """End the own pods of the run of this name, if there are any."""
        ...

    def runs(self) -> Collection[str]:
        """Names of the runs that have pods of their own."""
        ...


class Machine(Protocol):
    """Where runs would start."""

    def available_bytes(self, resources: Resources) -> int:
        """Memory that a run of these resources may take now."""
        ...

    def families(self) -> tuple[MachineFamily, ...]:
        """The families that operators can choose from."""
        ...


class Parts(Protocol):
    """Parts of splits, as far as one must know before a run is queued."""

    def check_not_erased(self, digest: str) -> None:
        """FailedPrecondition, with the reason, when the part held records that were erased."""
        ...


class BaseModels(Protocol):
    """Model artifacts that runs continue."""

    def describe(self, digest: str) -> BaseModel:
        """What the artifact says about itself; NotFound, or BadBaseModel when it is no model."""
        ...
