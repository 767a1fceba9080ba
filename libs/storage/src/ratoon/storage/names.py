"""Resource names: paths of collections and ids under `projects/{project}`. It knows no kind of resource."""

import re
import secrets
import time
import uuid

from ratoon.process.errors import InvalidArgument

_ID = re.compile(r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?")


def checked_id(value: str, field: str) -> str:
    """The id a caller chose, or a UUIDv7 when there is none; InvalidArgument when it is no slug."""
    if not value:
        return str(uuid7())
    if not _ID.fullmatch(value):
        raise InvalidArgument(
            f"{field} {value!r} must be 1 to 63 of a-z, 0-9, '-' and '.', starting and ending with a letter or digit.",
            reason="BAD_ID",
            field=field,
        )
    return value


def matched(name: str, pattern: str, field: str = "name") -> tuple[str, ...]:
    """The ids in a name that has the shape of a pattern (`projects/*/models/*`); InvalidArgument otherwise."""
    parts, shape = name.split("/"), pattern.split("/")
    fits = len(parts) == len(shape) and all(
        _ID.fullmatch(part) if want == "*" else part == want for part, want in zip(parts, shape, strict=False)
    )
    if not fits:
        raise InvalidArgument(f"{field} {name!r} must look like {pattern}.", reason="BAD_NAME", field=field)
    return tuple(part for part, want in zip(parts, shape, strict=True) if want == "*")


def parent_of(name: str) -> str:
    """The name of the resource that holds this one: `projects/p/models/m` for `projects/p/models/m/versions/v`."""
    return name.rsplit("/", 2)[0] if name.count("/") > 1 else ""


def project_of(name: str) -> str:
    """The project id in a name; empty when it has none."""
    parts = name.split("/")
    return parts[1] if len(parts) > 1 and parts[0] == "projects" else ""


def uuid7() -> uuid.UUID:
    """A UUID version 7 (RFC 9562): 48 bits of Unix milliseconds, then random bits."""
    millis = time.time_ns() // 1_000_000
    value = (
        (millis & ((1 << 48) - 1)) << 80
        | 0x7 << 76
        | secrets.randbits(12) << 64
        | 0b10 << 62
        | secrets.randbits(62)
    )
    return uuid.UUID(int=value)
