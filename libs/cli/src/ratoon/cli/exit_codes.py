"""Exit statuses of the command line, by kind of error."""

from enum import IntEnum

from ratoon.client import (
    APIConnectionError,
    APIResponseError,
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    ConflictError,
    FailedPreconditionError,
    InvalidConfigError,
    InvalidNameError,
    NotFoundError,
    OutOfRangeError,
    PermissionDeniedError,
    RateLimitError,
    RatoonError,
    UnavailableError,
)


class ExitCode(IntEnum):
    """Exit status of a command."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    DENIED = 4
    CONFLICT = 5
    UNREACHABLE = 6
    UNSUPPORTED = 7
    EXHAUSTED = 8
    INTERRUPTED = 130


MEANINGS = {
    ExitCode.OK: "success",
    ExitCode.FAILED: "the operation failed or was cancelled, a check found a fault, or another error occurred",
    ExitCode.USAGE: "the arguments, a file or a value of the request is not valid; nothing was changed",
    ExitCode.NOT_FOUND: "the resource does not exist",
    ExitCode.DENIED: "no API key, a key that is not valid, or a key without the required role or project",
    ExitCode.CONFLICT: (
        "the resource exists already, was changed since it was read, or its state forbids the request"
    ),
    ExitCode.UNREACHABLE: "the server does not respond, or is unavailable for a moment: try again",
    ExitCode.UNSUPPORTED: "the server does not know the request: it is older, or it is another server",
    ExitCode.EXHAUSTED: "a limit of the API key or of the server is exhausted: try again later",
    ExitCode.INTERRUPTED: "interrupted by Ctrl-C",
}
_BY_KIND: tuple[tuple[type[RatoonError], ExitCode], ...] = (
    (FailedPreconditionError, ExitCode.CONFLICT),
    (OutOfRangeError, ExitCode.CONFLICT),
    (BadRequestError, ExitCode.USAGE),
    (InvalidConfigError, ExitCode.USAGE),
    (InvalidNameError, ExitCode.USAGE),
    (NotFoundError, ExitCode.NOT_FOUND),
    (AuthenticationError, ExitCode.DENIED),
    (PermissionDeniedError, ExitCode.DENIED),
    (ConflictError, ExitCode.CONFLICT),
    (RateLimitError, ExitCode.EXHAUSTED),
    (UnavailableError, ExitCode.UNREACHABLE),
    (APIConnectionError, ExitCode.UNREACHABLE),
    (APIResponseError, ExitCode.UNSUPPORTED),
)
_UNKNOWN_PATH = "NO_SUCH_PATH"


def exit_code(error: BaseException) -> ExitCode:
    """Return the exit status for an error."""
    if isinstance(error, APIStatusError) and is_unsupported(error):
        return ExitCode.UNSUPPORTED
    return next((code for kind, code in _BY_KIND if isinstance(error, kind)), ExitCode.FAILED)


def is_unsupported(error: APIStatusError) -> bool:
    """Return True if the server does not have the method at all."""
    return error.reason == _UNKNOWN_PATH or error.code == "UNIMPLEMENTED"


def sentence(error: BaseException) -> str:
    """Return the message of an error, with invalid fields and advice that it does not contain."""
    if isinstance(error, APIStatusError):
        if is_unsupported(error):
            return f"{error} The server is probably older than this command line (`ratoon --version`): upgrade it."
        faults = [each for each in error.field_violations if each.description not in str(error)]
        return " ".join([str(error), *(f"{each.field}: {each.description}" for each in faults)])
    return str(error)
