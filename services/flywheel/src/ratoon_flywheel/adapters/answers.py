"""Answers and their feedback in tables of their own: counted and joined by the database, without their texts."""

import json
from array import array
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, bindparam, case, delete, func, insert, literal, select, update

from ratoon.runtime import tracing
from ratoon.storage.store import Transaction
from ratoon.tasks.kind import Verdict
from ratoon.tasks.kinds import TaskSpec
from ratoon.tasks.votes import count_votes
from ratoon_flywheel.adapters.answer_rows import (
    ANSWER_OF_FEEDBACK,
    answer_of,
    batches,
    feedback_label,
    micros,
    time_of,
    without_features,
)
from ratoon_flywheel.adapters.shadows import ShadowTables
from ratoon_flywheel.adapters.tables import (
    ANSWERS,
    FEEDBACK_LABELS,
    NOTED_TEXTS,
    OUTCOMES,
    PREFERENCES,
    RESOURCES,
    SESSION_FEEDBACK,
    SHADOWS,
    UNREADABLE,
)
from ratoon_flywheel.application.ports import Mark, VersionVotes
from ratoon_flywheel.domain.consent import Consent
from ratoon_flywheel.domain.signals.features import ExchangeFeatures, TextFeatures
from ratoon_flywheel.domain.signals.feedback import Feedback, FeedbackLabel, Preference, differs
from ratoon_flywheel.domain.signals.monitor import DriftReport
from ratoon_flywheel.domain.signals.traffic import (
    Answer,
    NotedText,
    Presence,
    TrafficSegment,
    caller_mark,
)

_MAX_FEEDBACK = 50_000
"""Answers with feedback that one query returns; the newest count."""

_FEEDBACK_TABLES = (FEEDBACK_LABELS, SESSION_FEEDBACK, PREFERENCES, OUTCOMES)
_OVERLAP = 500
"""Rows before a position that are read again on PostgreSQL: transactions may commit in another order than numbers."""
_FORGET = delete(FEEDBACK_LABELS).where(
    FEEDBACK_LABELS.c.project == bindparam("of_project"),
    FEEDBACK_LABELS.c.answer_id == bindparam("of_answer"),
)
"""Feedback is deleted and added again, not changed, so that its number shows that something is new."""


