"""An answered request as it is kept: one line of a traffic segment. It knows no file and no clock."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ratoon_gateway.domain.completions import Ask

OK, LEFT, CUT = 200, 499, 502
MOST_ANSWER_BYTES = 1 << 20
"""Of a longer answer, what comes after is not kept."""


@dataclass(frozen=True, slots=True)
class Answered:
    """One request that an engine answered: what was asked and the raw bytes that came back."""

    answer_id: str
    time: datetime
    deployment: str
    version: str
    ask: Ask
    raw: bytes
    status: int
    """200 whole, 499 the caller left, 502 the engine broke off."""
    latency_ms: float
    key: str
    """The name of the API key that paid."""


@dataclass(frozen=True, slots=True)
class Said:
    """What an engine said: the text of its first choice, and the tokens it counted."""

    text: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0


def said(raw: bytes, stream: bool) -> Said:
    """Read an answer. Without a usage block a stream's pieces are counted as tokens."""
    events = list(_events(raw)) if stream else [_object(raw)]
    pieces = [piece for event in events for piece in _texts(event)]
    usages = (event.get("usage") for event in reversed(events))
    usage: dict[str, Any] = next((each for each in usages if isinstance(each, dict)), {})
    counted = len(pieces) if stream else 0
    return Said(
        "".join(pieces), int(usage.get("prompt_tokens") or 0), int(usage.get("completion_tokens") or counted)
    )


def line(answered: Answered, what: Said) -> bytes:
    """The segment's line, newline included."""
    return (
        json.dumps(
            {
                "answer_id": answered.answer_id,
                "time": answered.time.isoformat(timespec="milliseconds"),
                "deployment": answered.deployment,
                "version": answered.version,
                "user": answered.ask.user,
                "messages": answered.ask.messages,
                "answer": what.text,
                "status": answered.status,
                "latency_ms": round(answered.latency_ms, 3),
                "prompt_tokens": what.prompt_tokens,
                "completion_tokens": what.completion_tokens,
            },
            separators=(",", ":"),
        ).encode()
        + b"\n"
    )


def _events(raw: bytes) -> Iterator[dict[str, Any]]:
    for event in raw.split(b"\n\n"):
        if event.startswith(b"data: {"):
            yield _object(event[6:])


def _object(raw: bytes) -> dict[str, Any]:
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _texts(event: dict[str, Any]) -> Iterator[str]:
    choices = event.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        return
    choice = choices[0]
    holder = choice.get("delta") or choice.get("message")
    text = holder.get("content") if isinstance(holder, dict) else choice.get("text")
    if isinstance(text, str) and text:
        yield text
