"""The REST face of every RPC: JSON in and out, watches as server-sent events, errors as problem details."""

import json
from collections.abc import AsyncGenerator
from typing import Any
from urllib.parse import parse_qsl, unquote

import grpc
from google.protobuf import json_format
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpc import aio

from ratoon.chassis import tracing
from ratoon.chassis.errors import NotFound, described
from ratoon.chassis.identity import ANONYMOUS, Principal, Role
from ratoon.chassis.server import Threads
from ratoon_gateway.application.admission import Admission
from ratoon_gateway.application.ports import Peers
from ratoon_gateway.application.projects import ProjectCheck
from ratoon_gateway.domain.errors import BadRequest
from ratoon_gateway.domain.json_text import read_json, shortened
from ratoon_gateway.entrypoints.asgi import (
    JSON_TYPE,
    ClientGone,
    Readiness,
    Receive,
    Scope,
    Send,
    bearer,
    header,
    problem_of,
    read_content,
    respond,
    respond_problem,
)
from ratoon_gateway.entrypoints.events import EVENT_HEADERS, Event, send_events, until_key_ends
from ratoon_gateway.entrypoints.peer_errors import description_of
from ratoon_gateway.entrypoints.transcoding import Binding, Transcoder
from ratoon_gateway.entrypoints.verbs import HEAD

_MOST_BYTES = 4 << 20
_DEADLINE_S = 30.0
_BIG = 32 << 10
_AWAY = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
_REVISIONS = ("revision", "version")


class RestFace:
    """Serves whatever the contracts bind to a path."""

    def __init__(
        self,
        transcoder: Transcoder,
        admission: Admission,
        projects: ProjectCheck,
        peers: Peers,
        threads: Threads,
        readiness: Readiness,
    ) -> None:
        self._transcoder, self._admission, self._projects = transcoder, admission, projects
        self._peers, self._threads, self._readiness = peers, threads, readiness

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            await self._serve(scope, receive, send)
        except ClientGone:
            return
        except Exception as error:
            await respond_problem(send, _problem(error))

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = self._transcoder.match(scope["method"], scope["path"])
        if found is None:
            raise NotFound(f"There is nothing at {shortened(scope['path'])}.", reason="NO_SUCH_PATH")
        binding, variables = found
        metadata, principal = self._metadata(scope, binding)
        request = binding.request(
            variables, _query(scope), _json(await read_content(scope, receive, _MOST_BYTES))
        )
        _fill_in(request, scope)
        await self._projects(request, principal)
        if binding.streams and scope.get(HEAD):
            await respond(send, 200, EVENT_HEADERS, b"")
            return
        if binding.streams:
            ends = self._readiness.until_drain(), until_key_ends(self._admission, principal)
            await send_events(self._watch(binding, request, metadata), receive, send, _told, *ends)
            return
        call = self._peers.unary(binding.service, binding.rpc)
        data: bytes = await call(request.SerializeToString(), metadata=metadata, timeout=_DEADLINE_S)
        convert = self._threads if len(data) > _BIG else _here
        await respond(send, 200, [JSON_TYPE], await convert(_to_json, binding, data))

    def _metadata(self, scope: Scope, binding: Binding) -> tuple[list[tuple[str, str]], Principal]:
        """Who calls, as the other services read it; refused here already when the role does not reach."""
        trace = tracing.current() or header(scope, b"traceparent").decode("latin-1")
        metadata = [(tracing.TRACEPARENT, trace)] if trace else []
        principal = ANONYMOUS
        if binding.role is not Role.PUBLIC:
            principal = self._admission.caller(bearer(scope), binding.role)
            metadata.append(("authorization", f"Bearer {self._admission.token(principal)}"))
        return metadata, principal

    async def _watch(
        self, binding: Binding, request: Message, metadata: list[tuple[str, str]]
    ) -> AsyncGenerator[Event, None]:
        """The events of a watch: id, name, data."""
        call = self._peers.stream(binding.service, binding.rpc)(
            request.SerializeToString(), metadata=metadata
        )
        kind = GetMessageClass(binding.method.output_type)
        try:
            async for data in call:
                message = kind.FromString(data)
                revision = next(
                    (str(getattr(message, name)) for name in _REVISIONS if hasattr(message, name)), ""
                )
                yield revision, binding.method.output_type.name, json_of(message, indent=None)
        finally:
            call.cancel()


def _problem(error: Exception) -> dict[str, Any]:
    if isinstance(error, aio.AioRpcError):
        return problem_of(*description_of(error))
    return problem_of(described(error))


def _told(error: Exception) -> bytes:
    """What a watch says of an error; nothing of a service that is away for a moment."""
    if isinstance(error, aio.AioRpcError) and error.code() in _AWAY:
        return b""
    return json.dumps(_problem(error)).encode()


async def _here(function: Any, *args: Any) -> Any:
    return function(*args)


def json_of(message: Message, indent: int | None = None) -> bytes:
    """A message as JSON: camelCase names, fields without presence always there."""
    return json_format.MessageToJson(
        message, indent=indent, always_print_fields_with_no_presence=True, ensure_ascii=False
    ).encode()


def _to_json(binding: Binding, data: bytes) -> bytes:
    return json_of(GetMessageClass(binding.method.output_type).FromString(data))


def _query(scope: Scope) -> list[tuple[str, str]]:
    try:
        return parse_qsl(scope["query_string"].decode("ascii"), keep_blank_values=True, strict_parsing=False)
    except ValueError:
        raise BadRequest("The query string is not ASCII text.") from None


def _json(body: bytes) -> object:
    return read_json(body) if body.strip() else None


def _fill_in(request: Message, scope: Scope) -> None:
    """What HTTP says in headers: a request id (`Idempotency-Key`), where a watch was left (`Last-Event-ID`)."""
    fields = request.DESCRIPTOR.fields_by_name
    key = unquote(header(scope, b"idempotency-key").decode("latin-1"))
    if key and "request_id" in fields and not request.request_id:  # type: ignore[attr-defined]
        request.request_id = key  # type: ignore[attr-defined]
    last = header(scope, b"last-event-id").decode("latin-1")
    for name in _REVISIONS:
        if last.isdigit() and name in fields and fields[name].cpp_type == fields[name].CPPTYPE_INT64:
            setattr(request, name, int(last))
