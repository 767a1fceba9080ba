"""The part of ingestion's gRPC API that concerns exports, plans of mixtures and comparisons."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, TypeVar

from ratoon.ingestion.v1 import export_pb2
from ratoon.ingestion.v1 import ingestion_service_pb2 as pb
from ratoon.ingestion.v1.difference_pb2 import RecordDifference, VersionDifference
from ratoon.ingestion.v1.mixture_pb2 import MixturePlan
from ratoon.jobs.v1.dataset_jobs_pb2 import DifferenceResult
from ratoon.operations.job_machine import JobObservation, Phase
from ratoon.operations.job_procedure import JobRunner
from ratoon.operations.operations import Operations
from ratoon.process.clock import Clock
from ratoon.runtime.server import Threads
from ratoon.security.identity import caller
from ratoon.service.standard_methods import StandardMethods
from ratoon.storage.names import uuid7
from ratoon.storage.paging import PageTokens
from ratoon.storage.store import Store, Transaction
from ratoon.storage.watch import Changes
from ratoon_ingestion import export_messages
from ratoon_ingestion.application import composing, exporting
from ratoon_ingestion.application.composition_ports import DifferenceJob, MixtureJob
from ratoon_ingestion.application.ports import Blobs, Record, Records
from ratoon_ingestion.application.sealing import Seals, are_sealed, identities
from ratoon_ingestion.domain.errors import TookTooLong
from ratoon_ingestion.domain.exports import Export
from ratoon_ingestion.mixture_messages import mixture_of

Context = Any
J = TypeVar("J")
R = TypeVar("R")

_ANSWER_S = 25.0
"""Seconds that a plan or a comparison may take, less than callers wait."""
_POLL_S = 0.05
_TEXT_CHARS = 2_000
"""Characters of a text in a difference."""


@dataclass(frozen=True)
class ExportPorts:
    """Ports of the handlers of exports, plans and comparisons."""

    store: Store
    operations: Operations
    changes: Changes
    threads: Threads
    clock: Clock
    blobs: Blobs
    records: Records
    seals: Seals
    tokens: PageTokens
    plans: JobRunner[MixtureJob, MixturePlan]
    comparisons: JobRunner[DifferenceJob, DifferenceResult]


class ExportMethods:
    """Answers the methods of `ratoon.ingestion.v1.IngestionService` that concern exports, plans and comparisons."""

    def __init__(self, ports: ExportPorts) -> None:
        self._export = ports
        self._exports = StandardMethods(
            ports.store,
            ports.threads,
            Export,
            exporting.EXPORT,
            export_messages.export_message,
            lambda export: export.state.ended,
        )

    async def CreateExport(self, request: pb.CreateExportRequest, context: Context) -> export_pb2.Export:
        """Start an export."""
        ports = self._export
        created = await ports.threads(
            exporting.create_export,
            export_messages.create_export(request),
            caller().name,
            ports.store,
            ports.operations,
            ports.blobs,
            ports.clock,
        )
        return export_messages.export_message(created)

    async def GetExport(self, request: pb.GetExportRequest, context: Context) -> export_pb2.Export:
        """One export."""
        return await self._exports.get(request)

    async def ListExports(self, request: pb.ListExportsRequest, context: Context) -> pb.ListExportsResponse:
        """The exports of a dataset."""
        page = await self._exports.list(request)
        return pb.ListExportsResponse(exports=page.items, next_page_token=page.next_token)

    async def WatchExport(
        self, request: pb.WatchExportRequest, context: Context
    ) -> AsyncIterator[export_pb2.Export]:
        """An export's state, then each newer one, until it has ended."""
        async for state in self._exports.watch(request, self._export.changes):
            yield state

    async def CancelExport(self, request: pb.CancelExportRequest, context: Context) -> export_pb2.Export:
        """Cancel an export."""
        return await self._exports.cancel(request, self._export.operations)

    async def DeleteExport(
        self, request: pb.DeleteExportRequest, context: Context
    ) -> pb.DeleteExportResponse:
        """Delete an export that has ended, and its files."""
        ports, orphans = self._export, list[str]()

        def delete(export: Export, tx: Transaction) -> None:
            orphans[:] = exporting.delete_export(export, tx)

        await self._exports.delete(request, delete)
        await ports.threads(exporting.remove_blobs, orphans, ports.blobs)
        return pb.DeleteExportResponse()

    async def OpenExport(self, request: pb.OpenExportRequest, context: Context) -> pb.OpenExportResponse:
        """Hand out the files of an export, and log the reading of a test part."""
        ports = self._export
        command = export_messages.open_export(request, caller().name)
        return export_messages.opened_message(
            await ports.threads(exporting.open_export, command, ports.store, ports.clock)
        )

    async def PlanDatasetVersion(
        self, request: pb.PlanDatasetVersionRequest, context: Context
    ) -> MixturePlan:
        """Return what a mixture would consist of."""
        ports = self._export
        job = await ports.threads(
            composing.plan_job, request.parent, mixture_of(request.mixture), ports.store
        )
        return await self._answer(ports.plans, job)

    async def DiffDatasetVersion(
        self, request: pb.DiffDatasetVersionRequest, context: Context
    ) -> VersionDifference:
        """Count the differences of two versions."""
        ports = self._export
        job = await ports.threads(composing.difference_job, export_messages.compare(request), ports.store)
        result = await self._answer(ports.comparisons, job)
        return VersionDifference(
            name=request.name, base=request.base, counts=result.counts, unchanged_count=result.unchanged
        )

    async def ListRecordDifferences(
        self, request: pb.ListRecordDifferencesRequest, context: Context
    ) -> pb.ListRecordDifferencesResponse:
        """A page of the differences of two versions, with the starts of the texts."""
        ports, command = self._export, export_messages.compare_page(request)
        job = await ports.threads(
            composing.page_job, command, request.page_size, request.page_token, ports.store, ports.tokens
        )
        result = await self._answer(ports.comparisons, job)
        last = result.records[-1].record_id if result.more else ""
        shown = await ports.threads(_with_texts, result, job, ports.records, ports.seals)
        token = ports.tokens.seal(composing.listing_of(command), [last]) if last else ""
        return pb.ListRecordDifferencesResponse(record_differences=shown, next_page_token=token)

    async def _answer(self, jobs: JobRunner[J, R], job: J) -> R:
        """Return the result of a job, which is then forgotten; TookTooLong if there is none in time."""
        threads, job_id = self._export.threads, f"answer-{uuid7()}"
        observation = JobObservation[R](Phase.RUNNING)
        try:
            await threads(jobs.start, job_id, job)
            async with asyncio.timeout(_ANSWER_S):
                while observation.phase is Phase.RUNNING:
                    await asyncio.sleep(_POLL_S)
                    observation = await threads(jobs.observe, job_id)
        except TimeoutError:
            pass
        finally:
            await threads(_forget, job_id, observation.phase, jobs)
        if observation.result is None:
            raise TookTooLong(
                observation.failure.message
                or f"There was no answer within {_ANSWER_S:g} s: the versions are large, or the machine is busy. Retry."
            )
        return observation.result


