"""Typed client of Ratoon's public API, synchronous (`Ratoon`) and asynchronous (`AsyncRatoon`).

    from ratoon.client import Ratoon

    with Ratoon() as client:
        run = client.training_runs.wait("projects/mail/trainingRuns/r1")

Messages of the API are in `ratoon.client.types`. Names are loaded when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ratoon.client import types as types
    from ratoon.client._chat import ChatCompletion as ChatCompletion
    from ratoon.client._chat import ChatCompletionChunk as ChatCompletionChunk
    from ratoon.client._client import AsyncRatoon as AsyncRatoon
    from ratoon.client._client import Ratoon as Ratoon
    from ratoon.client._errors import APIConnectionError as APIConnectionError
    from ratoon.client._errors import APIResponseError as APIResponseError
    from ratoon.client._errors import APIStatusError as APIStatusError
    from ratoon.client._errors import APITimeoutError as APITimeoutError
    from ratoon.client._errors import AuthenticationError as AuthenticationError
    from ratoon.client._errors import BadRequestError as BadRequestError
    from ratoon.client._errors import ConflictError as ConflictError
    from ratoon.client._errors import FailedPreconditionError as FailedPreconditionError
    from ratoon.client._errors import FieldViolation as FieldViolation
    from ratoon.client._errors import InternalServerError as InternalServerError
    from ratoon.client._errors import InvalidConfigError as InvalidConfigError
    from ratoon.client._errors import InvalidNameError as InvalidNameError
    from ratoon.client._errors import NotFoundError as NotFoundError
    from ratoon.client._errors import OperationFailedError as OperationFailedError
    from ratoon.client._errors import OperationTimeoutError as OperationTimeoutError
    from ratoon.client._errors import OutOfRangeError as OutOfRangeError
    from ratoon.client._errors import PermissionDeniedError as PermissionDeniedError
    from ratoon.client._errors import RateLimitError as RateLimitError
    from ratoon.client._errors import RatoonError as RatoonError
    from ratoon.client._errors import UnavailableError as UnavailableError
    from ratoon.client._omit import Omit as Omit
    from ratoon.client._omit import omit as omit
    from ratoon.client._pagination import AsyncPage as AsyncPage
    from ratoon.client._pagination import SyncPage as SyncPage
    from ratoon.client._watch import AsyncWatch as AsyncWatch
    from ratoon.client._watch import SyncWatch as SyncWatch

__all__ = [
    "APIConnectionError",
    "APIResponseError",
    "APIStatusError",
    "APITimeoutError",
    "AsyncPage",
    "AsyncRatoon",
    "AsyncWatch",
    "AuthenticationError",
    "BadRequestError",
    "ChatCompletion",
    "ChatCompletionChunk",
    "ConflictError",
    "FailedPreconditionError",
    "FieldViolation",
    "InternalServerError",
    "InvalidConfigError",
    "InvalidNameError",
    "NotFoundError",
    "Omit",
    "OperationFailedError",
    "OperationTimeoutError",
    "OutOfRangeError",
    "PermissionDeniedError",
    "RateLimitError",
    "Ratoon",
    "RatoonError",
    "SyncPage",
    "SyncWatch",
    "UnavailableError",
    "omit",
    "types",
]

_MODULE_OF = {
    "APIConnectionError": "_errors",
    "APIResponseError": "_errors",
    "APIStatusError": "_errors",
    "APITimeoutError": "_errors",
    "AsyncPage": "_pagination",
    "AsyncRatoon": "_client",
    "AsyncWatch": "_watch",
    "AuthenticationError": "_errors",
    "BadRequestError": "_errors",
    "ChatCompletion": "_chat",
    "ChatCompletionChunk": "_chat",
    "ConflictError": "_errors",
    "FailedPreconditionError": "_errors",
    "FieldViolation": "_errors",
    "InternalServerError": "_errors",
    "InvalidConfigError": "_errors",
    "InvalidNameError": "_errors",
    "NotFoundError": "_errors",
    "Omit": "_omit",
    "OperationFailedError": "_errors",
    "OperationTimeoutError": "_errors",
    "OutOfRangeError": "_errors",
    "PermissionDeniedError": "_errors",
    "RateLimitError": "_errors",
    "Ratoon": "_client",
    "RatoonError": "_errors",
    "SyncPage": "_pagination",
    "SyncWatch": "_watch",
    "UnavailableError": "_errors",
    "omit": "_omit",
}


def __getattr__(name: str) -> Any:
    if name == "types":
        return import_module("ratoon.client.types")
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"ratoon.client.{_MODULE_OF[name]}"), name)
