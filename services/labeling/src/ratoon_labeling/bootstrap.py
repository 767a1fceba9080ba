"""Puts labeling together: the only file that knows concrete adapters."""

from typing import Any

from ratoon.events.consumer import Consumer
from ratoon.labeling.v1.labeling_service_pb2_grpc import add_LabelingServiceServicer_to_server
from ratoon.operations.operations import Procedure
from ratoon.runtime.lifecycle import App, Rpc
from ratoon.service.app import Platform, ServiceRuntime
from ratoon.service.chat_endpoints import normalized_url
from ratoon.service.references import PeerReferences
from ratoon.storage import outbox
from ratoon.storage.artifacts import ArtifactStore
from ratoon_labeling import mapping
from ratoon_labeling.adapters import tables
from ratoon_labeling.adapters.datasets import IngestionDatasets
from ratoon_labeling.adapters.drawing import drawing_jobs
from ratoon_labeling.adapters.exchange import ArtifactFiles, IngestionRecords
from ratoon_labeling.adapters.freezing import freezing_jobs
from ratoon_labeling.adapters.intake import PeerSources
from ratoon_labeling.adapters.patterns import Re2Patterns
from ratoon_labeling.adapters.recording import ProcessLedger
from ratoon_labeling.adapters.task_counts import SqlTaskCounts
from ratoon_labeling.adapters.task_queue import SqlTaskQueue
from ratoon_labeling.application.intake import IntakeProcedure
from ratoon_labeling.application.procedures import VersionProcedure, label_set_procedure, refill_procedure
from ratoon_labeling.entrypoints.events import TOPICS, on_answers, on_erasure, subscriber
from ratoon_labeling.entrypoints.grpc import LabelingServicer
from ratoon_labeling.settings import Settings


def build(settings: Settings, platform: Platform) -> App:
    """Labeling, ready to run."""
    base = ServiceRuntime(settings, platform, tables.METADATA)
    store = base.store(tables.RESOURCES, mapping.event)
    freezing = freezing_jobs(base.jobs(), settings.artifacts_url)
    ledger = ProcessLedger(base.database, ArtifactStore(settings.artifacts_url), base.clock)
    ingestion = base.peer("ingestion")
    datasets = IngestionDatasets(ingestion)
    counts = SqlTaskCounts(base.database, base.clock)
    queue, changes = SqlTaskQueue(base.database), base.changes(store)
    endpoints = {normalized_url(url): variable for url, variable in settings.endpoints.items()}
    sources = PeerSources(
        base.peer("flywheel"), base.peer("evaluation"), ingestion, base.peer("serving"), base.clock
    )
    drawing = drawing_jobs(base.jobs(), settings.artifacts_url, endpoints)
    procedures: list[Procedure[Any]] = [
        label_set_procedure(freezing, ledger),
        refill_procedure(drawing, ledger, store, queue, datasets),
        VersionProcedure(store, queue),
        IntakeProcedure(store, queue, sources, base.clock),
    ]
    operations = base.operations(store, procedures)
    references = PeerReferences([ingestion, base.peer("registry"), base.peer("flywheel")])
    servicer = LabelingServicer(
        store,
        operations,
        datasets,
        changes,
        base.threads,
        base.clock,
        counts,
        references,
        queue,
        queue,
        Re2Patterns(),
        IngestionRecords(ingestion),
        ArtifactFiles(ArtifactStore(settings.artifacts_url)),
        endpoints,
        sources=sources,
        sealed=datasets,
    )
    rpc = Rpc("ratoon.labeling.v1.LabelingService", add_LabelingServiceServicer_to_server, servicer)
    consumer = Consumer(
        "labeling",
        TOPICS,
        base.traced_handler(subscriber(on_erasure(store, ledger, queue), on_answers(store, operations))),
        log=base.log,
        database=base.database,
        publish=outbox.append,
        clock=base.clock,
    )
    return base.app([rpc], [operations, consumer])
