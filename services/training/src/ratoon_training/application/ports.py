"""Ports of training."""

from collections.abc import Collection, Mapping
from typing import Any, Protocol

from ratoon.operations.job_machine import JobObservation
from ratoon_training.application.commands import BaseModel, NeuralBase, RunSpec
from ratoon_training.domain.machines import MachineFamily
from ratoon_training.domain.places import Place
from ratoon_training.domain.recipes import Resources
from ratoon_training.domain.runs import Trained, TrainingRun
from ratoon_training.domain.search_space import Settings
from ratoon_training.domain.sweeps import Correction, Report, Sweep


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

    def finish(self, run: TrainingRun) -> None:
        """Ask the run to end early, with its best weights so far."""
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
        """Return the memory that a run of these resources may use now, in bytes; 0 if there are no workers for it."""
        ...

    def families(self) -> tuple[MachineFamily, ...]:
        """The families that operators can choose from."""
        ...


class Parts(Protocol):
    """Parts of splits."""

    def check_not_erased(self, digest: str) -> None:
        """FailedPrecondition, with the reason, when the part held records that were erased."""
        ...


class Curves(Protocol):
    """Exact curves of runs that ended with a model."""

    def read(self, digest: str) -> Mapping[str, Any]:
        """Return the columns and rows of steps and epochs in a blob."""
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

    def describe_neural(self, digest: str, any_base: bool) -> NeuralBase | None:
        """Return what a small neural model is trained on from; None if the base is none and `any_base`.

        BadBaseModel if it is none otherwise.
        """
        ...


class TrialSpecs(Protocol):
    """Recipes with the settings of trials."""

    def typed(self, sweep: Sweep) -> Sweep:
        """Return the sweep with the types of its parameters; BadSweep names one that recipes do not have."""
        ...

    def spec(self, sweep: Sweep, settings: Settings, fold: int = 0) -> RunSpec:
        """Return the specification of a run with these settings on a fold, counted from 0."""
        ...


class SettingsModel(Protocol):
    """Model of the trials of a sweep that proposes the settings of the next one."""

    def propose(self, sweep: Sweep, number: int) -> Settings | None:
        """Return settings for the trial of this number, a function of the sweep; None: it proposes none."""
        ...


class RunResults(Protocol):
    """Validation of the runs of trials."""

    def reports(self, run: TrainingRun, metric: str) -> tuple[Report, ...]:
        """Return the values of a metric so far, by epoch."""
        ...

    def value(self, run: TrainingRun, metric: str, *, maximize: bool) -> float | None:
        """Return the value of the published weights of a run that succeeded; None: the run has no such metric."""
        ...

    def trend(self, run: TrainingRun) -> str:
        """Return the course of the training loss of a run that succeeded."""
        ...


class Optimism(Protocol):
    """Correction of the best of several values."""

    def corrected(self, sweep: Sweep) -> Correction | None:
        """Return the corrected value of the best trial; None: the trials have no scores that it could follow from."""
        ...
