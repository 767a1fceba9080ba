"""Curations, splits, previews and erasures as jobs: `python -m ratoon_ingestion.worker`."""

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from importlib.metadata import version as installed_version
from typing import Any

from google.protobuf.message import Message

from ratoon.ingestion.v1.dataset_pb2 import CurationStep as CurationStepMessage
from ratoon.ingestion.v1.dataset_pb2 import StepReport as StepReportMessage
from ratoon.ingestion.v1.mixture_pb2 import MixturePlan
from ratoon.ingestion.v1.source_pb2 import SourcePreview
from ratoon.ingestion.v1.split_pb2 import Split as SplitMessage
from ratoon.jobs.v1 import ingestion_jobs_pb2 as pb
from ratoon.jobs.v1.dataset_jobs_pb2 import DifferenceResult
from ratoon.jobs.v1.job_pb2 import JobEnvironment
from ratoon.operations.job_messages import JSON, from_json, spec_json, to_json
from ratoon.operations.job_procedure import WorkerJobs
from ratoon.operations.jobs import JobProgress, Jobs
from ratoon.storage.names import project_of
from ratoon_ingestion.adapters import dataset_jobs
from ratoon_ingestion.adapters.record_keys import RecordKeys
from ratoon_ingestion.application.composition_ports import DifferenceJob, MixtureJob
from ratoon_ingestion.application.exporting import ExportJob
from ratoon_ingestion.application.ports import (
    CurationJob,
    ErasureJob,
    HeldOutTexts,
    PreviewJob,
    ReadingJob,
    SplitJob,
)
from ratoon_ingestion.application.profiling import ProfileJob
from ratoon_ingestion.domain.assignment import Part
from ratoon_ingestion.domain.connections import (
    Blob,
    Connection,
    ReadingResult,
    Vanished,
    Withdrawn,
    reading_name,
)
from ratoon_ingestion.domain.curation import CurationConfig
from ratoon_ingestion.domain.datasets import Curated, StepReport
from ratoon_ingestion.domain.erasures import Placement, Plan, Redaction, Rewritten, Trace
from ratoon_ingestion.domain.exports import Exported
from ratoon_ingestion.domain.profiles import Profiled
from ratoon_ingestion.domain.sources import ARCHIVE_DEPTH, EXAMPLE_ROLES, Columns, Rows, Source, parts_of
from ratoon_ingestion.domain.splits import CrossValidation, Parted, PartSummary
from ratoon_ingestion.domain.work import Progress

WORKER = "ratoon_ingestion.worker"
_FORMAT = "FORMAT_"
_NEWER = (
    "version_index",
    "earlier_versions",
    "earlier_indexes",
    "indexes",
    "step_sources",
    "executor",
    "embedding_model",
    "augmentation",
    "record_key",
    "vanished",
    "dead_letters",
    "reading",
)
"""Fields that the release before has not."""
_NEWER_OF_SOURCES = ("sample_by", "withdrawn", "rows")
_NO_DIGEST = "0" * 64


@dataclass(frozen=True)
class Execution:
    """Where curations compute: `pool` or `ray`, and the number of processes."""

    executor: str
    processes: int


@dataclass(frozen=True)
class IngestionJobs:
    """Jobs of this service, by kind."""

    curations: WorkerJobs[CurationJob, Curated]
    splits: WorkerJobs[SplitJob, Parted]
    erasures: WorkerJobs[ErasureJob, Redaction]
    previews: WorkerJobs[PreviewJob, SourcePreview]
    plans: WorkerJobs[MixtureJob, MixturePlan]
    comparisons: WorkerJobs[DifferenceJob, DifferenceResult]
    exports: WorkerJobs[ExportJob, Exported]
    readings: WorkerJobs[ReadingJob, ReadingResult]
    profiles: WorkerJobs[ProfileJob, Profiled]


def ingestion_jobs(
    jobs: Jobs, keys: RecordKeys, environment: JobEnvironment, execution: Execution, embedding_model: str = ""
) -> IngestionJobs:
    """Return the jobs; curations compute where `execution` says, and compare meanings by the model of a directory."""
    specs = _Specs(keys, environment, execution, embedding_model)
    return IngestionJobs(
        WorkerJobs(jobs, WORKER, specs.curation, curated, _progress),
        WorkerJobs(jobs, WORKER, specs.split, parted, _progress),
        WorkerJobs(jobs, WORKER, specs.erasure, redaction, _progress),
        WorkerJobs(jobs, WORKER, specs.preview, preview, _progress),
        WorkerJobs(jobs, WORKER, specs.datasets.mixture, dataset_jobs.plan, _progress),
        WorkerJobs(jobs, WORKER, specs.datasets.difference, dataset_jobs.difference, _progress),
        WorkerJobs(jobs, WORKER, specs.datasets.export, dataset_jobs.exported, _progress),
        WorkerJobs(jobs, WORKER, specs.reading, reading_result, _progress),
        WorkerJobs(jobs, WORKER, specs.datasets.profile, dataset_jobs.profiled, _progress),
    )


