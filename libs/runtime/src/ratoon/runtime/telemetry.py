"""Spans and metrics of a process, made once and handed to every service in it. It knows no service."""

import logging
from collections.abc import Sequence

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased, Sampler, TraceIdRatioBased
from opentelemetry.trace import Span, Tracer, get_current_span
from prometheus_client import CollectorRegistry, Counter, Histogram

_LOG = logging.getLogger(__name__)
_LATENCY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_LENGTH_BUCKETS = (1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 86_400.0)
_EXPORT_EVERY_MS = 1000.0
_EXPORT_TIMEOUT_S = 5.0


class RpcMetrics:
    """Metrics of the gRPC calls that a process serves."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.handled = Counter(
            "ratoon_rpc_handled_total",
            "gRPC calls by code.",
            ["service", "method", "code"],
            registry=registry,
        )
        self.seconds = Histogram(
            "ratoon_rpc_seconds",
            "Duration of gRPC calls, in seconds.",
            ["service", "method"],
            buckets=_LATENCY_BUCKETS,
            registry=registry,
        )


class OperationMetrics:
    """Counters of the operations of a process's services."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.ended = Counter(
            "ratoon_operations_ended_total",
            "Ended operations by final state.",
            ["service", "kind", "state"],
            registry=registry,
        )
        self.step_failures = Counter(
            "ratoon_operation_step_failures_total",
            "Ticks of operations that failed and were tried again or ended them.",
            ["service", "kind", "code"],
            registry=registry,
        )
        self.seconds = Histogram(
            "ratoon_operation_seconds",
            "Duration of ended operations, in seconds.",
            ["service", "kind"],
            buckets=_LENGTH_BUCKETS,
            registry=registry,
        )


class Traces:
    """Spans of a process: each service has its own tracer, named after it, and all share one exporter."""

    def __init__(self, otlp: str = "", ratio: float = 1.0) -> None:
        """`otlp` is an OTLP/HTTP endpoint, `http://collector:4318`; empty: nothing is kept, ids are still passed on.

        `ratio` is the share of traces that are kept of those that begin here; what goes on from elsewhere is kept when
        it was kept there.
        """
        self.otlp = otlp.rstrip("/")
        self._sampler: Sampler = ParentBased(TraceIdRatioBased(ratio) if otlp else ALWAYS_OFF)
        self._way_out: SpanProcessor | None = exporting_to(self.otlp) if otlp else None

    def tracer(self, service: str) -> Tracer:
        """Return the tracer of a service."""
        provider = TracerProvider(self._sampler, resource_of(service), shutdown_on_exit=False)
        if self._way_out is not None:
            provider.add_span_processor(self._way_out)
        return provider.get_tracer("ratoon")

    def flush(self) -> None:
        """Send what has ended so far; returns once the collector has it, or has not answered for a while."""
        if self._way_out is not None:
            self._way_out.force_flush()

    def close(self) -> None:
        """Send what is left and stop."""
        if self._way_out is not None:
            self._way_out.shutdown()


def exporting_to(otlp: str) -> SpanProcessor:
    """Return the processor that sends spans to an OTLP/HTTP endpoint, once a second, from its own thread."""
    return BatchSpanProcessor(exporter_to(otlp), schedule_delay_millis=_EXPORT_EVERY_MS)


def exporter_to(otlp: str) -> SpanExporter:
    """Return the exporter of a batch of spans to an OTLP/HTTP endpoint."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    logging.getLogger("opentelemetry.exporter").setLevel(
        logging.CRITICAL
    )  # a line each second says no more than one
    return _Exporter(OTLPSpanExporter(f"{otlp.rstrip('/')}/v1/traces", timeout=_EXPORT_TIMEOUT_S), otlp)


class _Exporter(SpanExporter):
    """Says once that the collector is away, and once that it is back; spans of the time between are lost."""

    def __init__(self, exporter: SpanExporter, otlp: str) -> None:
        self._exporter, self._otlp = exporter, otlp
        self._away = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send a batch."""
        result = self._exporter.export(spans)
        away = result is not SpanExportResult.SUCCESS
        if away and not self._away:
            _LOG.warning("%s does not take spans; they are lost until it does", self._otlp)
        elif self._away and not away:
            _LOG.info("%s takes spans again", self._otlp)
        self._away = away
        return result

    def shutdown(self) -> None:
        """Send nothing more."""
        self._exporter.shutdown()


def resource_of(service: str) -> Resource:
    """Return the OpenTelemetry resource of a service."""
    return Resource.create({"service.name": service, "service.namespace": "ratoon"})


def exemplar(span: Span | None = None) -> dict[str, str] | None:
    """Return the labels by which a sample of a histogram names its trace; None when the trace is not sampled."""
    context = (span or get_current_span()).get_span_context()
    if not (context.is_valid and context.trace_flags.sampled):
        return None
    return {"trace_id": f"{context.trace_id:032x}", "span_id": f"{context.span_id:016x}"}
