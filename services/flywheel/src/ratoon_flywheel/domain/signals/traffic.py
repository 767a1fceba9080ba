"""Captured traffic: segments that gateways announce, the answers in them, and what of it a model can learn from."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from ratoon_flywheel.domain.errors import BadSegment
from ratoon_flywheel.domain.signals.features import TextFeatures
from ratoon_flywheel.domain.signals.feedback import Judgement, right_label


@dataclass(frozen=True)
class TrafficSegment:
    """A closed piece of captured traffic in the artifact store."""

    name: str
    create_time: datetime
    update_time: datetime
    deployment: str
    digest: str
    answer_count: int
    start_time: datetime
    end_time: datetime
    lost_count: int = 0
    """Answers that were lost before they reached a segment."""
    revision: int = 0


@dataclass(frozen=True)
class SegmentReceived:
    """A gateway announced a segment."""

    traffic_segment: str
    answer_count: int


@dataclass(frozen=True)
class Exchange:
    """One question and its answer, as a segment holds it."""

    answer_id: str
    time: datetime
    deployment: str
    version: str
    text: str
    """What the last user message said."""
    answer: str
    succeeded: bool


@dataclass(frozen=True)
class Answer:
    """What is kept of an exchange outside its segment: no text, only what counting and drift need."""

    answer_id: str
    segment: str
    deployment: str
    version: str
    time: datetime
    content_digest: str
    """sha256 of the text."""
    label: str
    """The label it answered; empty when the answer is none of the labels."""
    features: TextFeatures


@dataclass(frozen=True)
class Lesson:
    """An answer whose right label is known, with the segment that holds the text."""

    answer_id: str
    segment: str
    version: str
    time: datetime
    label: str


def checked(segment: TrafficSegment) -> TrafficSegment:
    """The segment, when it can be."""
    if not segment.deployment:
        raise BadSegment("deployment is missing.", "deployment")
    if min(segment.answer_count, segment.lost_count) < 0:
        raise BadSegment("answer_count and lost_count may not be negative.", "answer_count")
    if segment.end_time < segment.start_time:
        raise BadSegment("end_time lies before start_time.", "end_time")
    return segment


def content_digest(text: str) -> str:
    """By which texts are told apart: sha256 of the text without the white space around it."""
    return hashlib.sha256(text.strip().encode()).hexdigest()


def distinct(answers: Iterable[Answer]) -> list[Answer]:
    """One answer a text, the first: a repeated text would look like less variety than there is."""
    first: dict[str, Answer] = {}
    for answer in answers:
        first.setdefault(answer.content_digest, answer)
    return list(first.values())


def lessons(judged: Iterable[tuple[Answer, Judgement]], labels: Sequence[str]) -> list[Lesson]:
    """What can be learned: one lesson a text, from its latest judgement, oldest answer first."""
    latest: dict[str, tuple[datetime, Lesson]] = {}
    for answer, judgement in judged:
        label = right_label(answer.label, judgement, labels)
        known = latest.get(answer.content_digest)
        if label is not None and (known is None or known[0] <= judgement.time):
            lesson = Lesson(answer.answer_id, answer.segment, answer.version, answer.time, label)
            latest[answer.content_digest] = (judgement.time, lesson)
    return sorted(
        (lesson for _, lesson in latest.values()), key=lambda lesson: (lesson.time, lesson.answer_id)
    )


def exported(lesson: Lesson, text: str) -> bytes:
    """A lesson as a line of a JSONL source: id, text, label, time and where it came from."""
    row = {
        "id": lesson.answer_id,
        "text": text,
        "label": lesson.label,
        "time": lesson.time.isoformat(),
        "attributes": {"version": lesson.version},
    }
    return json.dumps(row, ensure_ascii=False, sort_keys=True).encode() + b"\n"
