"""Span of a job: the platform passes its parent at the start, the job's own process reports it at the end.

Only a job of a trace that is kept pays for it: the libraries that send spans are imported when its work is done.
"""

import os
from collections.abc import Mapping

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import StatusCode

from ratoon.runtime import tracing
from ratoon.runtime.telemetry import exporter_to, resource_of

TRACE, _OTLP, _SERVICE = "RATOON_JOB_TRACE", "RATOON_JOB_OTLP", "RATOON_JOB_SERVICE"


def environment(service: str, otlp: str) -> Mapping[str, str]:
    """Return the trace environment of a job that starts now; empty when its trace is not sampled."""
    trace = tracing.current()
    if not (otlp and tracing.is_sampled(trace)):
        return {TRACE: ""}
    return {TRACE: trace, _OTLP: otlp, _SERVICE: service}


def send_span(entry: str, job_id: str, began_ns: int, failure: str) -> None:
    """Send the span of this process's job; `began_ns` since 1970, `failure` is a reason or empty."""
    provider = TracerProvider(resource=resource_of(os.environ[_SERVICE]), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter_to(os.environ[_OTLP])))
    span = provider.get_tracer("ratoon").start_span(
        f"job {entry}",
        tracing.context_of(os.environ[TRACE]),
        attributes={"ratoon.job": job_id},
        start_time=began_ns,
    )
    if failure:
        span.set_attribute("error.type", failure)
        span.set_status(StatusCode.ERROR, failure)
    span.end()
