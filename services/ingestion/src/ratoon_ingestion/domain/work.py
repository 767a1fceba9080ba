"""States of long work in this service: curations, splits and erasures.

    QUEUED → RUNNING → READY → REDACTED
                     ↘ FAILED
    QUEUED, RUNNING → CANCELLING → CANCELLED

An erasure makes REDACTED what held a record that it erases. `ratoon.operations.job_machine` has the transitions.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Self, cast

from ratoon.operations.job_machine import Failure
from ratoon.operations.job_machine import Progress as JobProgress


class State(StrEnum):
    """State of the work."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    READY = "READY"
    FAILED = "FAILED"
    CANCELLING = "CANCELLING"
    CANCELLED = "CANCELLED"
    REDACTED = "REDACTED"

    @property
    def ended(self) -> bool:
        """Whether the work has ended."""
        return self in (State.READY, State.FAILED, State.CANCELLED, State.REDACTED)

    @property
    def without_result(self) -> bool:
        """Return True if the work ended without a result."""
        return self in (State.FAILED, State.CANCELLED)

    @property
    def readable(self) -> bool:
        """Whether there are records to be read."""
        return self in (State.READY, State.REDACTED)


@dataclass(frozen=True)
class Progress(JobProgress):
    """Progress of a job, with its remaining time in seconds (0: unknown)."""

    remaining_seconds: float = 0.0


DONE = Progress(1.0, "Done")


class Work:
    """Base of the resources that have a `failure`."""

    def with_failure(self, failure: Failure) -> Self:
        """Return the resource with this failure."""
        return cast(Self, replace(cast(Any, self), failure=failure))
