"""Captured traffic: segments that gateways announce, the answers in them, and what of it a model can learn from."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from ratoon.tasks.kind import Record, Role, Turn
from ratoon.tasks.kinds import TaskSpec
from ratoon.tasks.records import prompt_text, to_json
from ratoon.tasks.text import encodable, utf8
from ratoon_flywheel.domain.consent import Consent
from ratoon_flywheel.domain.errors import BadSegment
from ratoon_flywheel.domain.signals.features import TextFeatures
from ratoon_flywheel.domain.signals.feedback import FeedbackLabel, right_answer


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
    set_aside: dict[str, int] = field(default_factory=dict)
    """Rows that could not be read, counted by their fault."""
    revision: int = 0


@dataclass(frozen=True)
class SegmentReceived:
    """A gateway announced a segment."""

    traffic_segment: str
    answer_count: int


@dataclass(frozen=True)
class Shadowed:
    """The answer that the caller got, as far as its shadow answer names it."""

    answer_id: str
    version: str
    latency_ms: float = 0.0
    tokens: int = 0
    is_answered: bool = True
    """False: there is no shadow answer."""


@dataclass(frozen=True)
class Exchange:
    """One question and its answer, as a segment holds it."""

    answer_id: str
    time: datetime
    deployment: str
    version: str
    text: str
    """Text of the last user message."""
    answer: str
    succeeded: bool
    context: tuple[str, ...] = ()
    """Texts of the other messages of the request."""
    user: str = ""
    """End user that the request names; empty if it names none."""
    turns: tuple[Turn, ...] = ()
    """The whole conversation, tool calls included."""
    tools: str = ""
    """JSON list of the tools of the request; empty: none."""
    session: str = ""
    """Session that the request names; empty if it names none."""
    shadow_of: Shadowed | None = None
    """None: the caller got this answer."""
    latency_ms: float = 0.0
    tokens: int = 0
    """Length of the answer, as the engine counted it."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """Metadata of the request that the gateway captures."""
    confidence: float | None = None
    """Geometric mean of the probabilities of the tokens of the answer; None: the request did not ask for them."""

    @property
    def prompt(self) -> Record:
        """Return the prompt as a record without answers."""
        return Record(self.turns or (Turn(Role.USER, self.text),), tools=self.tools)


class RowFault(StrEnum):
    """Why a row of a segment is set aside."""

    NOT_JSON = "NOT_JSON"
    NOT_AN_EXCHANGE = "NOT_AN_EXCHANGE"
    """A field is missing or of another type."""
    BAD_ID = "BAD_ID"
    """A name is empty, too long or holds characters that no name has."""
    BAD_TIME = "BAD_TIME"
    TOO_LARGE = "TOO_LARGE"
    DAMAGED = "DAMAGED"
    """The compressed bytes end or break here; rows after it are lost."""


@dataclass(frozen=True)
class UnreadableRow:
    """A row that is set aside; the other rows of its segment count."""

    line: int
    fault: RowFault


class Presence(StrEnum):
    """Why a text of a segment is not in the answer index, and is noted for erasure alone."""

    FAILED = "FAILED"
    """The question of an answer that did not succeed."""
    CONTEXT = "CONTEXT"
    """Another message of a conversation."""
    UNREADABLE = "UNREADABLE"
    """A row that is set aside: it may hold any text."""
    WHOLE = "WHOLE"
    """A conversation of several messages, or an answer in free text."""
    CORRECTION = "CORRECTION"
    """A correction in free text; the note names its feedback in place of a segment."""


@dataclass(frozen=True)
class NotedText:
    """A text of a segment that is no question of the answer index; it is noted so that it can be erased."""

    presence: Presence
    answer_id: str = ""
    content_digest: str = ""
    """sha256 of the text; empty where it cannot be read."""


@dataclass(frozen=True)
class Answer:
    """An exchange in the answer index: no text, only what counting and drift need."""

    answer_id: str
    segment: str
    deployment: str
    version: str
    time: datetime
    content_digest: str
    """sha256 of the text."""
    label: str
    """The answer in canonical form, of a free text its sha256; empty if it is not valid."""
    features: TextFeatures
    caller: str = ""
    """Mark of the caller; empty if the caller is unknown."""
    prompt_digest: str = ""
    """sha256 of the whole conversation and its tools; empty in rows of an older release."""
    session: str = ""
    """Mark of the session; empty if the request names none."""
    reply: TextFeatures | None = None
    """Features of the answer, where drift compares them."""
    status: str = ""
    """`AnswerStatus`, where drift compares it."""
    slices: Mapping[str, str] = field(default_factory=dict)
    """Captured metadata of the request."""
    confidence: float | None = None
    """Geometric mean of the probabilities of the tokens of the answer; None: it is not known."""


@dataclass(frozen=True)
class LabelledExample:
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
        raise BadSegment("end_time is before start_time.", "end_time")
    return segment


def prompt_digest(prompt: Record) -> str:
    """Return the identity of a prompt: sha256 of its conversation and tools."""
    return hashlib.sha256(utf8(to_json(prompt))).hexdigest()


def content_digest(text: str) -> str:
    """Return the identity of a text: sha256 of the text without the white space around it."""
    return hashlib.sha256(utf8(text.strip())).hexdigest()


def caller_mark(project: str, user: str) -> str:
    """Return the mark that distinguishes a user from the others of a project without naming them."""
    return hashlib.sha256(utf8(f"{project}\n{user}")).hexdigest()[:16] if user else ""


def session_mark(project: str, session_id: str) -> str:
    """Return the mark that distinguishes a session from the others of a project without naming it."""
    return hashlib.sha256(utf8(f"{project}\nsession\n{session_id}")).hexdigest()[:16] if session_id else ""


def noted_texts(row: Exchange | UnreadableRow, free_text: bool = False) -> list[NotedText]:
    """Return the texts of a row except the question of an answer that succeeded; with free text, the answer too."""
    if isinstance(row, UnreadableRow):
        return [NotedText(Presence.UNREADABLE)]
    noted = [NotedText(Presence.CONTEXT, row.answer_id, content_digest(text)) for text in row.context]
    if not row.succeeded:
        noted.append(NotedText(Presence.FAILED, row.answer_id, content_digest(row.text)))
    if free_text:
        noted += [
            NotedText(Presence.WHOLE, row.answer_id, content_digest(text)) for text in _whole_texts(row)
        ]
    return noted


def each_once(noted: Iterable[NotedText]) -> list[NotedText]:
    """Return the first note of each text: a system prompt stands in every row of a segment."""
    first: dict[tuple[Presence, str], NotedText] = {}
    for each in noted:
        first.setdefault((each.presence, each.content_digest), each)
    return list(first.values())


def holds_text(row: Exchange | UnreadableRow, digests: frozenset[str], free_text: bool = False) -> bool:
    """Return whether a row may hold one of the texts with these digests; an unreadable one always may."""
    if isinstance(row, UnreadableRow):
        return True
    whole = _whole_texts(row) if free_text else []
    return any(content_digest(text) in digests for text in (row.text, *row.context, *whole))


def _whole_texts(row: Exchange) -> list[str]:
    """Return the conversation as the text of a record, if it has several messages, and the answer, if it has a text."""
    conversation = [prompt_text(row.turns)] if len(row.turns) > 1 else []
    return [*conversation, row.answer] if row.answer.strip() else conversation


def distinct(answers: Iterable[Answer]) -> list[Answer]:
    """One answer a text, the first: a repeated text would look like less variety than there is."""
    first: dict[str, Answer] = {}
    for answer in answers:
        first.setdefault(answer.content_digest, answer)
    return list(first.values())


def labelled_examples(
    labelled: Iterable[tuple[Answer, FeedbackLabel]], task: TaskSpec
) -> list[LabelledExample]:
    """Return one labelled example a text, by its latest feedback, oldest answer first.

    Feedback that may not be used for training gives none.
    """
    latest: dict[str, tuple[datetime, LabelledExample]] = {}
    for answer, feedback in labelled:
        label = right_answer(answer.label, feedback, task)
        known = latest.get(answer.content_digest)
        if label is None or not feedback.consent.allows(Consent.TRAINING):
            continue
        if known is None or known[0] <= feedback.time:
            example = LabelledExample(answer.answer_id, answer.segment, answer.version, answer.time, label)
            latest[answer.content_digest] = (feedback.time, example)
    return sorted(
        (example for _, example in latest.values()), key=lambda example: (example.time, example.answer_id)
    )


def exported(example: LabelledExample, text: str) -> bytes:
    """Return an example as a line of a JSONL source: id, text, label, time and where it came from.

    Several labels are a list, since a label is one line.
    """
    labels = example.label.split("\n")
    row = {
        "id": example.answer_id,
        "text": encodable(text),
        "label": labels if len(labels) > 1 else example.label,
        "time": example.time.isoformat(),
        "attributes": {"version": example.version},
    }
    return json.dumps(row, ensure_ascii=False, sort_keys=True).encode() + b"\n"
