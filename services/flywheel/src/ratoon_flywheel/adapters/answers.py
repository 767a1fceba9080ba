"""Answers and their feedback in tables of their own: counted and joined by the database, without their texts."""

import json
from array import array
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import Row, Select, bindparam, case, delete, func, insert, select, update

from ratoon.runtime import tracing
from ratoon.storage.store import Transaction
from ratoon.tasks.kind import Verdict
from ratoon.tasks.votes import count_votes
from ratoon_flywheel.adapters.tables import ANSWERS, FEEDBACK_LABELS, NOTED_TEXTS, RESOURCES, UNREADABLE
from ratoon_flywheel.application.ports import Mark, VersionVotes
from ratoon_flywheel.domain.signals.features import TextFeatures
from ratoon_flywheel.domain.signals.feedback import Feedback, FeedbackLabel
from ratoon_flywheel.domain.signals.monitor import DriftReport
from ratoon_flywheel.domain.signals.traffic import (
    Answer,
    NotedText,
    Presence,
    TrafficSegment,
    caller_mark,
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NOTHING = TextFeatures((), 0, "")
_MICROSECOND = timedelta(microseconds=1)
_BATCH = 500
_MAX_FEEDBACK = 50_000
"""Answers with feedback that one query returns; the newest count."""

_ANSWER_OF_FEEDBACK = (ANSWERS.c.project == FEEDBACK_LABELS.c.project) & (
    ANSWERS.c.answer_id == FEEDBACK_LABELS.c.answer_id
)
_FORGET = delete(FEEDBACK_LABELS).where(
    FEEDBACK_LABELS.c.project == bindparam("of_project"),
    FEEDBACK_LABELS.c.answer_id == bindparam("of_answer"),
)
"""Feedback is deleted and added again, not changed, so that its number shows that something is new."""


class AnswerTables:
    """The answer index, on SQLite and PostgreSQL alike."""

    def add(self, tx: Transaction, project: str, answers: Sequence[Answer]) -> None:
        """Keep answers; those that are known already stay as they are."""
        unique = {answer.answer_id: answer for answer in reversed(answers)}
        for ids in _batches(list(reversed(unique))):
            mine = (ANSWERS.c.project == project) & ANSWERS.c.answer_id.in_(ids)
            known = set(tx.connection.execute(select(ANSWERS.c.answer_id).where(mine)).scalars())
            rows = [_row(project, unique[id]) for id in ids if id not in known]
            if rows:
                tx.connection.execute(insert(ANSWERS), rows)

    def note(self, tx: Transaction, project: str, segment: str, texts: Sequence[NotedText]) -> None:
        """Keep which other texts a segment holds, so that they can be erased."""
        rows = [
            {
                "project": project,
                "segment": segment,
                "answer_id": text.answer_id,
                "content_digest": text.content_digest,
                "presence": text.presence.value,
            }
            for text in texts
        ]
        if rows:
            tx.connection.execute(insert(NOTED_TEXTS), rows)

    def renote(self, tx: Transaction, project: str, segment: str, texts: Sequence[NotedText]) -> None:
        """Keep these texts of a segment in place of those that were noted before."""
        tx.connection.execute(delete(NOTED_TEXTS).where(NOTED_TEXTS.c.segment == segment))
        self.note(tx, project, segment, texts)

    def with_set_aside(self, tx: Transaction, project: str) -> list[str]:
        """The names of a project's segments of which rows are set aside."""
        noted = NOTED_TEXTS.c
        query = select(noted.segment).where(
            noted.project == project, noted.content_digest == "", noted.presence == Presence.UNREADABLE.value
        )
        return sorted(tx.connection.execute(query).scalars())

    def set_aside(self, tx: Transaction) -> dict[str, int]:
        """How many rows are set aside, by their fault, in all projects."""
        noted = NOTED_TEXTS.c
        query = select(noted.segment).where(UNREADABLE)
        counts: dict[str, int] = {}
        for name in tx.connection.execute(query).scalars().all():
            segment = tx.find(TrafficSegment, name)
            for fault, count in (segment.set_aside if segment else {}).items():
                counts[fault] = counts.get(fault, 0) + count
        return counts

    def put_feedback(self, tx: Transaction, project: str, feedback: FeedbackLabel) -> None:
        """Store the feedback on an answer in place of an earlier one."""
        row = {
            "project": project,
            "answer_id": feedback.answer_id,
            "version": feedback.version,
            "time": _micros(feedback.time),
            "verdict": int(feedback.verdict),
            "correction": feedback.correction,
            "traceparent": tracing.current(),
        }
        tx.connection.execute(_FORGET, {"of_project": project, "of_answer": feedback.answer_id})
        tx.connection.execute(insert(FEEDBACK_LABELS), row)

    def mark(self, tx: Transaction, project: str) -> Mark:
        """How much there is, cheaply: the newest numbers."""
        newest = [
            tx.connection.execute(select(func.max(t.c.number)).where(t.c.project == project)).scalar() or 0
            for t in (ANSWERS, FEEDBACK_LABELS)
        ]
        return Mark(*newest)

    def latest(self, tx: Transaction, project: str, since: datetime | None, limit: int) -> list[Answer]:
        """The newest answers later than `since`, newest first; features are left empty."""
        a = ANSWERS
        query = _without_features().where(a.c.project == project, a.c.time > _micros(since))
        query = query.order_by(a.c.time.desc(), a.c.number.desc()).limit(limit)
        return [_answer(row) for row in tx.connection.execute(query)]

    def features(self, tx: Transaction, project: str, answers: Sequence[Answer]) -> list[TextFeatures]:
        """Return the features of these answers' texts."""
        a = ANSWERS
        features: list[TextFeatures] = []
        for ids in _batches([answer.answer_id for answer in answers]):
            query = select(a.c.words, a.c.length, a.c.language).where(
                a.c.project == project, a.c.answer_id.in_(ids)
            )
            features += [
                TextFeatures(tuple(array("I", row.words)), row.length, row.language)
                for row in tx.connection.execute(query)
            ]
        return features

    def segment_digests(self, tx: Transaction, segments: Iterable[str]) -> list[str]:
        """The digests of these segments, by their names."""
        resources = (tx.find(TrafficSegment, name) for name in sorted(segments))
        return [segment.digest for segment in resources if segment is not None]

    def with_feedback(
        self, tx: Transaction, project: str, since: datetime | None, until: datetime | None = None
    ) -> list[tuple[Answer, FeedbackLabel]]:
        """Return answers later than `since` with their feedback, both up to `until`, oldest first, without features."""
        a, f = ANSWERS, FEEDBACK_LABELS
        query = (
            _without_features()
            .add_columns(f.c.time.label("feedback_time"), f.c.verdict, f.c.correction, f.c.traceparent)
            .join(f, _ANSWER_OF_FEEDBACK)
            .where(a.c.project == project, a.c.time > _micros(since))
            .order_by(a.c.time.desc(), a.c.number.desc())
            .limit(_MAX_FEEDBACK)
        )
        if until is not None:
            query = query.where(a.c.time <= _micros(until), f.c.time <= _micros(until))
        return [(_answer(row), _feedback_label(row)) for row in reversed(tx.connection.execute(query).all())]

    def newest_feedback(
        self, tx: Transaction, project: str, since: datetime, until: datetime, indexed_by: datetime
    ) -> datetime | None:
        """Return the time of the newest feedback from `since` to `until`; None without one.

        The first feedback later than `indexed_by` whose answer is not in the index, and all after it, are left out.
        """
        a, f = ANSWERS, FEEDBACK_LABELS
        pending = (
            select(func.min(f.c.time))
            .outerjoin(a, _ANSWER_OF_FEEDBACK)
            .where(f.c.project == project, f.c.time > _micros(indexed_by), a.c.answer_id.is_(None))
        )
        query = select(func.max(f.c.time)).where(
            f.c.project == project, f.c.time >= _micros(since), f.c.time <= _micros(until)
        )
        if (first := tx.connection.execute(pending).scalar()) is not None:
            query = query.where(f.c.time < first)
        newest = tx.connection.execute(query).scalar()
        return None if newest is None else _time(newest)

    def votes(self, tx: Transaction, project: str, start: datetime, end: datetime) -> list[VersionVotes]:
        """Return the votes from `start` until before `end` by version. The caller of an unknown one is its answer."""
        a, f = ANSWERS, FEEDBACK_LABELS
        wrong = case(
            (f.c.correction != "", f.c.correction != func.coalesce(a.c.label, "")),
            else_=f.c.verdict == int(Verdict.NEGATIVE),
        ).label("wrong")
        unknown = case((a.c.caller.is_(None), f.c.answer_id), else_="").label("unknown")
        query = (
            select(f.c.version, a.c.caller, unknown, wrong)
            .add_columns(func.max(a.c.deployment).label("deployment"), func.count().label("many"))
            .outerjoin(a, _ANSWER_OF_FEEDBACK)
            .where(f.c.project == project, f.c.time >= _micros(start), f.c.time < _micros(end))
            .where((f.c.verdict != int(Verdict.NEUTRAL)) | (f.c.correction != ""))
            .group_by(f.c.version, a.c.caller, unknown, wrong)
        )
        by_version: dict[str, list[Row[tuple[object, ...]]]] = {}
        for row in tx.connection.execute(query):
            by_version.setdefault(row.version, []).append(row)
        return [
            VersionVotes(
                max(row.deployment or "" for row in rows),
                version,
                start,
                end,
                count_votes(_vote(project, row) for row in rows),
            )
            for version, rows in sorted(by_version.items())
        ]

    def of_texts(self, tx: Transaction, project: str, digests: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """Return the segments that may hold these texts, by name with the ids of the answers that go with them."""
        answer_ids: dict[str, list[str]] = {}
        for table, sought in ((ANSWERS, list(digests)), (NOTED_TEXTS, [*digests, ""])):
            for some in _batches(sought):
                query = select(table.c.segment, table.c.answer_id).where(
                    table.c.project == project, table.c.content_digest.in_(some)
                )
                for row in tx.connection.execute(query):
                    answer_ids.setdefault(row.segment, []).extend(filter(None, [row.answer_id]))
        return answer_ids

    def forget(
        self, tx: Transaction, project: str, segment: str, answer_ids: Sequence[str], digests: Sequence[str]
    ) -> None:
        """Delete these answers, their feedback and its labels, and the notes of these texts."""
        feedback = RESOURCES[Feedback]
        for answer_id in answer_ids:
            for table in (ANSWERS, FEEDBACK_LABELS):
                mine = (table.c.project == project) & (table.c.answer_id == answer_id)
                tx.connection.execute(delete(table).where(mine))
            names_answer = feedback.c.body.contains(json.dumps(answer_id)[1:-1], autoescape=True)
            tx.connection.execute(delete(feedback).where(feedback.c.parent == project, names_answer))
        noted = NOTED_TEXTS.c
        for some in _batches([*digests, ""]):
            mine = (noted.segment == segment) & noted.content_digest.in_(some)
            tx.connection.execute(delete(NOTED_TEXTS).where(mine))

    def respell(self, tx: Transaction, project: str, old: str, new: str) -> None:
        """Write a label in answers and corrections as the project writes it now."""
        for table, column in ((ANSWERS, "label"), (FEEDBACK_LABELS, "correction")):
            mine = (table.c.project == project) & (table.c[column] == old)
            tx.connection.execute(update(table).where(mine).values({column: new}))

    def forget_all(self, tx: Transaction, project: str) -> list[str]:
        """Forget all traffic, feedback and reports of a project; the digests of its segments."""
        segments = RESOURCES[TrafficSegment]
        names = tx.connection.execute(select(segments.c.name).where(segments.c.parent == project)).scalars()
        digests = self.segment_digests(tx, list(names))
        for table in (ANSWERS, FEEDBACK_LABELS, NOTED_TEXTS):
            tx.connection.execute(delete(table).where(table.c.project == project))
        for kind in (TrafficSegment, Feedback, DriftReport):
            tx.connection.execute(delete(RESOURCES[kind]).where(RESOURCES[kind].c.parent == project))
        return digests

    def prune(self, tx: Transaction, project: str, before: datetime, limit: int) -> tuple[list[str], bool]:
        """Forget at most `limit` answers, feedback labels, segments, items of feedback and reports older than this.

        Returns the digests of the segments that go, and whether there may be more to forget.
        """
        deleted = []
        for table in (ANSWERS, FEEDBACK_LABELS):
            old = select(table.c.number).where(table.c.project == project, table.c.time < _micros(before))
            query = delete(table).where(table.c.number.in_(old.limit(limit)))
            deleted.append(tx.connection.execute(query).rowcount)
        names = {
            kind: [str(row.name) for row in tx.connection.execute(_older(kind, project, before, limit))]
            for kind in (TrafficSegment, Feedback, DriftReport)
        }
        digests = self.segment_digests(tx, names[TrafficSegment])
        for some in _batches(names[TrafficSegment]):
            tx.connection.execute(delete(NOTED_TEXTS).where(NOTED_TEXTS.c.segment.in_(some)))
        for kind, gone in names.items():
            deleted.append(len(gone))
            for some in _batches(gone):
                tx.connection.execute(delete(RESOURCES[kind]).where(RESOURCES[kind].c.name.in_(some)))
        return digests, max(deleted) >= limit


def _older(kind: type, project: str, before: datetime, limit: int) -> Select[tuple[str]]:
    """The names of the oldest resources of a project that were created before a time."""
    t = RESOURCES[kind]
    query = select(t.c.name).where(t.c.parent == project, t.c.create_time < before.isoformat())
    return query.order_by(t.c.create_time, t.c.name).limit(limit)


def _without_features() -> Select[tuple[str, str, str, str, int, str, str, str]]:
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
    )


def _row(project: str, answer: Answer) -> dict[str, object]:
    return {
        "project": project,
        "answer_id": answer.answer_id,
        "segment": answer.segment,
        "deployment": answer.deployment,
        "version": answer.version,
        "time": _micros(answer.time),
        "content_digest": answer.content_digest,
        "label": answer.label,
        "length": answer.features.length,
        "language": answer.features.language,
        "words": array("I", answer.features.words).tobytes(),
        "caller": answer.caller or None,
    }


def _answer(row: Row[tuple[object, ...]]) -> Answer:
    return Answer(
        row.answer_id,
        row.segment,
        row.deployment,
        row.version,
        _time(row.time),
        row.content_digest,
        row.label,
        _NOTHING,
        row.caller,
    )


def _feedback_label(row: Row[tuple[object, ...]]) -> FeedbackLabel:
    trace = row.traceparent if tracing.is_sampled(row.traceparent) else ""
    return FeedbackLabel(
        row.answer_id, row.version, _time(row.feedback_time), Verdict(row.verdict), row.correction, trace
    )


def _vote(project: str, row: Row[tuple[object, ...]]) -> tuple[str, int, int]:
    caller = row.caller or caller_mark(project, row.unknown)
    return (caller, 0, row.many) if row.wrong else (caller, row.many, 0)


def _micros(time: datetime | None) -> int:
    return -1 if time is None else (time - _EPOCH) // _MICROSECOND


def _time(micros: int) -> datetime:
    return _EPOCH + micros * _MICROSECOND


def _batches(items: Sequence[str]) -> Iterable[Sequence[str]]:
    return (items[start : start + _BATCH] for start in range(0, len(items), _BATCH))
