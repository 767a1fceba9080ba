"""Traces and metrics of a process, made once and handed to every room in it. It knows no service."""

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Tracer
from prometheus_client import CollectorRegistry, Counter, Histogram

_LATENCY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class RpcMetrics:
    """What is counted of each gRPC call that a process serves."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.handled = Counter(
            "ratoon_rpc_handled_total", "gRPC calls served.", ["service", "method", "code"], registry=registry
        )
        self.seconds = Histogram(
            "ratoon_rpc_seconds",
            "Seconds a gRPC call took.",
            ["service", "method"],
            buckets=_LATENCY_BUCKETS,
            registry=registry,
        )


def tracer(process: str, otlp: str = "") -> tuple[Tracer, TracerProvider]:
    """A tracer of this process that sends its spans to an OTLP/HTTP endpoint, or nowhere when that is empty."""
    provider = TracerProvider(
        resource=Resource.create({"service.name": process, "service.namespace": "ratoon"})
    )
    if otlp:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        provider.add_span_processor(
            BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{otlp.rstrip('/')}/v1/traces"))
        )
    return provider.get_tracer("ratoon"), provider
