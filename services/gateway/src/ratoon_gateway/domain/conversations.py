"""The messages and tools of a chat request: which shapes are taken, and how they go on to the engine."""

import json
import re
from collections.abc import Mapping
from typing import Any

from ratoon_gateway.domain.checks import DROPPED, many, text, unsupported, wrong_type, wrong_value
from ratoon_gateway.domain.errors import BadRequest
from ratoon_gateway.domain.grammars import check_schema
from ratoon_gateway.domain.json_text import shortened

ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})
"""Roles of OpenAI's API. Others are names that a template may print."""
_ROLE = re.compile(r"[A-Za-z][A-Za-z_-]{0,31}")
_MAX_MESSAGES, _MAX_PARTS, _MAX_TOOLS = 2_048, 1_024, 128
_TEXT_PARTS = {"text": "text", "refusal": "refusal", "input_text": "text", "output_text": "text"}
_CALL_NAME = text(128)


def messages(field: str, value: Any) -> list[dict[str, Any]]:
    """At least one message; each has a role, and a content as a string or as parts that are text."""
    if not isinstance(value, list):
        raise wrong_type(field, "an array", value)
    if not value:
        raise wrong_value(field, f"`{field}` must be a list of at least one message.")
    messages: list[dict[str, Any]] = many(_MAX_MESSAGES, _message)(field, value)
    return messages


def text_of(content: object) -> str:
    """A content as one text: parts are joined as engines join them."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    texts = (
        part if isinstance(part, str) else part.get("text") for part in parts if isinstance(part, str | dict)
    )
    return "\n".join(one for one in texts if isinstance(one, str))


def tools(field: str, value: Any) -> object:
    """Functions that the model may call; an empty list is none."""
    if not isinstance(value, list):
        raise wrong_type(field, "an array", value)
    return many(_MAX_TOOLS, _tool)(field, value) if value else DROPPED


def tool_choice(field: str, value: Any) -> Any:
    """`none`, `auto`, `required`, or one function by its name."""
    if value in ("none", "auto", "required"):
        return value
    name = value.get("function", {}) if isinstance(value, dict) else None
    if not isinstance(name, dict) or value.get("type", "function") != "function" or not name.get("name"):
        raise wrong_value(
            field,
            f'`{field}` must be "none", "auto", "required" or {{"type": "function", "function": {{"name": …}}}}.',
        )
    return {"type": "function", "function": {"name": _CALL_NAME(f"{field}.function.name", name["name"])}}


def settle_tools(fields: dict[str, Any]) -> None:
    """Make `tools`, `tool_choice` and `parallel_tool_calls` agree: without tools there is nothing to choose."""
    choice = fields.get("tool_choice")
    if "tools" in fields:
        known = {tool["function"]["name"] for tool in fields["tools"]}
        if isinstance(choice, dict) and choice["function"]["name"] not in known:
            raise wrong_value("tool_choice", "`tool_choice` names a function that is not among `tools`.")
        return
    if choice == "required" or isinstance(choice, dict):
        raise wrong_value(
            "tool_choice", "`tool_choice` requires a tool call, but `tools` contains no function."
        )
    fields.pop("tool_choice", None)
    fields.pop("parallel_tool_calls", None)


def _message(field: str, message: Any) -> dict[str, Any]:
    if not isinstance(message, dict):
        raise wrong_type(field, "an object with `role` and `content`", message)
    role = message.get("role")
    if not isinstance(role, str) or not _ROLE.fullmatch(role):
        raise BadRequest(
            f"`{field}.role` must be one of {', '.join(sorted(ROLES))}.", f"{field}.role", "INVALID_VALUE"
        )
    fields = {key: each for key, each in message.items() if each is not None}
    fields["content"] = _content(f"{field}.content", message.get("content"), role, fields)
    if "tool_calls" in fields:
        fields["tool_calls"] = many(_MAX_TOOLS, _tool_call)(f"{field}.tool_calls", fields["tool_calls"])
    if not fields.get("tool_calls", True):
        del fields["tool_calls"]
    for name in ("name", "tool_call_id"):
        if name in fields:
            text(256)(f"{field}.{name}", fields[name])
    return fields


def _content(field: str, content: Any, role: str, message: Mapping[str, Any]) -> Any:
    """The content as it goes on. An assistant's may be missing, where it called tools or refused."""
    if isinstance(content, str):
        return content
    if content is None:
        if role == "assistant" or message.get("function_call"):
            return ""
        raise BadRequest(
            f"`{field}` is missing: give the message's text.", field, "MISSING_REQUIRED_PARAMETER"
        )
    if not isinstance(content, list):
        raise wrong_type(field, "a string or an array of parts", content)
    if not content:
        raise wrong_value(field, f"`{field}` must have at least one part.")
    return many(_MAX_PARTS, _part)(field, content)


def _part(field: str, part: Any) -> dict[str, str]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    if not isinstance(part, dict):
        raise wrong_type(field, "an object with `type` and `text`", part)
    kind = part.get("type", "text" if "text" in part else None)
    if not isinstance(kind, str) or kind not in _TEXT_PARTS:
        raise unsupported(
            f"{field}.type",
            f"`{field}`: this deployment reads text, not parts of type {shortened(str(kind), 40)!r}.",
        )
    content = part.get(_TEXT_PARTS[kind])
    if not isinstance(content, str):
        raise wrong_type(f"{field}.{_TEXT_PARTS[kind]}", "a string", content)
    return {"type": "text", "text": content}


def _tool(field: str, tool: Any) -> dict[str, Any]:
    function = tool.get("function") if isinstance(tool, dict) else None
    if not isinstance(function, dict) or tool.get("type", "function") != "function":
        raise wrong_value(field, f'`{field}` must be {{"type": "function", "function": {{"name": …}}}}.')
    if not isinstance(function.get("name"), str) or not re.fullmatch(
        r"[A-Za-z0-9_.-]{1,128}", function["name"]
    ):
        raise wrong_value(
            f"{field}.function.name",
            f"`{field}.function.name` must be 1 to 128 letters, digits, `_`, `-` or `.`.",
        )
    if function.get("parameters") is not None:
        parameters = check_schema(function["parameters"], f"{field}.function.parameters")
        function = {**function, "parameters": parameters}
    described = function.get("description")
    if described is not None:
        text(16_384)(f"{field}.function.description", described)
    known = ("name", "description", "parameters", "strict")
    return {"type": "function", "function": {k: function[k] for k in known if function.get(k) is not None}}


def _tool_call(field: str, call: Any) -> dict[str, Any]:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise wrong_value(field, f'`{field}` must have {{"function": {{"name": …, "arguments": …}}}}.')
    arguments = function.get("arguments") or "{}"
    if not _is_object(arguments):
        raise wrong_value(
            f"{field}.function.arguments", f"`{field}.function.arguments` must be a JSON object, as a string."
        )
    return {**call, "type": "function", "function": {**function, "arguments": arguments}}


def _is_object(arguments: object) -> bool:
    try:
        return isinstance(arguments, str) and isinstance(json.loads(arguments), dict)
    except (ValueError, RecursionError):
        return False
