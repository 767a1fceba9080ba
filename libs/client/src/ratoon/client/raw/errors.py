"""Errors of the client.

RatoonSdkError
├── Unreachable       no server responds at the address
├── ApiError          the platform rejected the request: HTTP status, reason, message
└── OperationFailed   a long-running operation did not succeed
"""

from typing import Any

from ratoon.client._errors import RatoonError


class RatoonSdkError(RatoonError):
    """Base class of all errors of this client. The message says what to do."""


class Unreachable(RatoonSdkError):
    """No server responds at the address."""


class ApiError(RatoonSdkError):
    """The platform rejected the request."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status, self.reason = status, reason


class OperationFailed(RatoonSdkError):
    """A long-running operation failed, was refused or was cancelled. `resource` is its last state."""

    def __init__(self, message: str, resource: dict[str, Any]) -> None:
        super().__init__(message)
        self.resource = resource
