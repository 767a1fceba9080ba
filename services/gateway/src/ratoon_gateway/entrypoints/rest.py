"""REST routes of all RPCs: one route of FastAPI for each binding of the contracts, watches as server-sent events."""

import json
import re
from collections.abc import AsyncGenerator, Callable, Iterable
from dataclasses import dataclass
from inspect import Parameter, Signature
from typing import Annotated, Any
from urllib.parse import parse_qsl, unquote

import grpc
from fastapi import APIRouter, Body, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpc import aio
from pydantic import ValidationError
from starlette.datastructures import QueryParams

from ratoon.process.errors import described
from ratoon.runtime import tracing
from ratoon.runtime.server import Threads
from ratoon.security.identity import ANONYMOUS, Principal, Role
from ratoon_gateway.application.authenticator import Authenticator
from ratoon_gateway.application.ports import Peers
from ratoon_gateway.application.projects import ProjectCheck
from ratoon_gateway.domain.errors import BadRequest
from ratoon_gateway.domain.json_text import read_json, shortened
from ratoon_gateway.entrypoints.api import BEARER, EdgeRoute, refusals
from ratoon_gateway.entrypoints.asgi import (
    JSON_TYPE,
    Readiness,
    Scope,
    bearer,
    header,
    json_name,
    problem_of,
    problem_response,
    read_content,
)
from ratoon_gateway.entrypoints.bindings import Binding
from ratoon_gateway.entrypoints.comments import comment, summary
from ratoon_gateway.entrypoints.events import EVENT_HEADERS, Event, EventStream, until_key_ends
from ratoon_gateway.entrypoints.examples import EXAMPLES
from ratoon_gateway.entrypoints.peer_errors import description_of
from ratoon_gateway.entrypoints.schemas import model_of, query_types
from ratoon_gateway.entrypoints.validation import bad_request_of
from ratoon_gateway.entrypoints.verbs import HEAD

_MAX_BYTES = 4 << 20
_DEADLINE_S = 30.0
_LARGE = 32 << 10
_UNAVAILABLE = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
_REVISIONS = ("revision", "version")


@dataclass(frozen=True)
class RestCalls:
    """Calls the services for callers of the REST API."""

    authenticator: Authenticator
    projects: ProjectCheck
    peers: Peers
    threads: Threads
    readiness: Readiness

    def admit(self, scope: Scope, role: Role) -> tuple[Principal, list[tuple[str, str]]]:
        """Return the caller and the metadata by which services know it; refuse a role that is too low."""
        trace = tracing.current() or header(scope, b"traceparent").decode("latin-1")
        metadata = [(tracing.TRACEPARENT, trace)] if trace else []
        if role is Role.PUBLIC:
            return ANONYMOUS, metadata
        principal = self.authenticator.caller(bearer(scope), role)
        return principal, [*metadata, ("authorization", f"Bearer {self.authenticator.token(principal)}")]

    async def answer(self, binding: Binding, message: Message, request: Request) -> Response:
        """Return the service's answer to a request message."""
        principal, metadata = request.state.caller
        await self.projects(message, principal)
        if not binding.streams:
            return await self._unary(binding, message, metadata)
        if request.scope.get(HEAD):
            return Response(headers={name.decode(): value.decode() for name, value in EVENT_HEADERS})
        ends = self.readiness.until_drain(), until_key_ends(self.authenticator, principal)
        stream = EventStream(self._watch(binding, message, metadata), request.receive, _error_event, *ends)
        await stream.begin()
        return stream

    async def _unary(self, binding: Binding, message: Message, metadata: list[tuple[str, str]]) -> Response:
        call = self.peers.unary(binding.service, binding.rpc)
        data: bytes = await call(message.SerializeToString(), metadata=metadata, timeout=_DEADLINE_S)
        convert = self.threads if len(data) > _LARGE else _call
        body = await convert(_to_json, binding.method.output_type, data)
        return Response(body, media_type="application/json")

    async def _watch(
        self, binding: Binding, message: Message, metadata: list[tuple[str, str]]
    ) -> AsyncGenerator[Event, None]:
        """Yield the events of a watch: id, name, data."""
        call = self.peers.stream(binding.service, binding.rpc)(message.SerializeToString(), metadata=metadata)
        kind = GetMessageClass(binding.method.output_type)
        try:
            async for data in call:
                state = kind.FromString(data)
                revision = next(
                    (str(getattr(state, name)) for name in _REVISIONS if hasattr(state, name)), ""
                )
                yield revision, binding.method.output_type.name, json_of(state)
        finally:
            call.cancel()


