"""Use cases of feedback: it is stored, counted and compared. The message first, the ports after."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from ratoon.operations.operations import Operations
from ratoon.process.clock import Clock
from ratoon.security.answers import AnswerIds
from ratoon.storage.names import checked_id, matched, parent_of
from ratoon.storage.shared_commits import SharedCommits
from ratoon.storage.store import Store, Transaction
from ratoon.tasks import kinds
from ratoon.tasks.kind import Verdict
from ratoon.tasks.kinds import TaskSpec
from ratoon.tasks.votes import Votes
from ratoon_flywheel.application.commands import CompareVersions, CreateFeedback
from ratoon_flywheel.application.handlers import FEEDBACK_S, PROJECT, wake_signals
from ratoon_flywheel.application.ports import AnswerIndex, Lineage, Segments, VersionVotes
from ratoon_flywheel.application.scores import compare_by_metric
from ratoon_flywheel.domain.errors import BadFeedback, UnknownAnswer
from ratoon_flywheel.domain.projects import Project
from ratoon_flywheel.domain.signals.comparison import Arm, Comparison, Outcome
from ratoon_flywheel.domain.signals.feedback import (
    Feedback,
    Received,
    check_names,
    checked,
    feedback_label,
    preference,
)
from ratoon_flywheel.domain.signals.traffic import (
    NotedText,
    Presence,
    caller_mark,
    content_digest,
    session_mark,
)

_IMPLICIT = "implicit:"
"""Prefix of implicit signals among outcomes; names of users' outcomes hold no colon."""
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


def create_feedback(
    command: CreateFeedback,
    commits: SharedCommits,
    operations: Operations,
    answers: AnswerIndex,
    ids: AnswerIds,
    clock: Clock,
) -> Feedback:
    """Store a user's feedback; it is durable when this returns."""
    matched(command.parent, PROJECT, "parent")
    check_names(command.user, command.session_id)
    answer_id, version = _answer(command.answer_id, command.parent, ids, "answer_id")
    rejected, _ = _answer(command.rejected_answer_id, command.parent, ids, "rejected_answer_id")
    now = clock.now()
    feedback = Feedback(
        f"{command.parent}/feedback/{checked_id(command.feedback_id, 'feedback_id')}",
        now,
        now,
        answer_id,
        version,
        command.thumb,
        command.rating,
        command.correction,
        command.comment,
        rejected,
        command.outcomes,
        command.implicit,
        session=session_mark(command.parent, command.session_id),
        user=caller_mark(command.parent, command.user or command.task),
        task=command.task,
    )
    return commits.run(lambda tx: _stored(tx, command, feedback, operations, answers))


def compare_versions(
    command: CompareVersions,
    store: Store,
    answers: AnswerIndex,
    segments: Segments,
    lineage: Lineage,
    clock: Clock,
) -> Comparison:
    """Compare two versions by the feedback on their answers, and by the primary metric where the right ones are known.

    NotFound when a version does not exist.
    """
    matched(command.parent, PROJECT, "parent")
    names = {"version": command.version, "other_version": command.other}
    for field, name in names.items():
        matched(name, f"{PROJECT}/models/*/versions/*", field)
        if not name.startswith(f"{command.parent}/"):
            raise BadFeedback(f"{name} belongs to another project than {command.parent}.", field)
    for name in names.values():
        lineage.check_version(name)
    start, end = command.start or _BEGINNING, command.end or clock.now()
    with store.read() as tx:
        project = tx.get(Project, command.parent)
        votes = answers.votes(tx, command.parent, start, end, project.task)
        outcomes = answers.outcomes(tx, command.parent, start, end)
        pairs = answers.preferences(tx, command.parent, start, end)
    by_metric = compare_by_metric(
        project, command.version, command.other, start, end, store, answers, segments
    )
    versions = Counter((better.version, worse.version) for better, worse, _ in pairs)
    return Comparison(
        _arm(command.version, votes, outcomes),
        _arm(command.other, votes, outcomes),
        by_metric,
        versions[command.version, command.other],
        versions[command.other, command.version],
    )


