"""The fields of completion requests: which reach the engine, which are ignored, and what each may hold.

Everything that is not named here is refused by its name. So no caller reaches what the engine offers to its operator:
scheduling, caches, transfer between engines, templates, plugins.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ratoon_gateway.domain import conversations
from ratoon_gateway.domain.checks import (
    DROPPED,
    INT64,
    Check,
    boolean,
    documents,
    ignored,
    logit_bias,
    many,
    number,
    one_of,
    refuse_unknown,
    refused,
    stops,
    stream_options,
    template_arguments,
    text,
    unsupported,
    whole,
    wrong_type,
    wrong_value,
)
from ratoon_gateway.domain.errors import BadRequest
from ratoon_gateway.domain.grammars import check_choices, check_grammar, check_pattern, check_schema
from ratoon_gateway.domain.json_text import shortened

CHAT = "/v1/chat/completions"
TEXT = "/v1/completions"
_MAX_TOKENS = 10**9
_TEMPLATE_OWN = frozenset(
    (
        *("chat_template", "tokenize", "tools", "documents", "messages", "conversation", "return_dict"),
        *("return_tensors", "add_generation_prompt", "continue_final_message", "padding", "truncation"),
        *("max_length", "tokenizer_kwargs", "bos_token", "eos_token"),
    )
)
"""Arguments of a chat template that are not a caller's to set."""


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """Limits of one request of any caller."""

    choices: int = 128
    """Answers of one request, over all of its prompts."""
    answer_tokens: int = 131_072
    """Tokens of all of its answers together, where there are several."""


def normalised(path: str, fields: Mapping[str, Any], limits: RequestLimits) -> dict[str, Any]:
    """Return the fields for the engine; BadRequest names the first invalid one."""
    checks = _CHECKS[path]
    for name in fields:
        if name not in checks:
            raise _unknown(name)
    result: dict[str, Any] = {}
    for name, value in fields.items():
        if value is None:
            continue
        checked = checks[name](name, value)
        if checked is not DROPPED:
            result[name] = checked
    _settle(path, result, limits)
    return result


def choices_of(fields: Mapping[str, Any]) -> int:
    """Return the number of answers that a normalised request asks for, over all prompts."""
    return int(fields.get("n", 1)) * len(prompts_of(fields))


def prompts_of(fields: Mapping[str, Any]) -> list[Any]:
    """Return the prompts of a normalised request; a conversation is one."""
    prompt = fields.get("prompt", "")
    if isinstance(prompt, list) and not isinstance(prompt[0], int):
        return prompt
    return [prompt]


def max_answer_tokens(fields: Mapping[str, Any]) -> int:
    """Return the limit that a normalised request sets for each of its answers, in tokens; 0: none."""
    return int(fields.get("max_completion_tokens") or fields.get("max_tokens") or 0)


def _settle(path: str, fields: dict[str, Any], limits: RequestLimits) -> None:
    """Check fields that depend on each other."""
    required = "messages" if path == CHAT else "prompt"
    if required not in fields:
        raise BadRequest(f"`{required}` is missing.", required, "MISSING_REQUIRED_PARAMETER")
    if "best_of" in fields and fields.pop("best_of") != fields.get("n", 1):
        raise unsupported("best_of", "`best_of` must equal `n`: answers are not ranked here.")
    conversations.settle_tools(fields)
    if fields.get("stream_options") and not fields.get("stream"):
        raise wrong_value("stream_options", "`stream_options` needs `stream: true`.")
    if fields.get("top_logprobs") and not fields.get("logprobs"):
        raise wrong_value("top_logprobs", "`top_logprobs` needs `logprobs: true`.")
    if "prompt_logprobs" in fields and fields.get("stream"):
        raise wrong_value("prompt_logprobs", "`prompt_logprobs` is not available in a stream.")
    if "structured_outputs" in fields and "response_format" in fields:
        raise wrong_value("structured_outputs", "Give `response_format` or `structured_outputs`, not both.")
    if fields.get("continue_final_message"):
        fields.setdefault("add_generation_prompt", False)
    if fields.get("continue_final_message") and fields["add_generation_prompt"]:
        raise wrong_value(
            "continue_final_message", "`continue_final_message` needs `add_generation_prompt: false`."
        )
    _check_size(fields, limits)