class RpcEndpoint:
    """FastAPI's endpoint of one binding; its signature has the parameters of path and query, and the body."""

    def __init__(self, binding: Binding, calls: RestCalls) -> None:
        self.binding, self._calls = binding, calls
        filled = {variable.field.partition(".")[0] for variable in binding.variables} | {binding.body}
        self._query = {} if binding.body == "*" else query_types(binding.method.input_type, filled)
        self.__name__ = binding.method.name
        self.__signature__ = Signature(
            [
                _parameter("request", Request),
                *(_path_parameter(name) for name in binding.parameters),
                *(_query_parameter(field, kind) for field, kind in self._query.values()),
                *_body_parameter(binding),
            ]
        )

    async def __call__(self, request: Request, **values: Any) -> Response:
        """Answer one request that FastAPI has validated."""
        run = self._calls.threads if request.state.is_large else _call
        message = await run(self._message, values)
        _fill_from_headers(message, request.scope)
        return await self._calls.answer(self.binding, message, request)

    async def prepare(self, request: Request) -> Request:
        """Authenticate the caller, then read and validate the request; BadRequest names an unknown parameter.

        Large bodies are validated here rather than by FastAPI, which would do so on the event loop.
        """
        request.state.caller = self._calls.admit(request.scope, self.binding.role)
        query = self._read_query(request.scope)
        body = await read_content(request.scope, request.receive, _MAX_BYTES)
        request.state.is_large = len(body) > _LARGE
        run = self._calls.threads if request.state.is_large else _call
        return _Prepared(request, query, await run(self._read_body, body))

    def _message(self, values: dict[str, Any]) -> Message:
        query = {field.name: values[f"query_{field.name}"] for field, _ in self._query.values()}
        return self.binding.request(
            {name: values[name] for name in self.binding.parameters},
            {name: value for name, value in query.items() if value is not None},
            values["body"].model_dump(by_alias=True, exclude_unset=True) if "body" in values else {},
        )

    def _read_body(self, body: bytes) -> Any:
        """Return the JSON value of a body; of a large one its model."""
        value = read_json(body) if body.strip() else None
        if len(body) <= _LARGE or value is None or self.binding.body_type is None:
            return value
        try:
            return model_of(self.binding.body_type).model_validate(value)
        except ValidationError as error:
            faults = [{**each, "loc": ("body", *each["loc"])} for each in error.errors(include_url=False)]
            raise RequestValidationError(faults) from None

    def bad_request(self, error: dict[str, Any]) -> BadRequest:
        """Return what a validation error means."""
        return bad_request_of(self.binding.body_type or self.binding.method.input_type, error)

    def _read_query(self, scope: Scope) -> dict[str, list[str]]:
        """Return the texts of each query parameter by its JSON name."""
        values: dict[str, list[str]] = {}
        for name, value in _query_items(scope):
            field, _ = self._query.get(json_name(name), (None, None))
            if field is None:
                where = (
                    "belongs in the body"
                    if self.binding.body == "*"
                    else "is no query parameter of this path"
                )
                raise BadRequest(f"{shortened(name)!r} {where}; /docs lists the parameters.", field=name)
            if field.json_name in values and not field.is_repeated:
                raise BadRequest(f"{name!r} is set twice.", field=name)
            values.setdefault(field.json_name, []).append(value)
        return values


class RpcRoute(EdgeRoute):
    """Route of one binding."""

    endpoint: RpcEndpoint

    async def prepare(self, request: Request) -> Request:
        """Authenticate the caller and read the request."""
        return await self.endpoint.prepare(request)

    def error_response(self, error: Exception) -> Response:
        """Return problem details, with the violation of each field that FastAPI refused."""
        if not isinstance(error, RequestValidationError):
            return problem_response(_problem(error))
        refusals = [self.endpoint.bad_request(each) for each in error.errors()]
        violations = [(each.field, str(each)) for each in refusals if each.field]
        return problem_response(problem_of(described(refusals[0]), violations))


class _Prepared(Request):
    """A request whose query and body were read and checked before FastAPI sees them."""

    def __init__(self, request: Request, query: dict[str, list[str]], body: Any) -> None:
        headers = [each for each in request.scope["headers"] if each[0] != b"content-type"]
        super().__init__({**request.scope, "headers": [*headers, JSON_TYPE]}, request.receive)
        self._parameters = QueryParams([(name, text) for name, texts in query.items() for text in texts])
        self._value = body

    @property
    def query_params(self) -> QueryParams:
        """Parameters by their JSON names."""
        return self._parameters

    async def body(self) -> bytes:
        """Return a placeholder that says whether there is a body."""
        return b"" if self._value is None else b"{}"

    async def json(self) -> Any:
        """Return the JSON value of the body."""
        return self._value


