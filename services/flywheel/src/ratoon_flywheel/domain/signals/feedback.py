"""Feedback of users: a verdict on an answer or a session, a right answer, a preference, outcomes, implicit signals.

Several feedbacks for one answer: the latest counts. Feedback may come before the answer's traffic segment. Outcomes and
implicit signals stand beside the verdict on their answer and do not replace it.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from math import isfinite
from re import fullmatch

from ratoon.tasks import kinds
from ratoon.tasks.kind import Verdict
from ratoon.tasks.kinds import TaskSpec
from ratoon.tasks.text import is_encodable, utf8
from ratoon_flywheel.domain.consent import Consent
from ratoon_flywheel.domain.errors import BadFeedback

MAX_INDEXED_CHARS = 80
"""Characters of an answer in the answer index."""
MAX_CORRECTION_CHARS = 65_536
MAX_NAME_CHARS = 256
"""Characters of the name of a user or of a session."""
_LIKED_FROM, _DISLIKED_TO = 4, 2
"""Ratings of 4 and 5 praise, 1 and 2 blame, 3 does neither."""
_LONGEST_COMMENT = 4000
_MAX_OUTCOMES = 16
_OUTCOME = r"[A-Za-z0-9_.-]{1,64}"
_OF_ONE_ANSWER = ("answer_id", "correction", "rejected_answer_id", "outcomes", "implicit")
"""Fields of feedback on an answer that feedback on a session lacks."""
_TEXTS = ("comment", "correction")


class Implicit(StrEnum):
    """Behaviour of a user towards an answer."""

    COPIED = "COPIED"
    REGENERATED = "REGENERATED"
    """The user asked for another answer to the same prompt."""
    ABANDONED = "ABANDONED"
    """The user left the conversation after the answer."""


@dataclass(frozen=True)
class Feedback:
    """A user's feedback on an answer, or on the answers of a session."""

    name: str
    create_time: datetime
    update_time: datetime
    answer_id: str
    """Empty for a session."""
    version: str
    """projects/…/versions/…: whose answer it was; empty for a session."""
    thumb: int = 0
    rating: int = 0
    correction: str = ""
    comment: str = ""
    rejected_answer_id: str = ""
    """Another answer to the same prompt, which is worse."""
    outcomes: Mapping[str, float] = field(default_factory=dict)
    implicit: Implicit | None = None
    consent: Consent = Consent.TRAINING
    session: str = ""
    """Mark of the session, if the feedback is on one."""
    user: str = ""
    """Mark of the user who gave the feedback; empty: the user of the request."""
    revision: int = 0
    task: str = ""
    """Labeling task by which annotators gave the feedback; empty: a user gave it."""

    @property
    def verdict(self) -> Verdict:
        """A correction blames, then the thumb counts, then the rating."""
        if self.correction:
            return Verdict.NEGATIVE
        if self.thumb:
            return Verdict.POSITIVE if self.thumb > 0 else Verdict.NEGATIVE
        if self.rating >= _LIKED_FROM:
            return Verdict.POSITIVE
        return Verdict.NEGATIVE if 0 < self.rating <= _DISLIKED_TO else Verdict.NEUTRAL

    @property
    def is_on_answer(self) -> bool:
        """Return whether it says something of the answer itself, in place of earlier feedback on it."""
        return bool(self.thumb or self.rating or self.correction or self.comment)


@dataclass(frozen=True)
class FeedbackLabel:
    """The latest feedback of one answer, as far as it counts."""

    answer_id: str
    version: str
    time: datetime
    verdict: Verdict
    correction: str = ""
    """The right answer as the answer index keeps it: see `indexed_answer`."""
    trace: str = ""
    """Trace context of the request with the feedback, if the trace is sampled."""
    feedback: str = ""
    """Name of the feedback; empty in rows of an older release."""
    consent: Consent = Consent.TRAINING
    is_session: bool = False
    """The feedback is on a session: it counts as a vote and names no right answer."""
    user: str = ""
    """Mark of the user who gave the feedback; empty: the user of the request."""


@dataclass(frozen=True)
class Preference:
    """Feedback that one of two answers to the same prompt is better."""

    answer_id: str
    rejected_answer_id: str
    time: datetime
    feedback: str
    consent: Consent = Consent.TRAINING
    user: str = ""


@dataclass(frozen=True)
class Received:
    """Feedback on an answer was received."""

    feedback: str
    negative: bool


