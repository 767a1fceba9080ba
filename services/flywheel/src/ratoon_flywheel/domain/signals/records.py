"""Records that follow from feedback: what a model can learn from users, with who said it and what it may be used for.

A correction becomes a right answer, a preference a pair, a thumb on free text a judged answer; a thumb on a label or a
number confirms it. One user neither fills the data nor teaches one text as the answer to everything.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from ratoon.tasks import kinds
from ratoon.tasks.kind import Record, Role, Turn, Verdict
from ratoon.tasks.kinds import TaskSpec
from ratoon.tasks.records import messages
from ratoon.tasks.text import encodable
from ratoon_flywheel.domain.consent import Consent
from ratoon_flywheel.domain.signals.feedback import FeedbackLabel, Preference, right_answer
from ratoon_flywheel.domain.signals.traffic import Answer, Exchange

MIN_REPEATS = 5
"""Number of prompts to which a user gives the same free text before it counts as no answer to any of them."""
MAX_USER_SHARE = 0.2
MIN_OF_USER = 20
"""Records that one known user may give: this number, or this share of all of them if that is more."""


class Form(StrEnum):
    """Form of the feedback that a record follows from."""

    CORRECTION = "CORRECTION"
    CONFIRMATION = "CONFIRMATION"
    UNPAIRED_PREFERENCE = "UNPAIRED_PREFERENCE"
    PREFERENCE = "PREFERENCE"


RIGHT_ANSWERS = (Form.CORRECTION, Form.CONFIRMATION)
"""Forms that say what the answer should have been: supervised fine-tuning learns from them."""
ATTRIBUTES = ("version", "user", "consent", "feedback")
"""Names of the attributes of a record."""


@dataclass(frozen=True)
class Selected:
    """Feedback that becomes a record, before its texts are read."""

    answer: Answer
    form: Form
    time: datetime
    """Time of the feedback."""
    label: str = ""
    """The right answer in its form in the index; empty for judged answers and preferences."""
    is_good: bool | None = None
    rejected: Answer | None = None
    feedback: str = ""
    consent: Consent = Consent.TRAINING
    user: str = ""


@dataclass(frozen=True)
class Selection:
    """Feedback that becomes records, oldest answer first, and how much is left out, by the reason."""

    selected: tuple[Selected, ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class FeedbackRecord:
    """A record with what is known of it; `form` says which of its fields are filled."""

    id: str
    """Id of the answer."""
    time: datetime
    form: Form
    record: Record
    attributes: Mapping[str, str]
    """`version`, `user` (a mark, empty if unknown), `consent` and `feedback` (the form)."""


def select(
    labelled: Iterable[tuple[Answer, FeedbackLabel]],
    preferences: Iterable[tuple[Answer, Answer, Preference]],
    task: TaskSpec,
    purpose: Consent = Consent.TRAINING,
) -> Selection:
    """Return the feedback that becomes records for a purpose: one a prompt and form, the latest."""
    left_out: Counter[str] = Counter()
    candidates = [*_of_labels(labelled, task, left_out), *_of_preferences(preferences, left_out)]
    allowed = [each for each in candidates if each.consent.allows(purpose)]
    left_out["CONSENT"] += len(candidates) - len(allowed)
    latest: dict[object, Selected] = {}
    for each in sorted(allowed, key=lambda each: each.time):
        latest[_key(each, kinds.kind_of(task).FREE_TEXT)] = each
    left_out["SUPERSEDED"] += len(allowed) - len(latest)
    chosen = list(latest.values())
    if kinds.kind_of(task).FREE_TEXT:
        chosen = _capped(_unrepeated(chosen, left_out), left_out)
    ordered = sorted(chosen, key=lambda each: (each.answer.time, each.answer.answer_id))
    return Selection(tuple(ordered), {reason: count for reason, count in sorted(left_out.items()) if count})


def record(
    selected: Selected, exchanges: Mapping[str, Exchange], correction: str, task: TaskSpec
) -> FeedbackRecord | None:
    """Return the record of selected feedback; None if a text that it needs is gone or is no answer of the task.

    `correction` is the text of the correction, if it is one.
    """
    exchange = exchanges.get(selected.answer.answer_id)
    filled = None if exchange is None else _filled(selected, exchange, exchanges, correction, task)
    if filled is None or (kinds.kind_of(task).FREE_TEXT and kinds.record_fault(task, filled)):
        return None
    return FeedbackRecord(
        selected.answer.answer_id,
        selected.answer.time,
        selected.form,
        filled,
        {
            "version": selected.answer.version,
            "user": selected.user,
            "consent": selected.consent.value,
            "feedback": selected.form.value,
        },
    )


def line(each: FeedbackRecord) -> bytes:
    """Return a record as a line of JSON: `messages`, `prompt/chosen/rejected` or `prompt/completion/label`."""
    record = each.record
    prompt = messages(record.turns)
    (answer,) = record.answers
    row = _provenance(each)
    if record.tools:
        row["tools"] = json.loads(record.tools)
    if record.rejected is not None:
        row |= {"prompt": prompt, "chosen": [_assistant(answer)], "rejected": [_assistant(record.rejected)]}
    elif record.is_good is not None:
        row |= {"prompt": prompt, "completion": [_assistant(answer)], "label": record.is_good}
    else:
        row["messages"] = [*prompt, _assistant(answer)]
    return _json_line(row)


def labelled_line(each: FeedbackRecord) -> bytes:
    """Return a record of labels or a number as a line of JSON: `text` and `label`, a list of several labels."""
    (turn,) = each.record.turns
    (answer,) = each.record.answers
    labels = answer.split("\n")
    label = labels if len(labels) > 1 else answer
    return _json_line(_provenance(each) | {"text": encodable(turn.content), "label": label})


def _provenance(each: FeedbackRecord) -> dict[str, object]:
    return {"id": each.id, "time": each.time.isoformat(), **each.attributes}


def _json_line(row: Mapping[str, object]) -> bytes:
    return json.dumps(row, ensure_ascii=False, sort_keys=True).encode() + b"\n"


def _assistant(text: str) -> dict[str, str]:
    return {"role": Role.ASSISTANT.value, "content": text}


def _of_labels(
    labelled: Iterable[tuple[Answer, FeedbackLabel]], task: TaskSpec, left_out: Counter[str]
) -> Iterable[Selected]:
    free_text = kinds.kind_of(task).FREE_TEXT
    for answer, feedback in labelled:
        if feedback.is_session:
            left_out["SESSION"] += 1
            continue
        label = feedback.correction if free_text else right_answer(answer.label, feedback, task) or ""
        if not label and (not free_text or feedback.verdict is Verdict.NEUTRAL or not answer.label):
            left_out["NO_RIGHT_ANSWER"] += 1
            continue
        form = (
            Form.CORRECTION
            if feedback.correction
            else Form.UNPAIRED_PREFERENCE
            if free_text
            else Form.CONFIRMATION
        )
        yield Selected(
            answer,
            form,
            feedback.time,
            label,
            None if label else feedback.verdict is Verdict.POSITIVE,
            None,
            feedback.feedback,
            feedback.consent,
            feedback.user or answer.caller,
        )


def _of_preferences(
    preferences: Iterable[tuple[Answer, Answer, Preference]], left_out: Counter[str]
) -> Iterable[Selected]:
    for answer, rejected, each in preferences:
        if answer.prompt_digest != rejected.prompt_digest or answer.label == rejected.label:
            left_out["NO_PAIR"] += 1
            continue
        yield Selected(
            answer,
            Form.PREFERENCE,
            each.time,
            rejected=rejected,
            feedback=each.feedback,
            consent=each.consent,
            user=each.user or answer.caller,
        )


def _key(each: Selected, free_text: bool) -> object:
    """Return what only the latest feedback counts for: a text with its label, a prompt with an answer, a pair."""
    if not free_text:
        return each.answer.content_digest
    prompt = each.answer.prompt_digest or each.answer.content_digest
    if each.form is Form.CORRECTION:
        return prompt, each.form
    return prompt, each.form, *sorted((each.answer.label, each.rejected.label if each.rejected else ""))


def _unrepeated(chosen: Sequence[Selected], left_out: Counter[str]) -> list[Selected]:
    """Leave out the corrections of a known user who gives the same text to many prompts."""
    prompts: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for each in chosen:
        if each.user and each.form is Form.CORRECTION:
            prompts[each.user, each.label].add(each.answer.prompt_digest or each.answer.content_digest)
    repeated = {key for key, known in prompts.items() if len(known) >= MIN_REPEATS}
    left = [
        each for each in chosen if each.form is not Form.CORRECTION or (each.user, each.label) not in repeated
    ]
    left_out["QUARANTINED"] += len(chosen) - len(left)
    return left


def _capped(chosen: Sequence[Selected], left_out: Counter[str]) -> list[Selected]:
    """Leave out the oldest records of a known user who gives more than one user may."""
    limit = max(MIN_OF_USER, int(MAX_USER_SHARE * len(chosen)))
    given: Counter[str] = Counter()
    left = []
    for each in sorted(chosen, key=lambda each: each.time, reverse=True):
        given[each.user] += 1
        if not each.user or given[each.user] <= limit:
            left.append(each)
    left_out["CAPPED"] += len(chosen) - len(left)
    return left


def _filled(
    selected: Selected, exchange: Exchange, exchanges: Mapping[str, Exchange], correction: str, task: TaskSpec
) -> Record | None:
    prompt = exchange.prompt
    if not kinds.kind_of(task).FREE_TEXT:
        return Record((Turn(Role.USER, exchange.text),), (selected.label,))
    answer = kinds.parse(task, correction if selected.form is Form.CORRECTION else exchange.answer)
    if answer is None:
        return None
    rejected = None
    if selected.rejected is not None:
        other = exchanges.get(selected.rejected.answer_id)
        rejected = None if other is None else kinds.parse(task, other.answer)
        if rejected is None:
            return None
    return Record(prompt.turns, (answer,), rejected, selected.is_good, prompt.tools)