def _check_size(fields: Mapping[str, Any], limits: RequestLimits) -> None:
    choices, tokens = choices_of(fields), max_answer_tokens(fields)
    if choices > limits.choices:
        field = "n" if fields.get("n", 1) > 1 else "prompt"
        raise wrong_value(
            field,
            f"A request may ask for at most {limits.choices:,} answers over all of its prompts; this one "
            f"asks for {choices:,}.",
        )
    if choices > 1 and choices * tokens > limits.answer_tokens:
        raise wrong_value(
            "max_tokens",
            f"{choices:,} answers of {tokens:,} tokens are more than the {limits.answer_tokens:,} tokens that one "
            "request may ask for: lower `max_tokens` or the number of answers.",
        )
    if fields.get("min_tokens", 0) > (tokens or _MAX_TOKENS):
        raise wrong_value("min_tokens", "`min_tokens` must not be greater than `max_tokens`.")


def _unknown(name: str) -> BadRequest:
    hint = f" {_INSTEAD[name]}" if name in _INSTEAD else ""
    return BadRequest(f"Unknown parameter: `{shortened(name)}`.{hint}", shortened(name), "UNKNOWN_PARAMETER")


def _model(field: str, value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise BadRequest(f"`{field}` must name a deployment.", field, "INVALID_TYPE")
    return str(text(1_000)(field, value))


def _prompt(field: str, value: Any) -> Any:
    """A text, a list of texts, a list of token ids, or a list of such lists."""
    if isinstance(value, str):
        return value
    if not isinstance(value, list):
        raise wrong_type(field, "a string, an array of strings, or an array of token ids", value)
    if not value:
        raise wrong_value(field, f"`{field}` must not be empty.")
    if isinstance(value[0], str):
        return many(10_000, text(INT64))(field, value)
    if isinstance(value[0], list):
        return many(10_000, _token_ids)(field, value)
    return _token_ids(field, value)


def _token_ids(field: str, value: Any) -> list[int]:
    if not isinstance(value, list):
        raise wrong_type(field, "an array of token ids", value)
    if not value:
        raise wrong_value(field, f"`{field}` must not be empty.")
    if all(type(one) is int and 0 <= one < 2**31 for one in value):  # there may be a hundred thousand
        return value
    tokens: list[int] = many(INT64, whole(0, 2**31 - 1))(field, value)
    return tokens


def _response_format(field: str, value: Any) -> object:
    kind = value.get("type") if isinstance(value, dict) else None
    if kind == "text":
        return DROPPED
    if kind == "json_object":
        return {"type": "json_object"}
    if kind != "json_schema":
        raise wrong_value(field, f'`{field}.type` must be "text", "json_object" or "json_schema".')
    described = value.get("json_schema")
    if not isinstance(described, dict):
        raise wrong_type(f"{field}.json_schema", "an object with `name` and `schema`", described)
    schema = described.get("schema", {"type": "object"})
    schema = check_schema(schema, f"{field}.json_schema.schema")
    name = text(128)(f"{field}.json_schema.name", described.get("name", "answer"))
    return {"type": "json_schema", "json_schema": {"name": name, "schema": schema, "strict": True}}


def _structured_outputs(field: str, value: Any) -> dict[str, Any]:
    """One constraint: `json`, `regex`, `choice`, `grammar` or `json_object`."""
    constraints: dict[str, Callable[[object, str], object]] = {
        "json": check_schema,
        "regex": check_pattern,
        "choice": check_choices,
        "grammar": check_grammar,
        "json_object": lambda each, name: boolean(name, each),
    }
    options = ("disable_any_whitespace", "disable_additional_properties")
    if not isinstance(value, dict):
        raise wrong_type(field, "an object", value)
    refuse_unknown(value, (*constraints, *options), field)
    settings = {name: each for name, each in value.items() if each is not None}
    named = [name for name in constraints if name in settings]
    if len(named) != 1:
        raise wrong_value(field, f"`{field}` must hold exactly one of {', '.join(constraints)}.")
    checked = constraints[named[0]](settings[named[0]], f"{field}.{named[0]}")
    if named[0] == "json":
        settings["json"] = checked
    for option in options:
        if option in settings:
            boolean(f"{field}.{option}", settings[option])
    return settings


def _modalities(field: str, value: Any) -> object:
    if value != ["text"]:
        raise unsupported(field, f"`{field}`: this deployment answers with text.")
    return DROPPED


def _function_call(field: str, value: Any) -> object:
    if value in ("none", "auto"):
        return DROPPED
    raise unsupported(field, f"`{field}` belongs to an older API: use `tools` and `tool_choice`.")


_SAMPLING: dict[str, Check] = {
    "model": _model,
    "stream": boolean,
    "stream_options": stream_options,
    "n": whole(1, INT64),
    "best_of": whole(1, INT64),
    "max_tokens": whole(1, _MAX_TOKENS),
    "min_tokens": whole(0, _MAX_TOKENS),
    "temperature": number(0, 2),
    "top_p": number(0, 1, above=True),
    "top_k": whole(-1, 10**6),
    "min_p": number(0, 1),
    "frequency_penalty": number(-2, 2),
    "presence_penalty": number(-2, 2),
    "repetition_penalty": number(0, 10, above=True),
    "seed": whole(-INT64 - 1, INT64),
    "stop": stops,
    "stop_token_ids": many(128, whole(0, 2**31 - 1)),
    "bad_words": many(128, text(256)),
    "allowed_token_ids": many(4_096, whole(0, 2**31 - 1)),
    "logit_bias": logit_bias,
    "logprob_token_ids": many(128, whole(0, 2**31 - 1)),
    "prompt_logprobs": whole(0, 20),
    "include_stop_str_in_output": boolean,
    "ignore_eos": boolean,
    "skip_special_tokens": boolean,
    "spaces_between_special_tokens": boolean,
    "truncate_prompt_tokens": whole(-1, _MAX_TOKENS),
    "truncation_side": one_of("left", "right"),
    "return_token_ids": boolean,
    "echo": boolean,
    "thinking_token_budget": whole(-1, _MAX_TOKENS),
    "response_format": _response_format,
    "structured_outputs": _structured_outputs,
    "use_beam_search": refused(
        "Beam search is not supported: one request would use an engine's whole batch."
    ),
    "length_penalty": ignored,
    "user": ignored,
}
"""Fields of both routes."""
_IGNORED = (
    *("metadata", "store", "service_tier", "prediction", "safety_identifier", "verbosity", "moderation"),
    *("prompt_cache_key", "prompt_cache_retention", "prompt_cache_options"),
)
_CHECKS: dict[str, dict[str, Check]] = {
    CHAT: {
        **_SAMPLING,
        **dict.fromkeys(_IGNORED, ignored),
        "messages": conversations.messages,
        "max_completion_tokens": whole(1, _MAX_TOKENS),
        "logprobs": boolean,
        "top_logprobs": whole(0, 20),
        "tools": conversations.tools,
        "tool_choice": conversations.tool_choice,
        "parallel_tool_calls": boolean,
        "functions": refused("`functions` belongs to an older API: use `tools`."),
        "function_call": _function_call,
        "reasoning_effort": one_of("none", "minimal", "low", "medium", "high", "xhigh", "max"),
        "include_reasoning": boolean,
        "modalities": _modalities,
        "audio": refused("This deployment answers with text."),
        "web_search_options": refused("This deployment does not search the web."),
        "documents": documents,
        "chat_template_kwargs": template_arguments(_TEMPLATE_OWN),
        "add_generation_prompt": boolean,
        "continue_final_message": boolean,
    },
    TEXT: {
        **_SAMPLING,
        **dict.fromkeys(_IGNORED, ignored),
        "prompt": _prompt,
        "max_tokens": whole(0, _MAX_TOKENS),
        "logprobs": whole(0, 20),
        "suffix": refused("`suffix` is not supported: text is generated at the end of the prompt."),
    },
}
_GUIDED = 'Use `structured_outputs`, like {"structured_outputs": {"choice": ["yes", "no"]}}.'
_INSTEAD = {
    **dict.fromkeys(("guided_json", "guided_regex", "guided_choice", "guided_grammar"), _GUIDED),
    "max_output_tokens": "Use `max_completion_tokens`.",
    "messages": "POST /v1/chat/completions takes messages; this path takes `prompt`.",
    "prompt": "POST /v1/completions takes a prompt; this path takes `messages`.",
    "input": "POST /v1/chat/completions takes `messages`.",
    "chat_template": (
        "The version's own chat template is used; pass arguments to it in `chat_template_kwargs`."
    ),
    "enable_thinking": 'Use `chat_template_kwargs`, like {"chat_template_kwargs": {"enable_thinking": false}}.',
}
"""Fields to use in place of unknown ones."""