@dataclass(frozen=True)
class _Specs:
    """Specs of jobs. Workers of the release before read excluded records as `barred`."""

    keys: RecordKeys
    base: JobEnvironment
    execution: Execution
    embedding_model: str = ""

    @property
    def datasets(self) -> dataset_jobs.DatasetSpecs:
        """Return the specs of jobs over dataset versions."""
        return dataset_jobs.DatasetSpecs(self.keys, self.base)

    def curation(self, job: CurationJob) -> JSON:
        """Return the spec of a curation, or of the build of a mixture."""
        if job.mixture is not None:
            return self.datasets.mixture(job.mixture)
        version = job.version
        spec = pb.CurationSpec(
            version=version.name,
            sources=map(_source, job.sources),
            curation=_settings(version.curation),
            record_key=self._record_key(version.name),
            executor="" if self.execution.executor == "pool" else self.execution.executor,
            processes=self.execution.processes,
            code_version=installed_version("ratoon-ingestion"),
            excluded=job.excluded,
            decontamination=_decontamination(job.held_out),
            step_sources=map(_source, job.step_sources),
            embedding_model=self.embedding_model,
            earlier_versions=sorted(each.readable_digest for each in job.earlier),
            earlier_indexes=sorted({each.index for each in job.earlier if each.index}),
        )
        return {**_written(self._environment("curate", version.name), spec), "barred": list(job.excluded)}

    def split(self, job: SplitJob) -> JSON:
        """Return the spec of a split."""
        split = job.split
        spec = pb.SplitSpec(
            dataset_version=job.version_digest,
            label_set=split.label_set_digest,
            mode=split.mode.value,
            group_attribute=split.group_attribute,
            ratios=SplitMessage.Ratios(**asdict(split.ratios)),
            seed=split.seed,
            earlier_tests=job.earlier_tests,
            threshold=job.cluster_threshold,
            replay=pb.SplitSpec.Replay(train=job.replay_train_digest, count=split.replay.count),
            version_index=job.version_index,
            earlier_indexes=job.earlier_indexes,
        )
        if split.folds.count:
            spec.folds.count, spec.folds.fold = split.folds.count, split.folds.fold
        if job.augmentation is not None:
            spec.augmentation.MergeFrom(CurationStepMessage(**asdict(job.augmentation)))
            spec.record_key = self._record_key(split.name)
            spec.step_sources.extend(map(_source, job.step_sources))
        return _written(self._environment("split", split.name), spec)

    def erasure(self, job: ErasureJob) -> JSON:
        """Return the spec of an erasure, which has no limits."""
        environment = self._environment("erase", job.erasure.name)
        environment.ClearField("time_limit_s")
        environment.ClearField("memory_share")
        spec = pb.ErasureSpec(
            shared_attachments=job.erasure.shared_attachments,
            record_ids=job.erasure.record_ids,
            record_key=self._record_key(job.erasure.name),
            sources=map(_source, job.sources),
            versions=[
                pb.ErasureSpec.Version(name=each.name, digest=each.readable_digest, sources=each.sources)
                for each in job.versions
            ],
            parts=[
                pb.ErasureSpec.Part(split=split.name, part=part.value, digest=summary.readable_digest)
                for split in job.splits
                for part, summary in split.parts.items()
            ],
            indexes=job.indexes,
        )
        return _written(environment, spec)

    def preview(self, job: PreviewJob) -> JSON:
        """Return the spec of a preview, in a warm process of its own: it does not wait for a long curation."""
        environment = self._environment("preview", job.source.name)
        environment.warm += "-preview"
        spec = pb.PreviewSpec(
            source=_source(job.source),
            file_name=job.source.display_name,
            detect=job.detect,
            record_key=self._record_key(job.source.name),
            record_count=job.record_count,
            excluded=job.excluded,
            curation=None if job.curation is None else _settings(job.curation),
            decontamination=_decontamination(job.held_out),
            step_sources=map(_source, job.step_sources),
            embedding_model=self.embedding_model,
        )
        return {**_written(environment, spec), "barred": list(job.excluded)}

    def reading(self, job: ReadingJob) -> JSON:
        """Return the spec of a reading, in a warm process of its own: it does not wait for a long curation."""
        connection = job.connection
        environment = self._environment("read", connection.name)
        environment.warm += "-read"
        spec = pb.ReadingSpec(
            connection=connection.name,
            kind=connection.kind.value,
            url=connection.url,
            endpoint=job.endpoint.url,
            credentials=job.endpoint.credentials,
            pattern=connection.pattern,
            query=connection.query,
            cursor_column=connection.cursor_column,
            key_column=connection.key_column,
            overlap=connection.overlap,
            source=_source(_as_read(connection)),
            cursor=connection.cursor,
            max_items=connection.max_items,
            max_bytes=connection.max_bytes,
        )
        if connection.vanished is not Vanished.KEEP:
            spec.vanished = connection.vanished.value
        spec.reading = reading_name(connection)
        if connection.replays:
            spec.dead_letters.extend(each.digest for each in connection.dead_letters)
        return _written(environment, spec)

    def _environment(self, task: str, name: str) -> JobEnvironment:
        """Return the environment of a job; it is its project's, so that it waits for no other project's jobs."""
        environment = JobEnvironment(task=task, tenant=project_of(name))
        environment.MergeFrom(self.base)
        return environment

    def _record_key(self, name: str) -> str:
        return self.keys.key_of(project_of(name)).hex()


