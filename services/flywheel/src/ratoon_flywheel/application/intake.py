"""What is taken in of a traffic segment: its answers, the texts to be noted for erasure, and what cannot be read."""

import logging
from collections import Counter
from dataclasses import dataclass, replace

from ratoon.process.errors import FailedPrecondition, NotFound
from ratoon.storage.store import Store
from ratoon.tasks import kinds
from ratoon.tasks.kind import DriftInput
from ratoon_flywheel.application.ports import AnswerIndex, Segments
from ratoon_flywheel.application.signals import shown_chars
from ratoon_flywheel.domain.errors import BadSegment
from ratoon_flywheel.domain.projects import Project
from ratoon_flywheel.domain.signals import traffic
from ratoon_flywheel.domain.signals.drift import compares_answers
from ratoon_flywheel.domain.signals.features import answer_status, features
from ratoon_flywheel.domain.signals.feedback import indexed_answer
from ratoon_flywheel.domain.signals.shadows import ShadowAnswer
from ratoon_flywheel.domain.signals.traffic import (
    Answer,
    Exchange,
    NotedText,
    Shadowed,
    TrafficSegment,
    UnreadableRow,
)

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Intake:
    """What a segment holds."""

    answers: list[Answer]
    texts: list[NotedText]
    set_aside: dict[str, int]
    rows: int
    shadows: list[ShadowAnswer]


def read_segment(segment: str, digest: str, project: Project, segments: Segments, max_chars: int) -> Intake:
    """Read a segment row by row, `max_chars` of each text; no text stays. BadSegment when it is no segment."""
    answers: list[Answer] = []
    shadows: list[ShadowAnswer] = []
    texts: dict[NotedText, None] = {}
    faults: Counter[str] = Counter()
    rows = 0
    for row in segments.read(digest):
        rows += 1
        texts |= dict.fromkeys(traffic.noted_texts(row, kinds.kind_of(project.task).FREE_TEXT))
        if isinstance(row, UnreadableRow):
            faults[row.fault.value] += 1
        elif row.shadow_of is not None:
            shadows.append(_shadow(segment, row, row.shadow_of, project))
        elif row.succeeded:
            answers.append(_answer(segment, row, project, max_chars))
    return Intake(answers, traffic.each_once(texts), dict(sorted(faults.items())), rows, shadows)


def log_set_aside(segment: str, taken: Intake) -> None:
    """Say once what of a segment is set aside."""
    if taken.set_aside:
        _LOG.warning(
            "%s: %d of %d rows are set aside (%s); the others are used",
            *(segment, sum(taken.set_aside.values()), taken.rows, ", ".join(taken.set_aside)),
        )


def read_again(
    project: Project, store: Store, answers: AnswerIndex, segments: Segments, max_chars: int
) -> None:
    """Read the segments again of which rows were set aside: this version may read what an earlier one could not."""
    with store.read() as tx:
        names = answers.with_set_aside(tx, project.name)
    for name in names:
        with store.read() as tx:
            before = tx.find(TrafficSegment, name)
        if before is None:
            continue
        try:
            taken = read_segment(name, before.digest, project, segments, max_chars)
        except (BadSegment, FailedPrecondition, NotFound) as error:
            _LOG.warning("%s cannot be read again: %s", name, error)
            continue
        if taken.set_aside != before.set_aside:
            with store.write() as tx:
                answers.add(tx, project.name, taken.answers)
                answers.renote(tx, project.name, name, taken.texts)
                answers.add_shadows(tx, project.name, taken.shadows)
                tx.save(replace(before, set_aside=taken.set_aside))


def _shadow(segment: str, exchange: Exchange, live: Shadowed, project: Project) -> ShadowAnswer:
    """Return what the index of shadow answers stores of an exchange."""
    return ShadowAnswer(
        exchange.answer_id,
        live.answer_id,
        segment,
        exchange.deployment,
        exchange.version,
        live.version,
        exchange.time,
        indexed_answer(exchange.answer, project.task),
        live.is_answered,
        exchange.latency_ms,
        live.latency_ms,
        exchange.tokens,
        live.tokens,
    )


def _answer(segment: str, exchange: Exchange, project: Project, max_chars: int) -> Answer:
    """Return what the answer index stores of an exchange."""
    of_kind, label = kinds.kind_of(project.task), indexed_answer(exchange.answer, project.task)
    compares_status = DriftInput.ANSWER_STATUS in of_kind.DRIFT_INPUTS
    return Answer(
        exchange.answer_id,
        segment,
        exchange.deployment,
        exchange.version,
        exchange.time,
        traffic.content_digest(exchange.text),
        label,
        features(exchange.text, shown_chars(project, max_chars)),
        traffic.caller_mark(project.name, exchange.user),
        traffic.prompt_digest(exchange.prompt),
        traffic.session_mark(project.name, exchange.session),
        features(exchange.answer, max_chars) if compares_answers(project.task) else None,
        answer_status(exchange.answer, bool(label), of_kind.FREE_TEXT) if compares_status else "",
        exchange.metadata,
        exchange.confidence,
    )
