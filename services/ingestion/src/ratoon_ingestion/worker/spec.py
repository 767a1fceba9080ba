"""Specs and results of jobs as a worker reads and writes them.

The release before named excluded records `barred`; its services read the result of an erasure by split.
"""

from collections import defaultdict
from typing import Any, TypeVar

from google.protobuf.message import Message

from ratoon.ingestion.v1.dataset_pb2 import StepReport
from ratoon.ingestion.v1.source_pb2 import Source, SourcePreview
from ratoon.jobs.v1 import ingestion_jobs_pb2 as pb
from ratoon.operations.job_messages import JSON, from_json, to_json
from ratoon.tasks.curation import Step
from ratoon_ingestion.domain.curation import CurationConfig, EarlierRecords
from ratoon_ingestion.domain.pii import Mask
from ratoon_ingestion.domain.sources import Columns, Format, SampleBy
from ratoon_ingestion.worker.readers.items import RowSettings, SourceSpec
from ratoon_ingestion.worker.steps.apply import Report

M = TypeVar("M", bound=Message)


def read_spec(kind: type[M], spec: JSON) -> M:
    """Return the spec of a job of either release."""
    return from_json(kind, {"excluded": spec.get("barred", ()), **spec})


def source_of(message: pb.SourceSpec) -> SourceSpec:
    """Return a source as readers take it."""
    return SourceSpec(
        name=message.name,
        digest=message.digest,
        format=Format(message.format),
        licence=message.licence,
        labels_by_folder=dict(sorted(message.labels_by_folder.items())),
        columns=Columns(**_set(message.columns)),
        encoding=message.encoding,
        sample_by=SampleBy(message.sample_by or SampleBy.LINE),
        archive_depth=message.archive_depth if message.HasField("archive_depth") else None,
        rows=_rows_of(message.rows) if message.HasField("rows") else None,
        withdrawn=message.withdrawn,
    )


def _rows_of(message: pb.SourceSpec.Rows) -> RowSettings:
    return RowSettings(
        other=source_of(message.other) if message.HasField("other") else None,
        key=message.key,
        other_key=message.other_key,
        inner=message.inner,
        sort_by=tuple(message.sort_by),
        group_by=tuple(message.group_by),
        separator=message.separator,
    )


def config_of(message: pb.CurationSettings) -> CurationConfig:
    """Return the settings of a curation."""
    stated = _set(message)
    masks = tuple(map(Mask, message.masks))
    steps = tuple(Step(step.name, dict(step.params)) for step in message.steps)
    earlier = EarlierRecords(message.earlier_versions or EarlierRecords.KEEP)
    return CurationConfig(**{**stated, "masks": masks, "steps": steps, "earlier_versions": earlier})


def report_message(report: Report) -> StepReport:
    """Return the report of a step, which names records and holds no texts."""
    return StepReport(
        name=report.name,
        record_count=report.received,
        changed_count=report.changed,
        removed_counts=dict(sorted(report.removed.items())),
        changed_examples=[change.record_id for change in report.changes],
        removed_examples=report.removed_examples,
        seconds=report.seconds,
        counts=report.stated_counts,
    )


def preview_json(preview: SourcePreview) -> JSON:
    """Return a preview as JSON; services of the release before read the format without its prefix."""
    name = Source.Format.Name(preview.format).removeprefix("FORMAT_") if preview.format else ""
    return {**to_json(preview), "format": name}


def erasure_json(result: pb.ErasureResult) -> JSON:
    """Return the result of an erasure as JSON, with the fields that services of the release before read."""
    written = to_json(result)
    splits: dict[str, dict[str, JSON]] = defaultdict(dict)
    for each in result.parts:
        splits[each.split][each.part] = {"digest": each.digest, "erased_count": each.erased_count}
    traces = [
        {**trace, "placements": [[place["split"], place["part"]] for place in trace["parts"]]}
        for trace in written["traces"]
    ]
    return {**written, "splits": dict(splits), "traces": traces}


def _set(message: Message) -> dict[str, Any]:
    """Return the fields that are set, lists as tuples."""
    return {field.name: tuple(value) if field.is_repeated else value for field, value in message.ListFields()}
