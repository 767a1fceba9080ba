"""Calls to other services: a channel that signs, sets deadlines, retries what is safe, and raises our own errors.

Synchronous, for the service's own threads; a synchronous stub is never called on the event loop.
"""

import time
from collections import namedtuple
from collections.abc import Callable
from typing import Any

import grpc
from opentelemetry.propagate import inject

from ratoon.chassis.identity import Signer
from ratoon.chassis.rpc import error_of

_DEADLINE_S = 20.0
_ATTEMPTS = 4
_OPTIONS = [("grpc.max_receive_message_length", 4 << 20), ("grpc.enable_retries", 0)]


class _Details(
    namedtuple("_Details", ("method", "timeout", "metadata", "credentials", "wait_for_ready", "compression")),
    grpc.ClientCallDetails,
):
    """The settings of one call."""


class _Caller(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor):
    """Adds token, trace and deadline to a call; repeats reads and calls with a request_id while the peer is away."""

    def __init__(self, bearer: Callable[[], str]) -> None:
        self._bearer = bearer

    def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        """One answer."""
        attempts = _ATTEMPTS if _is_safe(details.method, request) else 1
        for attempt in range(attempts):
            outcome = continuation(self._signed(details, _DEADLINE_S), request)
            failed = outcome.exception()
            if failed is None:
                return outcome
            if failed.code() is not grpc.StatusCode.UNAVAILABLE or attempt + 1 == attempts:
                raise error_of(failed)
            time.sleep(0.1 * 2**attempt)
        raise AssertionError("unreachable")

    def intercept_unary_stream(self, continuation: Any, details: Any, request: Any) -> Any:
        """A stream of answers."""
        try:
            yield from continuation(self._signed(details, None), request)
        except grpc.RpcError as failed:
            raise error_of(failed) from None

    def _signed(self, details: Any, deadline: float | None) -> _Details:
        carrier: dict[str, str] = {}
        inject(carrier)
        metadata = [
            *(details.metadata or ()),
            ("authorization", f"Bearer {self._bearer()}"),
            *carrier.items(),
        ]
        timeout = details.timeout if details.timeout is not None else deadline
        return _Details(
            details.method,
            timeout,
            metadata,
            details.credentials,
            details.wait_for_ready,
            details.compression,
        )


def open_channel(address: str, signer: Signer) -> grpc.Channel:
    """A channel to a service of this installation that signs its calls as `signer`; it connects lazily."""
    return grpc.intercept_channel(grpc.insecure_channel(address, options=_OPTIONS), _Caller(signer.own_token))


def open_channel_with_token(address: str, token: Callable[[], str]) -> grpc.Channel:
    """A channel that shows a token it is given."""
    return grpc.intercept_channel(grpc.insecure_channel(address, options=_OPTIONS), _Caller(token))


def _is_safe(method: str, request: Any) -> bool:
    verb = method.rpartition("/")[2]
    return verb.startswith(("Get", "List")) or bool(getattr(request, "request_id", ""))
