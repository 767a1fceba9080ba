"""Errors of engines as errors of the edge. It knows no route.

Engines are written for those who run them: their sentences name flags, environment variables and types of their
libraries, and may repeat the prompt. Callers read one of ours.
"""

import json
import re
from collections.abc import Callable

from ratoon_gateway.domain.errors import EngineBrokeOff, EngineFailed, EngineRefused, GatewayError

_Sentence = Callable[["re.Match[str]"], GatewayError]
_FIELD = re.compile(r"[a-z_]{1,40}(?:[.\[\]a-z0-9_]{0,60})?")
_UNAVAILABLE = (502, 503, 504)
"""Statuses of an engine that is lost or not ready, whatever the request."""
ERROR_EVENT = b'data: {"error":'
"""The beginning of an error in a stream. A text of an answer cannot hold it: its quotes are escaped."""
_NO_TOOLS = (
    "This deployment does not support tool calls: send `tool_choice: none`, or leave `tools` out. An "
    "operator can serve the model with a tool parser."
)


def engine_error(status: int, body: bytes) -> GatewayError:
    """Return the error for the caller."""
    if status in _UNAVAILABLE:
        return EngineBrokeOff("The engine stopped while it processed this request: send the request again.")
    if status >= 500:
        return EngineFailed(
            "The engine failed on this request. The same request may fail again: if it does, change it, "
            "or report the x-request-id of the response."
        )
    message, field = _message_of(body)
    for pattern, sentence in _KNOWN:
        if match := pattern.search(message):
            return sentence(match)
    hint = f" Check `{field}`." if field else " Check the values of its fields."
    return EngineRefused(f"The model's engine rejected this request.{hint}", field, "INVALID_REQUEST")


def stream_error(event: bytes) -> tuple[int, GatewayError] | None:
    """Return status and error of an event that ends a stream; None for other events."""
    if not event.startswith(ERROR_EVENT):
        return None
    body = event.partition(b"\n\n")[0][len(b"data: ") :]
    try:
        status = int(json.loads(body)["error"]["code"])
    except (ValueError, KeyError, TypeError, RecursionError):
        status = 500
    status = status if 400 <= status < 600 else 500
    return status, engine_error(status, body)


def _message_of(body: bytes) -> tuple[str, str]:
    """Return the engine's message, and the field that it names."""
    try:
        error = json.loads(body)
        error = error.get("error", error)
        message, param = str(error.get("message", "")), error.get("param")
    except (ValueError, AttributeError, RecursionError):
        return "", ""
    name = str(param or "").removeprefix("body.").removeprefix("body")
    return message, name if _FIELD.fullmatch(name) else ""


def _too_long(match: "re.Match[str]") -> GatewayError:
    numbers = [int(each.replace(",", "")) for each in re.findall(r"\d[\d,]*", match.string)]
    length = f"{numbers[0]} tokens" if numbers else "exceeded"
    return EngineRefused(
        f"This model's maximum context length is {length}. However, the prompt and the requested answer "
        "are longer: shorten the messages, or lower `max_tokens`.",
        "messages",
        "CONTEXT_LENGTH_EXCEEDED",
    )


def _refusal(message: str, field: str = "", reason: str = "INVALID_VALUE") -> _Sentence:
    return lambda _match: EngineRefused(message, field, reason)


def _known(pattern: str, sentence: _Sentence) -> "tuple[re.Pattern[str], _Sentence]":
    return re.compile(pattern, re.IGNORECASE), sentence


_KNOWN = (
    _known(r"maximum context length|maximum model length|max_model_len|longer than the maximum", _too_long),
    _known(
        r"tool-call-parser|auto-tool-choice|tool parser|tool_choice",
        _refusal(_NO_TOOLS, "tools", "UNSUPPORTED_PARAMETER"),
    ),
    _known(
        r"reasoning.?parser",
        _refusal("This deployment does not separate reasoning.", "reasoning_effort", "UNSUPPORTED_PARAMETER"),
    ),
    _known(
        r"\bn must be|MAX_N_SEQUENCES|num_prompts|MAX_COMPLETION_PROMPTS",
        _refusal(
            "The request asks for more answers than the engine supports: lower `n`, or send fewer prompts.",
            "n",
        ),
    ),
    _known(
        r"out.of.vocab|token.?id.*(out of range|vocab)|vocab(ulary)? size",
        _refusal("A token id is not in this model's vocabulary.", "", "INVALID_VALUE"),
    ),
    _known(
        r"greedy sampling|n must be 1 when",
        _refusal("Several different answers need a temperature above 0: set `temperature`, or `n: 1`.", "n"),
    ),
    _known(
        r"max.?logprobs|logprobs",
        _refusal("`logprobs` asks for more values than this engine returns.", "logprobs"),
    ),
    _known(
        r"chat.?template|conversation roles|jinja|TemplateError|roles must alternate",
        _refusal(
            "This model's chat template does not accept these messages: check the roles and their order.",
            "messages",
        ),
    ),
    _known(
        r"multimodal|image|audio|video",
        _refusal("This deployment reads text only.", "messages", "UNSUPPORTED_PARAMETER"),
    ),
    _known(
        r"grammar|regex|json.?schema|structured.?output|xgrammar|outlines|guidance|lark",
        _refusal(
            "The engine cannot constrain its answer to this schema, pattern or grammar, which uses an "
            "unsupported feature.",
            "response_format",
            "UNSUPPORTED_SCHEMA",
        ),
    ),
    _known(
        r"prompt.*(empty|must not be)|decoder prompt",
        _refusal("The prompt is empty: send some text.", "messages"),
    ),
    _known(r"stop.?token|stop string", _refusal("The engine does not accept these stop strings.", "stop")),
    _known(r"lora|adapter", _refusal("The model's adapter is not loaded now; try again.", "model")),
)
