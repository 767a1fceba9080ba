"""Profiles as messages."""

from collections.abc import Iterator, Mapping

from google.protobuf.message import Message

from ratoon.common.v1 import progress_pb2
from ratoon.ingestion.v1 import ingestion_events_pb2, profile_pb2
from ratoon.ingestion.v1 import ingestion_service_pb2 as pb
from ratoon.ingestion.v1.profile_pb2 import ProfileReport
from ratoon.operations.job_machine import Cancelled, Failed
from ratoon.runtime.timestamps import timestamp
from ratoon_ingestion.application.ports import Record
from ratoon_ingestion.application.profiling import CreateProfile
from ratoon_ingestion.domain.profiles import TOPICS, Profile, ProfileCompleted

_TEXT_CHARS = 300
"""Characters of the start of a text."""


def profile_message(value: Profile) -> profile_pb2.Profile:
    """Return a profile as callers see it: without the digest of its report."""
    message = profile_pb2.Profile(
        name=value.name,
        revision=value.revision,
        create_time=timestamp(value.create_time),
        update_time=timestamp(value.update_time),
        state=profile_pb2.Profile.State.Value(f"STATE_{value.state}"),
        dataset_version=value.dataset_version,
        label_set_digest=value.label_set_digest,
        topic_count=value.topics,
        progress=progress_pb2.Progress(**vars(value.progress)),
        record_count=value.record_count,
        sealed_count=value.sealed_count,
    )
    if value.failure.reason:
        message.failure.reason, message.failure.message = value.failure.reason, value.failure.message
    return message


def create_profile(request: pb.CreateProfileRequest) -> CreateProfile:
    """Return the command of a CreateProfile request."""
    message = request.profile
    now = message.create_time.ToDatetime()
    profile = Profile(
        name=request.parent,
        create_time=now,
        update_time=now,
        dataset_version=message.dataset_version,
        label_set_digest=message.label_set_digest,
        topics=message.topic_count or TOPICS,
    )
    return CreateProfile(profile, request.profile_id, request.request_id)


def record_ids(report: ProfileReport) -> Iterator[str]:
    """Yield the ids of all records that a report names."""
    for column in report.numeric_columns:
        yield from column.outlier_record_ids
    for scatter in report.scatters:
        yield from (point.record_id for point in scatter.points)
    yield from (example.record_id for example in _examples(report))


def shown_report(report: ProfileReport, records: Mapping[str, Record]) -> ProfileReport:
    """Return a report with the starts of texts, without records that are not among these."""
    shown = ProfileReport()
    shown.CopyFrom(report)
    for column in shown.numeric_columns:
        retained = [each for each in column.outlier_record_ids if each in records]
        del column.outlier_record_ids[:]
        column.outlier_record_ids.extend(retained)
    for scatter in shown.scatters:
        points = [point for point in scatter.points if point.record_id in records]
        del scatter.points[:]
        scatter.points.extend(points)
    for example in _examples(shown):
        if record := records.get(example.record_id):
            example.text_start = record.text[:_TEXT_CHARS]
            example.language = record.language
        else:
            example.Clear()
    _drop_empty(shown)
    return shown


def _examples(report: ProfileReport) -> Iterator[ProfileReport.ExampleRecord]:
    yield from report.examples
    for topic in report.topics:
        yield from topic.examples
    for cluster in report.duplicate_clusters.largest:
        yield cluster.example
    for hard in report.difficulty.hardest:
        yield hard.record


def _drop_empty(report: ProfileReport) -> None:
    """Remove the examples that were cleared."""
    for examples in (report.examples, *(topic.examples for topic in report.topics)):
        retained = [example for example in examples if example.record_id]
        del examples[:]
        examples.extend(retained)
    hardest = [hard for hard in report.difficulty.hardest if hard.record.record_id]
    clusters = [each for each in report.duplicate_clusters.largest if each.example.record_id]
    if report.HasField("difficulty"):
        del report.difficulty.hardest[:]
        report.difficulty.hardest.extend(hardest)
    if report.HasField("duplicate_clusters"):
        del report.duplicate_clusters.largest[:]
        report.duplicate_clusters.largest.extend(clusters)


def profile_event(happened: object, name: str, revision: int) -> Message:
    """Return an event of a profile."""
    events = ingestion_events_pb2
    match happened:
        case ProfileCompleted(count):
            completed = events.ProfileCompleted(record_count=count)
            return events.ProfileEvent(name=name, revision=revision, completed=completed)
        case Failed(reason):
            failed = events.ProfileFailed(reason=reason)
            return events.ProfileEvent(name=name, revision=revision, failed=failed)
        case Cancelled():
            return events.ProfileEvent(name=name, revision=revision, cancelled=events.ProfileCancelled())
    raise TypeError(f"{happened!r} is not an event of a profile")
