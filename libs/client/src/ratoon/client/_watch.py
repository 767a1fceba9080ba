"""Watches: the states of a resource as they change, over connections that may break, and the wait for the final one."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Generator
from dataclasses import replace
from typing import TYPE_CHECKING, Generic, Self, TypeVar

import httpx

from ratoon.client._errors import (
    APIConnectionError,
    APIStatusError,
    OperationFailedError,
    OperationTimeoutError,
    RatoonError,
    error_of_event,
)
from ratoon.client._retries import retry_delay_s
from ratoon.client._sse import EventDecoder, ServerSentEvent
from ratoon.client.states import SUCCESS

if TYPE_CHECKING:
    from pydantic import BaseModel

    from ratoon.client._transport import AsyncTransport, Call, SyncTransport

M = TypeVar("M", bound="BaseModel")
T = TypeVar("T")

SILENCE_S = 30.0
"""Seconds without a byte after which a connection counts as broken; the server sends one every 10 seconds."""
MAX_RECONNECTS = 30
"""Number of consecutive reconnects without an event; they take about four minutes."""


class _Position:
    """Last event of a watch, and the reconnects since."""

    def __init__(self, max_retries: int) -> None:
        self.last_id = ""
        self._failures, self._max_failures = 0, max_retries

    def advance(self, event: ServerSentEvent) -> None:
        """Record an event that arrived; an `error` event is raised."""
        if event.name == "error":
            raise error_of_event(event.data, {})
        self.last_id, self._failures, self._max_failures = event.id, 0, MAX_RECONNECTS

    def delay_s(self, failure: RatoonError) -> float:
        """Return the seconds before the next connection; raise the failure if it would recur, or after too many."""
        self._failures += 1
        delay_s = retry_delay_s(failure, self._failures)
        if delay_s is None or self._failures > self._max_failures:
            raise failure
        return delay_s

    def call(self, call: "Call") -> "Call":
        """Return the call that resumes the watch here."""
        resume = {"last-event-id": self.last_id} if self.last_id else {}
        return replace(call, headers={"accept": "text/event-stream", **resume})


class SyncWatch(Generic[M]):
    """Iterator over the states of a resource: the current one, then each newer one, until the final one.

    A broken connection is opened again after the last revision. `with` or `close` ends it early.
    """

    def __init__(
        self, transport: "SyncTransport", kind: type[M], call: "Call", timeout: float | None = None
    ) -> None:
        self._transport, self._kind, self._call = transport, kind, call
        self._deadline = None if timeout is None else time.monotonic() + timeout
        self._states = self._watch()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> M:
        return next(self._states)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._states.close()

    def _watch(self) -> Generator[M, None, None]:
        from ratoon.client._transport import read

        position = _Position(self._transport.config.max_retries)
        while True:
            try:
                for event in self._events(position):
                    yield read(self._kind, event.data)
                return
            except (APIConnectionError, APIStatusError) as failure:
                self._remaining_s()
                delay_s = position.delay_s(failure)
            time.sleep(min(delay_s, self._remaining_s()))

    def _events(self, position: _Position) -> Generator[ServerSentEvent, None, None]:
        decoder = EventDecoder(position.last_id)
        timeout = httpx.Timeout(
            self._transport.config.timeout_s, read=min(SILENCE_S, self._remaining_s() + 0.01)
        )
        with self._transport.stream(position.call(self._call), timeout) as response:
            for line in response.iter_lines():
                self._remaining_s()
                if event := decoder.feed(line):
                    position.advance(event)
                    yield event

    def _remaining_s(self) -> float:
        """Return the seconds to the deadline; OperationTimeoutError after it."""
        if self._deadline is None:
            return float("inf")
        remaining = self._deadline - time.monotonic()
        if remaining <= 0:
            raise OperationTimeoutError(_timed_out(self._call.path))
        return remaining


class AsyncWatch(Generic[M]):
    """Asynchronous iterator over the states of a resource: the current one, then each newer one, until the final one.

    A broken connection is opened again after the last revision. `async with` or `close` ends it early.
    """

    def __init__(self, transport: "AsyncTransport", kind: type[M], call: "Call") -> None:
        self._transport, self._kind, self._call = transport, kind, call
        self._states = self._watch()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> M:
        return await anext(self._states)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection."""
        await self._states.aclose()

    async def _watch(self) -> AsyncGenerator[M, None]:
        from ratoon.client._transport import read

        position = _Position(self._transport.config.max_retries)
        while True:
            try:
                async with self._transport.stream(position.call(self._call), self._timeout()) as response:
                    decoder = EventDecoder(position.last_id)
                    async for line in response.aiter_lines():
                        if event := decoder.feed(line):
                            position.advance(event)
                            yield read(self._kind, event.data)
                return
            except (APIConnectionError, APIStatusError) as failure:
                delay_s = position.delay_s(failure)
            await asyncio.sleep(delay_s)

    def _timeout(self) -> httpx.Timeout:
        return httpx.Timeout(self._transport.config.timeout_s, read=SILENCE_S)


async def await_end(work: Awaitable[T], timeout: float | None) -> T:
    """Return the result of a wait; OperationTimeoutError after `timeout` seconds."""
    try:
        async with asyncio.timeout(timeout):
            return await work
    except OperationTimeoutError:
        raise
    except TimeoutError as error:
        raise OperationTimeoutError(_timed_out("The operation")) from error


def final_state(state: M | None, path: str) -> M:
    """Return the final state of a resource; OperationFailedError if the operation did not succeed."""
    name = path.removeprefix("/v1/").removesuffix(":watch")
    if state is None:
        raise OperationFailedError(f"{name}: the watch ended without a state.", None)
    reached = str(getattr(state, "state", ""))
    if reached in SUCCESS:
        return state
    failure = getattr(state, "failure", None)
    reason = getattr(failure, "message", "") or getattr(state, "reason", "")
    reason = reason or reached.removeprefix("STATE_").replace("_", " ").lower()
    raise OperationFailedError(f"{name}: {reason}", state)


def _timed_out(path: str) -> str:
    name = path.removeprefix("/v1/").removesuffix(":watch")
    return f"{name} did not end in time. It continues on the server; wait again, or cancel it."
