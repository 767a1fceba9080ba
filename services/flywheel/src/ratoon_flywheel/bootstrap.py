"""Puts the flywheel together: the only file that knows concrete adapters."""

from datetime import timedelta

from ratoon.events.consumer import Consumer
from ratoon.events.ports import EventLog
from ratoon.flywheel.v1.flywheel_service_pb2_grpc import add_FlywheelServiceServicer_to_server
from ratoon.runtime.lifecycle import App, Rpc
from ratoon.security.answers import AnswerIds
from ratoon.service.app import Platform, ServiceRuntime
from ratoon.service.events import open_log
from ratoon.storage import outbox
from ratoon.storage.artifacts import ArtifactStore
from ratoon.storage.shared_commits import SharedCommits
from ratoon_flywheel import mapping
from ratoon_flywheel.adapters import tables
from ratoon_flywheel.adapters.answers import AnswerTables
from ratoon_flywheel.adapters.baselines import JobBaselines
from ratoon_flywheel.adapters.evaluation import (
    ComparisonStage,
    CompressionGateStage,
    EvaluationJudges,
    EvaluationStage,
    EvaluationSuites,
)
from ratoon_flywheel.adapters.exports import ExportStage
from ratoon_flywheel.adapters.ingestion import DatasetStage, SplitStage, TrafficSources
from ratoon_flywheel.adapters.labeling import LabelStage, QueueStage
from ratoon_flywheel.adapters.metrics import event_metrics, traffic_metrics
from ratoon_flywheel.adapters.registry import CompressedRegistrationStage, RegistrationStage, RegistryLineage
from ratoon_flywheel.adapters.runs import RunTables
from ratoon_flywheel.adapters.serving import RolloutStage, ServingDeployments, ServingQuality, ServingRollouts
from ratoon_flywheel.adapters.sketches import JobSketches
from ratoon_flywheel.adapters.traffic import ArtifactSegments
from ratoon_flywheel.adapters.training import ChallengerStage, CompressionStage, TrainingStage, TrainingSweeps
from ratoon_flywheel.application.embeddings import EmbeddingDrift
from ratoon_flywheel.application.external_events import EventCounts
from ratoon_flywheel.application.forgetting import ForgettingProcedure
from ratoon_flywheel.application.ports import Lineage, Stages
from ratoon_flywheel.application.procedures import MonitorProcedure, PolicyProcedure, RunProcedure
from ratoon_flywheel.application.signals import SignalReader
from ratoon_flywheel.application.watched import WatchedRuns
from ratoon_flywheel.entrypoints.events import TOPICS, on_erasure, on_reading, on_stage_end, subscriber
from ratoon_flywheel.entrypoints.external_events import ExternalEventConsumer, receiver
from ratoon_flywheel.entrypoints.grpc import FlywheelServicer, Ports
from ratoon_flywheel.settings import Settings


def build(settings: Settings, platform: Platform) -> App:
    """The flywheel, ready to run."""
    base = ServiceRuntime(settings, platform, tables.METADATA)
    store = base.store(tables.RESOURCES, mapping.event)
    answers, runs = AnswerTables(), RunTables()
    artifacts = ArtifactStore(settings.artifacts_url)
    segments = ArtifactSegments(artifacts)
    ingestion, serving, registry = base.peer("ingestion"), base.peer("serving"), base.peer("registry")
    evaluation = base.peer("evaluation")
    suites, judges = EvaluationSuites(evaluation), EvaluationJudges(evaluation)
    stages = Stages(
        dataset=DatasetStage(ingestion),
        queue=QueueStage(base.peer("labeling")),
        labels=LabelStage(base.peer("labeling")),
        split=SplitStage(ingestion),
        training=TrainingStage(base.peer("training")),
        challenger=ChallengerStage(base.peer("training")),
        comparison=ComparisonStage(evaluation),
        evaluation=EvaluationStage(evaluation),
        registration=RegistrationStage(registry, base.peer("training")),
        compression=CompressionStage(base.peer("training")),
        compression_gate=CompressionGateStage(evaluation),
        compression_registration=CompressedRegistrationStage(registry, base.peer("training")),
        rollout=RolloutStage(serving),
        export=ExportStage(base.peer("training")),
    )
    lineage = RegistryLineage(registry, ingestion, artifacts)
    baselines = JobBaselines(base.jobs(), artifacts, lineage)
    signal_reader = SignalReader(
        answers,
        baselines,
        settings.drift_window,
        settings.drift_max_chars,
        embeddings=_embeddings(settings, base, artifacts, lineage),
        attributes=settings.drift_attributes,
    )
    starting = base.operations(store, [])
    watched = WatchedRuns()
    procedures = (
        RunProcedure(
            store,
            runs,
            stages,
            lineage,
            suites,
            judges,
            TrafficSources(ingestion),
            answers,
            segments,
            watched,
            base.clock,
        ),
        PolicyProcedure(store, runs, signal_reader, starting, base.job_devices(), settings.rates, base.clock),
        ForgettingProcedure(store, answers, segments),
        MonitorProcedure(
            store,
            signal_reader,
            baselines,
            answers,
            segments,
            ServingQuality(serving),
            ServingRollouts(serving),
            base.clock,
        ),
    )
    operations = base.operations(store, procedures)
    counts = EventCounts()
    consumer = Consumer(
        "flywheel",
        TOPICS,
        base.traced_handler(
            subscriber(
                on_stage_end(store, operations, runs),
                on_erasure(store, operations),
                on_reading(store, operations, counts),
            )
        ),
        log=base.log,
        database=base.database,
        publish=outbox.append,
        clock=base.clock,
    )
    external_events = ExternalEventConsumer(
        settings.external_topics,
        _external_log(settings, base),
        store,
        counts,
        receiver(operations, counts, base.clock),
    )
    ports = Ports(
        store,
        SharedCommits(store),
        operations,
        base.changes(store),
        base.threads,
        base.clock,
        answers,
        runs,
        segments,
        AnswerIds.of_folder(settings.keys),
        lineage,
        ServingDeployments(serving),
        settings.drift_max_chars,
        watched,
        base.job_devices(),
        settings.rates,
        counts,
        suites,
        judges,
        TrainingSweeps(base.peer("training")),
    )
    rpc = Rpc(
        "ratoon.flywheel.v1.FlywheelService", add_FlywheelServiceServicer_to_server, FlywheelServicer(ports)
    )
    platform.service_metrics.add(settings.service, traffic_metrics(store, answers))
    platform.service_metrics.add(settings.service, event_metrics(counts.totals))
    return base.app([rpc], [operations, consumer, external_events])


def _embeddings(
    settings: Settings, base: ServiceRuntime, artifacts: ArtifactStore, lineage: Lineage
) -> EmbeddingDrift | None:
    """Return the drift of embeddings; None without an embedding model."""
    if not settings.embedding_model:
        return None
    sketches = JobSketches(base.jobs(), artifacts.url, lineage, settings.embedding_model)
    interval = timedelta(seconds=settings.embedding_interval_s)
    return EmbeddingDrift(sketches, settings.drift_window, interval, base.clock)


def _external_log(settings: Settings, base: ServiceRuntime) -> EventLog:
    """Return the event log of the topics with events of other systems."""
    if not settings.event_topics_log:
        return base.log
    return open_log(settings.model_copy(update={"events": settings.event_topics_log}), base.clock)
