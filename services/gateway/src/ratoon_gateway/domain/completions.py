"""A completion request as the gateway reads it, and as an engine receives it. It knows no transport."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ratoon_gateway.domain.conversations import ROLES, text_of
from ratoon_gateway.domain.errors import BadRequest
from ratoon_gateway.domain.fields import (
    CHAT,
    TEXT,
    RequestLimits,
    choices_of,
    max_answer_tokens,
    normalised,
    prompts_of,
)
from ratoon_gateway.domain.json_text import read_object

__all__ = [
    "CHAT",
    "TEXT",
    "CompletionRequest",
    "RequestLimits",
    "engine_body",
    "longest_text",
    "read_request",
]

_UNREAD = {"model", "type", "id", "tool_call_id"}
"""Fields that name things or hold no words."""
_NAMED = {"properties", "$defs", "definitions", "documents", "arguments"}
"""Fields whose keys are the caller's own words."""
_BYTES_A_TOKEN = 4
_UNSTATED_TOKENS = 256
"""Estimated length of an answer that the request does not bound, in tokens."""
_MAX_USER = 1_000
_NEARLY_GREEDY = 0.01
"""The temperature in place of 0 where several answers are asked for: engines do not write one answer several times."""
_NO_LIMITS = RequestLimits()
_MAX_SESSION = 256
_MAX_METADATA, _MAX_METADATA_CHARS = 16, 64
_CAPTURED = ("tool_calls", "tool_call_id", "name", "reasoning_content")
"""Fields of a message that are captured beside its role and text."""


@dataclass(frozen=True, slots=True)
class CompletionRequest:
    """One completion request: its fields, checked, as they go on to an engine."""

    path: str
    size: int
    """Bytes of its body."""
    fields: Mapping[str, Any]
    model: str
    stream: bool
    user: str = ""
    """The end user that the caller names, for stickiness and capture."""
    session: str = ""
    """The session that the caller names (`metadata.session_id`), for feedback on it."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """At most 16 short texts by which the caller divides its requests; engines do not get them."""
    is_stored: bool = True
    """False if the caller forbids to capture request and answer (`store`)."""

    @property
    def choices(self) -> int:
        """Return the number of requested answers, over all prompts."""
        return choices_of(self.fields)

    @property
    def conversations(self) -> list[list[dict[str, Any]] | None]:
        """Return each prompt as chat messages whose content is text; None for one that is no text."""
        messages = self.fields.get("messages")
        if messages is not None:
            return [[_plain(message) for message in messages]]
        prompts = prompts_of(self.fields)
        return [[{"role": "user", "content": one}] if isinstance(one, str) else None for one in prompts]

    @property
    def prompt_estimate(self) -> int:
        """Return the estimated tokens of the prompt, by its length; a tokenizer would be too slow here."""
        return self.size // _BYTES_A_TOKEN

    @property
    def cost_estimate(self) -> int:
        """Return the estimated tokens of prompt and answers: as many as the request allows, else a few hundred."""
        return self.prompt_estimate + self.choices * (max_answer_tokens(self.fields) or _UNSTATED_TOKENS)

    def texts(self) -> Iterator[str]:
        """Yield every text in the request that a model may read, in order."""
        waiting: list[Any] = [self.fields]
        while waiting:
            value = waiting.pop()
            if isinstance(value, str):
                yield value
            elif isinstance(value, dict):
                waiting += reversed(list(_inner_texts(value)))
            elif isinstance(value, list):
                waiting += reversed(value)

    @property
    def is_readable(self) -> bool:
        """True if every prompt is text; it may also be token ids."""
        return all(isinstance(prompt, str) for prompt in prompts_of(self.fields))


def read_request(path: str, body: bytes, limits: RequestLimits = _NO_LIMITS) -> CompletionRequest:
    """Return the request in a body; BadRequest names the field at fault."""
    fields = read_object(body)
    if not isinstance(fields.get("model"), str) or not fields["model"]:
        raise BadRequest(
            "`model` must name a deployment.", field="model", reason="MISSING_REQUIRED_PARAMETER"
        )
    user = fields.get("user")
    checked = normalised(path, fields, limits)
    named = user[:_MAX_USER] if isinstance(user, str) else ""
    streams = bool(checked.get("stream"))
    metadata = fields.get("metadata")
    pairs = metadata if isinstance(metadata, dict) else {}
    return CompletionRequest(
        path,
        len(body),
        checked,
        checked["model"],
        streams,
        named,
        _session(pairs),
        _metadata(pairs),
        is_stored=fields.get("store") is not False,
    )


def engine_body(request: CompletionRequest, served_name: str, defaults: Mapping[str, float | int]) -> bytes:
    """Return the request as an engine gets it: its own name for the model, and the version's defaults where unset."""
    unset = {name: value for name, value in defaults.items() if name not in request.fields}
    if max_answer_tokens(request.fields):
        unset.pop("max_tokens", None)
    body = {**unset, **request.fields, "model": served_name}
    if body.get("n", 1) > 1 and body.get("temperature") == 0:
        body["temperature"] = _NEARLY_GREEDY
    return json.dumps(body, ensure_ascii=False).encode()


def longest_text(request: CompletionRequest) -> int:
    """Return the characters of the longest message; 0 where there are no messages."""
    messages = request.fields.get("messages", ())
    return max((len(text_of(message.get("content"))) for message in messages), default=0)


def _plain(message: Mapping[str, Any]) -> dict[str, Any]:
    """Return a message with its content as text; of the other fields those that a template reads."""
    more = {name: message[name] for name in _CAPTURED if message.get(name)}
    return {"role": message["role"], "content": text_of(message.get("content")), **more}


def _session(metadata: Mapping[str, Any]) -> str:
    """Return the session that a request names; empty if it names none."""
    session = metadata.get("session_id")
    return session[:_MAX_SESSION] if isinstance(session, str) else ""


def _metadata(metadata: Mapping[str, Any]) -> dict[str, str]:
    texts = {
        name: value
        for name, value in metadata.items()
        if isinstance(value, str) and max(len(name), len(value)) <= _MAX_METADATA_CHARS
    }
    return texts if len(texts) <= _MAX_METADATA else dict(list(texts.items())[:_MAX_METADATA])


def _inner_texts(value: Mapping[str, Any]) -> Iterator[Any]:
    """Yield the parts of an object that a model may read: its values, and keys where those are words too."""
    for key, inner in value.items():
        if key in _UNREAD or (key == "role" and inner in ROLES):
            continue
        if key in _NAMED:
            yield [
                list(each)
                for each in (inner if isinstance(inner, list) else [inner])
                if isinstance(each, dict)
            ]
        yield inner
