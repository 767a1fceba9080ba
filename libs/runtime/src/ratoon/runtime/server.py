"""gRPC server of a service: calls are authenticated, authorised, traced, counted, and errors have one form.

It reads what each method demands (`ratoon.common.v1.required_role`) from the descriptors; it knows no domain.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import lru_cache, partial
from typing import Any, TypeVar

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pool import Default as default_pool
from google.protobuf.message import DecodeError
from grpc import aio
from grpc_status import rpc_status
from opentelemetry import context as contexts
from opentelemetry.trace import SpanKind, StatusCode, Tracer, set_span_in_context

from ratoon.common.v1 import options_pb2
from ratoon.process.errors import InvalidArgument, PermissionDenied, Unauthenticated, described
from ratoon.runtime import logs, requests, tracing
from ratoon.runtime.requests import check_projects, check_values, complete_mask, spans_projects
from ratoon.runtime.rpc import status_of
from ratoon.runtime.telemetry import RpcMetrics, exemplar
from ratoon.security.identity import (
    ACTING_FOR,
    ANONYMOUS,
    Principal,
    Role,
    Verifier,
    act_for,
    acting_for,
    set_caller,
)

T = TypeVar("T")
Decode = Callable[[bytes], Any]
Check = Callable[[Principal, Any], Awaitable[None]]
_LOG = logging.getLogger(__name__)
_PUBLIC = ("/grpc.health.v1.Health/",)
_REFLECTION = "/grpc.reflection."
LARGE_BYTES = 32 << 10
"""Size in bytes above which a request is checked outside the event loop."""
_UNCHECKED = (*_PUBLIC, _REFLECTION)
"""Methods of the standard services, whose messages name no resource of ours."""
_SERVER_FAULTS = ("INTERNAL", "UNKNOWN", "DATA_LOSS")
_SPAN_ERRORS = (*_SERVER_FAULTS, "DEADLINE_EXCEEDED", "UNAVAILABLE", "UNIMPLEMENTED")


class Threads:
    """Threads for a service's synchronous handlers, so that the event loop never waits for a database."""

    def __init__(self, name: str, count: int = 8) -> None:
        self._pool = ThreadPoolExecutor(count, thread_name_prefix=name)

    async def __call__(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Run a function there, in the context of this call."""
        work = partial(copy_context().run, partial(function, *args, **kwargs))
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    def close(self) -> None:
        """End the threads once they are idle."""
        self._pool.shutdown(wait=False, cancel_futures=True)


class CallInterceptor(aio.ServerInterceptor):
    """Interceptor of every call."""

    def __init__(
        self, verifier: Verifier, tracer: Tracer, metrics: RpcMetrics, check: Check | None = None
    ) -> None:
        """`check` may refuse a request that has passed all else; it is left out where nothing is stored."""
        self._verifier, self._tracer, self._metrics = verifier, tracer, metrics
        self._check = check

    async def intercept_service(
        self, continuation: Callable[[Any], Awaitable[Any]], details: grpc.HandlerCallDetails
    ) -> Any:
        """Wrap the method's handler."""
        handler = await continuation(details)
        if handler is None:
            return None
        method: str = details.method
        metadata = {key: value for key, value in details.invocation_metadata or () if isinstance(value, str)}
        decode = handler.request_deserializer or bytes
        kinds = {"request_deserializer": None, "response_serializer": handler.response_serializer}
        if handler.unary_unary:
            serve = self._unary(method, metadata, decode, handler.unary_unary)
            return grpc.unary_unary_rpc_method_handler(serve, **kinds)
        if handler.unary_stream:
            serve = self._stream(method, metadata, decode, handler.unary_stream)
            return grpc.unary_stream_rpc_method_handler(serve, **kinds)
        serve = self._duplex(method, metadata, decode, handler.stream_stream)
        return grpc.stream_stream_rpc_method_handler(serve, **kinds)

    def _unary(self, method: str, metadata: dict[str, str], decode: Decode, serve: Any) -> Any:
        async def call(data: bytes, context: aio.ServicerContext[Any, Any]) -> Any:
            with _Watched(self, method, metadata) as watched:
                try:
                    principal = self._authenticate(method, metadata)
                    request = await self._admitted(principal, method, decode, data)
                    watched.note(request)
                    return await serve(request, context)
                except Exception as error:
                    await _abort(context, watched, error)

        return call

    def _stream(self, method: str, metadata: dict[str, str], decode: Decode, serve: Any) -> Any:
        async def call(data: bytes, context: aio.ServicerContext[Any, Any]) -> AsyncIterator[Any]:
            with _Watched(self, method, metadata) as watched:
                try:
                    principal = self._authenticate(method, metadata)
                    request = await self._admitted(principal, method, decode, data)
                    watched.note(request)
                    async for answer in serve(request, context):
                        yield answer
                except Exception as error:
                    await _abort(context, watched, error)

        return call

    def _duplex(self, method: str, metadata: dict[str, str], decode: Decode, serve: Any) -> Any:
        async def call(
            requests: AsyncIterator[bytes], context: aio.ServicerContext[Any, Any]
        ) -> AsyncIterator[Any]:
            with _Watched(self, method, metadata) as watched:
                try:
                    principal = self._authenticate(method, metadata)
                    admitted = (_checked(principal, method, decode, each) async for each in requests)
                    async for answer in serve(admitted, context):
                        yield answer
                except Exception as error:
                    await _abort(context, watched, error)

        return call

    async def _admitted(self, principal: Principal, method: str, decode: Decode, data: bytes) -> Any:
        """Return the request, checked; a large one outside the event loop."""
        if len(data) > LARGE_BYTES:
            request = await asyncio.to_thread(_checked, principal, method, decode, data)
        else:
            request = _checked(principal, method, decode, data)
        if self._check is not None and not method.startswith(_UNCHECKED):
            await self._check(principal, request)
        requests.set_current(request)
        return request

    def _authenticate(self, method: str, metadata: dict[str, str]) -> Principal:
        """Return the principal; refuse a role that does not suffice. Nothing of the request was read until then."""
        needed = required_role(method)
        bearer = metadata.get("authorization", "").removeprefix("Bearer ").strip()
        principal = self._verifier.principal(bearer) if bearer else ANONYMOUS
        if principal.role < needed:
            _refuse(principal, needed, method)
        set_caller(principal)
        act_for(metadata.get(ACTING_FOR, "") if principal.role is Role.SERVICE else principal.project)
        return principal


def _checked(principal: Principal, method: str, decode: Decode, data: bytes) -> Any:
    """The request, once its bytes are a message of that kind, its values can be, and its project is the caller's."""
    try:
        request = decode(data)
    except DecodeError:
        raise InvalidArgument(
            f"The bytes of the request are no message that {method.rpartition('/')[2]} takes.",
            reason="BAD_MESSAGE",
        ) from None
    if method.startswith(_UNCHECKED):
        return request
    values = requests.bounded_values(request)
    check_values(request, values)
    if required_role(method) is not Role.PUBLIC:
        spans = spans_projects(_descriptor(method))
        check_projects(principal, request, spans=spans, acting=acting_for(), parsed=values)
    complete_mask(_descriptor(method), request)
    return request


@lru_cache(maxsize=1024)
def required_role(method: str) -> Role:
    """The least role that may call `/package.Service/Method`; a method that does not say so is closed to all."""
    if method.startswith(_PUBLIC):
        return Role.PUBLIC
    if method.startswith(_REFLECTION):
        return Role.OPERATOR
    declared = _descriptor(method).GetOptions().Extensions[options_pb2.required_role]
    if not declared:
        raise PermissionDenied(f"{method} declares no role.", reason="ROLE_UNDECLARED")
    return Role(declared)


@lru_cache(maxsize=1024)
def _descriptor(method: str) -> MethodDescriptor:
    service, _, name = method.removeprefix("/").partition("/")
    descriptor: MethodDescriptor = default_pool().FindServiceByName(service).methods_by_name[name]
    return descriptor


def _refuse(principal: Principal, needed: Role, method: str) -> None:
    name = method.rpartition("/")[2]
    if principal is ANONYMOUS:
        raise Unauthenticated(f"{name} needs a bearer token; get one with POST /v1/token.", reason="NO_TOKEN")
    raise PermissionDenied(
        f"{name} needs the role {needed.name.lower()}; {principal.name} has {principal.role.name.lower()}.",
        reason="ROLE_TOO_LOW",
    )


class _Watched:
    """The span, the count and the time of one call. Its context is the call's own task, and ends with it."""

    def __init__(self, around: CallInterceptor, method: str, metadata: dict[str, str]) -> None:
        self.method, self.code = method, "OK"
        self._metrics, self._tracer = around._metrics, around._tracer
        self._service, _, self._name = method[1:].partition("/")
        beginning = tracing.unsampled() if method.startswith(_PUBLIC) else ""
        self._parent = metadata.get(tracing.TRACEPARENT) or beginning

    def __enter__(self) -> "_Watched":
        self._began = time.perf_counter()
        attributes = {"rpc.system": "grpc", "rpc.service": self._service, "rpc.method": self._name}
        self.span = self._tracer.start_span(
            self.method[1:],
            tracing.context_of(self._parent),
            SpanKind.SERVER,
            attributes,
        )
        contexts.attach(set_span_in_context(self.span))
        logs.mark(self._service.split(".")[1])
        return self

    def note(self, request: Any) -> None:
        """Let the span and the log lines of this call name the resource that it is about."""
        if resource := str(getattr(request, "name", "") or getattr(request, "parent", "")):
            self.span.set_attribute("ratoon.resource", resource)
            logs.mark(self._service.split(".")[1], resource)

    def __exit__(self, kind: type[BaseException] | None, *_raised: Any) -> None:
        if kind is not None and self.code == "OK":
            self.code = "CANCELLED"
        self.span.set_attribute("rpc.grpc.status_code", grpc.StatusCode[self.code].value[0])
        if self.code in _SPAN_ERRORS:
            self.span.set_status(StatusCode.ERROR, self.code)
        self.span.end()
        self._metrics.handled.labels(self._service, self._name, self.code).inc()
        seconds = time.perf_counter() - self._began
        self._metrics.seconds.labels(self._service, self._name).observe(seconds, exemplar(self.span))


async def _abort(context: aio.ServicerContext[Any, Any], watched: _Watched, error: Exception) -> None:
    """End the call with the error's status."""
    if isinstance(error, aio.AbortError):
        raise error
    description = described(error)
    watched.code = description.code
    if description.code in _SERVER_FAULTS:
        watched.span.record_exception(error)
        _LOG.error("%s failed", watched.method, exc_info=error)
    await context.abort_with_status(rpc_status.to_status(status_of(description)))
