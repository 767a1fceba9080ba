"""An answered request as it is captured: one line of a traffic segment. It knows no file and no clock."""

import json
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from ratoon_gateway.domain.completions import CompletionRequest

OK, SHADOW, FILTERED, LEFT, CUT = 200, 202, 451, 499, 502
MAX_ANSWER_BYTES = 1 << 20
"""Bytes of an answer that are captured at most."""


_TOTAL = re.compile(rb'"total_tokens"\s*:\s*(\d{1,18})')
_PIECE = re.compile(rb'"(?:delta":{(?:"role":"[a-z]*",)?"content|text)":("(?:[^"\\]|\\.)*")')


@dataclass(frozen=True, slots=True)
class Live:
    """The answer that the caller got, as far as its shadow answer names it."""

    answer_id: str
    version: str
    latency_ms: float
    completion_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Answered:
    """One answered request: the request and the raw bytes of the answer."""

    answer_id: str
    time: datetime
    deployment: str
    version: str
    request: CompletionRequest
    raw: bytes
    status: int
    """200 whole, 202 a shadow answer, 451 the safety filter ended it, 499 the caller left, 502 the engine broke off or,
    of a shadow answer, gave none."""
    latency_ms: float
    key: str
    """The name of the API key that paid."""
    shadow_of: Live | None = None
    """The answer that the caller got; None: this is it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer of an engine: the text of its first choice, and the tokens it counted."""

    text: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    tool_calls: tuple[dict[str, Any], ...] = ()
    confidence: float | None = None
    """Geometric mean of the probabilities of its tokens; None: the request did not ask for them."""


def read_answer(raw: bytes, stream: bool, choice: int = 0) -> Answer:
    """Read one choice of an answer. Without a usage block a stream's pieces are counted as tokens."""
    if stream:
        return _streamed_answer(raw, choice)
    answer = _object(raw)
    text = "".join(_texts(answer, choice))
    read = _answer(text, answer.get("usage"), 0, _tool_calls([answer], choice))
    return replace(read, confidence=_confidence([answer], choice)) if b'"logprob' in raw else read


def exchanges(answered: Answered) -> Iterator[tuple[list[dict[str, Any]], Answer]]:
    """Yield each prompt of a request that is text, with the first answer to it; the tokens stand with the first."""
    conversations, raw, stream = answered.request.conversations, answered.raw, answered.request.stream
    choices, first = int(answered.request.fields.get("n", 1)), read_answer(raw, stream)
    texts = _texts_by_choice(raw, stream) if len(conversations) > 1 else {}
    for place, messages in enumerate(conversations):
        if messages is not None:
            yield messages, Answer("".join(texts.get(place * choices, ()))) if place else first


def _texts_by_choice(raw: bytes, stream: bool) -> dict[int, list[str]]:
    """Return the pieces of all choices, in one pass over the answer."""
    texts: dict[int, list[str]] = {}
    for event in _events(raw, b"data: {") if stream else [_object(raw)]:
        for choice, text in _choices(event):
            texts.setdefault(choice, []).append(text)
    return texts


def _streamed_answer(raw: bytes, choice: int) -> Answer:
    """Read a stream; one of a single choice by pattern, many times faster than event by event."""
    usage = next((event.get("usage") for event in _events(raw, b'"usage":{')), None)
    if choice or b'"index":1' in raw or b'"index": ' in raw:
        pieces = [piece for event in _events(raw, b"data: {") for piece in _texts(event, choice)]
    else:
        pieces = [piece for piece in json.loads(b"[" + b",".join(_PIECE.findall(raw)) + b"]") if piece]
    calls = _tool_calls(_events(raw, b'"tool_calls"'), choice) if b'"tool_calls"' in raw else ()
    read = _answer("".join(pieces), usage, len(pieces), calls)
    if b'"logprobs":{' not in raw:
        return read
    return replace(read, confidence=_confidence(_events(raw, b'"logprobs":{'), choice))


def _confidence(events: Iterable[dict[str, Any]], choice: int) -> float | None:
    """Return the geometric mean of the probabilities of the tokens of a choice; None if the engine gave none."""
    logprobs = [each for event in events for each in _logprobs(event, choice)]
    return math.exp(min(0.0, sum(logprobs) / len(logprobs))) if logprobs else None


def _logprobs(event: dict[str, Any], choice: int) -> Iterator[float]:
    """Yield the logarithms of the probabilities of tokens: chat has `content`, completions `token_logprobs`."""
    choices = event.get("choices")
    for each in choices if isinstance(choices, list) else ():
        if not isinstance(each, dict) or each.get("index", 0) != choice:
            continue
        given = each.get("logprobs")
        given = given if isinstance(given, dict) else {}
        content, tokens = given.get("content"), given.get("token_logprobs")
        values = [token.get("logprob") for token in content or () if isinstance(token, dict)]
        values += tokens if isinstance(tokens, list) else []
        yield from (float(value) for value in values if isinstance(value, int | float) and value <= 0)


