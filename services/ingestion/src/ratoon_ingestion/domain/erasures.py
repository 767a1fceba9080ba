"""Erasures: records that are to be gone for good, where they stood, and what takes the place of what held them.

QUEUED → RUNNING → READY
                 ↘ FAILED

A job writes everything that holds one of the records again, without it; the plan is saved, then what is named by
resources is replaced and the old blobs are erased. Erasures of a project go one after the other, each after the
curations and splits that were begun before it; later ones know the excluded ids.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from ratoon.operations.job_machine import Action, Failure, JobObservation, Phase, Transition
from ratoon.operations.job_machine import step as job_step
from ratoon_ingestion.domain.assignment import Part
from ratoon_ingestion.domain.datasets import DatasetVersion
from ratoon_ingestion.domain.errors import BadErasure, BadRecordId
from ratoon_ingestion.domain.splits import Split
from ratoon_ingestion.domain.work import Progress, State, Work

_RECORD_ID = re.compile(r"[0-9a-f]{64}")
_MAX_RECORDS = 100
_MAX_REASON_CHARS = 500


@dataclass(frozen=True)
class Placement:
    """That a split's part holds a record."""

    split: str
    part: Part


@dataclass(frozen=True)
class Trace:
    """Where a record stood before it was erased."""

    record_id: str
    dataset_versions: tuple[str, ...] = ()
    placements: tuple[Placement, ...] = ()


@dataclass(frozen=True)
class Rewritten:
    """The blob that takes the place of one that held records, and how many records it lacks."""

    digest: str
    erased_count: int


@dataclass(frozen=True)
class Plan:
    """Replacements that the job wrote, by resource name, and the blobs to erase."""

    versions: Mapping[str, Rewritten] = field(default_factory=dict)
    splits: Mapping[str, Mapping[Part, Rewritten]] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
    unread_sources: tuple[str, ...] = ()
    blobs: tuple[str, ...] = ()
    text_digests: tuple[str, ...] = ()
    attachments: tuple[str, ...] = ()
    """Files that a version refers to no more; those that nothing else refers to go."""
    retained_attachments: tuple[str, ...] = ()
    """Files of the records that stay, because other records have them."""
    indexes: Mapping[str, str] = field(default_factory=dict)
    """What takes the place of near-duplicate indexes, by the index; empty: nothing does."""


@dataclass(frozen=True)
class Redaction:
    """Result of an erasure's job: what it wrote again, and the former places of the records."""

    plan: Plan
    traces: tuple[Trace, ...]


@dataclass(frozen=True)
class Erasure(Work):
    """Which records go, why, and once that is known where they stood."""

    name: str
    create_time: datetime
    update_time: datetime
    record_ids: tuple[str, ...]
    purpose: str
    shared_attachments: bool = False
    """Whether the records that have a file of one of these go as well."""
    state: State = State.QUEUED
    progress: Progress = field(default_factory=Progress)
    failure: Failure = field(default_factory=Failure)
    plan: Plan | None = None
    traces: tuple[Trace, ...] = ()
    attempts: int = 0
    revision: int = 0

    def __post_init__(self) -> None:
        if not 0 < len(self.record_ids) <= _MAX_RECORDS:
            raise BadErasure(f"Name 1 to {_MAX_RECORDS} records, not {len(self.record_ids)}.")
        for record_id in self.record_ids:
            if not _RECORD_ID.fullmatch(record_id):
                raise BadErasure(f"{record_id!r} is not a record id: record ids have 64 hexadecimal digits.")
        if not self.purpose.strip() or len(self.purpose) > _MAX_REASON_CHARS:
            raise BadErasure(f"Give a reason of 1 to {_MAX_REASON_CHARS} characters that names no person.")

    @property
    def cancel_requested(self) -> bool:
        """Never: half an erasure is none."""
        return False


def check_record_id(record_id: str) -> None:
    """Raise BadRecordId unless this is a whole record id."""
    if not _RECORD_ID.fullmatch(record_id):
        raise BadRecordId(
            f"{record_id[:80]!r} is not a record id: record ids have 64 hexadecimal digits, and pages "
            "show only the first of them. `datasets records VERSION` lists complete ids."
        )


