"""The state machine of long work in this room: curations and splits go the same way.

QUEUED → RUNNING → READY → REDACTED
                 ↘ FAILED
QUEUED, RUNNING → CANCELLING → CANCELLED

An erasure makes REDACTED what held a record that it erases.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Generic, Protocol, TypeVar, cast

MAX_ATTEMPTS = 5
"""Starts of a job after which the loss of its worker is final."""


class State(StrEnum):
    """Where the work stands."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    READY = "READY"
    FAILED = "FAILED"
    CANCELLING = "CANCELLING"
    CANCELLED = "CANCELLED"
    REDACTED = "REDACTED"

    @property
    def ended(self) -> bool:
        """Whether nobody works on it any more."""
        return self in (State.READY, State.FAILED, State.CANCELLED, State.REDACTED)

    @property
    def readable(self) -> bool:
        """Whether there are records to be read."""
        return self in (State.READY, State.REDACTED)


class Phase(StrEnum):
    """What can be seen of the job."""

    ABSENT = "ABSENT"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    LOST = "LOST"


class Action(StrEnum):
    """What a step asks for."""

    START = "START"
    RESTART = "RESTART"
    STOP = "STOP"
    REPLACE = "REPLACE"


@dataclass(frozen=True)
class Progress:
    """How far it is: fraction 0..1, a sentence, done of total units, seconds left (0: not known)."""

    fraction: float = 0.0
    message: str = ""
    done: int = 0
    total: int = 0
    unit: str = ""
    remaining_seconds: float = 0.0


@dataclass(frozen=True)
class Failure:
    """Why it failed: a stable reason and a sentence; both empty when it did not."""

    reason: str = ""
    message: str = ""


@dataclass(frozen=True)
class Observation:
    """The job as it is now; `result` is what it made once it has succeeded."""

    phase: Phase
    progress: Progress = Progress()
    result: Mapping[str, Any] | None = None
    failure: Failure = Failure()


@dataclass(frozen=True)
class Failed:
    """The work came to nothing."""

    reason: str


@dataclass(frozen=True)
class Cancelled:
    """Somebody called it off."""


class Work(Protocol):
    """What the state machine moves: a frozen dataclass with these fields."""

    @property
    def state(self) -> State: ...
    @property
    def cancel_requested(self) -> bool: ...
    @property
    def attempts(self) -> int: ...


W = TypeVar("W", bound=Work)
Complete = Callable[[W, Mapping[str, Any]], tuple[W, object]]
"""What a result makes of the resource, and the event that tells it."""


@dataclass(frozen=True)
class Transition(Generic[W]):
    """What follows from an observation."""

    resource: W
    actions: tuple[Action, ...] = ()
    events: tuple[object, ...] = ()


def step(resource: W, seen: Observation, complete: Complete[W]) -> Transition[W]:
    """The next state, what to do and what to tell."""
    if resource.state.ended:
        return Transition(resource)
    if resource.cancel_requested:
        return _cancelling(resource, seen)
    if seen.phase is Phase.SUCCEEDED and seen.result is not None:
        ready, event = complete(
            _with(resource, state=State.READY, progress=Progress(1.0, "Done")), seen.result
        )
        return Transition(ready, events=(event,))
    if seen.phase is Phase.FAILED:
        return fail(resource, seen.failure)
    if seen.phase is Phase.RUNNING:
        return Transition(_with(resource, state=State.RUNNING, progress=seen.progress))
    return _begin(resource, seen)


def fail(resource: W, failure: Failure) -> Transition[W]:
    """The work as one that came to nothing."""
    return Transition(_with(resource, state=State.FAILED, failure=failure), events=(Failed(failure.reason),))


def _begin(resource: W, seen: Observation) -> Transition[W]:
    """Start the job, or start it again when it was lost."""
    if resource.attempts >= MAX_ATTEMPTS and seen.phase is Phase.LOST:
        message = f"The worker was lost {resource.attempts} times. {seen.failure.message}".strip()
        return fail(resource, Failure(seen.failure.reason or "WORKER_LOST", message))
    action = Action.RESTART if seen.phase is Phase.LOST else Action.START
    attempts = resource.attempts + (1 if seen.phase is Phase.LOST or not resource.attempts else 0)
    return Transition(_with(resource, state=State.RUNNING, attempts=attempts), (action,))


def _cancelling(resource: W, seen: Observation) -> Transition[W]:
    if seen.phase is Phase.RUNNING:
        return Transition(_with(resource, state=State.CANCELLING), (Action.STOP,))
    return Transition(_with(resource, state=State.CANCELLED), events=(Cancelled(),))


def _with(resource: W, **changes: object) -> W:
    return cast(W, replace(cast(Any, resource), **changes))
