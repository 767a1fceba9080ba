"""Feedback of a user on an answer, on the better one of two, or on a session. It knows no store and no task."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

from ratoon_gateway.domain.errors import BadRequest

THUMBS = {"up": 1, "down": -1}
IMPLICIT = ("copied", "regenerated", "abandoned")
CONSENTS = ("training", "evaluation", "none")
_CAMEL_CASE = {
    "preferredAnswerId": "preferred_answer_id",
    "rejectedAnswerId": "rejected_answer_id",
    "sessionId": "session_id",
}
_LONGEST = 100_000
_MAX_NAME = 256
_MAX_OUTCOMES = 16
_OUTCOME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_HALF = re.compile("[\ud800-\udfff]")
"""Half of a character, as JSON can write it and UTF-8 cannot."""


@dataclass(frozen=True)
class Feedback:
    """Feedback on one answer, with whose answer it was; on a session, answer and version are empty."""

    project: str
    answer_id: str
    version: str
    thumb: int = 0
    """1 up, -1 down, 0 none."""
    rating: int = 0
    """1 to 5, 0 none."""
    correction: str = ""
    """The right answer: a text, several labels one a line, a number or a JSON object as it is written."""
    comment: str = ""
    rejected_answer_id: str = ""
    """Another answer to the same prompt, which is worse."""
    outcomes: Mapping[str, float] = field(default_factory=dict)
    implicit: str = ""
    consent: str = ""
    session_id: str = ""
    user: str = ""


def snake_case(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a JSON body whose fields are also taken in camelCase, as in the rest of the API."""
    return {_CAMEL_CASE.get(name, name): value for name, value in body.items()}


def answer_of(body: Mapping[str, Any]) -> str:
    """Return the id of the answer that feedback is on: `preferred_answer_id` names it as well as `id` does."""
    named = {name: body[name] for name in ("id", "preferred_answer_id") if body.get(name)}
    if len(set(map(str, named.values()))) > 1:
        raise BadRequest("`id` and `preferred_answer_id` name the same answer: give one of them.", field="id")
    if bool(named.get("preferred_answer_id")) and not body.get("rejected_answer_id"):
        raise BadRequest(
            "`preferred_answer_id` needs `rejected_answer_id`, the other answer to the same prompt.",
            field="rejected_answer_id",
        )
    return str(next(iter(named.values()), ""))


def read_feedback(
    body: Mapping[str, Any], project: str, answer_id: str, version: str, rejected_answer_id: str = ""
) -> Feedback:
    """Return the feedback in a JSON body; BadRequest names the field at fault."""
    thumb, rating = body.get("thumb"), body.get("rating")
    if thumb is not None and not (isinstance(thumb, str) and thumb in THUMBS):
        raise BadRequest('`thumb` must be "up" or "down".', field="thumb")
    if rating is not None and (isinstance(rating, bool) or rating not in range(1, 6)):
        raise BadRequest("`rating` must be a whole number from 1 to 5.", field="rating")
    feedback = Feedback(
        project,
        answer_id,
        version,
        THUMBS.get(thumb or "", 0),
        int(rating or 0),
        _correction(body.get("correction")),
        _text(body, "comment"),
        rejected_answer_id,
        _outcomes(body.get("outcomes")),
        _choice(body, "implicit", IMPLICIT),
        _choice(body, "consent", CONSENTS),
        _text(body, "session_id", _MAX_NAME),
        _text(body, "user", _MAX_NAME),
    )
    if not any((feedback.thumb, feedback.rating, feedback.correction, feedback.comment)) and not any(
        (feedback.rejected_answer_id, feedback.outcomes, feedback.implicit)
    ):
        raise BadRequest(
            "Give at least one of `thumb`, `rating`, `correction`, `comment`, `rejected_answer_id`, `outcomes`, "
            "`implicit`.",
            field="thumb",
        )
    return feedback


def _correction(value: object) -> str:
    """Return a correction as text: labels one a line, a number or an object as JSON writes it."""
    if (
        isinstance(value, list)
        and value
        and all(isinstance(each, str) and "\n" not in each for each in value)
    ):
        value = "\n".join(value)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        value = json.dumps(value) if isfinite(value) else value
    elif isinstance(value, dict):
        value = json.dumps(value, ensure_ascii=False)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > _LONGEST or _HALF.search(value):
        raise BadRequest(
            f"`correction` must be a text of at most {_LONGEST:,} characters, a number, a list of labels or a JSON "
            "object.",
            field="correction",
        )
    return value


def _outcomes(value: object) -> dict[str, float]:
    if value is None:
        return {}
    if not isinstance(value, dict) or len(value) > _MAX_OUTCOMES:
        raise BadRequest(
            f'`outcomes` must be an object of at most {_MAX_OUTCOMES} numbers by name, as {{"resolved": 1}}.',
            field="outcomes",
        )
    for name, number in value.items():
        if not _OUTCOME.fullmatch(name):
            raise BadRequest(
                "A name in `outcomes` must be 1 to 64 letters, digits, `_`, `.` and `-`.", field="outcomes"
            )
        if isinstance(number, bool) or not isinstance(number, int | float) or not _is_double(number):
            raise BadRequest(f"`outcomes.{name}` must be a finite number.", field="outcomes")
    return {name: float(number) for name, number in value.items()}


def _is_double(number: float) -> bool:
    try:
        return isfinite(float(number))
    except OverflowError:
        return False


def _choice(body: Mapping[str, Any], name: str, choices: tuple[str, ...]) -> str:
    value = body.get(name)
    if value is None or (isinstance(value, str) and value in choices):
        return value or ""
    raise BadRequest(f"`{name}` must be one of {', '.join(choices)}.", field=name)


def _text(body: Mapping[str, Any], name: str, longest: int = _LONGEST) -> str:
    value = body.get(name) or ""
    if not isinstance(value, str) or len(value) > longest or _HALF.search(value):
        raise BadRequest(f"`{name}` must be a text of at most {longest:,} characters.", field=name)
    return value
