"""Feedback of users on answers: a verdict, and perhaps the right label.

Several feedbacks for one answer: the latest counts. Feedback may come before the answer's traffic segment.
"""

from dataclasses import dataclass
from datetime import datetime

from ratoon.tasks import kinds
from ratoon.tasks.kind import Verdict
from ratoon.tasks.kinds import TaskSpec, supported
from ratoon.tasks.text import is_encodable
from ratoon_flywheel.domain.errors import BadFeedback
from ratoon_flywheel.domain.kinds.table import KINDS

_LIKED_FROM, _DISLIKED_TO = 4, 2
"""Ratings of 4 and 5 praise, 1 and 2 blame, 3 does neither."""
_LONGEST_COMMENT = 4000


@dataclass(frozen=True)
class Feedback:
    """A user's feedback on an answer."""

    name: str
    create_time: datetime
    update_time: datetime
    answer_id: str
    version: str
    """projects/…/versions/…: whose answer it was."""
    thumb: int = 0
    rating: int = 0
    correction: str = ""
    comment: str = ""
    revision: int = 0

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


@dataclass(frozen=True)
class FeedbackLabel:
    """The latest feedback of one answer, as far as it counts."""

    answer_id: str
    version: str
    time: datetime
    verdict: Verdict
    correction: str = ""
    trace: str = ""
    """Trace context of the request with the feedback, if the trace is sampled."""


@dataclass(frozen=True)
class Received:
    """Feedback on an answer was received."""

    feedback: str
    negative: bool


def checked(feedback: Feedback, task: TaskSpec) -> Feedback:
    """Return the feedback if it is valid; TaskNotSupported if it has a correction and the kind of task takes none."""
    if not feedback.answer_id:
        raise BadFeedback("answer_id is missing: give the `id` of the answer.", "answer_id")
    if feedback.thumb not in (-1, 0, 1):
        raise BadFeedback(f"thumb must be 1 (up), -1 (down) or 0 (none), not {feedback.thumb}.", "thumb")
    if not 0 <= feedback.rating <= 5:
        raise BadFeedback(f"rating must be 1 to 5, or 0 for none, not {feedback.rating}.", "rating")
    if len(feedback.comment) > _LONGEST_COMMENT:
        raise BadFeedback(
            f"comment may have {_LONGEST_COMMENT} characters, not {len(feedback.comment)}.", "comment"
        )
    for field in ("comment", "correction"):
        if not is_encodable(getattr(feedback, field)):
            raise BadFeedback(f"{field} contains half of a surrogate pair, which is not a character.", field)
    if not (feedback.thumb or feedback.rating or feedback.correction or feedback.comment):
        raise BadFeedback("The feedback is empty: give a thumb, a rating, a correction or a comment.")
    if feedback.correction:
        _check_correction(feedback.correction, task)
    return feedback


def _check_correction(correction: str, task: TaskSpec) -> None:
    supported(KINDS, task, "Feedback with a correction")
    if kinds.parse(task, correction) is None:
        valid = kinds.valid_answers(task)
        raise BadFeedback(f"correction must be {valid}; {correction[:50]!r} is not.", "correction")


def feedback_label(feedback: Feedback, task: TaskSpec) -> FeedbackLabel:
    """Return what counts of a feedback, with its correction in canonical form."""
    correction = kinds.parse(task, feedback.correction) or ""
    return FeedbackLabel(
        feedback.answer_id, feedback.version, feedback.create_time, feedback.verdict, correction
    )


def right_answer(answered: str, feedback: FeedbackLabel, task: TaskSpec) -> str | None:
    """Return what the answer should have been; None if the feedback does not determine it."""
    return kinds.right_answer(task, answered, feedback.verdict, feedback.correction)


def is_vote(feedback: FeedbackLabel) -> bool:
    """Return whether feedback is for or against its answer: a comment and a rating of 3 are neither."""
    return bool(feedback.correction) or feedback.verdict is not Verdict.NEUTRAL


def is_negative(answered: str, feedback: FeedbackLabel, task: TaskSpec) -> bool:
    """Return whether the answer was wrong or disliked; a correction that repeats the answer confirms it."""
    return kinds.is_negative(task, answered, feedback.verdict, feedback.correction)
