"""Chat templates, rendered as `tokenizer.apply_chat_template` renders them, by Jinja alone.

Settings, filters, functions and tags are those of transformers, which a test holds this module to. The one difference:
`strftime_now` gives a fixed date, so that the same records give the same tokens on every day.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from jinja2 import Template, nodes
from jinja2.exceptions import TemplateError
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.runtime import Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment

from ratoon_training.domain.errors import BadChatTemplate

DATE = datetime(2024, 7, 26)
"""Date that templates print in training: the one that Llama's templates print if they know none."""

Message = dict[str, Any]


def render(
    template: str,
    messages: Sequence[Message],
    *,
    tools: Sequence[Message] = (),
    add_generation_prompt: bool = False,
    special_tokens: dict[str, str],
) -> str:
    """Return the text of a conversation; BadChatTemplate says why the template refuses it."""
    try:
        return _compiled(template).render(
            messages=list(map(_with_arguments, messages)),
            tools=list(tools) or None,
            documents=None,
            add_generation_prompt=add_generation_prompt,
            **special_tokens,
        )
    except (TemplateError, TypeError, ValueError, KeyError, AttributeError, LookupError) as error:
        raise BadChatTemplate(
            f"The chat template of the base model does not render a conversation: {_sentence(error)} "
            f"Change the records, or take a base model whose template takes them."
        ) from error


def _with_arguments(message: Message) -> Message:
    """Return a message whose calls have their arguments as objects, as engines give them to templates."""
    if not message.get("tool_calls"):
        return message
    return {**message, "tool_calls": list(map(_call, message["tool_calls"]))}


def _call(call: Message) -> Message:
    function = call.get("function")
    if not isinstance(function, dict) or isinstance(function.get("arguments"), dict):
        return call
    try:
        arguments = json.loads(function.get("arguments") or "{}")
    except ValueError:
        return call
    return {**call, "function": {**function, "arguments": arguments}}


class Generation(Extension):
    """Tag `{% generation %}`, which marks what the assistant said; here it renders its content."""

    tags = {"generation"}

    def parse(self, parser: Parser) -> nodes.Node:
        """Return the content as a call block."""
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.CallBlock(self.call_method("_content"), [], [], body).set_lineno(line)

    def _content(self, caller: Macro) -> str:
        return str(caller())


@lru_cache(maxsize=16)
def _compiled(template: str) -> Template:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols]
    )
    environment.filters["tojson"] = _tojson
    environment.globals["raise_exception"] = _refuse
    environment.globals["strftime_now"] = DATE.strftime
    return environment.from_string(template)


def _tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    return json.dumps(
        value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
    )


def _refuse(message: str) -> None:
    raise TemplateError(message)


def _sentence(error: Exception) -> str:
    text = (str(error) or type(error).__name__).splitlines()[0].strip()
    return text if text.endswith((".", "!", "?")) else f"{text}."
