"""Paths of calls, from the templates of `google.api.http`."""

import re
from urllib.parse import quote

from ratoon.client._errors import InvalidNameError

_VARIABLE = re.compile(r"\{(\w+)(?:=([^}]*))?\}")
_SEGMENT = r"(?!\.{1,2}(?:/|\Z))[^/:\ud800-\udfff]+"
"""One ID. `..` would address the parent: HTTP clients remove it from a path together with the segment before it."""


def expand(template: str, **values: str) -> str:
    """Return the path of a template with its variables replaced; InvalidNameError if a value does not match."""
    return _VARIABLE.sub(lambda match: _checked(match[1], match[2] or "*", values[match[1]]), template)


def _checked(variable: str, pattern: str, value: str) -> str:
    if not re.fullmatch(_SEGMENT.join(map(re.escape, pattern.split("*"))), value):
        raise InvalidNameError(
            f"{variable} must look like {pattern!r}, where * stands for an ID; it is {value!r}."
        )
    return quote(value, safe="/")
