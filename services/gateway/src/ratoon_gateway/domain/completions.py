"""A completion request as the gateway reads it, with as little JSON work as will do. It knows no transport."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeGuard

from ratoon_gateway.domain.errors import BadRequest

CHAT = "/v1/chat/completions"
TEXT = "/v1/completions"
_UNREAD = {"model", "user", "role", "type", "id", "tool_call_id", "url", "image_url", "input_audio", "data"}
"""Fields that name things or hold no words."""
_BYTES_A_TOKEN = 4
_UNSTATED_TOKENS = 256
"""What an answer is taken to be long when the request does not bound it."""
_MODEL_FIELD = re.compile(rb'"model"\s*:\s*("(?:[^"\\]|\\.)*")')


@dataclass(frozen=True, slots=True)
class Ask:
    """One completion request: its body both as bytes and as JSON."""

    path: str
    body: bytes
    fields: dict[str, Any]
    model: str
    stream: bool

    @property
    def user(self) -> str:
        """The end user that the caller names, for stickiness and capture."""
        user = self.fields.get("user")
        return user if isinstance(user, str) else ""

    @property
    def messages(self) -> list[Any]:
        """What was asked, as chat messages; a prompt is one user message."""
        messages = self.fields.get("messages")
        if isinstance(messages, list):
            return messages
        return [{"role": "user", "content": self.fields.get("prompt", "")}]

    @property
    def prompt_estimate(self) -> int:
        """About how many tokens the prompt has, by its length: a tokenizer here would cost more than it tells."""
        return len(self.body) // _BYTES_A_TOKEN

    @property
    def cost_estimate(self) -> int:
        """About how many tokens prompt and answer will have: as many as the request allows, else a few hundred."""
        allowed = self.fields.get("max_completion_tokens") or self.fields.get("max_tokens")
        choices = self.fields.get("n")
        times = choices if isinstance(choices, int) and choices > 1 else 1
        return self.prompt_estimate + times * (allowed if _is_count(allowed) else _UNSTATED_TOKENS)

    def texts(self) -> Iterator[str]:
        """Every text in the request that a model may come to read."""
        waiting: list[Any] = [self.fields]
        while waiting:
            value = waiting.pop()
            if isinstance(value, str):
                yield value
            elif isinstance(value, dict):
                waiting += [inner for key, inner in reversed(value.items()) if key not in _UNREAD]
            elif isinstance(value, list):
                waiting += reversed(value)

    @property
    def is_readable(self) -> bool:
        """Whether the prompt is text; it may also be token ids or embeddings."""
        prompt = self.fields.get("prompt", "")
        parts = prompt if isinstance(prompt, list) else [prompt]
        return not self.fields.get("prompt_embeds") and all(isinstance(part, str) for part in parts)


def read_ask(path: str, body: bytes) -> Ask:
    """The request in a body; BadRequest names the field at fault. Fields unknown here are the engine's to judge."""
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        raise BadRequest("The body is no JSON.") from None
    if not isinstance(fields, dict):
        raise BadRequest("The body must be a JSON object.")
    model = fields.get("model")
    if not isinstance(model, str) or not model:
        raise BadRequest("`model` must name a deployment.", field="model")
    stream = fields.get("stream", False)
    if not isinstance(stream, bool | None):
        raise BadRequest("`stream` must be true or false.", field="stream")
    if fields.get("priority"):
        raise BadRequest("`priority` is not for callers to set.", field="priority")
    _check_content(path, fields)
    return Ask(path, body, fields, model, bool(stream))


def rename_model(ask: Ask, served_name: str) -> bytes:
    """The body with another `model`: the bytes spliced where that is safe, else written anew."""
    if served_name == ask.model:
        return ask.body
    found = list(_MODEL_FIELD.finditer(ask.body))
    if len(found) == 1 and _is_at_top(ask.body, found[0].start()):
        start, end = found[0].span(1)
        return ask.body[:start] + json.dumps(served_name).encode() + ask.body[end:]
    return json.dumps({**ask.fields, "model": served_name}).encode()


def _is_count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _check_content(path: str, fields: dict[str, Any]) -> None:
    if path == CHAT and not (isinstance(fields.get("messages"), list) and fields["messages"]):
        raise BadRequest("`messages` must be a list of at least one message.", field="messages")
    if path == TEXT and "prompt" not in fields and "prompt_embeds" not in fields:
        raise BadRequest("`prompt` is missing.", field="prompt")


def _is_at_top(body: bytes, place: int) -> bool:
    """Whether this place certainly lies in the outermost object: one brace alone opens before or closes after it.

    Braces inside strings can only make it look deeper than it is.
    """
    return body.count(b"{", 0, place) == 1 or body.count(b"}", place) == 1
