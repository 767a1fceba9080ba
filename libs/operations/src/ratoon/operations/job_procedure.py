"""Procedure of a resource that one job computes: a service configures it, `job_machine` decides."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from ratoon.operations.job_machine import (
    Action,
    Failure,
    JobObservation,
    JobResource,
    Phase,
    Progress,
    Transition,
    fail,
)
from ratoon.operations.jobs import JSON, JobProgress, Jobs, JobStatus
from ratoon.operations.operations import Claim, Step
from ratoon.process.errors import Description

J = TypeVar("J")
J_contra = TypeVar("J_contra", contravariant=True)
R = TypeVar("R")
W = TypeVar("W", bound=JobResource)


class JobRunner(Protocol[J_contra, R]):
    """Jobs of a service, one per operation; the types are the input and the result of a job."""

    def observe(self, job_id: str) -> JobObservation[R]:
        """Return the state of the job."""
        ...

    def start(self, job_id: str, job: J_contra) -> None:
        """Start the job, unless it was started before."""
        ...

    def stop(self, job_id: str) -> None:
        """Ask the job to end; kill it after a grace period."""
        ...

    def forget(self, job_id: str) -> None:
        """Forget a job that has ended, with its result, so that it can be started again."""
        ...


def base_progress(reported: JobProgress) -> Progress:
    """Return the progress of a job without its remaining time."""
    return Progress(reported.fraction, reported.message, reported.done, reported.total, reported.unit)


@dataclass(frozen=True)
class WorkerJobs(Generic[J, R]):
    """Jobs of one kind, executed by a worker module: a `JobRunner`."""

    jobs: Jobs
    module: str
    spec_of: Callable[[J], JSON]
    """Returns the spec of a job."""
    result_of: Callable[[JSON], R]
    """Returns the result of a job from what its worker wrote."""
    progress_of: Callable[[JobProgress], Progress] = base_progress

    def observe(self, job_id: str) -> JobObservation[R]:
        """Return the state of the job."""
        status = self.jobs.observe(job_id)
        result = self.result_of(status.result) if status.result else None
        return observed(status, self.progress_of(status.progress), result)

    def start(self, job_id: str, job: J) -> None:
        """Start the job, unless it was started before."""
        self.jobs.start(job_id, self.module, self.spec_of(job))

    def stop(self, job_id: str) -> None:
        """Ask the job to end; kill it after a grace period."""
        self.jobs.stop(job_id)

    def forget(self, job_id: str) -> None:
        """Forget a job that has ended, with its result."""
        self.jobs.forget(job_id)


@dataclass(frozen=True)
class JobProcedure(Generic[W, J, R]):
    """Procedure of one kind of resource, for `Operations`."""

    kind: type[W]
    job_name: str
    """Name of the job in its id. Jobs that run during an upgrade are found by it: never change it."""
    jobs: JobRunner[J, R]
    job_of: Callable[[W], J]
    """Returns the input of the resource's job; called for a start or a restart only."""
    decide: Callable[[W, JobObservation[R], datetime], Transition[W]]
    poll_interval_s: float

    def observe(self, resource: W, claim: Claim) -> JobObservation[R]:
        """Return the state of the resource's job."""
        return self.jobs.observe(self.job_id(claim))

    def step(self, resource: W, observation: JobObservation[R], now: datetime) -> Step[W]:
        """Decide what follows."""
        return as_step(self.decide(resource, observation, now), self.poll_interval_s)

    def act(self, resource: W, action: Action, claim: Claim) -> None:
        """Start, restart or stop the job."""
        perform(self.jobs, action, self.job_id(claim), lambda: self.job_of(resource))

    def failed(self, resource: W, error: Description, now: datetime) -> Step[W]:
        """Fail the resource with an error that a retry does not fix."""
        return as_step(fail(resource, Failure(error.reason, error.message)), self.poll_interval_s)

    def job_id(self, claim: Claim) -> str:
        """Return the id of the operation's job."""
        return claim.action_id(self.job_name)


def perform(jobs: JobRunner[J, R], action: Action, job_id: str, job_of: Callable[[], J]) -> None:
    """Start, restart or stop a job; ValueError for an action that is not the job's."""
    if action is Action.STOP:
        jobs.stop(job_id)
        return
    if action not in (Action.START, Action.RESTART):
        raise ValueError(f"{action} is not an action of a job")
    job = job_of()
    if action is Action.RESTART:
        jobs.forget(job_id)
    jobs.start(job_id, job)


def as_step(transition: Transition[W], poll_interval_s: float) -> Step[W]:
    """Return a transition as a step of an operation."""
    resource, wake_after = transition.resource, transition.wake_after
    return Step(
        resource,
        transition.actions,
        transition.events,
        wake_after=poll_interval_s if wake_after is None else wake_after,
        done=resource.state.ended,
        polls=wake_after is None,
        repeat_after=transition.repeat_after,
    )


def observed(status: JobStatus, progress: Progress, result: R | None) -> JobObservation[R]:
    """Return a job's status as an observation, with the service's own progress and result."""
    return JobObservation(Phase(status.state.value), progress, result, Failure(status.reason, status.message))
