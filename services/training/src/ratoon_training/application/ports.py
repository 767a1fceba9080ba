"""What training needs from the world."""

from typing import Protocol

from ratoon_training.application.commands import BaseModel
from ratoon_training.domain.machines import MachineFamily
from ratoon_training.domain.runs import Observation, TrainingRun


class Drivers(Protocol):
    """The jobs of runs, which a training driver takes. One job an attempt."""

    def observe(self, job_id: str) -> Observation:
        """The job as it is now."""
        ...

    def start(self, job_id: str, run: TrainingRun, fence: int) -> None:
        """Begin, unless this job was begun before; what it publishes counts under the fencing number."""
        ...

    def stop(self, job_id: str) -> None:
        """Ask the job to end; kill it after a grace."""
        ...

    def clean(self, run: TrainingRun) -> None:
        """Remove the run's tokens and checkpoints."""
        ...


class Machine(Protocol):
    """Where runs would start."""

    def available_bytes(self) -> int:
        """Memory that a run may take now."""
        ...

    def families(self) -> tuple[MachineFamily, ...]:
        """The families that operators can choose from."""
        ...


class BaseModels(Protocol):
    """Model artifacts that runs continue."""

    def describe(self, digest: str) -> BaseModel:
        """What the artifact says about itself; NotFound, or BadBaseModel when it is no model."""
        ...
