"""Feedback of a user on an answer. It knows no store."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ratoon_gateway.domain.errors import BadRequest

_THUMBS = {"up": 1, "down": -1}
_LONGEST = 100_000
_HALF = re.compile("[\ud800-\udfff]")
"""Half of a character, as JSON can write it and UTF-8 cannot."""


@dataclass(frozen=True)
class Feedback:
    """Feedback on one answer, with whose answer it was."""

    project: str
    answer_id: str
    version: str
    thumb: int = 0
    """1 up, -1 down, 0 none."""
    rating: int = 0
    """1 to 5, 0 none."""
    correction: str = ""
    comment: str = ""


def read_feedback(body: Mapping[str, Any], project: str, answer_id: str, version: str) -> Feedback:
    """Return the feedback in a JSON body; BadRequest names the field at fault."""
    thumb, rating = body.get("thumb"), body.get("rating")
    if thumb is not None and not (isinstance(thumb, str) and thumb in _THUMBS):
        raise BadRequest('`thumb` must be "up" or "down".', field="thumb")
    if rating is not None and (isinstance(rating, bool) or rating not in range(1, 6)):
        raise BadRequest("`rating` must be a whole number from 1 to 5.", field="rating")
    correction, comment = _text(body, "correction"), _text(body, "comment")
    if thumb is None and rating is None and not correction and not comment:
        raise BadRequest("Give at least one of `thumb`, `rating`, `correction`, `comment`.", field="thumb")
    return Feedback(
        project, answer_id, version, _THUMBS.get(thumb or "", 0), int(rating or 0), correction, comment
    )


def _text(body: Mapping[str, Any], field: str) -> str:
    value = body.get(field) or ""
    if not isinstance(value, str) or len(value) > _LONGEST or _HALF.search(value):
        raise BadRequest(f"`{field}` must be a text of at most {_LONGEST:,} characters.", field=field)
    return value
