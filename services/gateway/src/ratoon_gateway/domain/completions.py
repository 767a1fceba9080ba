"""A completion request as the gateway reads it, with as little JSON work as will do. It knows no transport."""

import json
import re
from dataclasses import dataclass
from typing import Any

from ratoon_gateway.domain.errors import BadRequest

CHAT = "/v1/chat/completions"
TEXT = "/v1/completions"
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
