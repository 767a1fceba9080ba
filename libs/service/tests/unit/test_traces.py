"""What goes on in which trace: operations and their turns, what is kept, and what is only passed on."""

from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry
from sqlalchemy import MetaData

from ratoon.events.cloudevents import Event
from ratoon.events.ports import Record
from ratoon.operations.operation_watch import OperationWatch
from ratoon.operations.operations import Operations, Step, operations_table
from ratoon.process.errors import FailedPrecondition
from ratoon.runtime import tracing
from ratoon.runtime.telemetry import OperationMetrics, Traces, _Exporter, exemplar
from ratoon.service.events import traced_handler
from ratoon.storage import outbox
from ratoon.storage.database import Database
from ratoon.storage.paging import PageTokens
from ratoon.storage.store import Store, resource_table
from ratoon.testkit.clock import FakeClock

NOW = datetime(2026, 6, 1, tzinfo=UTC)
NAME = "projects/p/works/w"
FIRST = "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01"
OTHER = "00-11111111111111111111111111111111-1111111111111111-01"


@dataclass(frozen=True)
class Work:
    name: str
    create_time: datetime
    update_time: datetime
    state: str = "QUEUED"
    noted: int = 0
    failure: str = ""
    revision: int = 0


@dataclass(frozen=True)
class Ask:
    """Action of the procedure."""


class Three:
    """Asks, notes its progress twice, succeeds; remembers in which trace it looked and acted."""

    kind = Work

    def __init__(self) -> None:
        self.looked, self.acted = [], []
        self.causes = None
        self.raising = None

    def observe(self, work, claim):
        self.looked.append(tracing.current())
        if self.raising:
            raise self.raising

    def step(self, work, observation, now):
        if work.state == "QUEUED":
            return Step(replace(work, state="RUNNING"), (Ask(),), causes=self.causes)
        if work.noted < 2:
            return Step(replace(work, noted=work.noted + 1), wake_after=0.0)
        return Step(replace(work, state="SUCCEEDED"), events=("Succeeded",), done=True)

    def act(self, work, action, claim):
        self.acted.append(tracing.current())

    def failed(self, work, error, now):
        return Step(replace(work, state="FAILED", failure=error.reason), done=True)


class Environment:
    """A store, a worker over it, and the spans and counts it makes."""

    def __init__(self) -> None:
        metadata = MetaData()
        works, self.table = resource_table(metadata, "works"), operations_table(metadata)
        outbox.outbox_tables(metadata)
        database = Database("sqlite://")
        with database.write() as connection:
            metadata.create_all(connection)
        encode = lambda event, name, revision: Record("works", name.encode(), str(event).encode())  # noqa: E731
        self.clock = FakeClock()
        self.store = Store(database, {Work: works}, encode, outbox.append, PageTokens(b"s"), self.clock)
        self.exporter, self.registry = InMemorySpanExporter(), CollectorRegistry()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.watch = OperationWatch("works", provider.get_tracer("test"), OperationMetrics(self.registry))
        self.procedure = Three()

    def worker(self) -> Operations:
        return Operations(self.store, self.table, [self.procedure], self.clock, watch=self.watch)

    def begin(self, trace: str = FIRST) -> None:
        with tracing.within(trace) if trace else nullcontext(), self.store.write() as tx:
            work, _ = tx.create(Work(NAME, NOW, NOW))
            self.worker().begin(tx, work)

    def run(self) -> None:
        while self.worker().run_due():
            self.clock.advance(1.0)

    def spans(self):
        return {span.name: span for span in self.exporter.get_finished_spans()}

    def count(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, {"service": "works", "kind": "Work", **labels})


def hexadecimal(span) -> tuple[str, str]:
    return f"{span.context.trace_id:032x}", f"{span.parent.span_id:016x}" if span.parent else ""


def test_all_ticks_belong_to_the_trace_that_began_the_operation_on_any_worker():
    env = Environment()
    env.begin()
    env.run()
    spans = env.spans()
    assert set(spans) == {"Work Ask", "Work SUCCEEDED", "Work"}
    assert {hexadecimal(span) for span in spans.values()} == {(FIRST[3:35], FIRST[36:52])}
    assert env.procedure.acted == [f"{FIRST[:36]}{spans['Work Ask'].context.span_id:016x}-01"]
    assert dict(spans["Work"].attributes) == {"ratoon.resource": NAME, "ratoon.state": "SUCCEEDED"}
    assert env.count("ratoon_operations_ended_total", state="SUCCEEDED") == 1.0
    assert env.count("ratoon_operation_seconds_count") == 1.0


