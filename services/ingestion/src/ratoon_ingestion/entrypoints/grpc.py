"""Ingestion's gRPC API."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ratoon.ingestion.v1 import connection_pb2, dataset_pb2, erasure_pb2, source_pb2, split_pb2
from ratoon.ingestion.v1 import ingestion_service_pb2 as pb
from ratoon.ingestion.v1.ingestion_service_pb2_grpc import IngestionServiceServicer
from ratoon.operations.job_machine import JobObservation, Phase
from ratoon.operations.job_procedure import JobRunner
from ratoon.operations.operations import Operations
from ratoon.process.clock import Clock
from ratoon.runtime.server import Threads
from ratoon.security.identity import Role, caller
from ratoon.service.restricted_fields import restricted
from ratoon.service.standard_methods import StandardMethods
from ratoon.storage.names import uuid7
from ratoon.storage.paging import PageTokens
from ratoon.storage.store import Store
from ratoon.storage.watch import Changes
from ratoon_ingestion import connection_messages, export_messages, mapping
from ratoon_ingestion.application import browsing, composing, connections, deletion, handlers, sources
from ratoon_ingestion.application.ports import Blobs, PreviewJob, Readings, Records
from ratoon_ingestion.application.sealing import SealedReader, Seals
from ratoon_ingestion.domain.connections import Connection
from ratoon_ingestion.domain.datasets import Dataset, DatasetVersion
from ratoon_ingestion.domain.erasures import Erasure
from ratoon_ingestion.domain.errors import PreviewFailed
from ratoon_ingestion.domain.sources import Source
from ratoon_ingestion.domain.splits import Split, SplitReading
from ratoon_ingestion.entrypoints.crawls import CrawlMethods, CrawlPorts
from ratoon_ingestion.entrypoints.exports import ExportMethods, ExportPorts
from ratoon_ingestion.entrypoints.profiles import ProfileMethods, ProfilePorts
from ratoon_ingestion.entrypoints.streams import StreamMethods, StreamPorts

Context = Any

_PREVIEW_S = 20.0
"""How long a preview may take: more than its reading, so that it can wait for one before it, less than callers wait."""
_PREVIEW_POLL_S = 0.05


@dataclass(frozen=True)
class Ports:
    """Ports of the handlers behind this API."""

    store: Store
    operations: Operations
    changes: Changes
    threads: Threads
    clock: Clock
    blobs: Blobs
    previews: JobRunner[PreviewJob, source_pb2.SourcePreview]
    readings: Readings
    connection_endpoints: Mapping[str, str]
    records: Records
    seals: Seals
    tokens: PageTokens
    streams: StreamPorts
    crawls: CrawlPorts
    exports: ExportPorts
    attachments: Callable[[Mapping[str, str]], Sequence[source_pb2.Attachment]]
    """Returns the files of a record with these attributes."""
    profiles: ProfilePorts


class IngestionServicer(StreamMethods, CrawlMethods, ExportMethods, ProfileMethods, IngestionServiceServicer):
    """Answers `ratoon.ingestion.v1.IngestionService`."""

    def __init__(self, ports: Ports) -> None:
        StreamMethods.__init__(self, ports.streams)
        CrawlMethods.__init__(self, ports.crawls)
        ExportMethods.__init__(self, ports.exports)
        ProfileMethods.__init__(self, ports.profiles)
        self._ports, self._threads = ports, ports.threads
        self._store, self._operations, self._clock = ports.store, ports.operations, ports.clock
        store, threads = ports.store, ports.threads
        shown_source = restricted(mapping.source, ("digest",), Role.ENGINEER)
        shown_version = restricted(mapping.version, ("artifact_digest", "redacted_digest"), Role.ENGINEER)
        self._sources = StandardMethods(store, threads, Source, handlers.SOURCE, shown_source)
        self._connections = StandardMethods(
            store, threads, Connection, connections.CONNECTION, connection_messages.connection_message
        )
        self._datasets = StandardMethods(store, threads, Dataset, handlers.DATASET, mapping.dataset)
        self._versions = StandardMethods(
            store, threads, DatasetVersion, handlers.VERSION, shown_version, lambda each: each.state.ended
        )
        self._splits = StandardMethods(
            store, threads, Split, handlers.SPLIT, mapping.split, lambda split: split.state.ended
        )
        self._readings = StandardMethods(store, threads, SplitReading, handlers.READING, mapping.reading)
        self._erasures = StandardMethods(
            store, threads, Erasure, handlers.ERASURE, mapping.erasure, lambda erasure: erasure.state.ended
        )

    async def CreateSource(self, request: pb.CreateSourceRequest, context: Context) -> source_pb2.Source:
        """Name a blob as a source."""
        command = mapping.create_source(request)
        created = await self._threads(
            handlers.create_source, command, self._store, self._ports.blobs, self._clock
        )
        return mapping.source(created)

    async def GetSource(self, request: pb.GetSourceRequest, context: Context) -> source_pb2.Source:
        """One source."""
        return await self._sources.get(request)

    async def ListSources(self, request: pb.ListSourcesRequest, context: Context) -> pb.ListSourcesResponse:
        """The sources of a project."""
        page = await self._sources.list(request)
        return pb.ListSourcesResponse(sources=page.items, next_page_token=page.next_token)

    async def UpdateSource(self, request: pb.UpdateSourceRequest, context: Context) -> source_pb2.Source:
        """Change a source."""
        command = mapping.update_source(request)
        return mapping.source(await self._threads(sources.update_source, command, self._store))

    async def DeleteSource(
        self, request: pb.DeleteSourceRequest, context: Context
    ) -> pb.DeleteSourceResponse:
        """Delete a source."""
        await self._threads(sources.delete_source, request.name, request.etag, self._store)
        return pb.DeleteSourceResponse()

    async def PreviewSource(
        self, request: pb.PreviewSourceRequest, context: Context
    ) -> source_pb2.SourcePreview:
        """Preview a blob; the job's result, which contains texts, is removed at once."""
        command = mapping.preview_source(request)
        job = await self._threads(sources.preview_job, command, self._store, self._ports.blobs, self._clock)
        observation = await self._previewed(job)
        if observation.result is None:
            raise PreviewFailed(
                observation.failure.message or "The preview took too long. Import the data without it."
            )
        return observation.result

    async def _previewed(self, job: PreviewJob) -> JobObservation[source_pb2.SourcePreview]:
        job_id, jobs = f"preview-{uuid7()}", self._ports.previews
        observation = JobObservation[source_pb2.SourcePreview](Phase.RUNNING)
        try:
            await self._threads(jobs.start, job_id, job)
            async with asyncio.timeout(_PREVIEW_S):
                while observation.phase is Phase.RUNNING:
                    await asyncio.sleep(_PREVIEW_POLL_S)
                    observation = await self._threads(jobs.observe, job_id)
        except TimeoutError:
            return observation
        finally:
            await self._threads(sources.forget_job, job_id, observation.phase, jobs)
        return observation

    async def CreateConnection(
        self, request: pb.CreateConnectionRequest, context: Context
    ) -> connection_pb2.Connection:
        """Create a connection."""
        command = connection_messages.create_connection(request, self._clock.now())
        ports = self._ports
        created = await self._threads(
            connections.create_connection,
            command,
            ports.store,
            ports.operations,
            ports.connection_endpoints,
            ports.clock,
        )
        return connection_messages.connection_message(created)

    async def GetConnection(
        self, request: pb.GetConnectionRequest, context: Context
    ) -> connection_pb2.Connection:
        """One connection."""
        return await self._connections.get(request)

    async def ListConnections(
        self, request: pb.ListConnectionsRequest, context: Context
    ) -> pb.ListConnectionsResponse:
        """The connections of a project."""
        page = await self._connections.list(request)
        return pb.ListConnectionsResponse(connections=page.items, next_page_token=page.next_token)

    async def UpdateConnection(
        self, request: pb.UpdateConnectionRequest, context: Context
    ) -> connection_pb2.Connection:
        """Change a connection."""
        command = connection_messages.update_connection(request)
        changed = await self._threads(
            connections.update_connection, command, self._store, self._operations, self._clock
        )
        return connection_messages.connection_message(changed)

    async def DeleteConnection(
        self, request: pb.DeleteConnectionRequest, context: Context
    ) -> pb.DeleteConnectionResponse:
        """Delete a connection."""
        await self._threads(
            connections.delete_connection,
            request.name,
            request.etag,
            self._store,
            self._operations,
            self._ports.readings,
        )
        return pb.DeleteConnectionResponse()

    async def ReadConnection(
        self, request: pb.ReadConnectionRequest, context: Context
    ) -> connection_pb2.Connection:
        """Read a connection now."""
        requested = await self._threads(
            connections.read_connection, request.name, self._store, self._operations
        )
        return connection_messages.connection_message(requested)

    async def ListDeadLetters(
        self, request: pb.ListDeadLettersRequest, context: Context
    ) -> pb.ListDeadLettersResponse:
        """The messages of a topic that gave no record."""
        ports = self._ports
        page = await self._threads(
            connections.list_dead_letters,
            request.parent,
            request.page_size,
            request.page_token,
            ports.store,
            ports.blobs,
            ports.tokens,
        )
        letters = map(connection_messages.dead_letter_message, page.items)
        return pb.ListDeadLettersResponse(dead_letters=letters, next_page_token=page.next_token)

    async def ReplayDeadLetters(
        self, request: pb.ReplayDeadLettersRequest, context: Context
    ) -> connection_pb2.Connection:
        """Read the dead letters again."""
        requested = await self._threads(
            connections.replay_dead_letters, request.name, self._store, self._operations
        )
        return connection_messages.connection_message(requested)

    async def CreateDataset(self, request: pb.CreateDatasetRequest, context: Context) -> dataset_pb2.Dataset:
        """Begin a line of versions."""
        command = mapping.create_dataset(request)
        return mapping.dataset(
            await self._threads(handlers.create_dataset, command, self._store, self._clock)
        )

    async def GetDataset(self, request: pb.GetDatasetRequest, context: Context) -> dataset_pb2.Dataset:
        """One dataset."""
        return await self._datasets.get(request)

    async def ListDatasets(
        self, request: pb.ListDatasetsRequest, context: Context
    ) -> pb.ListDatasetsResponse:
        """The datasets of a project."""
        page = await self._datasets.list(request)
        return pb.ListDatasetsResponse(datasets=page.items, next_page_token=page.next_token)

    async def CreateDatasetVersion(
        self, request: pb.CreateDatasetVersionRequest, context: Context
    ) -> dataset_pb2.DatasetVersion:
        """Start a curation, or the build of a mixture."""
        if request.dataset_version.HasField("mixture"):
            composed = export_messages.compose_version(request)
            return mapping.version(
                await self._threads(
                    composing.compose_version, composed, self._store, self._operations, self._clock
                )
            )
        command = mapping.create_version(request)
        return mapping.version(
            await self._threads(handlers.create_version, command, self._store, self._operations, self._clock)
        )

    async def GetDatasetVersion(
        self, request: pb.GetDatasetVersionRequest, context: Context
    ) -> dataset_pb2.DatasetVersion:
        """One version."""
        return await self._versions.get(request)

    async def ListDatasetVersions(
        self, request: pb.ListDatasetVersionsRequest, context: Context
    ) -> pb.ListDatasetVersionsResponse:
        """The versions of a dataset."""
        page = await self._versions.list(request)
        return pb.ListDatasetVersionsResponse(dataset_versions=page.items, next_page_token=page.next_token)

    async def WatchDatasetVersion(
        self, request: pb.WatchDatasetVersionRequest, context: Context
    ) -> AsyncIterator[dataset_pb2.DatasetVersion]:
        """A version's state, then each newer one, until it has ended."""
        async for state in self._versions.watch(request, self._ports.changes):
            yield state

    async def CancelDatasetVersion(
        self, request: pb.CancelDatasetVersionRequest, context: Context
    ) -> dataset_pb2.DatasetVersion:
        """Call a curation off."""
        return await self._versions.cancel(request, self._operations)

    async def DeleteDataset(
        self, request: pb.DeleteDatasetRequest, context: Context
    ) -> pb.DeleteDatasetResponse:
        """Delete it, unless it is in use."""
        await self._datasets.delete(request, deletion.delete_dataset)
        return pb.DeleteDatasetResponse()

    async def DeleteDatasetVersion(
        self, request: pb.DeleteDatasetVersionRequest, context: Context
    ) -> pb.DeleteDatasetVersionResponse:
        """Delete it, unless it is in use."""
        await self._versions.delete(request, deletion.delete_work)
        return pb.DeleteDatasetVersionResponse()

    async def ListRecords(self, request: pb.ListRecordsRequest, context: Context) -> pb.ListRecordsResponse:
        """The records of a version."""
        ports = self._ports
        page = await self._threads(
            browsing.list_records,
            request.parent,
            request.page_size,
            request.page_token,
            ports.seals,
            ports.records,
            ports.tokens,
        )
        return pb.ListRecordsResponse(
            records=map(mapping.record, page.items), next_page_token=page.next_token
        )

    async def ListRejections(
        self, request: pb.ListRejectionsRequest, context: Context
    ) -> pb.ListRejectionsResponse:
        """The items that became no record."""
        ports = self._ports
        page = await self._threads(
            browsing.list_rejections,
            request.parent,
            request.page_size,
            request.page_token,
            ports.seals,
            ports.records,
            ports.tokens,
        )
        return pb.ListRejectionsResponse(
            rejections=map(mapping.rejection, page.items), next_page_token=page.next_token
        )

    async def GetRecord(self, request: pb.GetRecordRequest, context: Context) -> dataset_pb2.Record:
        """One record of a version."""
        ports = self._ports
        record = await self._threads(
            browsing.get_record,
            request.parent,
            request.record_id,
            ports.records,
            _sealed_reader(request, Role.ANNOTATOR),
            ports.seals,
        )
        message = mapping.record(record)
        message.attachments.extend(await self._threads(ports.attachments, record.attributes))
        return message

    async def GetRecordLineage(
        self, request: pb.GetRecordLineageRequest, context: Context
    ) -> pb.RecordLineage:
        """Where a record went."""
        return mapping.lineage(
            await self._threads(
                browsing.record_lineage,
                request.parent,
                request.record_id,
                self._ports.records,
                _sealed_reader(request, Role.ENGINEER),
                self._ports.seals,
            )
        )

    async def CheckSealedRecords(
        self, request: pb.CheckSealedRecordsRequest, context: Context
    ) -> pb.CheckSealedRecordsResponse:
        """Which records are in a test part."""
        sealed = await self._threads(
            browsing.check_sealed_records,
            request.parent,
            [(each.record_id, each.content_digest) for each in request.records],
            SealedReader(request.reader, request.purpose, request.principal, is_permitted=True),
            self._ports.seals,
        )
        return pb.CheckSealedRecordsResponse(sealed=sealed)

    async def CreateSplit(self, request: pb.CreateSplitRequest, context: Context) -> split_pb2.Split:
        """Start a split."""
        command = mapping.create_split(request)
        return mapping.split(
            await self._threads(handlers.create_split, command, self._store, self._operations, self._clock)
        )

    async def GetSplit(self, request: pb.GetSplitRequest, context: Context) -> split_pb2.Split:
        """One split."""
        return await self._splits.get(request)

    async def ListSplits(self, request: pb.ListSplitsRequest, context: Context) -> pb.ListSplitsResponse:
        """The splits of a dataset."""
        page = await self._splits.list(request)
        return pb.ListSplitsResponse(splits=page.items, next_page_token=page.next_token)

    async def WatchSplit(
        self, request: pb.WatchSplitRequest, context: Context
    ) -> AsyncIterator[split_pb2.Split]:
        """A split's state, then each newer one, until it has ended."""
        async for state in self._splits.watch(request, self._ports.changes):
            yield state

    async def CancelSplit(self, request: pb.CancelSplitRequest, context: Context) -> split_pb2.Split:
        """Call a split off."""
        return await self._splits.cancel(request, self._operations)

    async def DeleteSplit(self, request: pb.DeleteSplitRequest, context: Context) -> pb.DeleteSplitResponse:
        """Delete it, unless it is in use."""
        await self._splits.delete(request, deletion.delete_work)
        return pb.DeleteSplitResponse()

    async def OpenSplit(self, request: pb.OpenSplitRequest, context: Context) -> pb.OpenSplitResponse:
        """Hand out a part, and log the reading."""
        command = mapping.open_split(request, caller().name)
        digest, reading = await self._threads(handlers.open_split, command, self._store, self._clock)
        return pb.OpenSplitResponse(digest=digest, reading=mapping.reading(reading))

    async def ListSplitReadings(
        self, request: pb.ListSplitReadingsRequest, context: Context
    ) -> pb.ListSplitReadingsResponse:
        """Who read what of a split."""
        page = await self._readings.list(request)
        return pb.ListSplitReadingsResponse(readings=page.items, next_page_token=page.next_token)

    async def CreateErasure(self, request: pb.CreateErasureRequest, context: Context) -> erasure_pb2.Erasure:
        """Erase records."""
        command = mapping.create_erasure(request)
        created = await self._threads(
            handlers.create_erasure, command, self._store, self._operations, self._clock
        )
        return mapping.erasure(created)

    async def GetErasure(self, request: pb.GetErasureRequest, context: Context) -> erasure_pb2.Erasure:
        """One erasure."""
        return await self._erasures.get(request)

    async def ListErasures(
        self, request: pb.ListErasuresRequest, context: Context
    ) -> pb.ListErasuresResponse:
        """The erasures of a project."""
        page = await self._erasures.list(request)
        return pb.ListErasuresResponse(erasures=page.items, next_page_token=page.next_token)

    async def WatchErasure(
        self, request: pb.WatchErasureRequest, context: Context
    ) -> AsyncIterator[erasure_pb2.Erasure]:
        """An erasure's state, then each newer one, until it has ended."""
        async for state in self._erasures.watch(request, self._ports.changes):
            yield state


def _sealed_reader(request: pb.GetRecordRequest | pb.GetRecordLineageRequest, role: Role) -> SealedReader:
    """Return who reads a sealed record; callers below the role read none."""
    who = caller()
    return SealedReader(request.reader, request.purpose, who.name, who.role >= role)
