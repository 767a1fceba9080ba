"""JSON from callers: one way to read it for completions, feedback and REST. It knows no field."""

import json
from math import isinf
from typing import Any

from ratoon_gateway.domain.errors import BadRequest

_SHORT = 100


def read_json(body: bytes) -> Any:
    """Return the value in a body; BadRequest when it is not JSON, or holds what no other system can read.

    Refused are bytes that are not UTF-8 (or UTF-16, UTF-32), `NaN` and infinite numbers, which Python alone accepts,
    and half of a character (a lone surrogate), which cannot be encoded again.
    """
    try:
        value = json.loads(
            body.decode(json.detect_encoding(body)), parse_constant=_no_constant, parse_float=_finite
        )
    except UnicodeDecodeError as error:
        raise BadRequest(f"The body is not text in UTF-8: byte {error.start} is invalid.") from None
    except json.JSONDecodeError as error:
        raise BadRequest(
            f"The body is not JSON: it cannot be read at line {error.lineno}, column {error.colno}."
        ) from None
    except (ValueError, RecursionError):
        raise BadRequest("The body is not JSON: it nests too deeply, or holds a number too long.") from None
    if b"\\u" in body and _has_half(value):
        raise BadRequest(
            "The body contains half of a character (a lone surrogate, `\\ud800` to `\\udfff`): send "
            "whole characters.",
            reason="INVALID_UNICODE",
        )
    return value


def read_object(body: bytes) -> dict[str, Any]:
    """Return the object in a body; BadRequest when it is none."""
    value = read_json(body)
    if not isinstance(value, dict):
        raise BadRequest("The body must be a JSON object.")
    return value


def shortened(text: str, length: int = _SHORT) -> str:
    """Return a caller's text as a message may repeat it: cut when it is long."""
    return text if len(text) <= length else text[:length] + "…"


def _has_half(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    except (ValueError, RecursionError):
        return False
    return False


def _no_constant(name: str) -> float:
    raise BadRequest(f"The body is not JSON: {name} is not a JSON number.")


def _finite(text: str) -> float:
    number = float(text)
    if isinf(number):
        raise BadRequest(f"The number {shortened(text, 20)} is too large.")
    return number