def checked(feedback: Feedback, task: TaskSpec) -> Feedback:
    """Return the feedback if it is valid for the task; BadFeedback names the field at fault."""
    if not feedback.answer_id and not feedback.session:
        raise BadFeedback(
            "answer_id is missing: give the `id` of the answer, or the `session_id` of its session.",
            "answer_id",
        )
    if feedback.thumb not in (-1, 0, 1):
        raise BadFeedback(f"thumb must be 1 (up), -1 (down) or 0 (none), not {feedback.thumb}.", "thumb")
    if not 0 <= feedback.rating <= 5:
        raise BadFeedback(f"rating must be 1 to 5, or 0 for none, not {feedback.rating}.", "rating")
    for name, longest in zip(_TEXTS, (_LONGEST_COMMENT, MAX_CORRECTION_CHARS), strict=True):
        _check_text(name, getattr(feedback, name), longest)
    _check_outcomes(feedback.outcomes)
    if not (
        feedback.is_on_answer
        or feedback.rejected_answer_id
        or feedback.outcomes
        or feedback.implicit is not None
    ):
        raise BadFeedback(
            "The feedback is empty: give a thumb, a rating, a correction, a comment, a rejected answer, outcomes or "
            "an implicit signal."
        )
    if feedback.session:
        _check_session(feedback)
    if feedback.rejected_answer_id and feedback.rejected_answer_id == feedback.answer_id:
        raise BadFeedback("An answer cannot be better than itself: give two answers.", "rejected_answer_id")
    if feedback.correction and kinds.parse(task, feedback.correction) is None:
        valid, why = kinds.valid_answers(task), kinds.misfit(task, feedback.correction)
        raise BadFeedback(
            f"correction must be {valid}; {feedback.correction[:50]!r} is not{why}.", "correction"
        )
    return feedback


def check_names(user: str, session_id: str) -> None:
    """Raise BadFeedback if the name of a user or of a session is too long or cannot be encoded."""
    for name, value in (("user", user), ("session_id", session_id)):
        _check_text(name, value, MAX_NAME_CHARS)


def indexed_answer(answer: str, task: TaskSpec) -> str:
    """Return what the index keeps of an answer: its canonical form, of a free text or a long one the sha256.

    Empty if the text is no answer of the task.
    """
    known = kinds.parse(task, answer) or ""
    if not known or (len(known) <= MAX_INDEXED_CHARS and not kinds.kind_of(task).FREE_TEXT):
        return known
    return answer_digest(known)


def answer_digest(canonical: str) -> str:
    """Return the identity of an answer in canonical form."""
    return f"sha256:{hashlib.sha256(utf8(canonical)).hexdigest()}"


def feedback_label(feedback: Feedback, task: TaskSpec) -> FeedbackLabel:
    """Return what counts of a feedback, with its correction as the answer index keeps it."""
    return FeedbackLabel(
        feedback.answer_id,
        feedback.version,
        feedback.create_time,
        feedback.verdict,
        indexed_answer(feedback.correction, task),
        feedback=feedback.name,
        consent=feedback.consent,
        is_session=bool(feedback.session),
        user=feedback.user,
    )


def preference(feedback: Feedback) -> Preference:
    """Return the preference of a feedback that rejects an answer."""
    return Preference(
        feedback.answer_id,
        feedback.rejected_answer_id,
        feedback.create_time,
        feedback.name,
        feedback.consent,
        feedback.user,
    )


def right_answer(answered: str, feedback: FeedbackLabel, task: TaskSpec) -> str | None:
    """Return what the answer should have been, in its form in the index; None if the feedback does not determine it."""
    if feedback.is_session:
        return None
    if kinds.kind_of(task).FREE_TEXT:
        confirmed = answered if feedback.verdict is Verdict.POSITIVE else ""
        return feedback.correction or confirmed or None
    return kinds.right_answer(task, answered, feedback.verdict, feedback.correction)


def is_vote(feedback: FeedbackLabel) -> bool:
    """Return whether feedback is for or against its answer: a comment and a rating of 3 are neither."""
    return bool(feedback.correction) or feedback.verdict is not Verdict.NEUTRAL


def is_negative(answered: str, feedback: FeedbackLabel, task: TaskSpec) -> bool:
    """Return whether the answer was wrong or disliked; a correction that repeats the answer confirms it."""
    if feedback.correction:
        return differs(answered, feedback.correction, task)
    return feedback.verdict is Verdict.NEGATIVE


def differs(answered: str, expected: str, task: TaskSpec) -> bool:
    """Return whether an answer is wrong if `expected` is right, both in their form in the index."""
    return answered != expected and kinds.is_wrong(task, answered, expected)


def _check_text(name: str, value: str, longest: int) -> None:
    if len(value) > longest:
        raise BadFeedback(f"{name} may have {longest:,} characters, not {len(value):,}.", name)
    if not is_encodable(value):
        raise BadFeedback(f"{name} contains half of a surrogate pair, which is not a character.", name)


def _check_outcomes(outcomes: Mapping[str, float]) -> None:
    if len(outcomes) > _MAX_OUTCOMES:
        raise BadFeedback(f"outcomes takes up to {_MAX_OUTCOMES} names, not {len(outcomes)}.", "outcomes")
    for name, value in outcomes.items():
        if not fullmatch(_OUTCOME, name):
            raise BadFeedback(
                f"The outcome {name[:64]!r} must be named by 1 to 64 letters, digits, `_`, `.` and `-`.",
                "outcomes",
            )
        if not isfinite(value):
            raise BadFeedback(f"The outcome {name} must be a finite number.", "outcomes")


def _check_session(feedback: Feedback) -> None:
    named = [name for name in _OF_ONE_ANSWER if getattr(feedback, name)]
    if named:
        raise BadFeedback(
            f"{named[0]} is about one answer: send it as feedback on an answer of the session, without session_id.",
            named[0],
        )
