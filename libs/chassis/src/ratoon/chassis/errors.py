"""The errors a caller can see, and how any exception becomes one.

    RatoonError
    ├── InvalidArgument      a field is wrong; names it
    ├── NotFound             no such resource
    ├── AlreadyExists        the name is taken
    ├── FailedPrecondition   the resource's state forbids it
    ├── Aborted              somebody else changed it first
    ├── OutOfRange           a page token or revision that is no longer served
    ├── Unauthenticated      no valid credentials
    ├── PermissionDenied     the role does not reach
    ├── ResourceExhausted    a quota, a disk, a memory
    ├── Unavailable          a part is away; try again
    └── Internal             a defect of ours

Domains import nothing of this: their exceptions carry the class attributes `code` (a canonical gRPC name) and
`reason` (UPPER_SNAKE), and `described` reads them.
"""

import dataclasses
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
    """Somebody else changed the resource first: read it again and repeat."""

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


class Internal(RatoonError):
    """A defect of ours."""


@dataclass(frozen=True)
class Description:
    """What a caller is told: canonical gRPC code name, stable reason, sentence, field at fault, further details."""

    code: str
    reason: str
    message: str
    field: str = ""
    details: dict[str, str] = dataclasses.field(default_factory=dict)


def described(error: BaseException) -> Description:
    """What to tell a caller of this exception; anything unknown is INTERNAL and does not leak its text."""
    code, reason = getattr(error, "code", None), getattr(error, "reason", None)
    if isinstance(code, str) and isinstance(reason, str):
        return Description(
            code, reason, str(error), getattr(error, "field", ""), getattr(error, "details", {})
        )
    return Description(
        "INTERNAL", "INTERNAL", f"Internal error ({type(error).__name__}); the log has the details."
    )
