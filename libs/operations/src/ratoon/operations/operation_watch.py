"""Telemetry of operations while they are worked on: spans, counts, and the context of log lines. It decides nothing.

All ticks of an operation belong to the trace that began it, also after a restart: the traceparent is stored with
its lease. Only ticks with an effect get a span; a mere observation gets none.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import NoOpTracer, Tracer
from prometheus_client import CollectorRegistry

from ratoon.runtime import logs, tracing
from ratoon.runtime.telemetry import OperationMetrics, exemplar

if TYPE_CHECKING:
    from ratoon.operations.operations import Claim, Step

_MAX_LINKS = 100


class OperationWatch:
    """Observer of the operations of one service."""

    def __init__(
        self, service: str = "", tracer: Tracer | None = None, metrics: OperationMetrics | None = None
    ) -> None:
        self._service = service
        self._tracer = tracer or NoOpTracer()
        self._metrics = metrics or OperationMetrics(CollectorRegistry())

    @contextmanager
    def looking(self, claim: Claim) -> Iterator[None]:
        """Observe for an operation: calls and log lines carry the trace, no span is sampled."""
        with logs.about(self._service, claim.name), tracing.within(tracing.unsampled(claim.trace)):
            yield

    @contextmanager
    def tick(self, claim: Claim, before: Any, step: Step[Any]) -> Iterator[None]:
        """Save and do what a step decided."""
        if not _is_reported(before, step):
            yield
            return
        cause, *others = _causes(claim, step)
        with self._tracer.start_as_current_span(
            _name(step),
            tracing.context_of(cause),
            attributes=_attributes(step),
            links=tracing.links_to(others[:_MAX_LINKS]),
        ):
            yield
            if step.done:
                self._ended(cause, step)

    def step_failed(self, kind: type[Any], code: str) -> None:
        """Count a failed tick."""
        self._metrics.step_failures.labels(self._service, kind.__name__, code).inc()

    def _ended(self, cause: str, step: Step[Any]) -> None:
        """Count an operation that has ended, and report its whole length as one span."""
        resource, kind = step.resource, type(step.resource).__name__
        began, now = resource.create_time.timestamp(), time.time()
        self._metrics.ended.labels(self._service, kind, state_of(resource)).inc()
        self._metrics.seconds.labels(self._service, kind).observe(max(0.0, now - began), exemplar())
        whole = self._tracer.start_span(
            kind, tracing.context_of(cause), attributes=_attributes(step), start_time=int(began * 1e9)
        )
        whole.end()


def state_of(resource: Any) -> str:
    """The state of a resource; empty for one that has none."""
    return str(getattr(resource, "state", ""))


def _causes(claim: Claim, step: Step[Any]) -> tuple[str, ...]:
    """Return the causes of a step; it continues the trace of the first."""
    return (claim.trace,) if step.causes is None else step.causes or ("",)


def _is_reported(before: Any, step: Step[Any]) -> bool:
    """Return whether a step does more than to note progress."""
    moved = state_of(before) != state_of(step.resource)
    return bool(step.actions or step.events or step.done or moved)


def _name(step: Step[Any]) -> str:
    """Return the name of a tick: its kind and its actions, or the state it reaches."""
    does = ", ".join(dict.fromkeys(type(action).__name__ for action in step.actions))
    return f"{type(step.resource).__name__} {does or state_of(step.resource)}".strip()


def _attributes(step: Step[Any]) -> dict[str, str]:
    failure = getattr(step.resource, "failure", None)
    reason = str(getattr(failure, "reason", failure or ""))
    attributes = {"ratoon.resource": step.resource.name, "ratoon.state": state_of(step.resource)}
    return attributes | ({"error.type": reason} if reason else {})