def tokens_spent(request: CompletionRequest, raw: bytes) -> int:
    """Return the tokens of prompt and answer: as the engine counted them, else its pieces and the prompt's length.

    Cheaper than `read_answer`: nothing but the usage block is read.
    """
    if match := _TOTAL.search(raw, max(0, raw.rfind(b'"usage"'))):
        return int(match[1])
    return request.prompt_estimate + (raw.count(b"data: {") if request.stream else 0)


def _answer(text: str, usage: object, counted: int, tool_calls: tuple[dict[str, Any], ...] = ()) -> Answer:
    known: dict[str, Any] = usage if isinstance(usage, dict) else {}
    prompt, completion = int(known.get("prompt_tokens") or 0), int(known.get("completion_tokens") or counted)
    return Answer(text, prompt, completion, tool_calls)


def _tool_calls(events: Iterable[dict[str, Any]], choice: int) -> tuple[dict[str, Any], ...]:
    """Return the tools that an answer calls; in a stream, name and arguments of a call come in pieces."""
    calls: dict[int, dict[str, Any]] = {}
    for event in events:
        for place, piece in _call_pieces(event, choice):
            call = calls.setdefault(place, {"type": "function", "function": {"name": "", "arguments": ""}})
            if isinstance(piece.get("id"), str):
                call["id"] = _whole(piece["id"])
            function = piece.get("function")
            texts = function if isinstance(function, dict) else {}
            for name in ("name", "arguments"):
                if isinstance(texts.get(name), str):
                    call["function"][name] += _whole(texts[name])
    return tuple(calls[place] for place in sorted(calls))


def _call_pieces(event: dict[str, Any], choice: int) -> Iterator[tuple[int, dict[str, Any]]]:
    choices = event.get("choices")
    for each in choices if isinstance(choices, list) else ():
        if not isinstance(each, dict) or each.get("index", 0) != choice:
            continue
        holder = each.get("delta") or each.get("message")
        calls = holder.get("tool_calls") if isinstance(holder, dict) else None
        for place, piece in enumerate(calls if isinstance(calls, list) else ()):
            if isinstance(piece, dict):
                index = piece.get("index", place)
                yield index if isinstance(index, int) else place, piece


def line(
    answered: Answered,
    answer_id: str,
    messages: list[dict[str, Any]],
    what: Answer,
    metadata_names: Sequence[str] = (),
) -> bytes:
    """Return the segment's line, newline included. Every text in it can be encoded, whatever the engine wrote.

    Of the metadata of the request, those of `metadata_names` are captured.
    """
    request, filtered = answered.request, answered.status == FILTERED
    more = {
        "tools": request.fields.get("tools"),
        "session": request.session,
        "metadata": {name: value for name, value in request.metadata.items() if name in metadata_names},
        **_shadow_fields(answered.shadow_of),
        "confidence": "" if filtered else _probability(what.confidence),
        "tool_calls": () if filtered else what.tool_calls,
    }
    return (
        json.dumps(
            {
                "answer_id": answer_id,
                "time": answered.time.isoformat(timespec="milliseconds"),
                "deployment": answered.deployment,
                "version": answered.version,
                "user": answered.request.user,
                "messages": messages,
                "answer": "" if filtered else _whole(what.text),
                "status": answered.status,
                "latency_ms": round(answered.latency_ms, 3),
                "prompt_tokens": what.prompt_tokens,
                "completion_tokens": what.completion_tokens,
                **{name: value for name, value in more.items() if value},
            },
            separators=(",", ":"),
        ).encode()
        + b"\n"
    )


def _probability(value: float | None) -> float | str:
    """Return a probability that is captured; empty if it is not known. None is 0, which would be left out."""
    return "" if value is None else max(1e-6, round(value, 6))


def _shadow_fields(live: Live | None) -> dict[str, Any]:
    if live is None:
        return {}
    return {
        "shadow_of": live.answer_id,
        "live_version": live.version,
        "live_latency_ms": round(live.latency_ms, 3),
        "live_completion_tokens": live.completion_tokens,
    }


def _whole(text: str) -> str:
    """The text without halves of characters, which no reader could encode again."""
    return text if text.isascii() else text.encode(errors="replace").decode()


def _events(raw: bytes, holding: bytes) -> Iterator[dict[str, Any]]:
    """The events of a stream that hold these bytes."""
    for event in raw.split(b"\n\n"):
        if event.startswith(b"data: {") and holding in event:
            yield _object(event[6:])


def _object(raw: bytes) -> dict[str, Any]:
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _texts(event: dict[str, Any], choice: int) -> Iterator[str]:
    """The text of one choice in an answer, or in an event of a stream."""
    return (text for index, text in _choices(event) if index == choice)


def _choices(event: dict[str, Any]) -> Iterator[tuple[int, str]]:
    """Yield index and text of each choice that has text."""
    choices = event.get("choices")
    for each in choices if isinstance(choices, list) else ():
        if not isinstance(each, dict) or not isinstance(index := each.get("index", 0), int):
            continue
        holder = each.get("delta") or each.get("message")
        text = holder.get("content") if isinstance(holder, dict) else each.get("text")
        if isinstance(text, str) and text:
            yield index, text