class AnswerTables(ShadowTables):
    """The answer index, on SQLite and PostgreSQL alike."""

    def add(self, tx: Transaction, project: str, answers: Sequence[Answer]) -> None:
        """Keep answers; those that are known already stay as they are."""
        unique = {answer.answer_id: answer for answer in reversed(answers)}
        for ids in batches(list(reversed(unique))):
            mine = (ANSWERS.c.project == project) & ANSWERS.c.answer_id.in_(ids)
            known = set(tx.connection.execute(select(ANSWERS.c.answer_id).where(mine)).scalars())
            rows = [_row(project, unique[id]) for id in ids if id not in known]
            if rows:
                tx.connection.execute(insert(ANSWERS), rows)
                self._cover(tx, project, [unique[str(row["answer_id"])] for row in rows])

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
        tx.connection.execute(_FORGET, {"of_project": project, "of_answer": feedback.answer_id})
        tx.connection.execute(insert(FEEDBACK_LABELS), _feedback_row(project, feedback, tracing.current()))

    def latest_feedback(self, tx: Transaction, project: str, answer_id: str) -> str:
        """Return the name of the feedback that counts for an answer; empty if none does, or it is not known."""
        f = FEEDBACK_LABELS
        query = select(f.c.feedback).where(f.c.project == project, f.c.answer_id == answer_id)
        return tx.connection.execute(query).scalar() or ""

    def put_session(self, tx: Transaction, project: str, session: str, feedback: FeedbackLabel) -> int:
        """Store feedback on a session: it counts for each of its answers that has no feedback of its own.

        Answers whose segment arrives later are covered if they are not newer than the feedback. Returns the number of
        answers that it covers now.
        """
        s = SESSION_FEEDBACK
        tx.connection.execute(delete(s).where(s.c.project == project, s.c.session == session))
        row = {
            "project": project,
            "session": session,
            "time": micros(feedback.time),
            "verdict": int(feedback.verdict),
            "traceparent": tracing.current(),
            **_origin(feedback),
        }
        tx.connection.execute(insert(s), row)
        mine = (ANSWERS.c.project == project) & (ANSWERS.c.session == session)
        covered = tx.connection.execute(without_features().where(mine).limit(_MAX_FEEDBACK)).all()
        return self._cover(tx, project, [answer_of(row) for row in covered])

    def put_preference(self, tx: Transaction, project: str, preference: Preference) -> None:
        """Store a preference in place of an earlier one between the same two answers."""
        p, pair = PREFERENCES, (preference.answer_id, preference.rejected_answer_id)
        mine = (p.c.project == project) & p.c.answer_id.in_(pair) & p.c.rejected_answer_id.in_(pair)
        tx.connection.execute(delete(p).where(mine))
        row = {
            "project": project,
            "answer_id": preference.answer_id,
            "rejected_answer_id": preference.rejected_answer_id,
            "time": micros(preference.time),
            **_origin(preference),
        }
        tx.connection.execute(insert(p), row)

    def put_outcomes(
        self,
        tx: Transaction,
        project: str,
        answer_id: str,
        time: datetime,
        outcomes: Mapping[str, float],
        consent: Consent = Consent.NONE,
    ) -> None:
        """Store outcomes of an answer in place of earlier ones of the same names."""
        o = OUTCOMES
        mine = (o.c.project == project) & (o.c.answer_id == answer_id) & o.c.name.in_(list(outcomes))
        tx.connection.execute(delete(o).where(mine))
        rows = [
            {
                "project": project,
                "answer_id": answer_id,
                "name": name,
                "value": value,
                "time": micros(time),
                "consent": consent.value,
            }
            for name, value in outcomes.items()
        ]
        tx.connection.execute(insert(o), rows)

    def prompt_digests(self, tx: Transaction, project: str, answer_ids: Sequence[str]) -> dict[str, str]:
        """Return the digest of the prompt of each of these answers that the index knows, by the answer's id."""
        a = ANSWERS
        query = select(a.c.answer_id, a.c.prompt_digest).where(
            a.c.project == project, a.c.answer_id.in_(list(answer_ids))
        )
        return {row.answer_id: row.prompt_digest for row in tx.connection.execute(query)}

    def preferences(
        self, tx: Transaction, project: str, since: datetime | None, until: datetime | None = None
    ) -> list[tuple[Answer, Answer, Preference]]:
        """Return the better answer, the worse one and the preference of answers later than `since`, oldest first."""
        p, chosen = PREFERENCES, ANSWERS
        query = (
            without_features()
            .add_columns(p.c.rejected_answer_id, p.c.time.label("feedback_time"), p.c.feedback, p.c.consent)
            .add_columns(p.c.user_mark)
            .join(p, (chosen.c.project == p.c.project) & (chosen.c.answer_id == p.c.answer_id))
            .where(chosen.c.project == project, chosen.c.time > micros(since))
            .order_by(chosen.c.time.desc(), chosen.c.number.desc())
            .limit(_MAX_FEEDBACK)
        )
        if until is not None:
            query = query.where(chosen.c.time <= micros(until), p.c.time <= micros(until))
        rows = tx.connection.execute(query).all()
        rejected = self.by_id(tx, project, [row.rejected_answer_id for row in rows])
        return [
            (answer_of(row), rejected[row.rejected_answer_id], _preference(row))
            for row in reversed(rows)
            if row.rejected_answer_id in rejected
        ]

    def outcomes(
        self, tx: Transaction, project: str, start: datetime, end: datetime
    ) -> list[tuple[str, str, float, int]]:
        """Return version, name, mean and number of the outcomes of answers from `start` until before `end`."""
        a, o = ANSWERS, OUTCOMES
        query = (
            select(a.c.version, o.c.name, func.avg(o.c.value).label("mean"), func.count().label("many"))
            .join(o, (a.c.project == o.c.project) & (a.c.answer_id == o.c.answer_id))
            .where(a.c.project == project, a.c.time >= micros(start), a.c.time < micros(end))
            .group_by(a.c.version, o.c.name)
            .order_by(a.c.version, o.c.name)
        )
        return [(row.version, row.name, float(row.mean), row.many) for row in tx.connection.execute(query)]

    def _cover(self, tx: Transaction, project: str, answers: Sequence[Answer]) -> int:
        """Put feedback on sessions on those of their answers that have none of their own; return their number."""
        named = [answer for answer in answers if answer.session]
        feedback = self._of_sessions(tx, project, sorted({answer.session for answer in named}))
        covered = [
            answer
            for answer in named
            if answer.session in feedback and micros(answer.time) <= feedback[answer.session].time
        ]
        own = self._with_own_feedback(tx, project, [answer.answer_id for answer in covered])
        left = [answer for answer in covered if answer.answer_id not in own]
        for answer in left:
            row = feedback[answer.session]
            tx.connection.execute(_FORGET, {"of_project": project, "of_answer": answer.answer_id})
            label = FeedbackLabel(
                answer.answer_id,
                answer.version,
                time_of(row.time),
                Verdict(row.verdict),
                feedback=row.feedback,
                consent=Consent(row.consent),
                is_session=True,
                user=row.user_mark,
            )
            tx.connection.execute(insert(FEEDBACK_LABELS), _feedback_row(project, label, row.traceparent))
        return len(left)

    def _of_sessions(self, tx: Transaction, project: str, sessions: Sequence[str]) -> dict[str, Any]:
        s, rows = SESSION_FEEDBACK, dict[str, Any]()
        for some in batches(sessions):
            query = select(s).where(s.c.project == project, s.c.session.in_(some))
            rows |= {row.session: row for row in tx.connection.execute(query)}
        return rows

    def _with_own_feedback(self, tx: Transaction, project: str, answer_ids: Sequence[str]) -> set[str]:
        f, own = FEEDBACK_LABELS, set[str]()
        for some in batches(answer_ids):
            query = select(f.c.answer_id).where(
                f.c.project == project, f.c.answer_id.in_(some), f.c.is_session == 0
            )
            own |= set(tx.connection.execute(query).scalars())
        return own

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
        query = without_features().where(a.c.project == project, a.c.time > micros(since))
        query = query.order_by(a.c.time.desc(), a.c.number.desc()).limit(limit)
        return [answer_of(row) for row in tx.connection.execute(query)]

    def arrived(
        self, tx: Transaction, project: str, deployment: str, after: int, limit: int
    ) -> list[tuple[int, Answer]]:
        """Return answers that arrived after a position, oldest first, each with its position, without features.

        Empty `deployment`: of all deployments. A few answers before the position may be returned again.
        """
        a, after, limit = ANSWERS, *_since(tx, after, limit)
        query = without_features().add_columns(a.c.number)
        query = query.where(a.c.project == project, a.c.number > after)
        if deployment:
            query = query.where(a.c.deployment == deployment)
        rows = tx.connection.execute(query.order_by(a.c.number).limit(limit))
        return [(row.number, answer_of(row)) for row in rows]

    def feedback_arrived(
        self, tx: Transaction, project: str, after: int, limit: int
    ) -> list[tuple[int, Answer | None, FeedbackLabel]]:
        """Return feedback that arrived after a position, oldest first, with its position and its answer.

        None: the segment of the answer has not arrived. Some before the position may be returned again.
        """
        f, after, limit = FEEDBACK_LABELS, *_since(tx, after, limit)
        query = (
            select(f.c.number, f.c.answer_id, f.c.version, f.c.time.label("feedback_time"), f.c.verdict)
            .add_columns(f.c.correction, f.c.traceparent, f.c.feedback, f.c.consent, f.c.is_session)
            .add_columns(f.c.user_mark)
            .where(f.c.project == project, f.c.number > after)
            .order_by(f.c.number)
            .limit(limit)
        )
        rows = tx.connection.execute(query).all()
        known = self.by_id(tx, project, [row.answer_id for row in rows])
        return [(row.number, known.get(row.answer_id), feedback_label(row)) for row in rows]

    def feedback_of(
        self, tx: Transaction, project: str, answer_ids: Sequence[str]
    ) -> dict[str, FeedbackLabel]:
        """Return the feedback that counts for each of these answers, by the answer's id."""
        f, labels = FEEDBACK_LABELS, dict[str, FeedbackLabel]()
        for some in batches(answer_ids):
            query = select(f, f.c.time.label("feedback_time")).where(
                f.c.project == project, f.c.answer_id.in_(some)
            )
            labels |= {row.answer_id: feedback_label(row) for row in tx.connection.execute(query)}
        return labels

    def contested(self, tx: Transaction, project: str, content_digests: Sequence[str]) -> set[str]:
        """Return those of these texts, by their digests, whose answers have corrections that differ."""
        a, f, contested = ANSWERS, FEEDBACK_LABELS, set[str]()
        for some in batches(content_digests):
            query = (
                select(a.c.content_digest)
                .join(f, ANSWER_OF_FEEDBACK)
                .where(a.c.project == project, a.c.content_digest.in_(some), f.c.correction != "")
                .group_by(a.c.content_digest)
                .having(func.count(func.distinct(f.c.correction)) > 1)
            )
            contested |= set(tx.connection.execute(query).scalars())
        return contested

    def features(self, tx: Transaction, project: str, answers: Sequence[Answer]) -> list[ExchangeFeatures]:
        """Return the features of these answers and their texts."""
        a = ANSWERS
        features: list[ExchangeFeatures] = []
        for ids in batches([answer.answer_id for answer in answers]):
            query = select(
                *(a.c.words, a.c.length, a.c.language, a.c.label),
                *(a.c.reply_words, a.c.reply_length, a.c.reply_language, a.c.answer_status, a.c.slices),
            ).where(a.c.project == project, a.c.answer_id.in_(ids))
            features += [_features(row) for row in tx.connection.execute(query)]
        return features

    def before_version(self, tx: Transaction, project: str, version: str, limit: int) -> list[Answer]:
        """Return the newest answers of other versions before the first answer of a version, newest first."""
        a = ANSWERS
        first = select(func.min(a.c.time)).where(a.c.project == project, a.c.version == version)
        query = without_features().where(a.c.project == project, a.c.time < first.scalar_subquery())
        query = query.order_by(a.c.time.desc(), a.c.number.desc()).limit(limit)
        return [answer_of(row) for row in tx.connection.execute(query)]

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
            without_features()
            .add_columns(f.c.time.label("feedback_time"), f.c.verdict, f.c.correction, f.c.traceparent)
            .add_columns(f.c.feedback, f.c.consent, f.c.is_session, f.c.user_mark)
            .join(f, ANSWER_OF_FEEDBACK)
            .where(a.c.project == project, a.c.time > micros(since))
            .order_by(a.c.time.desc(), a.c.number.desc())
            .limit(_MAX_FEEDBACK)
        )
        if until is not None:
            query = query.where(a.c.time <= micros(until), f.c.time <= micros(until))
        return [(answer_of(row), feedback_label(row)) for row in reversed(tx.connection.execute(query).all())]

    def newest_feedback(
        self, tx: Transaction, project: str, since: datetime, until: datetime, indexed_by: datetime
    ) -> datetime | None:
        """Return the time of the newest feedback from `since` to `until`; None without one.

        The first feedback later than `indexed_by` whose answer is not in the index, and all after it, are left out.
        """
        a, f = ANSWERS, FEEDBACK_LABELS
        pending = (
            select(func.min(f.c.time))
            .outerjoin(a, ANSWER_OF_FEEDBACK)
            .where(f.c.project == project, f.c.time > micros(indexed_by), a.c.answer_id.is_(None))
        )
        query = select(func.max(f.c.time)).where(
            f.c.project == project, f.c.time >= micros(since), f.c.time <= micros(until)
        )
        if (first := tx.connection.execute(pending).scalar()) is not None:
            query = query.where(f.c.time < first)
        newest = tx.connection.execute(query).scalar()
        return None if newest is None else time_of(newest)

    def votes(
        self,
        tx: Transaction,
        project: str,
        start: datetime,
        end: datetime,
        task: TaskSpec,
        corrections: bool = True,
    ) -> list[VersionVotes]:
        """Return the votes from `start` until before `end` by version. The caller of an unknown one is its answer.

        Without `corrections`, feedback with a correction is no vote.
        """
        a, f = ANSWERS, FEEDBACK_LABELS
        answered = func.coalesce(a.c.label, "")
        is_other = (f.c.correction != "") & (f.c.correction != answered)
        expected = case((is_other, f.c.correction), else_="").label("expected")
        known = case((is_other, answered), else_="").label("answered")
        blamed = case(
            (f.c.correction == "", f.c.verdict == int(Verdict.NEGATIVE)), else_=literal(False)
        ).label("blamed")
        unknown = case((a.c.caller.is_(None), f.c.answer_id), else_="").label("unknown")
        columns = (f.c.version, a.c.caller, unknown, expected, known, blamed)
        query = (
            select(*columns)
            .add_columns(func.max(a.c.deployment).label("deployment"), func.count().label("many"))
            .outerjoin(a, ANSWER_OF_FEEDBACK)
            .where(f.c.project == project, f.c.time >= micros(start), f.c.time < micros(end))
            .where((f.c.verdict != int(Verdict.NEUTRAL)) | (f.c.correction != ""))
            .group_by(*columns)
        )
        if not corrections:
            query = query.where(f.c.correction == "")
        by_version: dict[str, list[Row[tuple[object, ...]]]] = {}
        for row in tx.connection.execute(query):
            by_version.setdefault(row.version, []).append(row)
        return [
            VersionVotes(
                max(row.deployment or "" for row in rows),
                version,
                start,
                end,
                count_votes(_vote(project, row, task) for row in rows),
            )
            for version, rows in sorted(by_version.items())
        ]

    def of_texts(self, tx: Transaction, project: str, digests: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """Return the segments that may hold these texts, by name with the ids of the answers that go with them."""
        answer_ids: dict[str, list[str]] = {}
        for table, sought in ((ANSWERS, list(digests)), (NOTED_TEXTS, [*digests, ""])):
            for some in batches(sought):
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
            for table in (ANSWERS, FEEDBACK_LABELS, PREFERENCES, OUTCOMES, SHADOWS):
                mine = (table.c.project == project) & (table.c.answer_id == answer_id)
                tx.connection.execute(delete(table).where(mine))
            shadow = (SHADOWS.c.project == project) & (SHADOWS.c.shadow_of == answer_id)
            tx.connection.execute(delete(SHADOWS).where(shadow))
            rejected = PREFERENCES.c.rejected_answer_id == answer_id
            tx.connection.execute(delete(PREFERENCES).where(PREFERENCES.c.project == project, rejected))
            names_answer = feedback.c.body.contains(json.dumps(answer_id)[1:-1], autoescape=True)
            tx.connection.execute(delete(feedback).where(feedback.c.parent == project, names_answer))
        noted = NOTED_TEXTS.c
        for some in batches([*digests, ""]):
            mine = (noted.segment == segment) & noted.content_digest.in_(some)
            tx.connection.execute(delete(NOTED_TEXTS).where(mine))

    def respell(self, tx: Transaction, project: str, old: str, new: str) -> None:
        """Write a label in answers and corrections as the project writes it now."""
        for table, column in ((ANSWERS, "label"), (SHADOWS, "label"), (FEEDBACK_LABELS, "correction")):
            mine = (table.c.project == project) & (table.c[column] == old)
            tx.connection.execute(update(table).where(mine).values({column: new}))

    def forget_all(self, tx: Transaction, project: str) -> list[str]:
        """Forget all traffic, feedback and reports of a project; the digests of its segments."""
        segments = RESOURCES[TrafficSegment]
        names = tx.connection.execute(select(segments.c.name).where(segments.c.parent == project)).scalars()
        digests = self.segment_digests(tx, list(names))
        for table in (ANSWERS, SHADOWS, NOTED_TEXTS, *_FEEDBACK_TABLES):
            tx.connection.execute(delete(table).where(table.c.project == project))
        for kind in (TrafficSegment, Feedback, DriftReport):
            tx.connection.execute(delete(RESOURCES[kind]).where(RESOURCES[kind].c.parent == project))
        return digests

    def prune(self, tx: Transaction, project: str, before: datetime, limit: int) -> tuple[list[str], bool]:
        """Forget at most `limit` answers, feedback labels, segments, items of feedback and reports older than this.

        Returns the digests of the segments that go, and whether there may be more to forget.
        """
        deleted = []
        for table in (ANSWERS, SHADOWS, *_FEEDBACK_TABLES):
            old = select(table.c.number).where(table.c.project == project, table.c.time < micros(before))
            query = delete(table).where(table.c.number.in_(old.limit(limit)))
            deleted.append(tx.connection.execute(query).rowcount)
        names = {
            kind: [str(row.name) for row in tx.connection.execute(_older(kind, project, before, limit))]
            for kind in (TrafficSegment, Feedback, DriftReport)
        }
        digests = self.segment_digests(tx, names[TrafficSegment])
        for some in batches([*names[TrafficSegment], *names[Feedback]]):
            tx.connection.execute(delete(NOTED_TEXTS).where(NOTED_TEXTS.c.segment.in_(some)))
        for kind, gone in names.items():
            deleted.append(len(gone))
            for some in batches(gone):
                tx.connection.execute(delete(RESOURCES[kind]).where(RESOURCES[kind].c.name.in_(some)))
        return digests, max(deleted) >= limit


def _since(tx: Transaction, after: int, limit: int) -> tuple[int, int]:
    """Return the position to read from and the number of rows. SQLite has one writer, whose numbers are in order."""
    again = _OVERLAP if tx.connection.dialect.name == "postgresql" else 0
    return max(0, after - again), limit + min(after, again)


def _older(kind: type, project: str, before: datetime, limit: int) -> Select[tuple[str]]:
    """The names of the oldest resources of a project that were created before a time."""
    t = RESOURCES[kind]
    query = select(t.c.name).where(t.c.parent == project, t.c.create_time < before.isoformat())
    return query.order_by(t.c.create_time, t.c.name).limit(limit)


def _row(project: str, answer: Answer) -> dict[str, object]:
    return {
        "project": project,
        "answer_id": answer.answer_id,
        "segment": answer.segment,
        "deployment": answer.deployment,
        "version": answer.version,
        "time": micros(answer.time),
        "content_digest": answer.content_digest,
        "label": answer.label,
        "length": answer.features.length,
        "language": answer.features.language,
        "words": array("I", answer.features.words).tobytes(),
        "caller": answer.caller or None,
        "prompt_digest": answer.prompt_digest,
        "session": answer.session,
        **_reply_row(answer.reply),
        "answer_status": answer.status,
        "slices": json.dumps(dict(answer.slices), sort_keys=True) if answer.slices else None,
        "confidence": answer.confidence,
    }


def _features(row: Any) -> ExchangeFeatures:
    reply = None
    if row.reply_words is not None:
        reply = TextFeatures(tuple(array("I", row.reply_words)), row.reply_length, row.reply_language)
    slices = json.loads(row.slices) if row.slices else {}
    words = tuple(array("I", row.words))
    return ExchangeFeatures(words, row.length, row.language, row.label, reply, row.answer_status, slices)


def _reply_row(reply: TextFeatures | None) -> dict[str, object]:
    if reply is None:
        return {"reply_length": None, "reply_language": None, "reply_words": None}
    return {
        "reply_length": reply.length,
        "reply_language": reply.language,
        "reply_words": array("I", reply.words).tobytes(),
    }


def _feedback_row(project: str, feedback: FeedbackLabel, trace: str) -> dict[str, object]:
    return {
        "project": project,
        "answer_id": feedback.answer_id,
        "version": feedback.version,
        "time": micros(feedback.time),
        "verdict": int(feedback.verdict),
        "correction": feedback.correction,
        "traceparent": trace,
        "is_session": int(feedback.is_session),
        **_origin(feedback),
    }


def _origin(feedback: FeedbackLabel | Preference) -> dict[str, object]:
    return {"feedback": feedback.feedback, "consent": feedback.consent.value, "user_mark": feedback.user}


def _preference(row: Row[tuple[object, ...]]) -> Preference:
    return Preference(
        row.answer_id,
        row.rejected_answer_id,
        time_of(row.feedback_time),
        row.feedback,
        Consent(row.consent),
        row.user_mark,
    )


def _vote(project: str, row: Row[tuple[object, ...]], task: TaskSpec) -> tuple[str, int, int]:
    caller = row.caller or caller_mark(project, row.unknown)
    is_wrong = differs(row.answered, row.expected, task) if row.expected else row.blamed
    return (caller, 0, row.many) if is_wrong else (caller, row.many, 0)
