"""The REST API without services behind it: what they would be called with."""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from ratoon.security.identity import ANY_PROJECT, Principal, Role
from ratoon_gateway.entrypoints.app import create_api
from ratoon_gateway.entrypoints.asgi import Readiness
from ratoon_gateway.entrypoints.bindings import bindings_of_contracts, services_of
from ratoon_gateway.entrypoints.rest import RestCalls, rest_router


class EveryoneIsOperator:
    """Admits every caller."""

    def caller(self, bearer: str, role: Role) -> Principal:
        return Principal("operator", Role.OPERATOR, ANY_PROJECT)

    def token(self, principal: Principal) -> str:
        return "token"

    def check_still(self, principal: Principal) -> None:
        """The key of a caller never ends."""


@dataclass
class RecordingPeers:
    """Services that answer every call with an empty message."""

    requests: list[tuple[str, bytes]] = field(default_factory=list)

    def unary(self, service: str, rpc: str) -> Any:
        async def call(data: bytes, **_: Any) -> bytes:
            self.requests.append((rpc, data))
            return b""

        return call

    def stream(self, service: str, rpc: str) -> Any:
        def call(data: bytes, **_: Any) -> "NoStates":
            self.requests.append((rpc, data))
            return NoStates()

        return call


class NoStates:
    """A watch that ends at once."""

    def __aiter__(self) -> "NoStates":
        return self

    async def __anext__(self) -> bytes:
        raise StopAsyncIteration

    def cancel(self) -> None:
        """Nothing is open."""


async def every_project_exists(message: Message, principal: Principal) -> None:
    """The check of a project."""


class Api:
    """The REST API of all contracts."""

    def __init__(self) -> None:
        self.bindings, self.peers = bindings_of_contracts(), RecordingPeers()
        self.off_loop = 0
        """Calls that would run on a thread."""
        calls = RestCalls(EveryoneIsOperator(), every_project_exists, self.peers, self._thread, Readiness())
        self.app = create_api(
            rest_router(self.bindings, calls),
            services=services_of(self.bindings),
            metrics=None,
            readiness=Readiness(),
        )

    async def _thread(self, function: Any, *arguments: Any) -> Any:
        self.off_loop += 1
        return function(*arguments)

    def send(
        self, verb: str, path: str, body: object = None, query: Any = (), **headers: str
    ) -> httpx.Response:
        """Send one request; a body that is bytes goes as it is."""
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        headers = {"content-type": "application/json", **headers}

        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
                return await client.request(verb, path, content=content, params=list(query), headers=headers)

        return asyncio.run(send())

    def message(self, verb: str, path: str, body: object = None, query: Any = (), **headers: str) -> Any:
        """Send one request; return the message that its service is called with."""
        answer = self.send(verb, path, body, query, **headers)
        assert answer.status_code == 200, answer.text
        rpc, data = self.peers.requests[-1]
        kind = next(each.method.input_type for each in self.bindings if each.rpc == rpc)
        return GetMessageClass(kind).FromString(data)

    def problem(self, verb: str, path: str, body: object = None, query: Any = ()) -> dict[str, Any]:
        """Send one request that is refused; return the problem details."""
        answer = self.send(verb, path, body, query)
        assert answer.status_code == 400, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        return answer.json()


@pytest.fixture(scope="session")
def api() -> Api:
    return Api()