def _as_read(connection: Connection) -> Source:
    """Return a source as a connection reads it, without data."""
    return Source(
        name=connection.name,
        create_time=connection.create_time,
        update_time=connection.update_time,
        format=connection.format,
        digest=_NO_DIGEST,
        labels_by_folder=connection.labels_by_folder,
        columns=connection.columns,
        encoding=connection.encoding,
        sample_by=connection.sample_by,
        archive_depth=ARCHIVE_DEPTH,
    )


def reading_result(written: JSON) -> ReadingResult:
    """Return the result of a reading."""
    result = from_json(pb.ReadingResult, written)
    return ReadingResult(
        cursor=result.cursor,
        blobs=tuple(Blob(each.digest, each.records, each.title) for each in result.blobs),
        position=result.position,
        listed=result.listed,
        taken=result.taken,
        skipped=dict(sorted(result.skipped.items())),
        size_bytes=result.size_bytes,
        notes=tuple(result.notes),
        more=result.more,
        vanished=result.vanished,
        withdrawn=tuple(
            Withdrawn(each.blob, each.digest, each.count, each.added) for each in result.withdrawn
        ),
        dead_letters=result.dead_letters,
        dead_letter_count=result.dead_letter_count,
    )


def _settings(config: CurationConfig) -> pb.CurationSettings:
    """Return the settings of a curation."""
    return pb.CurationSettings(**config.stated())


def _decontamination(held_out: HeldOutTexts) -> pb.DecontaminationSpec | None:
    """Return what the step `decontamination` searches; None for nothing."""
    if held_out == HeldOutTexts():
        return None
    benchmarks = [
        pb.DecontaminationSpec.Benchmark(name=each.name.rpartition("/")[2], source=_source(each))
        for each in held_out.benchmarks
    ]
    return pb.DecontaminationSpec(test_parts=held_out.test_parts, benchmarks=benchmarks)


def _source(source: Source) -> pb.SourceSpec:
    return pb.SourceSpec(
        name=source.name,
        digest=source.digest,
        format=source.format.value,
        licence=source.licence,
        labels_by_folder=source.labels_by_folder,
        columns=pb.SourceSpec.Columns(**_columns(source.columns)),
        encoding=source.encoding,
        sample_by=parts_of(source.format, source.sample_by) or "",
        archive_depth=source.archive_depth,
        withdrawn=source.withdrawn,
        rows=None if source.rows is None else _rows(source.rows),
    )


def _rows(rows: Rows) -> pb.SourceSpec.Rows:
    return pb.SourceSpec.Rows(
        other=None if rows.partner is None else _source(rows.partner),
        key=rows.key,
        other_key=rows.other_key,
        inner=rows.inner,
        sort_by=rows.sort_by,
        group_by=rows.group_by,
        separator=rows.separator,
    )


def _columns(columns: Columns) -> dict[str, Any]:
    """Return the fields of columns; those of examples only if they are named."""
    return {role: name for role, name in asdict(columns).items() if name or role not in EXAMPLE_ROLES}


def _written(environment: JobEnvironment, spec: Message) -> JSON:
    """Return a spec without the fields that workers of the release before do not read, unless they are set."""
    written = spec_json(environment, spec)
    for name in _NEWER:
        if not written.get(name):
            written.pop(name, None)
    named = (*written.get("sources", ()), *written.get("step_sources", ()))
    for source in (*named, *filter(None, (written.get("source"),))):
        _drop_newer(source)
    if written.get("decontamination") is None:
        written.pop("decontamination", None)
    if written.get("curation") is None:
        written.pop("curation", None)
    else:
        for name in ("steps", "earlier_versions"):
            if not written["curation"][name]:
                del written["curation"][name]
    return written