def _answer(answer_id: str, parent: str, ids: AnswerIds, field: str) -> tuple[str, str]:
    """Return the id of an answer and the version that wrote it; UnknownAnswer for another project's."""
    if not answer_id:
        return "", ""
    answer = ids.read(answer_id)
    if f"projects/{answer.project}" != parent:
        raise UnknownAnswer(f"The answer {answer_id} belongs to another project.", field)
    return answer.id, answer.version


def _stored(
    tx: Transaction, command: CreateFeedback, feedback: Feedback, operations: Operations, answers: AnswerIndex
) -> Feedback:
    project = tx.get(Project, command.parent)
    consent = command.consent or project.default_consent
    if command.task and (earlier := answers.feedback_of(tx, project.name, [feedback.answer_id])):
        consent = consent.limited_by(earlier[feedback.answer_id].consent)
    feedback = checked(replace(feedback, consent=consent), project.task)
    if feedback.rejected_answer_id:
        _check_pair(tx, feedback, answers)
    stored, new = tx.create(feedback, command.request_id)
    if new or (
        stored.answer_id and answers.latest_feedback(tx, project.name, stored.answer_id) != stored.name
    ):
        _count(tx, project.task, replace(stored, create_time=feedback.create_time), answers)
    if new:
        _note_correction(tx, project, stored, answers)
        tx.publish(Received(stored.name, stored.verdict is Verdict.NEGATIVE), stored)
    wake_signals(tx, operations, command.parent, FEEDBACK_S)
    return stored


def _count(tx: Transaction, task: TaskSpec, feedback: Feedback, answers: AnswerIndex) -> None:
    """Let feedback count from now on; sent again, it counts in place of what was said in between."""
    project = parent_of(feedback.name)
    if feedback.is_on_answer and feedback.session:
        answers.put_session(tx, project, feedback.session, feedback_label(feedback, task))
    elif feedback.is_on_answer:
        answers.put_feedback(tx, project, feedback_label(feedback, task))
    if feedback.rejected_answer_id:
        answers.put_preference(tx, project, preference(feedback))
    outcomes = dict(feedback.outcomes)
    if feedback.implicit is not None:
        outcomes[f"{_IMPLICIT}{feedback.implicit}"] = 1.0
    if outcomes:
        answers.put_outcomes(
            tx, project, feedback.answer_id, feedback.create_time, outcomes, feedback.consent
        )


def _check_pair(tx: Transaction, feedback: Feedback, answers: AnswerIndex) -> None:
    """BadFeedback if the index knows both answers and they answer different prompts."""
    pair = (feedback.answer_id, feedback.rejected_answer_id)
    digests = answers.prompt_digests(tx, parent_of(feedback.name), pair)
    if len(digests) == len(pair) and len(set(digests.values())) > 1:
        raise BadFeedback(
            "The two answers answer different prompts: compare answers to the same prompt.",
            "rejected_answer_id",
        )


def _note_correction(tx: Transaction, project: Project, feedback: Feedback, answers: AnswerIndex) -> None:
    """Note a correction in free text, so that an erasure of the text finds it."""
    if feedback.correction and kinds.kind_of(project.task).FREE_TEXT:
        note = NotedText(Presence.CORRECTION, feedback.answer_id, content_digest(feedback.correction))
        answers.note(tx, project.name, feedback.name, [note])


def _arm(version: str, votes: Sequence[VersionVotes], outcomes: Sequence[tuple[str, str, float, int]]) -> Arm:
    ours = [(name, mean, count) for named, name, mean, count in outcomes if named == version]
    return Arm(
        version,
        next((each.votes for each in votes if each.version == version), Votes()),
        {name: Outcome(mean, count) for name, mean, count in ours if not name.startswith(_IMPLICIT)},
        {name.removeprefix(_IMPLICIT): n for name, _, n in ours if name.startswith(_IMPLICIT)},
    )
