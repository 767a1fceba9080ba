"""What can go wrong for a caller.

RatoonSdkError
├── Unreachable       nobody answers at the address
├── ApiError          the platform refused: HTTP status, reason, sentence
└── OperationFailed   long work ended in another state than hoped for
"""

from typing import Any


class RatoonSdkError(Exception):
    """Any error of this client; its text says what to do."""


class Unreachable(RatoonSdkError):
    """Nobody answers at the address."""


class ApiError(RatoonSdkError):
    """The platform refused the request."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status, self.reason = status, reason


class OperationFailed(RatoonSdkError):
    """Long work failed, was refused or was cancelled; `resource` is its last state."""

    def __init__(self, message: str, resource: dict[str, Any]) -> None:
        super().__init__(message)
        self.resource = resource