def _drop_newer(source: JSON) -> None:
    """Remove the fields of a source that workers of the release before do not read, unless they are set."""
    columns = source["columns"]
    source["columns"] = {role: name for role, name in columns.items() if name is not None}
    for name in _NEWER_OF_SOURCES:
        if not source.get(name):
            source.pop(name, None)
    if source.get("archive_depth") is None:
        source.pop("archive_depth", None)


def curated(written: JSON) -> Curated:
    """Return the result of a curation."""
    result = from_json(pb.CurationResult, written)
    profile = to_json(result)["profile"]
    return Curated(
        artifact_digest=result.artifact_digest,
        merkle_root=result.merkle_root,
        item_count=result.items,
        record_count=result.records,
        rejected_count=result.rejected,
        profile_json=json.dumps(profile, sort_keys=True, ensure_ascii=False),
        step_reports=tuple(map(_step_report, result.step_reports)),
        index=result.index,
    )


def _step_report(message: StepReportMessage) -> StepReport:
    return StepReport(
        name=message.name,
        record_count=message.record_count,
        changed_count=message.changed_count,
        removed_counts=dict(sorted(message.removed_counts.items())),
        changed_examples=tuple(message.changed_examples),
        removed_examples=tuple(message.removed_examples),
        seconds=message.seconds,
        counts=dict(sorted(message.counts.items())),
    )


def parted(written: JSON) -> Parted:
    """Return the result of a split."""
    result = from_json(pb.SplitResult, written)
    return Parted(
        parts={
            part: PartSummary(summary.digest, summary.records, dict(sorted(summary.classes.items())))
            for part in Part
            if (summary := result.parts.get(part.value)) is not None
        },
        withheld_counts=dict(sorted(result.withheld.items())),
        replayed_count=result.replayed,
        test_index=result.test_index,
        version_index=result.version_index,
        augmented_count=result.augmented,
        cross_validation=_cross_validation(result),
    )


def _cross_validation(result: pb.SplitResult) -> CrossValidation | None:
    if not result.HasField("cross_validation"):
        return None
    scores = result.cross_validation
    return CrossValidation(
        tuple(scores.fold_scores),
        scores.score,
        scores.lower,
        scores.upper,
        tuple(scores.settings),
        scores.record_count,
    )


def preview(written: JSON) -> SourcePreview:
    """Return the result of a preview; formats may lack the prefix of their names, and times may be empty."""
    format_name = str(written.get("format") or "UNSPECIFIED").removeprefix(_FORMAT)
    records = [
        {**record, "received_time": record.get("received_time") or None}
        for record in written.get("records", ())
    ]
    return from_json(SourcePreview, {**written, "format": _FORMAT + format_name, "records": records})


def redaction(written: JSON) -> Redaction:
    """Return the result of an erasure. The release before wrote parts by split, and places as pairs."""
    result = from_json(pb.ErasureResult, _with_parts(written))
    splits: dict[str, dict[Part, Rewritten]] = defaultdict(dict)
    for each in result.parts:
        splits[each.split][Part(each.part)] = Rewritten(each.digest, each.erased_count)
    plan = Plan(
        versions={name: Rewritten(each.digest, each.erased_count) for name, each in result.versions.items()},
        splits=dict(splits),
        sources=dict(result.sources),
        unread_sources=tuple(result.unread_sources),
        blobs=tuple(result.blobs),
        text_digests=tuple(result.text_digests),
        indexes=dict(result.indexes),
        attachments=tuple(result.attachments),
        retained_attachments=tuple(result.retained_attachments),
    )
    return Redaction(plan, tuple(map(_trace, result.traces)))


def _trace(trace: pb.ErasureResult.Trace) -> Trace:
    places = (Placement(place.split, Part(place.part)) for place in trace.parts)
    return Trace(trace.record_id, tuple(trace.versions), tuple(places))


def _with_parts(written: JSON) -> JSON:
    """Return a result with the fields of `ErasureResult`, if the release before wrote it."""
    if "parts" in written:
        return written
    parts = [
        {"split": split, "part": part, **rewritten}
        for split, by_part in written["splits"].items()
        for part, rewritten in by_part.items()
    ]
    traces = [{**trace, "parts": _places(trace["placements"])} for trace in written["traces"]]
    return {**written, "parts": parts, "traces": traces}


def _places(pairs: Iterable[tuple[str, str]]) -> list[JSON]:
    return [{"split": split, "part": part} for split, part in pairs]


def _progress(reported: JobProgress) -> Progress:
    return Progress(
        reported.fraction,
        reported.message,
        reported.done,
        reported.total,
        reported.unit,
        reported.remaining_s or 0.0,
    )
