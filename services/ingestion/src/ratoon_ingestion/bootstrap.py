"""Puts ingestion together: the only file that knows concrete adapters."""

from functools import partial

from ratoon.ingestion.v1.ingestion_service_pb2_grpc import add_IngestionServiceServicer_to_server
from ratoon.jobs.v1.job_pb2 import JobEnvironment
from ratoon.runtime.lifecycle import App, Rpc
from ratoon.service.app import Platform, ServiceRuntime
from ratoon.storage.artifacts import ArtifactStore
from ratoon.storage.paging import PageTokens
from ratoon_ingestion import mapping
from ratoon_ingestion.adapters import tables
from ratoon_ingestion.adapters.crawl_jobs import crawl_jobs
from ratoon_ingestion.adapters.local_jobs import Execution, ingestion_jobs
from ratoon_ingestion.adapters.parquet_records import ParquetRecords
from ratoon_ingestion.adapters.record_keys import RecordKeys
from ratoon_ingestion.adapters.stored_reports import StoredReports
from ratoon_ingestion.adapters.stream_records import SqlStreamRecords
from ratoon_ingestion.application.collecting import collecting
from ratoon_ingestion.application.connections import ReadingProcedure
from ratoon_ingestion.application.crawls import CrawlerIdentity, CrawlProcedure
from ratoon_ingestion.application.erasing import ErasureProcedure
from ratoon_ingestion.application.exporting import export_procedure
from ratoon_ingestion.application.procedures import curation_procedure, split_procedure
from ratoon_ingestion.application.profiling import profile_procedure
from ratoon_ingestion.application.sealing import Seals
from ratoon_ingestion.application.streams import SealProcedure, StreamLimits
from ratoon_ingestion.attachment_messages import attachment_messages
from ratoon_ingestion.entrypoints.crawls import CrawlPorts
from ratoon_ingestion.entrypoints.exports import ExportPorts
from ratoon_ingestion.entrypoints.grpc import IngestionServicer, Ports
from ratoon_ingestion.entrypoints.profiles import ProfilePorts
from ratoon_ingestion.entrypoints.streams import StreamPorts
from ratoon_ingestion.sealed_parts import SealedParts
from ratoon_ingestion.settings import Settings


def build(settings: Settings, platform: Platform) -> App:
    """Ingestion, ready to run."""
    base = ServiceRuntime(settings, platform, tables.METADATA)
    store = base.store(tables.RESOURCES, mapping.event)
    artifacts = ArtifactStore(settings.artifacts_url)
    keys = RecordKeys(settings.folder / "record.key", settings.record_secret.get_secret_value())
    environment = JobEnvironment(
        artifacts=settings.artifacts_url,
        warm=str(settings.warm_folder),
        lanes=settings.lanes,
        time_limit_s=settings.job_time_limit_s,
        memory_share=settings.job_memory_share,
    )
    stream_records = SqlStreamRecords()
    stream_limits = StreamLimits(settings.append_daily_bytes, settings.append_id_days)
    crawler = CrawlerIdentity(settings.crawl_user_agent, settings.crawl_contact)
    runner = base.jobs()
    execution = Execution(settings.executor, settings.processes)
    jobs = ingestion_jobs(runner, keys, environment, execution, settings.embedding_model)
    procedures = (
        curation_procedure(store, jobs.curations),
        ReadingProcedure(store, jobs.readings, settings.connection_endpoints, base.clock),
        split_procedure(store, jobs.splits),
        export_procedure(store, jobs.exports),
        profile_procedure(store, jobs.profiles),
        ErasureProcedure(store, jobs.erasures, artifacts, partial(collecting, records=stream_records)),
        SealProcedure(store, stream_records, artifacts, base.clock, stream_limits),
        CrawlProcedure(
            store, crawl_jobs(runner, environment, crawler, settings.crawl_private_hosts), base.clock
        ),
    )
    operations = base.operations(store, procedures)
    streams = StreamPorts(
        store, operations, base.threads, base.clock, stream_records, artifacts, stream_limits
    )
    tokens = PageTokens(base.signer.sign(b"record pages"))
    seals = Seals(store, SealedParts(artifacts), base.clock)
    exports = ExportPorts(
        store=store,
        operations=operations,
        changes=base.changes(store),
        threads=base.threads,
        clock=base.clock,
        blobs=artifacts,
        records=ParquetRecords(artifacts),
        seals=seals,
        tokens=tokens,
        plans=jobs.plans,
        comparisons=jobs.comparisons,
    )
    profiles = ProfilePorts(
        operations=operations,
        changes=base.changes(store),
        threads=base.threads,
        clock=base.clock,
        records=ParquetRecords(artifacts),
        reports=StoredReports(artifacts),
        seals=seals,
    )
    ports = Ports(
        streams=streams,
        crawls=CrawlPorts(store, operations, base.changes(store), base.threads, base.clock, crawler),
        store=store,
        operations=operations,
        changes=base.changes(store),
        threads=base.threads,
        clock=base.clock,
        blobs=artifacts,
        previews=jobs.previews,
        readings=jobs.readings,
        connection_endpoints=settings.connection_endpoints,
        records=ParquetRecords(artifacts),
        seals=seals,
        tokens=tokens,
        exports=exports,
        attachments=lambda attributes: list(attachment_messages(artifacts, attributes)),
        profiles=profiles,
    )
    rpc = Rpc(
        "ratoon.ingestion.v1.IngestionService",
        add_IngestionServiceServicer_to_server,
        IngestionServicer(ports),
    )
    return base.app([rpc], [operations])
