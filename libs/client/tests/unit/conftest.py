"""A server in memory that answers from a list and remembers what it was sent."""

import asyncio
import json
from collections.abc import Callable

import httpx
import pytest

from ratoon.client import AsyncRatoon, Ratoon, _transport, _uploads, _watch


class Server:
    """Answers each request with the next of its answers; the last one is repeated."""

    def __init__(self) -> None:
        self.answers: list[httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]] = []
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer(request) if callable(answer) else answer

    def bodies(self) -> list[object]:
        return [json.loads(request.content) for request in self.requests if request.content]

    def client(self, **options) -> Ratoon:
        http = httpx.Client(transport=httpx.MockTransport(self))
        return Ratoon(base_url="http://server", api_key="key", http_client=http, **options)

    def async_client(self, **options) -> AsyncRatoon:
        http = httpx.AsyncClient(transport=httpx.MockTransport(self))
        return AsyncRatoon(base_url="http://server", api_key="key", http_client=http, **options)


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that the client would have slept."""
    slept: list[float] = []

    async def sleep(delay_s: float) -> None:
        slept.append(delay_s)

    for module in (_transport, _watch, _uploads):
        monkeypatch.setattr(module.time, "sleep", slept.append)
        monkeypatch.setattr(module.asyncio, "sleep", sleep)
    return slept


@pytest.fixture
def run() -> Callable[..., object]:
    return asyncio.run
