"""Checks of one value of a request: its type, its bounds, and the form in which the engine gets it.

Numbers are read here once, so that what is booked is what the engine does. Errors have the codes of OpenAI's API.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from ratoon_gateway.domain.errors import BadRequest
from ratoon_gateway.domain.json_text import shortened

Check = Callable[[str, Any], Any]
"""Takes the field's name and its value, which is not null; returns the value as it goes on, or DROPPED."""
DROPPED = object()
"""The field is accepted and does not reach the engine."""
INT64 = 2**63 - 1


def wrong_type(field: str, expected: str, value: object) -> BadRequest:
    """Return the error of a value of another type."""
    names: dict[type, str] = {bool: "a boolean", int: "an integer", float: "a number", str: "a string"}
    names |= {list: "an array", dict: "an object"}
    actual = names.get(type(value), "null")
    return BadRequest(f"`{field}` must be {expected}; this is {actual}.", field, "INVALID_TYPE")


def wrong_value(field: str, message: str) -> BadRequest:
    """Return the error of a value that is out of bounds."""
    return BadRequest(message, field, "INVALID_VALUE")


def unsupported(field: str, message: str) -> BadRequest:
    """Return the error of a field of OpenAI's API that is not supported here."""
    return BadRequest(message, field, "UNSUPPORTED_PARAMETER")


def whole(minimum: int, maximum: int) -> Check:
    """Return a check for a whole number in these bounds; `2.0` is 2."""

    def check(field: str, value: Any) -> int:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise wrong_type(field, "an integer", value)
        if not minimum <= value <= maximum:
            raise wrong_value(field, f"`{field}` must be from {minimum:,} to {maximum:,}.")
        return value

    return check


def number(minimum: float, maximum: float, *, above: bool = False) -> Check:
    """Return a check for a number in these bounds, or with `above` greater than the lower one."""

    def check(field: str, value: Any) -> float | int:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise wrong_type(field, "a number", value)
        if not minimum <= value <= maximum or (above and value == minimum):
            first = "above" if above else "from"
            raise wrong_value(field, f"`{field}` must be {first} {minimum:g} to {maximum:g}.")
        return value

    return check


def boolean(field: str, value: Any) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise wrong_type(field, "a boolean", value)
    return value


def text(maximum: int) -> Check:
    """Return a check for a string of at most `maximum` characters."""

    def check(field: str, value: Any) -> str:
        if not isinstance(value, str):
            raise wrong_type(field, "a string", value)
        if len(value) > maximum:
            raise wrong_value(
                field, f"`{field}` may have at most {maximum:,} characters; it has {len(value):,}."
            )
        return value

    return check


def one_of(*choices: str) -> Check:
    """One of these strings."""

    def check(field: str, value: Any) -> str:
        if not isinstance(value, str) or value not in choices:
            known = ", ".join(map(repr, choices))
            raise wrong_value(field, f"`{field}` must be one of {known}.")
        return value

    return check


def many(maximum: int, item: Check) -> Check:
    """Return a check for a list of at most `maximum` items, each checked."""

    def check(field: str, value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise wrong_type(field, "an array", value)
        if len(value) > maximum:
            raise wrong_value(field, f"`{field}` may have at most {maximum:,} items; it has {len(value):,}.")
        return [item(f"{field}[{place}]", each) for place, each in enumerate(value)]

    return check


def stops(field: str, value: Any) -> list[str]:
    """One stop string or a few; empty ones stop nothing."""
    if isinstance(value, str):
        value = [value]
    return [one for one in many(16, text(1_000))(field, value) if one]


def logit_bias(field: str, value: Any) -> dict[str, float]:
    """Token ids with a bias each."""
    if not isinstance(value, dict):
        raise wrong_type(field, "an object", value)
    if len(value) > 1_024:
        raise wrong_value(field, f"`{field}` may have at most 1,024 tokens; it has {len(value):,}.")
    bias = number(-100, 100)
    for key in value:
        if not re.fullmatch(r"[0-9]{1,9}", key):
            raise wrong_value(
                field, f"`{field}` maps token ids to numbers; {shortened(key)!r} is not a token id."
            )
    return {key: bias(f"{field}.{key}", each) for key, each in value.items()}


def template_arguments(reserved: Collection[str]) -> Check:
    """Named scalars for a chat template."""

    def check(field: str, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise wrong_type(field, "an object", value)
        if len(value) > 32:
            raise wrong_value(field, f"`{field}` may have at most 32 entries; it has {len(value):,}.")
        for key, each in value.items():
            if (
                not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,63}", key)
                or key in reserved
                or key.startswith("_")
            ):
                raise wrong_value(field, f"`{field}` may not set {shortened(key)!r}.")
            if not isinstance(each, str | int | float | bool | None) or len(str(each)[:4_097]) > 4_096:
                raise wrong_value(
                    f"{field}.{key}", f"`{field}.{key}` must be a short string, a number or a boolean."
                )
        return dict(value)

    return check


def documents(field: str, value: Any) -> list[dict[str, str]]:
    """Texts for templates that answer from documents."""
    item = text(INT64)

    def check(name: str, document: Any) -> dict[str, str]:
        if not isinstance(document, dict):
            raise wrong_type(name, "an object", document)
        return {key: item(f"{name}.{shortened(key)}", each) for key, each in document.items()}

    checked: list[dict[str, str]] = many(256, check)(field, value)
    return checked


def stream_options(field: str, value: Any) -> dict[str, bool]:
    """Check the options of a stream."""
    known = {"include_usage": True, "continuous_usage_stats": True, "include_obfuscation": False}
    if not isinstance(value, dict):
        raise wrong_type(field, "an object", value)
    refuse_unknown(value, known, field)
    set_ = {key: boolean(f"{field}.{key}", each) for key, each in value.items() if each is not None}
    return {key: each for key, each in set_.items() if known[key]}


def refuse_unknown(value: Mapping[str, Any], known: Iterable[str], field: str = "") -> None:
    """UNKNOWN_PARAMETER for the first key that is not known."""
    known = set(known)
    for key in value:
        if key not in known:
            name = f"{field}.{shortened(key)}" if field else shortened(key)
            raise BadRequest(f"Unknown parameter: `{name}`.", name, "UNKNOWN_PARAMETER")


def ignored(_field: str, _value: Any) -> object:
    """A field of OpenAI's that changes nothing about the answer."""
    return DROPPED


def refused(message: str) -> Check:
    """Return a check that refuses a field, unless its value has no effect."""

    def check(field: str, value: Any) -> object:
        if value in (False, 0, "", [], {}):
            return DROPPED
        raise unsupported(field, message)

    return check
