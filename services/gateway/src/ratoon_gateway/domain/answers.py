"""The texts of an answer, and the replacement of a blocked one. It knows no word list."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

JSON = dict[str, Any]
Channel = tuple[Any, ...]
"""One running text of an answer: the place of its choice and the path to it."""

_END = "content_filter"
_DONE = b"data: [DONE]\n\n"


def texts_of(answer: JSON) -> Iterator[tuple[Channel, str]]:
    """The texts of a whole answer, or the pieces of texts in one event of a stream."""
    for choice in _objects(answer.get("choices")):
        index = choice.get("index", 0)
        content = choice.get("delta") or choice.get("message") or {"text": choice.get("text")}
        yield from _texts((index,), content)


def object_of(data: bytes) -> JSON | None:
    """The JSON object in these bytes, or None."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def withheld(answer: JSON) -> bytes:
    """The whole answer without its texts: each choice ends for the reason `content_filter`."""
    choices = [_ended(choice) for choice in _objects(answer.get("choices"))]
    return json.dumps({**answer, "choices": choices}).encode()


def withheld_end(event: JSON, indices: Iterable[int]) -> bytes:
    """The end of a stream that may not go on, made after one of its events."""
    chat = event.get("object") != "text_completion"
    content: JSON = {"delta": {}} if chat else {"text": ""}
    choices = [{"index": index, **content, "logprobs": None, "finish_reason": _END} for index in indices]
    last = {**{key: value for key, value in event.items() if key != "usage"}, "choices": choices}
    return b"data: " + json.dumps(last, separators=(",", ":")).encode() + b"\n\n" + _DONE


def _ended(choice: JSON) -> JSON:
    content: JSON = {"message": {"role": "assistant", "content": ""}} if "message" in choice else {"text": ""}
    return {"index": choice.get("index", 0), **content, "logprobs": None, "finish_reason": _END}


def _texts(channel: Channel, value: object) -> Iterator[tuple[Channel, str]]:
    """Yield every text below a value except names; items of a list differ by their `index`."""
    if isinstance(value, str):
        yield channel, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            if key not in ("role", "id", "type", "index"):
                yield from _texts((*channel, key), inner)
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            index = inner.get("index", place) if isinstance(inner, dict) else place
            yield from _texts((*channel, index), inner)


def _objects(value: object) -> list[JSON]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