@dataclass(frozen=True)
class RecordsErased:
    """Ingestion holds nothing of these records any more."""

    record_ids: tuple[str, ...]
    text_digests: tuple[str, ...]


@dataclass(frozen=True)
class VersionRedacted:
    """Records of a version were erased."""

    erasure: str
    erased_count: int


@dataclass(frozen=True)
class SplitRedacted:
    """Records of a split were erased."""

    erasure: str
    erased_count: int


@dataclass(frozen=True)
class ErasureObservation:
    """Observation of an erasure: what it waits for, its job, and whether its plan is carried out."""

    waits_for: tuple[str, ...]
    job: JobObservation[Redaction]
    replaced: bool = False


def step(erasure: Erasure, observation: ErasureObservation, now: datetime) -> Transition[Erasure]:
    """Return the next state, the actions and the events."""
    if erasure.state.ended:
        return Transition(erasure)
    if erasure.plan is not None:
        return _carried_out(erasure, erasure.plan, observation)
    if erasure.state is State.QUEUED and observation.waits_for:
        waits = Progress(message=f"Waiting for {observation.waits_for[0]}")
        return Transition(replace(erasure, progress=waits))
    if observation.job.phase is Phase.SUCCEEDED and observation.job.result is not None:
        replacing = Progress(0.9, "Replacing the old artifacts")
        result = observation.job.result
        planned = replace(
            erasure, plan=result.plan, traces=result.traces, state=State.RUNNING, progress=replacing
        )
        return Transition(planned, (Action.APPLY,))
    return job_step(erasure, observation.job, now, _never_ready)


def _carried_out(erasure: Erasure, plan: Plan, observation: ErasureObservation) -> Transition[Erasure]:
    if not observation.replaced:
        return Transition(erasure, (Action.APPLY,))
    done = replace(erasure, state=State.READY, progress=Progress(1.0, _ended(plan)))
    return Transition(done, events=(RecordsErased(erasure.record_ids, plan.text_digests),))


def _ended(plan: Plan) -> str:
    if not plan.unread_sources:
        return "Done"
    names = ", ".join(name.rpartition("/")[2] for name in plan.unread_sources)
    return (
        f"Done, but these sources may still contain the texts in parts that cannot be read: {names}. "
        "Delete or repair them."
    )


def _never_ready(erasure: Erasure, _result: Redaction) -> tuple[Erasure, object]:
    raise AssertionError("a job that succeeded is planned, not finished")


def redacted_version(
    version: DatasetVersion, rewritten: Rewritten, erasure: str
) -> tuple[DatasetVersion, VersionRedacted]:
    """The version with what is left of it."""
    left = replace(
        version,
        state=State.REDACTED,
        redacted_digest=rewritten.digest,
        erased_count=version.erased_count + rewritten.erased_count,
        erasure=erasure,
    )
    return left, VersionRedacted(erasure, rewritten.erased_count)


def reindexed(work: DatasetVersion | Split, indexes: Mapping[str, str]) -> DatasetVersion | Split:
    """Return a version or a split that names no replaced index; the same one if it names none."""
    if isinstance(work, DatasetVersion):
        return replace(work, index=indexes[work.index]) if work.index in indexes else work
    if indexes.keys().isdisjoint((work.test_index, work.version_index)):
        return work
    return replace(
        work,
        test_index=indexes.get(work.test_index, work.test_index),
        version_index=indexes.get(work.version_index, work.version_index),
    )


def redacted_split(
    split: Split, rewritten: Mapping[Part, Rewritten], erasure: str
) -> tuple[Split, SplitRedacted]:
    """The split with what is left of its parts."""
    parts = {
        part: replace(summary, redacted_digest=rewritten[part].digest) if part in rewritten else summary
        for part, summary in split.parts.items()
    }
    count = sum(each.erased_count for each in rewritten.values())
    left = replace(
        split,
        state=State.REDACTED,
        parts=parts,
        erased_count=split.erased_count + count,
        erasure=erasure,
    )
    return left, SplitRedacted(erasure, count)
