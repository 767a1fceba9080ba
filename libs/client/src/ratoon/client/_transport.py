"""Calls over HTTP, synchronous and asynchronous: one attempt, retries, streams, and answers as models."""

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from typing import TYPE_CHECKING, Any, TypeVar

import httpx

from ratoon.client._config import Config
from ratoon.client._errors import (
    APIConnectionError,
    APIResponseError,
    APIStatusError,
    APITimeoutError,
    RatoonError,
    error_of_response,
)
from ratoon.client._pagination import AsyncPage, AsyncPaginator, SyncPage
from ratoon.client._retries import retry_delay_s
from ratoon.client._watch import AsyncWatch, SyncWatch, await_end, final_state

if TYPE_CHECKING:
    from pydantic import BaseModel

M = TypeVar("M", bound="BaseModel")


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP call. A `repeatable` call may be sent again after a failure: a read, or a call with a request ID."""

    method: str
    path: str
    query: Mapping[str, Any] = field(default_factory=dict)
    body: object = None
    content: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    repeatable: bool = False

    def options(self, config: Config, timeout: "float | httpx.Timeout | None") -> dict[str, Any]:
        """Return the arguments of the call for httpx."""
        return {
            "method": self.method,
            "url": f"{config.base_url}{self.path}",
            "params": {key: _text(value) for key, value in self.query.items()},
            "headers": {**config.headers(), **self.headers},
            "timeout": config.timeout_s if timeout is None else timeout,
            **({} if self.body is None else {"json": self.body}),
            **({} if self.content is None else {"content": self.content}),
        }


class SyncTransport:
    """Sends calls and waits for their answers."""

    def __init__(self, http: httpx.Client, config: Config) -> None:
        self.http, self.config = http, config

    def call(self, kind: type[M], call: Call, timeout: float | None = None) -> M:
        """Send a call and return its answer. `timeout` is in seconds and applies to each attempt."""
        return read(kind, self.send(call, timeout).content)

    def page(self, kind: type[M], items: str, call: Call, timeout: float | None = None) -> SyncPage[M]:
        """Return one page; `items` is the field of the response that holds its items."""
        resources, token = read_page(kind, items, self.send(call, timeout).content)
        return SyncPage(resources, token, lambda: self.page(kind, items, next_page(call, token), timeout))

    def watch(self, kind: type[M], call: Call) -> SyncWatch[M]:
        """Return the states of a resource as an iterator."""
        return SyncWatch(self, kind, call)

    def wait(
        self,
        kind: type[M],
        call: Call,
        timeout: float | None,
        on_state: Callable[[M], object] | None,
    ) -> M:
        """Watch a resource and return its final state; OperationFailedError if it has no result."""
        with SyncWatch(self, kind, call, timeout) as states:
            state = None
            for state in states:
                if on_state is not None:
                    on_state(state)
        return final_state(state, call.path)

    def send(self, call: Call, timeout: float | None = None) -> httpx.Response:
        """Send a call, again after a failure if that is safe, and return the response."""
        for attempt in count(1):
            try:
                return self._send_once(call, timeout)
            except RatoonError as failure:
                delay_s = delay_before_retry(call, failure, attempt, self.config)
                if delay_s is None:
                    raise
            time.sleep(delay_s)
        raise AssertionError("unreachable")

    @contextmanager
    def stream(self, call: Call, timeout: "float | httpx.Timeout | None" = None) -> Iterator[httpx.Response]:
        """Open a response whose body is read as it arrives. Failures while it is read are errors of this client."""
        with connection_errors(self.config.base_url):
            with self.http.stream(**call.options(self.config, timeout)) as response:
                if response.is_error:
                    response.read()
                    raise error_of_response(response)
                yield response

    def _send_once(self, call: Call, timeout: float | None) -> httpx.Response:
        with connection_errors(self.config.base_url):
            response = self.http.request(**call.options(self.config, timeout))
        return checked(response)


class AsyncTransport:
    """Sends calls and awaits their answers."""

    def __init__(self, http: httpx.AsyncClient, config: Config) -> None:
        self.http, self.config = http, config

    async def call(self, kind: type[M], call: Call, timeout: float | None = None) -> M:
        """Send a call and return its answer. `timeout` is in seconds and applies to each attempt."""
        return read(kind, (await self.send(call, timeout)).content)

    def page(self, kind: type[M], items: str, call: Call, timeout: float | None = None) -> AsyncPaginator[M]:
        """Return a page that is read when it is awaited or iterated."""

        async def load() -> AsyncPage[M]:
            resources, token = read_page(kind, items, (await self.send(call, timeout)).content)
            return AsyncPage(
                resources, token, lambda: self.page(kind, items, next_page(call, token), timeout)
            )

        return AsyncPaginator(load)

    def watch(self, kind: type[M], call: Call) -> AsyncWatch[M]:
        """Return the states of a resource as an asynchronous iterator."""
        return AsyncWatch(self, kind, call)

    async def wait(
        self,
        kind: type[M],
        call: Call,
        timeout: float | None,
        on_state: Callable[[M], object] | None,
    ) -> M:
        """Watch a resource and return its final state; OperationFailedError if it has no result."""

        async def last() -> M | None:
            state = None
            async with AsyncWatch(self, kind, call) as states:
                async for state in states:
                    if on_state is not None:
                        on_state(state)
            return state

        return final_state(await await_end(last(), timeout), call.path)

    async def send(self, call: Call, timeout: float | None = None) -> httpx.Response:
        """Send a call, again after a failure if that is safe, and return the response."""
        for attempt in count(1):
            try:
                return await self._send_once(call, timeout)
            except RatoonError as failure:
                delay_s = delay_before_retry(call, failure, attempt, self.config)
                if delay_s is None:
                    raise
            await asyncio.sleep(delay_s)
        raise AssertionError("unreachable")

    @asynccontextmanager
    async def stream(
        self, call: Call, timeout: "float | httpx.Timeout | None" = None
    ) -> AsyncIterator[httpx.Response]:
        """Open a response whose body is read as it arrives. Failures while it is read are errors of this client."""
        with connection_errors(self.config.base_url):
            async with self.http.stream(**call.options(self.config, timeout)) as response:
                if response.is_error:
                    await response.aread()
                    raise error_of_response(response)
                yield response

    async def _send_once(self, call: Call, timeout: float | None) -> httpx.Response:
        with connection_errors(self.config.base_url):
            response = await self.http.request(**call.options(self.config, timeout))
        return checked(response)


@contextmanager
def connection_errors(base_url: str) -> Iterator[None]:
    """Turn the transport errors of httpx into those of this client."""
    try:
        yield
    except httpx.TimeoutException as error:
        raise APITimeoutError(
            f"{base_url} did not respond in time. Try again, or set a longer timeout."
        ) from error
    except httpx.TransportError as error:
        raise APIConnectionError(
            f"No server responds at {base_url} ({error}). Check the endpoint; `ratoon up` starts a local installation."
        ) from error


def checked(response: httpx.Response) -> httpx.Response:
    """Return a response that is no error; raise the APIStatusError of one that is."""
    if response.is_error:
        raise error_of_response(response)
    return response


def delay_before_retry(call: Call, failure: RatoonError, attempt: int, config: Config) -> float | None:
    """Return the seconds before the next attempt of a call; None if there is none."""
    if attempt > config.max_retries or not (call.repeatable or call.method in ("GET", "HEAD")):
        return None
    if not isinstance(failure, APIConnectionError | APIStatusError):
        return None
    return retry_delay_s(failure, attempt)


def read(kind: type[M], content: bytes | str) -> M:
    """Return the message that a JSON text holds; APIResponseError if it holds none."""
    try:
        return kind.model_validate_json(content)
    except ValueError as error:
        raise APIResponseError(f"The response is not a {kind.__name__}: {error}") from error


def read_page(kind: type[M], items: str, content: bytes) -> tuple[list[M], str]:
    """Return the items of a page and the token of the next one, empty on the last page."""
    try:
        page = json.loads(content)
        return [kind.model_validate(item) for item in page.get(items, ())], page.get("nextPageToken", "")
    except (ValueError, AttributeError) as error:
        raise APIResponseError(f"The response is not a page of {items}: {error}") from error


def next_page(call: Call, token: str) -> Call:
    """Return the call for the page after the one that `token` came with."""
    return replace(call, query={**call.query, "pageToken": token})


def new_request_id() -> str:
    """Return an ID that makes the retries of one call safe."""
    return str(uuid.uuid4())


def _text(value: object) -> Any:
    """Return a JSON value as text of a query."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return [_text(each) for each in value] if isinstance(value, list) else str(value)
