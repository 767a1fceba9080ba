"""State machine of a resource that one job computes. It knows no job runner, no clock and no store.

    QUEUED → working → done
                     ↘ FAILED
    QUEUED, working → CANCELLING → CANCELLED

Each kind of resource names its working state (RUNNING, VERIFYING) and its done state (READY, SUCCEEDED); the other
names are the same for all. A job that lost its worker is restarted after a delay that doubles with each start; after
MAX_ATTEMPTS starts the resource has failed, with the last reason and the end of the worker's log.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Generic, Protocol, Self, TypeVar, cast

from ratoon.process.backoff import Backoff

MAX_ATTEMPTS = 5
"""Starts of a job after which the loss of its worker is final."""
BACKOFF = Backoff(1.0, 60.0)
"""Delays between the last change of a resource and the restarts of its job."""
STOP_INTERVAL_S = 0.5
"""Seconds between two requests to stop a job, until it has ended."""


class Phase(StrEnum):
    """Phase of a job."""

    ABSENT = "ABSENT"
    """Never started, or forgotten."""
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    """Ended with an error of its own."""
    LOST = "LOST"
    """Ended without a result or an error."""


class Action(StrEnum):
    """Action that a step requests; each is idempotent."""

    START = "START"
    RESTART = "RESTART"
    STOP = "STOP"
    FINISH = "FINISH"
    """Ask the job to end early with the result that it has so far. A service that needs it requests it."""
    APPLY = "APPLY"
    """Apply a result outside the resource, before the resource is done."""
    CLEAN = "CLEAN"
    """Remove what the job kept for a restart: the resource has ended. A service that needs it requests it."""


@dataclass(frozen=True)
class Progress:
    """Progress of a job: fraction 0..1, a sentence, done of total units. A service may add fields in a subclass."""

    fraction: float = 0.0
    message: str = ""
    done: int = 0
    total: int = 0
    unit: str = ""


@dataclass(frozen=True)
class Failure:
    """Stable reason and sentence of a failure; both empty without one."""

    reason: str = ""
    message: str = ""


R = TypeVar("R")


@dataclass(frozen=True)
class JobObservation(Generic[R]):
    """State of a job; `result` is set once it has succeeded, `failure` once it has failed or was lost.

    `applied` is false while the result has to be applied outside the resource; `progress` then reports how far that is.
    """

    phase: Phase
    progress: Progress = Progress()
    result: R | None = None
    failure: Failure = Failure()
    applied: bool = True


@dataclass(frozen=True)
class Failed:
    """Event: the resource has failed."""

    reason: str


@dataclass(frozen=True)
class Cancelled:
    """Event: the resource was cancelled on request."""


class ResourceState(Protocol):
    """A string enumeration of the states of one kind of resource."""

    @property
    def ended(self) -> bool: ...


class JobResource(Protocol):
    """A frozen dataclass with these fields and a `progress`."""

    @property
    def state(self) -> ResourceState: ...
    @property
    def update_time(self) -> datetime:
        """Time at which the resource was last saved."""
        ...

    @property
    def cancel_requested(self) -> bool: ...
    @property
    def attempts(self) -> int:
        """Starts of the job so far."""
        ...

    def with_failure(self, failure: Failure) -> Self:
        """Return the resource with a failure in its own fields."""
        ...


W = TypeVar("W", bound=JobResource)
Complete = Callable[[W, R], tuple[W, object]]
"""Returns the resource in its done state with a result, and the event to publish."""


@dataclass(frozen=True)
class Transition(Generic[W]):
    """Next state, actions and events.

    `wake_after` (seconds) overrides the poll interval, `repeat_after` is the delay from the actions to the next tick.
    """

    resource: W
    actions: tuple[Action, ...] = ()
    events: tuple[object, ...] = ()
    wake_after: float | None = None
    repeat_after: float = 0.0


def step(
    resource: W,
    observation: JobObservation[R],
    now: datetime,
    complete: Complete[W, R],
    working: str = "RUNNING",
) -> Transition[W]:
    """Return what follows from an observation."""
    if resource.state.ended:
        return Transition(resource)
    if resource.cancel_requested:
        return cancel(resource, observation.phase)
    match observation.phase:
        case Phase.SUCCEEDED:
            return _succeeded(resource, observation, complete, working)
        case Phase.FAILED:
            return fail(resource, observation.failure)
        case Phase.RUNNING:
            return Transition(_with(resource, working, progress=observation.progress))
        case Phase.LOST:
            return _restart(resource, observation.failure, now, working)
        case Phase.ABSENT:
            return Transition(_with(resource, working, attempts=max(1, resource.attempts)), (Action.START,))


def fail(resource: W, failure: Failure) -> Transition[W]:
    """Return the resource as FAILED."""
    failed = _with(resource.with_failure(failure), "FAILED")
    return Transition(failed, events=(Failed(failure.reason),))


def cancel(resource: W, phase: Phase) -> Transition[W]:
    """Return the resource as CANCELLING while its job runs, then as CANCELLED."""
    if phase is Phase.RUNNING:
        return Transition(_with(resource, "CANCELLING"), (Action.STOP,), repeat_after=STOP_INTERVAL_S)
    return Transition(_with(resource, "CANCELLED"), events=(Cancelled(),))


def restart_delay_s(attempts: int, update_time: datetime, now: datetime) -> float:
    """Return the seconds until a job may be restarted that was started so often and was lost; 0: now.

    The delay counts from the last change of the resource. A clock that was set back does not prolong it.
    """
    delay = BACKOFF.delay_s(attempts) if attempts else 0.0
    elapsed = (now - update_time).total_seconds()
    return delay - elapsed if 0 <= elapsed < delay else 0.0


def _succeeded(
    resource: W, observation: JobObservation[R], complete: Complete[W, R], working: str
) -> Transition[W]:
    if observation.result is None:
        return fail(resource, Failure("WORKER_FAILED", "The job ended without a result."))
    if not observation.applied:
        return Transition(_with(resource, working, progress=observation.progress), (Action.APPLY,))
    done, event = complete(resource, observation.result)
    return Transition(done, events=(event,))


def _restart(resource: W, failure: Failure, now: datetime, working: str) -> Transition[W]:
    """Restart a lost job once its delay is over; after MAX_ATTEMPTS starts the resource has failed."""
    if resource.attempts >= MAX_ATTEMPTS:
        message = f"The worker was lost {resource.attempts} times. {failure.message}".strip()
        return fail(resource, Failure(failure.reason or "WORKER_LOST", message))
    if delay := restart_delay_s(resource.attempts, resource.update_time, now):
        return Transition(resource, wake_after=delay)
    return Transition(_with(resource, working, attempts=resource.attempts + 1), (Action.RESTART,))


def _with(resource: W, state: str, **changes: object) -> W:
    """Return the resource in the state of this name."""
    states = cast(Any, type(resource.state))
    return cast(W, replace(cast(Any, resource), state=states(state), **changes))
