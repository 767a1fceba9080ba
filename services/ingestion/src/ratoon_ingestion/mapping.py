"""Domain to protobuf and back; entrypoints and adapters use it, nothing else does."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from google.protobuf.message import Message

from ratoon.common.v1 import progress_pb2
from ratoon.events.ports import Record as LogRecord
from ratoon.ingestion.v1 import (
    dataset_pb2,
    erasure_pb2,
    ingestion_events_pb2,
    ingestion_service_pb2,
    source_pb2,
    split_pb2,
)
from ratoon.operations.job_machine import Cancelled, Failed
from ratoon.runtime.timestamps import timestamp
from ratoon.service.events import record_of
from ratoon.tasks.curation import BadStep, Step, parsed_steps
from ratoon_ingestion.application.commands import (
    CreateDataset,
    CreateErasure,
    CreateSource,
    CreateSplit,
    CreateVersion,
    OpenSplit,
    PreviewSource,
    UpdateSource,
)
from ratoon_ingestion.application.ports import Lineage, Record, RejectedItem
from ratoon_ingestion.connection_messages import connection_event
from ratoon_ingestion.crawl_messages import crawl_event
from ratoon_ingestion.domain.assignment import Folds, Part, Ratios, SplitMode
from ratoon_ingestion.domain.curation import CurationConfig, EarlierRecords
from ratoon_ingestion.domain.datasets import (
    Dataset,
    DatasetVersion,
    StepReport,
    VersionCompleted,
    VersionStarted,
)
from ratoon_ingestion.domain.erasures import Erasure, RecordsErased, SplitRedacted, VersionRedacted
from ratoon_ingestion.domain.errors import BadCuration, BadReading, BadSource
from ratoon_ingestion.domain.pii import DEFAULT_MASKS, Mask
from ratoon_ingestion.domain.sources import EXAMPLE_ROLES, Source
from ratoon_ingestion.domain.splits import Replay, Split, SplitCompleted, SplitOpened, SplitReading
from ratoon_ingestion.domain.work import Progress, State
from ratoon_ingestion.example_messages import example_message
from ratoon_ingestion.export_messages import export_event
from ratoon_ingestion.mixture_messages import mixture_message
from ratoon_ingestion.profile_messages import profile_event
from ratoon_ingestion.source_messages import (
    archive_depth_of,
    columns_message,
    columns_of,
    format_message,
    format_of,
    rows_message,
    rows_of,
    sample_by_message,
    sample_by_of,
)
from ratoon_ingestion.stream_messages import stream_event

_NO_MASKS = "none"
_EARLIER_MESSAGES = {
    each: dataset_pb2.Curation.EarlierVersions.Value(f"EARLIER_VERSIONS_{each.name}")
    for each in EarlierRecords
}
_EARLIER = {value: name for name, value in _EARLIER_MESSAGES.items()}
_COLUMNS = ("text", "label", "id", "time", "attributes", *EXAMPLE_ROLES)
_ERASURE_STATES = {State.READY: "SUCCEEDED"}


def source(value: Source) -> source_pb2.Source:
    """A source as callers see it."""
    return source_pb2.Source(
        **_common(value),
        display_name=value.display_name,
        format=format_message(value.format),
        digest=value.digest,
        license=value.licence,
        labels_by_folder=value.labels_by_folder,
        columns=columns_message(value.columns),
        encoding=value.encoding,
        sample_by=sample_by_message(value.format, value.sample_by),
        etag=value.etag,
        connection=value.connection,
        consent=value.consent,
        domain=value.domain,
        archive_depth=value.archive_depth,
        withdrawn_count=value.withdrawn_count,
        rows=rows_message(value.rows),
    )


def dataset(value: Dataset) -> dataset_pb2.Dataset:
    """A dataset as callers see it."""
    return dataset_pb2.Dataset(**_common(value), display_name=value.display_name)


def version(value: DatasetVersion) -> dataset_pb2.DatasetVersion:
    """A dataset version as callers see it."""
    message = dataset_pb2.DatasetVersion(
        **_common(value),
        state=dataset_pb2.DatasetVersion.State.Value(f"STATE_{value.state}"),
        sources=value.sources,
        curation=_curation(value.curation),
        progress=_progress(value.progress),
        artifact_digest=value.artifact_digest,
        merkle_root=value.merkle_root,
        item_count=value.item_count,
        record_count=value.record_count,
        rejected_count=value.rejected_count,
        profile_json=value.profile_json,
        redacted_digest=value.redacted_digest,
        erased_count=value.erased_count,
        erasure=value.erasure,
        step_reports=map(_step_report, value.step_reports),
        mixture=None if value.mixture is None else mixture_message(value.mixture),
        completeness=_completeness(value.profile_json),
    )
    if value.failure.reason:
        message.failure.reason, message.failure.message = value.failure.reason, value.failure.message
    return message


def _completeness(profile_json: str) -> dict[str, float]:
    """Return the share of the records that have each field; empty for versions of releases that did not count it."""
    profile = json.loads(profile_json) if profile_json else {}
    return {str(name): float(share) for name, share in profile.get("completeness", {}).items()}


def split(value: Split) -> split_pb2.Split:
    """A split as callers see it: the digest of its test part stays sealed."""
    ratios, replay = value.ratios, value.replay
    message = split_pb2.Split(
        **_common(value),
        state=split_pb2.Split.State.Value(f"STATE_{value.state}"),
        dataset_version=value.dataset_version,
        label_set_digest=value.label_set_digest,
        mode=split_pb2.Split.Mode.Value(f"MODE_{value.mode}"),
        ratios=split_pb2.Split.Ratios(train=ratios.train, validation=ratios.validation, test=ratios.test),
        seed=value.seed,
        group_attribute=value.group_attribute,
        replay=split_pb2.Split.Replay(split=replay.split, count=replay.count),
        progress=_progress(value.progress),
        withheld_counts=value.withheld_counts,
        replayed_count=value.replayed_count,
        augmented_count=value.augmented_count,
    )
    if value.folds.count:
        message.folds.count, message.folds.fold = value.folds.count, value.folds.fold
    if value.cross_validation is not None:
        message.cross_validation.CopyFrom(split_pb2.Split.CrossValidation(**vars(value.cross_validation)))
    for part, summary in value.parts.items():
        message.parts.add(
            part=_part(part), record_count=summary.record_count, class_counts=dict(summary.class_counts)
        )
    if Part.TRAIN in value.parts:
        message.train_digest = value.parts[Part.TRAIN].digest
        message.validation_digest = value.parts[Part.VALIDATION].digest
    if value.erasure:
        message.redaction.erasure, message.redaction.erased_count = value.erasure, value.erased_count
        message.redaction.train_digest = value.parts[Part.TRAIN].readable_digest
        message.redaction.validation_digest = value.parts[Part.VALIDATION].readable_digest
    if value.failure.reason:
        message.failure.reason, message.failure.message = value.failure.reason, value.failure.message
    return message


def reading(value: SplitReading) -> split_pb2.SplitReading:
    """A reading of a split as callers see it."""
    return split_pb2.SplitReading(
        read_time=timestamp(value.create_time),
        split=value.split,
        part=_part(value.part),
        reader=value.reader,
        purpose=value.purpose,
        principal=value.principal,
    )


def record(value: Record) -> dataset_pb2.Record:
    """A curated record as callers see it."""
    return dataset_pb2.Record(
        record_id=value.record_id,
        content_digest=value.content_digest,
        text=value.text,
        source=value.source,
        source_path=value.source_path,
        source_label=value.source_label or "",
        license=value.licence,
        language=value.language,
        tokens=value.tokens,
        chars=value.chars,
        cluster=value.cluster,
        steps=value.steps,
        attributes=value.attributes,
        conflicting_labels=value.conflicting_labels,
        example=None if value.example is None else example_message(value.example),
        received_time=timestamp(value.received_time),
    )


def rejection(value: RejectedItem) -> source_pb2.RejectedItem:
    """A rejected item as callers see it."""
    return source_pb2.RejectedItem(**asdict(value))


def lineage(value: Lineage) -> ingestion_service_pb2.RecordLineage:
    """Where a record went."""
    placements = [
        ingestion_service_pb2.RecordLineage.Placement(split=placed.split, part=_part(placed.part))
        for placed in value.placements
    ]
    return ingestion_service_pb2.RecordLineage(
        record_id=value.record_id,
        dataset_versions=value.dataset_versions,
        placements=placements,
        erasure=value.erasure,
    )


def erasure(value: Erasure) -> erasure_pb2.Erasure:
    """An erasure as callers see it; its effects are listed once it is done."""
    message = erasure_pb2.Erasure(
        **_common(value),
        state=erasure_pb2.Erasure.State.Value(f"STATE_{_ERASURE_STATES.get(value.state, value.state)}"),
        record_ids=value.record_ids,
        reason=value.purpose,
        shared_attachments=value.shared_attachments,
        progress=_progress(value.progress),
    )
    if value.state is State.READY and value.plan is not None:
        message.dataset_versions.extend(value.plan.versions)
        message.splits.extend(value.plan.splits)
        message.sources.extend(value.plan.sources)
        message.unread_sources.extend(value.plan.unread_sources)
        message.retained_attachments.extend(value.plan.retained_attachments)
    if value.failure.reason:
        message.failure.reason, message.failure.message = value.failure.reason, value.failure.message
    return message


def create_source(request: ingestion_service_pb2.CreateSourceRequest) -> CreateSource:
    """Return the command of a CreateSource request."""
    source = request.source
    return CreateSource(
        parent=request.parent,
        source_id=request.source_id,
        format=format_of(source),
        digest=source.digest,
        display_name=source.display_name,
        licence=source.license,
        labels_by_folder=dict(source.labels_by_folder),
        columns=columns_of(source.columns),
        request_id=request.request_id,
        encoding=source.encoding,
        sample_by=sample_by_of(source),
        archive_depth=archive_depth_of(source),
        rows=rows_of(source),
    )


def update_source(request: ingestion_service_pb2.UpdateSourceRequest) -> UpdateSource:
    """Return the command of an UpdateSource request; a part of `columns` is named `columns.text`, and so on."""
    source = request.source
    changes: dict[str, Any] = {}
    for path in request.update_mask.paths:
        whole, _, part = path.partition(".")
        if whole == "columns":
            if part and part not in _COLUMNS:
                raise BadSource(f"update_mask names {path!r}; columns are {', '.join(_COLUMNS)}.")
            chosen = {each: getattr(source.columns, each) for each in ((part,) if part else _COLUMNS)}
            changes["columns"] = {**changes.get("columns", {}), **chosen}
        else:
            changes |= _changed(source, path)
    return UpdateSource(source.name, changes, source.etag)


def _changed(source: source_pb2.Source, path: str) -> dict[str, Any]:
    match path:
        case "license":
            return {"licence": source.license}
        case "labels_by_folder":
            return {path: dict(source.labels_by_folder)}
        case "format":
            return {path: format_of(source)}
        case "rows":
            return {path: rows_of(source)}
        case "sample_by":
            return {path: sample_by_of(source)}
        case "archive_depth":
            return {path: archive_depth_of(source)}
        case "display_name" | "encoding":
            return {path: getattr(source, path)}
    raise BadSource(f"update_mask names {path!r}, which cannot be changed.")


def preview_source(request: ingestion_service_pb2.PreviewSourceRequest) -> PreviewSource:
    """Return the command of a PreviewSource request."""
    source = request.source
    return PreviewSource(
        parent=request.parent,
        digest=source.digest,
        format=format_of(source) if source.format else None,
        file_name=source.display_name,
        labels_by_folder=dict(source.labels_by_folder),
        columns=columns_of(source.columns),
        encoding=source.encoding,
        sample_by=sample_by_of(source),
        archive_depth=archive_depth_of(source),
        rows=rows_of(source),
        record_count=request.record_count,
        curation=_previewed(request.steps),
    )


def _previewed(steps: Sequence[str]) -> CurationConfig | None:
    """Return the curation with these steps; None for none."""
    try:
        return CurationConfig(steps=parsed_steps(steps)) if steps else None
    except BadStep as error:
        raise BadCuration(str(error)) from None


def create_dataset(request: ingestion_service_pb2.CreateDatasetRequest) -> CreateDataset:
    """Return the command of a CreateDataset request."""
    return CreateDataset(request.parent, request.dataset_id, request.dataset.display_name, request.request_id)


def create_version(request: ingestion_service_pb2.CreateDatasetVersionRequest) -> CreateVersion:
    """Return the command of a CreateDatasetVersion request."""
    version = request.dataset_version
    return CreateVersion(
        request.parent,
        request.version_id,
        tuple(version.sources),
        _config(version.curation),
        request.request_id,
    )


def create_split(request: ingestion_service_pb2.CreateSplitRequest) -> CreateSplit:
    """Return the command of a CreateSplit request."""
    split = request.split
    ratios = Ratios()
    if split.HasField("ratios"):
        ratios = Ratios(split.ratios.train, split.ratios.validation, split.ratios.test)
    mode = split_pb2.Split.Mode.Name(split.mode).removeprefix("MODE_")
    return CreateSplit(
        parent=request.parent,
        split_id=request.split_id,
        dataset_version=split.dataset_version,
        label_set_digest=split.label_set_digest,
        mode=SplitMode(mode) if split.mode else SplitMode.STRATIFIED,
        folds=Folds(split.folds.count, split.folds.fold),
        ratios=ratios,
        seed=split.seed,
        replay=Replay(split.replay.split, split.replay.count),
        group_attribute=split.group_attribute,
        request_id=request.request_id,
    )


def create_erasure(request: ingestion_service_pb2.CreateErasureRequest) -> CreateErasure:
    """Return the command of a CreateErasure request."""
    erasure = request.erasure
    return CreateErasure(
        parent=request.parent,
        erasure_id=request.erasure_id,
        record_ids=tuple(erasure.record_ids),
        purpose=erasure.reason,
        request_id=request.request_id,
        shared_attachments=erasure.shared_attachments,
    )


def open_split(request: ingestion_service_pb2.OpenSplitRequest, principal: str) -> OpenSplit:
    """Return the command of an OpenSplit request."""
    if not request.part:
        raise BadReading("part is not set; name the part to read, for example PART_TEST.")
    part = Part(split_pb2.Part.Name(request.part).removeprefix("PART_"))
    return OpenSplit(request.name, part, request.reader, request.purpose, principal)


def event(happened: object, name: str, revision: int) -> LogRecord:
    """A domain event as a record of its topic."""
    collection = name.rsplit("/", 2)[1]
    return record_of("ingestion", _EVENTS[collection](happened, name, revision))


def _version_event(happened: object, name: str, revision: int) -> Message:
    pb = ingestion_events_pb2
    match happened:
        case VersionStarted():
            return pb.DatasetVersionEvent(name=name, revision=revision, started=pb.DatasetVersionStarted())
        case VersionCompleted(digest, root, count):
            done = pb.DatasetVersionCompleted(artifact_digest=digest, merkle_root=root, record_count=count)
            return pb.DatasetVersionEvent(name=name, revision=revision, completed=done)
        case Failed(reason):
            failed = pb.DatasetVersionFailed(reason=reason)
            return pb.DatasetVersionEvent(name=name, revision=revision, failed=failed)
        case Cancelled():
            return pb.DatasetVersionEvent(
                name=name, revision=revision, cancelled=pb.DatasetVersionCancelled()
            )
        case VersionRedacted(erasure, count):
            redacted = pb.DatasetVersionRedacted(erasure=erasure, erased_count=count)
            return pb.DatasetVersionEvent(name=name, revision=revision, redacted=redacted)
    raise TypeError(f"{happened!r} is not an event of a dataset version")


def _split_event(happened: object, name: str, revision: int) -> Message:
    pb = ingestion_events_pb2
    match happened:
        case SplitCompleted(train, validation):
            done = pb.SplitCompleted(train_digest=train, validation_digest=validation)
            return pb.SplitEvent(name=name, revision=revision, completed=done)
        case SplitOpened(reader):
            return pb.SplitEvent(name=name, revision=revision, opened=pb.SplitOpened(reader=reader))
        case Failed(reason):
            return pb.SplitEvent(name=name, revision=revision, failed=pb.SplitFailed(reason=reason))
        case Cancelled():
            return pb.SplitEvent(name=name, revision=revision, cancelled=pb.SplitCancelled())
        case SplitRedacted(erasure, count):
            redacted = pb.SplitRedacted(erasure=erasure, erased_count=count)
            return pb.SplitEvent(name=name, revision=revision, redacted=redacted)
    raise TypeError(f"{happened!r} is not an event of a split")


def _erasure_event(happened: object, name: str, revision: int) -> Message:
    pb = ingestion_events_pb2
    match happened:
        case RecordsErased(record_ids, text_digests):
            done = pb.RecordsErased(record_ids=record_ids, text_digests=text_digests)
            return pb.ErasureEvent(name=name, revision=revision, completed=done)
        case Failed(reason):
            return pb.ErasureEvent(name=name, revision=revision, failed=pb.ErasureFailed(reason=reason))
    raise TypeError(f"{happened!r} is not an event of an erasure")


_EVENTS = {
    "versions": _version_event,
    "splits": _split_event,
    "erasures": _erasure_event,
    "exports": export_event,
    "profiles": profile_event,
    "connections": connection_event,
    "streams": stream_event,
    "crawls": crawl_event,
}


def _common(value: Any) -> dict[str, Any]:
    return {
        "name": value.name,
        "revision": value.revision,
        "create_time": timestamp(value.create_time),
        "update_time": timestamp(value.update_time),
    }


def _curation(config: CurationConfig) -> dataset_pb2.Curation:
    return dataset_pb2.Curation(
        min_chars=config.min_chars,
        languages=config.languages,
        near_duplicate_threshold=config.near_duplicate_threshold,
        keep_exact_duplicates=not config.exact_duplicates,
        masks=[mask.value for mask in config.masks] or [_NO_MASKS],
        max_replaced_share=config.max_replaced_share,
        keep_code=config.keep_code,
        earlier_versions=_EARLIER_MESSAGES[config.earlier_versions],
        steps=[dataset_pb2.CurationStep(name=step.name, params=step.params) for step in config.steps],
    )


def _step_report(report: StepReport) -> dataset_pb2.StepReport:
    return dataset_pb2.StepReport(**vars(report))


def _config(curation: dataset_pb2.Curation) -> CurationConfig:
    chosen: dict[str, Any] = {
        name: getattr(curation, name)
        for name in ("min_chars", "near_duplicate_threshold", "max_replaced_share")
        if curation.HasField(name)
    }
    return CurationConfig(
        languages=tuple(curation.languages),
        exact_duplicates=not curation.keep_exact_duplicates,
        masks=_masks(curation.masks),
        keep_code=curation.keep_code,
        earlier_versions=_EARLIER.get(curation.earlier_versions, EarlierRecords.KEEP),
        steps=tuple(Step(step.name, dict(step.params)) for step in curation.steps),
        **chosen,
    )


def _masks(masks: Any) -> tuple[Mask, ...]:
    names = list(masks)
    if not names:
        return DEFAULT_MASKS
    if names == [_NO_MASKS]:
        return ()
    try:
        return tuple(Mask(name) for name in dict.fromkeys(names))
    except ValueError as error:
        raise BadCuration(f"{error}: choose from {', '.join(Mask)}, or `{_NO_MASKS}` alone.") from None


def _progress(value: Progress) -> progress_pb2.Progress:
    return progress_pb2.Progress(
        fraction=value.fraction,
        message=value.message,
        done=value.done,
        total=value.total,
        unit=value.unit,
        remaining_seconds=value.remaining_seconds,
    )


def _part(value: Part) -> "split_pb2.Part.ValueType":
    return split_pb2.Part.Value(f"PART_{value}")
