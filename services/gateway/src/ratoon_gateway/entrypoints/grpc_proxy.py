"""One loopback port for gRPC callers: each method goes to its service's own address, bytes through.

Calls without credentials, or without the role that the method needs, end here. A caller's
API key or token is replaced by a token of the gateway. Whether a project exists is checked here, whose it
is by the service itself. A stream ends with the key of its caller. Reflection lists the services to operators.
"""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Iterable
from typing import Any

import grpc
from grpc import aio
from grpc_reflection.v1alpha import reflection, reflection_pb2
from grpc_reflection.v1alpha._async import ReflectionServicer

from ratoon.process.errors import Description, FailedPrecondition, PermissionDenied, described
from ratoon.runtime.rpc import status_of
from ratoon.runtime.server import required_role
from ratoon.runtime.services import service_names
from ratoon.security.identity import ANONYMOUS, Principal, Role
from ratoon_gateway.application.authenticator import Authenticator
from ratoon_gateway.application.ports import Peers
from ratoon_gateway.entrypoints.events import until_key_ends
from ratoon_gateway.entrypoints.project_calls import ProjectCalls

_LOG = logging.getLogger(__name__)
_OWN = ("authorization", "user-agent", "te", "content-type", "grpc-", "x-ratoon-")
"""Prefixes of metadata that callers cannot set: it belongs to the connection, or to the gateway and the services."""
_REFLECT = f"/{reflection.SERVICE_NAME}/ServerReflectionInfo"
_MAX_CALLS = 4096
_OPTIONS = [
    ("grpc.max_receive_message_length", 4 << 20),
    ("grpc.so_reuseport", 0),
    ("grpc.max_allowed_incoming_connections", 2000),
    ("grpc.max_concurrent_streams", 256),
    ("grpc.server_handshake_timeout_ms", 10_000),
]
"""Bounds of connections and calls; those of HTTP have their own."""


class GrpcProxy:
    """Listens for gRPC callers."""

    def __init__(
        self,
        address: str,
        authenticator: Authenticator,
        projects: ProjectCalls,
        peers: Peers,
        services: Iterable[str],
    ) -> None:
        self._address, self._authenticator, self._projects, self._peers = (
            address,
            authenticator,
            projects,
            peers,
        )
        self._reflection = ReflectionServicer([*services, reflection.SERVICE_NAME])
        self._server: aio.Server | None = None

    async def start(self) -> None:
        """Bind and begin; FailedPrecondition when the address is taken."""
        _check_free(self._address)
        server = aio.server(options=_OPTIONS, maximum_concurrent_rpcs=_MAX_CALLS)
        server.add_generic_rpc_handlers(
            (_Everything(self._authenticator, self._projects, self._peers, self._reflection),)
        )
        server.add_insecure_port(self._address)
        await server.start()
        self._server = server
        _LOG.info("gRPC callers: %s", self._address)

    async def stop(self) -> None:
        """Let open calls end for a moment."""
        if self._server is not None:
            await self._server.stop(5.0)


class _Everything(grpc.GenericRpcHandler):
    """Handler for any method of any service."""

    def __init__(
        self, authenticator: Authenticator, projects: ProjectCalls, peers: Peers, reflecting: Any
    ) -> None:
        self._authenticator, self._projects = authenticator, projects
        self._peers, self._reflecting = peers, reflecting

    def service(self, details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[Any, Any] | None":
        """Return a handler that forwards to the service of a method; None where no service has it."""
        rpc, metadata = str(details.method), list(details.invocation_metadata or ())
        if rpc == _REFLECT:
            return self._reflector(_bearer(metadata))
        service, needed = _service_of(rpc), _role_of(rpc)
        return self._forwarder(service, rpc, needed, metadata) if service and needed else None

    def _reflector(self, bearer: str) -> "grpc.RpcMethodHandler[Any, Any]":
        async def reflect(requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
            try:
                self._authenticator.caller(bearer, Role.OPERATOR)
            except Exception as error:
                await _refuse(context, described(error))
            async for answer in self._reflecting.ServerReflectionInfo(requests, context):
                yield answer

        return grpc.stream_stream_rpc_method_handler(
            reflect,
            reflection_pb2.ServerReflectionRequest.FromString,
            reflection_pb2.ServerReflectionResponse.SerializeToString,
        )

    def _forwarder(
        self, service: str, rpc: str, needed: Role, metadata: list[tuple[str, Any]]
    ) -> "grpc.RpcMethodHandler[Any, Any]":
        async def forward(requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
            try:
                principal = self._caller(needed, _bearer(metadata))
                requests = await self._projects.checked(rpc, principal, requests)
            except Exception as error:
                await _refuse(context, described(error))
            sent = self._forwarded(principal, metadata)
            call = self._peers.duplex(service, rpc)(requests, metadata=sent, timeout=context.time_remaining())
            ended = asyncio.create_task(self._until_ended(principal, call))
            try:
                async for answer in call:
                    yield answer
                context.set_trailing_metadata(await call.trailing_metadata())
            except aio.AioRpcError as error:
                await context.abort(
                    error.code(), error.details() or "", tuple(error.trailing_metadata() or ())
                )
            except asyncio.CancelledError:
                if not ended.done():
                    raise
                await _refuse(context, await ended)
            finally:
                ended.cancel()
                call.cancel()

        return grpc.stream_stream_rpc_method_handler(forward)

    def _caller(self, needed: Role, bearer: str) -> Principal:
        """Return the caller; ANONYMOUS where the method needs no credentials and none came."""
        return (
            ANONYMOUS if needed is Role.PUBLIC and not bearer else self._authenticator.caller(bearer, needed)
        )

    def _forwarded(self, principal: Principal, metadata: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
        """Return the caller's metadata, with a token of the gateway in place of the credentials."""
        rest = [(key, value) for key, value in metadata if not key.startswith(_OWN)]
        if principal is ANONYMOUS:
            return rest
        return [*rest, ("authorization", f"Bearer {self._authenticator.token(principal)}")]

    async def _until_ended(self, principal: Principal, call: Any) -> Description:
        """Cancel the call once the caller's key has ended; return the reason."""
        error = await until_key_ends(self._authenticator, principal)
        call.cancel()
        return described(error)


def _bearer(metadata: list[tuple[str, Any]]) -> str:
    return next((str(value) for key, value in metadata if key == "authorization"), "").removeprefix("Bearer ")


def _check_free(address: str) -> None:
    """Raise FailedPrecondition where the address is taken; gRPC itself only logs it."""
    host, separator, port = address.rpartition(":")
    if not separator or not port.isdigit():
        return
    try:
        socket.create_server((host, int(port))).close()
    except OSError as error:
        raise FailedPrecondition(
            f"gRPC cannot listen on {address} ({error.strerror}); set RATOON_GATEWAY_GRPC to a free one or to `off`.",
            reason="PORT_TAKEN",
        ) from None


async def _refuse(context: Any, description: Description) -> None:
    status = status_of(description)
    trailing = (("grpc-status-details-bin", status.SerializeToString()),)
    await context.abort(grpc.StatusCode[description.code], status.message, trailing)


def _role_of(rpc: str) -> Role | None:
    """Return the lowest role that may call a method; None for a method that does not exist."""
    try:
        return required_role(rpc)
    except (KeyError, PermissionDenied):
        return None


def _service_of(rpc: str) -> str | None:
    """Return the service of `/ratoon.<service>.v1.…/Method`; None for anything else."""
    parts = rpc.removeprefix("/").split(".")
    return parts[1] if len(parts) > 2 and parts[0] == "ratoon" and parts[1] in service_names() else None
