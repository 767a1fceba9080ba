"""Calls to other services: a channel that signs, sets deadlines, retries what is safe, and raises our own errors.

Synchronous, for the service's own threads; a synchronous stub is never called on the event loop.
"""

import threading
import time
from collections import namedtuple
from collections.abc import Callable
from typing import Any

import grpc

from ratoon.process.backoff import Backoff
from ratoon.runtime import tracing
from ratoon.runtime.rpc import error_of
from ratoon.security.identity import ACTING_FOR, Signer, acting_for
from ratoon.security.tls import Certificates, Mark, is_socket

_DEADLINE_S = 20.0
_ATTEMPTS = 4
_BACKOFF = Backoff(0.1, 5.0)
_OPTIONS = [("grpc.max_receive_message_length", 4 << 20), ("grpc.enable_retries", 0)]
NETWORK_OPTIONS = [
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.max_reconnect_backoff_ms", 5_000),
]
"""Of a channel that leaves this machine: a peer that vanished without a word is noticed, one that is back is found."""


class _Details(
    namedtuple("_Details", ("method", "timeout", "metadata", "credentials", "wait_for_ready", "compression")),
    grpc.ClientCallDetails,
):
    """The settings of one call."""


class _Caller(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor):
    """Adds token, trace and deadline to a call; repeats reads and calls with a request_id while the peer is away."""

    def __init__(self, bearer: Callable[[], str], begun: Callable[[], str] = str) -> None:
        """`begun` gives the traceparent of a call that belongs to no trace."""
        self._bearer, self._begun = bearer, begun

    def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        """One answer."""
        attempts = _ATTEMPTS if _is_safe(details.method, request) else 1
        for attempt in range(attempts):
            outcome = continuation(self._signed(details, _DEADLINE_S), request)
            failed = outcome.exception()
            if failed is None:
                return outcome
            if not isinstance(failed, grpc.RpcError):  # the channel is closed
                raise failed
            if failed.code() is not grpc.StatusCode.UNAVAILABLE or attempt + 1 == attempts:
                raise error_of(failed)
            time.sleep(_BACKOFF.delay_s(attempt + 1))
        raise AssertionError("unreachable")

    def intercept_unary_stream(self, continuation: Any, details: Any, request: Any) -> Any:
        """A stream of answers."""
        try:
            yield from continuation(self._signed(details, None), request)
        except grpc.RpcError as failed:
            raise error_of(failed) from None

    def _signed(self, details: Any, deadline: float | None) -> _Details:
        trace, project = tracing.current() or self._begun(), acting_for()
        metadata = [
            *(details.metadata or ()),
            ("authorization", f"Bearer {self._bearer()}"),
            *([(tracing.TRACEPARENT, trace)] if trace else []),
            *([(ACTING_FOR, project)] if project else []),
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


class _Fresh(grpc.Channel):
    """Channel by mutual TLS that is reopened when its certificate files are replaced.

    The interceptors above it ask for the method at each call. What is open goes on where it began.
    """

    def __init__(self, address: str, certificates: Certificates) -> None:
        self._address, self._certificates = address, certificates
        self._lock = threading.Lock()
        self._opened: tuple[Mark, grpc.Channel] | None = None

    def unary_unary(self, *method: Any, **kinds: Any) -> Any:
        """The method, one answer."""
        return self._channel().unary_unary(*method, **kinds)

    def unary_stream(self, *method: Any, **kinds: Any) -> Any:
        """The method, a stream of answers."""
        return self._channel().unary_stream(*method, **kinds)

    def stream_unary(self, *method: Any, **kinds: Any) -> Any:
        """The method, a stream of requests."""
        return self._channel().stream_unary(*method, **kinds)

    def stream_stream(self, *method: Any, **kinds: Any) -> Any:
        """The method, streams both ways."""
        return self._channel().stream_stream(*method, **kinds)

    def subscribe(self, callback: Any, try_to_connect: bool | None = False) -> None:
        """Subscribe to the connectivity of the channel that is open now."""
        self._channel().subscribe(callback, bool(try_to_connect))

    def unsubscribe(self, callback: Any) -> None:
        """Cancel the subscription."""
        self._channel().unsubscribe(callback)

    def close(self) -> None:
        """Close it."""
        self._channel().close()

    def __enter__(self) -> "_Fresh":
        return self

    def __exit__(self, *_raised: object) -> None:
        self.close()

    def _channel(self) -> grpc.Channel:
        mark = self._certificates.mark
        with self._lock:
            if self._opened is None or self._opened[0] != mark:
                self._opened = (mark, self._open())
            return self._opened[1]

    def _open(self) -> grpc.Channel:
        options = [*_OPTIONS, *NETWORK_OPTIONS]
        return grpc.secure_channel(self._address, self._certificates.calling(), options=options)


def open_channel(address: str, signer: Signer, certificates: Certificates | None = None) -> grpc.Channel:
    """A channel to a service of this installation that signs its calls as `signer`; it connects lazily.

    By mutual TLS where there are certificates and the address is no Unix socket. What a service asks on its own
    account, a report every second, begins no trace that is kept.
    """
    caller = _Caller(signer.own_token, tracing.unsampled)
    return grpc.intercept_channel(_wire(address, certificates), caller)


def open_channel_with_token(
    address: str, token: Callable[[], str], certificates: Certificates | None = None
) -> grpc.Channel:
    """A channel that shows a token it is given."""
    return grpc.intercept_channel(_wire(address, certificates), _Caller(token))


def _wire(address: str, certificates: Certificates | None) -> grpc.Channel:
    if certificates is not None and not is_socket(address):
        return _Fresh(address, certificates)
    options = _OPTIONS if is_socket(address) else [*_OPTIONS, *NETWORK_OPTIONS]
    return grpc.insecure_channel(address, options=options)


def _is_safe(method: str, request: Any) -> bool:
    verb = method.rpartition("/")[2]
    return verb.startswith(("Get", "List")) or bool(getattr(request, "request_id", ""))
