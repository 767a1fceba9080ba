"""Rows of the answer index, as the tables of answers and of shadow answers share them."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Row, Select, func, select

from ratoon.runtime import tracing
from ratoon.tasks.kind import Verdict
from ratoon_flywheel.adapters.tables import ANSWERS, FEEDBACK_LABELS
from ratoon_flywheel.domain.consent import Consent
from ratoon_flywheel.domain.signals.features import TextFeatures
from ratoon_flywheel.domain.signals.feedback import FeedbackLabel
from ratoon_flywheel.domain.signals.traffic import Answer

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NOTHING = TextFeatures((), 0, "")
_MICROSECOND = timedelta(microseconds=1)
_BATCH = 500

ANSWER_OF_FEEDBACK = (ANSWERS.c.project == FEEDBACK_LABELS.c.project) & (
    ANSWERS.c.answer_id == FEEDBACK_LABELS.c.answer_id
)


def without_features() -> Select[Any]:
    """Select answers without their features."""
    a = ANSWERS
    return select(
        a.c.answer_id,
        a.c.segment,
        a.c.deployment,
        a.c.version,
        a.c.time,
        a.c.content_digest,
        a.c.label,
        func.coalesce(a.c.caller, "").label("caller"),
        a.c.prompt_digest,
        a.c.session,
        a.c.answer_status,
        a.c.confidence,
    )


def answer_of(row: Row[tuple[object, ...]]) -> Answer:
    """Return the answer of a row."""
    return Answer(
        row.answer_id,
        row.segment,
        row.deployment,
        row.version,
        time_of(row.time),
        row.content_digest,
        row.label,
        _NOTHING,
        row.caller,
        row.prompt_digest,
        row.session,
        status=row.answer_status,
        confidence=row.confidence,
    )


def feedback_label(row: Row[tuple[object, ...]]) -> FeedbackLabel:
    """Return the feedback of a row that was joined with its answer."""
    trace = row.traceparent if tracing.is_sampled(row.traceparent) else ""
    return FeedbackLabel(
        row.answer_id,
        row.version,
        time_of(row.feedback_time),
        Verdict(row.verdict),
        row.correction,
        trace,
        row.feedback,
        Consent(row.consent),
        bool(row.is_session),
        row.user_mark,
    )


def micros(time: datetime | None) -> int:
    """Return a time in microseconds since 1970; -1 for None, which is before all."""
    return -1 if time is None else (time - _EPOCH) // _MICROSECOND


def time_of(micros: int) -> datetime:
    """Return the time of microseconds since 1970."""
    return _EPOCH + micros * _MICROSECOND


def batches(items: Sequence[str]) -> Iterable[Sequence[str]]:
    """Return the items in parts that one query takes."""
    return (items[start : start + _BATCH] for start in range(0, len(items), _BATCH))
