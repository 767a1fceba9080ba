"""The errors a caller can see, and how any exception becomes one.

    RatoonError
    ├── InvalidArgument      a field is wrong; names it
    ├── NotFound             no such resource
    ├── AlreadyExists        the name is taken
    ├── FailedPrecondition   the resource's state forbids it
    ├── Aborted              changed concurrently
    ├── OutOfRange           a page token or revision that is no longer served
    ├── Unauthenticated      no valid credentials
    ├── PermissionDenied     the role does not reach
    ├── ResourceExhausted    a quota, a disk, a memory
    ├── Unavailable          a part is away; try again
    ├── DataLoss             what is stored cannot be read
    └── Internal             a defect of ours

Domains import nothing of this: their exceptions carry the class attributes `code` (a canonical gRPC name) and
`reason` (UPPER_SNAKE), and `described` reads them.
"""

import dataclasses
import errno
import re
from dataclasses import dataclass


class RatoonError(Exception):
    """An error with a code, a stable reason and a sentence that says what to do."""

    code = "INTERNAL"
    reason = "INTERNAL"

    def __init__(self, message: str, *, reason: str = "", field: str = "", **details: str) -> None:
        super().__init__(message)
        self.reason = reason or type(self).reason
        self.field = field
        self.details = details


class InvalidArgument(RatoonError):
    """A field of the request is wrong."""

    code, reason = "INVALID_ARGUMENT", "INVALID_ARGUMENT"


class NotFound(RatoonError):
    """There is no such resource."""

    code, reason = "NOT_FOUND", "NOT_FOUND"


class AlreadyExists(RatoonError):
    """The name is taken."""

    code, reason = "ALREADY_EXISTS", "ALREADY_EXISTS"


class FailedPrecondition(RatoonError):
    """The state of the resource forbids it."""

    code, reason = "FAILED_PRECONDITION", "FAILED_PRECONDITION"


class Aborted(RatoonError):
    """The resource was changed concurrently: read it again and repeat."""

    code, reason = "ABORTED", "STALE_REVISION"


class OutOfRange(RatoonError):
    """A page token or revision that is no longer served."""

    code, reason = "OUT_OF_RANGE", "OUT_OF_RANGE"


class Unauthenticated(RatoonError):
    """No valid credentials came with the call."""

    code, reason = "UNAUTHENTICATED", "UNAUTHENTICATED"


class PermissionDenied(RatoonError):
    """The caller's role does not reach."""

    code, reason = "PERMISSION_DENIED", "PERMISSION_DENIED"


class ResourceExhausted(RatoonError):
    """A quota, the disk or the memory is used up."""

    code, reason = "RESOURCE_EXHAUSTED", "RESOURCE_EXHAUSTED"


class Unavailable(RatoonError):
    """A part that this needs is away for now."""

    code, reason = "UNAVAILABLE", "UNAVAILABLE"


class DataLoss(RatoonError):
    """A stored value cannot be read."""

    code, reason = "DATA_LOSS", "DATA_LOSS"


class Internal(RatoonError):
    """A defect of ours."""


@dataclass(frozen=True)
class Description:
    """Description of an error for callers: canonical gRPC code name, stable reason, sentence, field, details."""

    code: str
    reason: str
    message: str
    field: str = ""
    details: dict[str, str] = dataclasses.field(default_factory=dict)


_DISK_FULL = Description(
    "UNAVAILABLE",
    "DISK_FULL",
    "No space is left on the disk where Ratoon keeps its state: free some. What was acknowledged is kept.",
)
_READ_ONLY = Description(
    "UNAVAILABLE",
    "DISK_READ_ONLY",
    "The disk where Ratoon keeps its state cannot be written to: mount it writable. What was acknowledged is kept.",
)
_DISK_FAILS = Description(
    "UNAVAILABLE",
    "DISK_FAILS",
    "The disk where Ratoon keeps its state does not read or write: check the system's log.",
)
_DAMAGED = Description(
    "DATA_LOSS",
    "DATABASE_DAMAGED",
    "A database of Ratoon is damaged: stop Ratoon and put back a copy from a backup; the log says which one.",
)
_DATABASE_AWAY = Description(
    "UNAVAILABLE",
    "DATABASE_AWAY",
    "The PostgreSQL of a service does not answer: start its server, or check why it is busy. What was acknowledged "
    "is kept.",
)
_STORE_AWAY = Description(
    "UNAVAILABLE",
    "STORE_AWAY",
    "The object store of the artifacts does not answer or does not know us: check its server, the address and the "
    "credentials. What was acknowledged is kept.",
)
_REASON = re.compile(r"[A-Z][A-Z0-9_]*")
_STORE_LIBRARIES = ("aiobotocore", "aiohttp", "botocore")
_OF_ERRNO = {
    errno.ENOSPC: _DISK_FULL,
    errno.EDQUOT: _DISK_FULL,
    errno.EROFS: _READ_ONLY,
    errno.EIO: _DISK_FAILS,
}
_OF_SQLITE = {
    "FULL": _DISK_FULL,
    "READONLY": _READ_ONLY,
    "IOERR": _DISK_FAILS,
    "CORRUPT": _DAMAGED,
    "NOTADB": _DAMAGED,
}
"""By the second word of SQLite's error name, as in SQLITE_IOERR_WRITE."""


def described(error: BaseException) -> Description:
    """Return the description of this exception for callers; an unknown one is INTERNAL and does not leak its text."""
    code, reason = getattr(error, "code", None), own_reason(error)
    if isinstance(code, str) and reason:
        return Description(
            code, reason, str(error), getattr(error, "field", ""), getattr(error, "details", {})
        )
    return storage_fault(error) or Description(
        "INTERNAL", "INTERNAL", f"Internal error ({type(error).__name__}); the log has the details."
    )


def own_reason(error: BaseException) -> str:
    """The stable reason of an exception of ours; empty for others, whose `reason` may be a sentence of a library."""
    reason = getattr(error, "reason", None)
    return reason if isinstance(reason, str) and _REASON.fullmatch(reason) else ""


def storage_fault(error: BaseException) -> Description | None:
    """Return the fault of a disk, a database or an object store, if the exception (or its `orig`) is of that kind."""
    if isinstance(error, OSError) and error.errno in _OF_ERRNO:
        return _OF_ERRNO[error.errno]
    inner = getattr(error, "orig", error)
    if type(error).__module__.partition(".")[0] in _STORE_LIBRARIES:
        return _STORE_AWAY
    if type(inner).__module__.partition(".")[0] == "psycopg" and type(error).__name__ == "OperationalError":
        return _DATABASE_AWAY
    name = str(getattr(inner, "sqlite_errorname", ""))
    return _OF_SQLITE.get(name.split("_")[1]) if name.startswith("SQLITE_") else None