def rest_router(bindings: Iterable[Binding], calls: RestCalls) -> APIRouter:
    """Return the routes of all bindings."""
    router = APIRouter(route_class=RpcRoute)
    for binding in bindings:
        _register(router, binding, calls)
    return router


def _register(router: APIRouter, binding: Binding, calls: RestCalls) -> None:
    public, output = binding.role is Role.PUBLIC, binding.method.output_type
    name = binding.method.full_name
    role = "No key is needed." if public else f"Role: {binding.role.name.lower()}."
    answer: dict[int | str, dict[str, Any]] = {}
    if binding.streams:
        reference = {"$ref": f"#/components/schemas/{model_of(output).__name__}"}
        answer = {200: {"content": {"text/event-stream": {"schema": reference}}}}
    router.add_api_route(
        binding.path,
        RpcEndpoint(binding, calls),
        methods=[binding.verb],
        operation_id=f"{binding.service}.{binding.method.name}",
        tags=[binding.service],
        summary=summary(name) or binding.method.name,
        description="\n\n".join(text for text in (comment(name), role) if text),
        dependencies=[] if public else [BEARER],
        response_class=Response if binding.streams else JSONResponse,
        response_model=None if binding.streams else model_of(output),
        response_description=summary(output.full_name) or "Done.",
        responses=answer | refusals(public=public, has_body=bool(binding.body)),
        openapi_extra={"security": []} if public else None,
    )


def _parameter(name: str, annotation: Any) -> Parameter:
    return Parameter(name, Parameter.KEYWORD_ONLY, annotation=annotation)


def _path_parameter(name: str) -> Parameter:
    extra = {"pattern": "^[^/:]+$"}
    described = Path(description=f"ID of the {_words(name)}.", json_schema_extra=extra)
    return _parameter(name, Annotated[str, described])


def _words(name: str) -> str:
    return re.sub(r"[_A-Z]", lambda match: " " + match[0].strip("_").lower(), name).removesuffix(" id")


def _query_parameter(field: FieldDescriptor, kind: Any) -> Parameter:
    described = Query(alias=field.json_name, description=comment(field.full_name) or None)
    return _parameter(f"query_{field.name}", Annotated[kind, described]).replace(default=None)


def _body_parameter(binding: Binding) -> list[Parameter]:
    if binding.body_type is None:
        return []
    model = model_of(binding.body_type)
    examples = EXAMPLES.get(f"{binding.service}.{binding.method.name}")
    described = Body(default_factory=model, openapi_examples=examples)
    return [_parameter("body", Annotated[model, described])]


def _query_items(scope: Scope) -> list[tuple[str, str]]:
    try:
        return parse_qsl(scope["query_string"].decode("ascii"), keep_blank_values=True)
    except ValueError:
        raise BadRequest("The query string is not ASCII text.") from None


def _fill_from_headers(message: Message, scope: Scope) -> None:
    """Set what HTTP has headers for: a request id (`Idempotency-Key`), where a watch ended (`Last-Event-ID`)."""
    fields = message.DESCRIPTOR.fields_by_name
    key = unquote(header(scope, b"idempotency-key").decode("latin-1"))
    if key and "request_id" in fields and not message.request_id:  # type: ignore[attr-defined]
        message.request_id = key  # type: ignore[attr-defined]
    last = header(scope, b"last-event-id").decode("latin-1")
    for name in _REVISIONS:
        if last.isdigit() and name in fields and fields[name].cpp_type == fields[name].CPPTYPE_INT64:
            setattr(message, name, int(last))


def _problem(error: Exception) -> dict[str, Any]:
    if isinstance(error, aio.AioRpcError):
        return problem_of(*description_of(error))
    return problem_of(described(error))


def _error_event(error: Exception) -> bytes:
    """Return the data of a watch's last event; empty where the service is unavailable for a moment."""
    if isinstance(error, aio.AioRpcError) and error.code() in _UNAVAILABLE:
        return b""
    return json.dumps(_problem(error)).encode()


async def _call(function: Callable[..., Any], *arguments: Any) -> Any:
    return function(*arguments)


def json_of(message: Message) -> bytes:
    """Return a message as JSON: camelCase names; fields without presence are always included."""
    return json_format.MessageToJson(
        message, indent=None, always_print_fields_with_no_presence=True, ensure_ascii=False
    ).encode()


def _to_json(kind: Descriptor, data: bytes) -> bytes:
    return json_of(GetMessageClass(kind).FromString(data))