def _forget(job_id: str, phase: Phase, jobs: JobRunner[J, R]) -> None:
    if phase is Phase.RUNNING:
        jobs.stop(job_id)
    jobs.forget(job_id)


def _with_texts(
    result: DifferenceResult, job: DifferenceJob, records: Records, seals: Seals
) -> list[RecordDifference]:
    """Return the differences with the texts and labels of both versions, without those of sealed records."""
    before = [_record_of(records, job.base, each, RecordDifference.KIND_ADDED) for each in result.records]
    after = [_record_of(records, job.version, each, RecordDifference.KIND_REMOVED) for each in result.records]
    known = [
        [each.record_id, *(value for record in pair if record for value in identities(record))]
        for each, *pair in zip(result.records, before, after, strict=True)
    ]
    sealed = are_sealed(job.parent, known, seals)
    for each, old, new in zip(result.records, before, after, strict=True):
        each.base_text, each.base_label = _shown(old)
        each.text, each.label = _shown(new)
    return [each for each, is_sealed in zip(result.records, sealed, strict=True) if not is_sealed]


def _record_of(records: Records, digest: str, difference: RecordDifference, kind: int) -> Record | None:
    """Return the record of a difference, which the version lacks if the difference is of this kind."""
    return None if difference.kind == kind else records.find(digest, difference.record_id)


def _shown(record: Record | None) -> tuple[str, str]:
    if record is None:
        return "", ""
    return record.text[:_TEXT_CHARS], (record.source_label or "")[:_TEXT_CHARS]