def test_an_observation_knows_the_trace_but_is_not_sampled():
    env = Environment()
    env.begin()
    env.run()
    assert {trace[:36] for trace in env.procedure.looked} == {FIRST[:36]}
    assert not any(tracing.is_sampled(trace) for trace in env.procedure.looked)


def test_a_step_that_was_caused_elsewhere_goes_on_there_and_links_the_other_causes():
    env = Environment()
    env.procedure.causes = (OTHER, FIRST, tracing.unsampled())
    env.begin(trace="")
    env.run()
    ask_span = env.spans()["Work Ask"]
    assert hexadecimal(ask_span) == (OTHER[3:35], OTHER[36:52])
    assert [f"{link.context.trace_id:032x}" for link in ask_span.links] == [FIRST[3:35]]


def test_an_operation_that_nothing_caused_begins_a_trace_of_its_own():
    env = Environment()
    env.procedure.causes = ()
    env.begin()
    env.run()
    assert env.spans()["Work Ask"].parent is None


def test_consuming_an_event_is_a_span_named_after_its_topic_in_the_trace_of_the_event():
    exporter, provider, handled = InMemorySpanExporter(), TracerProvider(), []
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    handler = traced_handler("two", provider.get_tracer("test"), lambda *call: handled.append(call))
    event = Event("ratoon.one.v1.works", "ratoon.one.v1.WorkEnded", "one", NAME, NOW, b"", traceparent=FIRST)
    handler(event, None)
    (span,) = exporter.get_finished_spans()
    assert handled == [(event, None)]
    assert span.name == "process ratoon.one.v1.works"
    assert f"{span.context.trace_id:032x}" == FIRST[3:35]
    assert span.attributes["cloudevents.event_type"] == "ratoon.one.v1.WorkEnded"
    assert span.attributes["messaging.operation.name"] == "process"


def test_a_failure_is_reported_with_its_reason_and_counted():
    env = Environment()
    env.begin()
    env.procedure.raising = FailedPrecondition("No.", reason="NO_WAY")
    env.run()
    failed = env.spans()["Work FAILED"]
    assert failed.attributes["error.type"] == "NO_WAY"
    assert env.count("ratoon_operation_step_failures_total", code="FAILED_PRECONDITION") == 1.0
    assert env.count("ratoon_operations_ended_total", state="FAILED") == 1.0


@pytest.mark.parametrize(("traceparent", "sampled"), [("", False), (FIRST, True), (f"{FIRST[:-2]}00", False)])
def test_without_a_collector_ids_are_passed_on_as_they_are_and_nothing_is_kept(traceparent, sampled):
    traces = Traces()
    with traces.tracer("works").start_as_current_span("x", tracing.context_of(traceparent)) as span:
        assert tracing.is_sampled(tracing.of(span)) == sampled
        assert tracing.current()[:36] == (traceparent or tracing.of(span))[:36]
        assert (exemplar() is not None) == sampled
    traces.close()


def test_what_cannot_be_read_begins_a_new_trace():
    assert tracing.links_to(["", "nonsense", f"{FIRST[:-2]}00"]) == []
    assert tracing.is_sampled("nonsense") is False
    with tracing.within("nonsense"):
        assert tracing.current() == ""
    assert tracing.unsampled(FIRST) == f"{FIRST[:-2]}00"
    assert len(tracing.unsampled()) == tracing.LENGTH


class Collector:
    """A collector that accepts or refuses spans."""

    def __init__(self) -> None:
        self.result = SpanExportResult.SUCCESS

    def export(self, spans):
        return self.result


def test_a_collector_that_is_away_is_logged_once_and_so_is_its_return(caplog):
    caplog.set_level("INFO", "ratoon.runtime.telemetry")
    collector = Collector()
    exporter = _Exporter(collector, "http://collector:4318")
    for result in ("SUCCESS", "FAILURE", "FAILURE", "FAILURE", "SUCCESS", "SUCCESS"):
        collector.result = SpanExportResult[result]
        assert exporter.export([]) is collector.result
    assert [record.getMessage() for record in caplog.records] == [
        "http://collector:4318 does not take spans; they are lost until it does",
        "http://collector:4318 takes spans again",
    ]
