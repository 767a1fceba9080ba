"""Errors of the client.

RatoonError
├── APIConnectionError           no response: the server cannot be reached, or the connection broke
│   └── APITimeoutError          no response in time
├── APIStatusError               the server refused the call
│   ├── BadRequestError          400: the request is not valid
│   │   ├── FailedPreconditionError  the state of the resource forbids the call
│   │   └── OutOfRangeError      for example a revision that is too old to resume from
│   ├── AuthenticationError      401: no API key, or one that is not valid
│   ├── PermissionDeniedError    403: the API key has not the required role or project
│   ├── NotFoundError            404: the resource does not exist
│   ├── ConflictError            409: the resource exists already, or was changed concurrently
│   ├── RateLimitError           429: a limit of the API key is exhausted
│   └── InternalServerError      500 and above: the server failed
│       └── UnavailableError     503: the server is unavailable for a moment
├── InvalidConfigError           the endpoint or the API key cannot be valid; nothing was sent
├── InvalidNameError             a resource name has not the form that the method requires; nothing was sent
├── APIResponseError             the response is not what the API promises
├── OperationFailedError         a long-running operation ended without a result
└── OperationTimeoutError        a long-running operation did not end in time
"""

import copyreg
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """Invalid field of a request: its path in JSON (`apiKey.expireTime`), and what is wrong with it."""

    field: str
    description: str


class RatoonError(Exception):
    """Base class of all errors of this client. The message says what to do."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how the error is pickled, without its initializer: worker processes send errors to their parent."""
        return copyreg.__newobj__, (type(self), *self.args), self.__dict__  # type: ignore[attr-defined]


class APIConnectionError(RatoonError):
    """The server did not respond. The call may have taken effect."""


class APITimeoutError(APIConnectionError):
    """The server did not respond in time. The call may have taken effect."""


class APIStatusError(RatoonError):
    """The server refused the call.

    `status_code` is the HTTP status, `code` the gRPC code (`NOT_FOUND`), `reason` the stable reason
    (`ARTIFACT_NOT_FOUND`), `request_id` the ID that the logs of the server contain.
    """

    def __init__(
        self,
        message: str,
        *,
        status_code: int,
        reason: str = "",
        code: str = "",
        field_violations: tuple[FieldViolation, ...] = (),
        metadata: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message, self.status_code, self.reason = message, status_code, reason
        self.code = code or _CODES.get(status_code, "UNKNOWN")
        self.field_violations = field_violations
        self.metadata = dict(metadata or {})
        self.headers = dict(headers or {})

    @property
    def request_id(self) -> str:
        """ID of the refused request. Empty if the server sent none."""
        return self.headers.get("x-request-id", "")


class BadRequestError(APIStatusError):
    """400: the request is not valid; `field_violations` names the fields."""


class FailedPreconditionError(BadRequestError):
    """400: the state of the resource forbids the call."""


class OutOfRangeError(BadRequestError):
    """400: a value is outside the range that exists now."""


class AuthenticationError(APIStatusError):
    """401: there is no API key, or it is unknown, expired or revoked."""


class PermissionDeniedError(APIStatusError):
    """403: the API key has not the required role or belongs to another project."""


class NotFoundError(APIStatusError):
    """404: the resource does not exist."""


class ConflictError(APIStatusError):
    """409: the resource exists already, or was changed since it was read."""


class RateLimitError(APIStatusError):
    """429: a limit of the API key or of the server is exhausted."""


class InternalServerError(APIStatusError):
    """500 and above: the server failed."""


class UnavailableError(InternalServerError):
    """503: the server or a service behind it is unavailable for a moment."""


class InvalidConfigError(RatoonError, ValueError):
    """The endpoint is not a URL, or the API key contains characters that no key has. Nothing was sent."""


class InvalidNameError(RatoonError, ValueError):
    """A resource name has not the form that the method requires. Nothing was sent."""


class APIResponseError(RatoonError):
    """The response cannot be read as what the API promises: usually the endpoint is another server."""


class OperationFailedError(RatoonError):
    """A long-running operation failed, was refused or was cancelled. `resource` is its final state."""

    def __init__(self, message: str, resource: Any) -> None:
        super().__init__(message)
        self.resource = resource


class OperationTimeoutError(RatoonError, TimeoutError):
    """A long-running operation did not end in time. It continues on the server."""


_CODES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_CLASSES: dict[int, type[APIStatusError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    429: RateLimitError,
    503: UnavailableError,
}
_CLASSES_BY_CODE: dict[str, type[APIStatusError]] = {
    "FAILED_PRECONDITION": FailedPreconditionError,
    "OUT_OF_RANGE": OutOfRangeError,
}


def error_of_response(response: "httpx.Response") -> APIStatusError:
    """Return the error of a response whose body has been read: problem details, or an error in OpenAI's shape."""
    status = response.status_code
    try:
        body = response.json()
    except ValueError:
        body = None
    return error_of(body, status, f"HTTP {status} {response.reason_phrase}", response.headers)


def error_of_event(data: str, headers: Mapping[str, str]) -> APIStatusError:
    """Return the error of an `error` event in a stream."""
    try:
        body = json.loads(data)
    except ValueError:
        body = None
    return error_of(body, 500, f"The stream ended with an error: {data}", headers)


def error_of(body: object, status: int, message: str, headers: Mapping[str, str]) -> APIStatusError:
    """Return the error that a JSON body describes; `status` and `message` apply where it does not say."""
    problem = body if isinstance(body, dict) else {}
    if isinstance(problem.get("error"), dict):
        problem = _problem_of_openai(problem["error"])
    status = int(problem.get("status") or status)
    code = str(problem.get("code") or "")
    default = InternalServerError if status >= 500 else BadRequestError if status < 429 else APIStatusError
    kind = _CLASSES_BY_CODE.get(code) or _CLASSES.get(status, default)
    return kind(
        str(problem.get("detail") or problem.get("title") or message),
        status_code=status,
        reason=str(problem.get("reason") or ""),
        code=code,
        field_violations=tuple(
            FieldViolation(each.get("field", ""), each.get("description", ""))
            for each in problem.get("violations", ())
        ),
        metadata=problem.get("metadata"),
        headers=headers,
    )


def _problem_of_openai(error: Mapping[str, Any]) -> dict[str, Any]:
    """Return an error in OpenAI's shape as problem details."""
    message = str(error.get("message") or "")
    field = error.get("param")
    return {
        "detail": message,
        "reason": str(error.get("code") or "").upper(),
        "violations": [{"field": field, "description": message}] if field else [],
    }
