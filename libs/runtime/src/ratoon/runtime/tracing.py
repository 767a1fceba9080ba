"""The trace that a piece of work belongs to, as W3C trace context. It knows no service and no exporter.

A *traceparent* is a text of 55 characters: version, trace id, span id, and whether the trace is kept. It goes with
calls, events, operations and jobs, so that what follows from a request can be found from it.
"""

import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from opentelemetry import context as contexts
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

TRACEPARENT = "traceparent"
LENGTH = 55
"""Characters of a traceparent."""
_FLAGS = 53
"""Offset of the flags."""
_FORMAT = TraceContextTextMapPropagator()


def current() -> str:
    """The traceparent of what this thread or task does now; empty outside any trace."""
    return of(get_current_span())


def of(span: Span) -> str:
    """The traceparent of a span; empty when it belongs to no trace."""
    context = span.get_span_context()
    return (
        f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
        if context.is_valid
        else ""
    )


def is_sampled(traceparent: str) -> bool:
    """Return whether this trace is sampled."""
    return len(traceparent) == LENGTH and bool(int(traceparent[_FLAGS:], 16) & 1)


def unsampled(traceparent: str = "") -> str:
    """Return the same trace for work without a span, such as an observation; a new one when it is empty."""
    begun = traceparent or f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-"
    return f"{begun[:_FLAGS]}00"


def context_of(traceparent: str) -> Context:
    """Return the context that continues this trace; an empty or unreadable one begins a new trace."""
    return _FORMAT.extract({TRACEPARENT: traceparent}, Context()) if traceparent else Context()


@contextmanager
def within(traceparent: str) -> Iterator[None]:
    """Do this as part of a trace, without a span of its own."""
    token = contexts.attach(context_of(traceparent))
    try:
        yield
    finally:
        contexts.detach(token)


def links_to(traceparents: Iterable[str]) -> list[Link]:
    """Links to the spans of other traces that are kept."""
    sampled = filter(is_sampled, traceparents)
    return [Link(get_current_span(context_of(each)).get_span_context()) for each in sampled]
