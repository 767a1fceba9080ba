"""Finds an engine for a completion and relays its answer. It knows neither the caller's nor the engine's protocol.

A request whose engine refuses it or dies before a byte of the answer went out is sent to another one; while no
engine is open it waits, within the route's bound. From the first byte on it stays where it is.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import ParamSpec, TypeVar

from ratoon.chassis.clock import Clock
from ratoon_gateway.application.ports import Capture, EngineLost, Engines, EngineSilent, Reply, Routes
from ratoon_gateway.domain.capture import CUT, LEFT, MOST_ANSWER_BYTES, OK, Answered
from ratoon_gateway.domain.completions import Ask, rename_model
from ratoon_gateway.domain.errors import EngineTimeout, NoEngine
from ratoon_gateway.domain.routes import ModelName, Route, Target, choose, find_route
from ratoon_gateway.domain.traffic import Outcome, Traffic

P = ParamSpec("P")
R = TypeVar("R")
_STATUSES = {Outcome.ANSWERED: OK, Outcome.LEFT: LEFT, Outcome.CUT: CUT}
_REFUSALS = (404, 503)
"""An engine that is closed to new requests, or that no longer knows the model or the secret: the table was old."""
_SIGNATURE = b"x-ratoon-version"
"""An engine says which version it serves: one that was swapped since the table was made answers nobody by mistake."""
_MOST_FAILURES = 2
_BREATH_S = 0.2
_LARGE = 256 << 10
_FIRST_TABLE_S = 5.0


@dataclass(slots=True)
class Exchange:
    """A request at one engine; once begun, its first bytes are here (all of them, unless it streams)."""

    route: Route
    target: Target
    answer_id: str
    ask: Ask
    key: str
    began: float
    reply: Reply | None = None
    status: int = OK
    content_type: bytes = b"application/json"
    first: bytes = b""
    kept: list[bytes] = field(default_factory=list)
    kept_bytes: int = 0

    @property
    def streams(self) -> bool:
        """Whether more may come after `first`."""
        return self.ask.stream and self.status == OK

    async def next(self) -> bytes:
        """The next bytes of the answer, remembered up to a bound; empty at the end."""
        chunk = await self.reply.next() if self.reply else b""
        if self.kept_bytes < MOST_ANSWER_BYTES:
            self.kept.append(chunk)
            self.kept_bytes += len(chunk)
        return chunk


@dataclass(slots=True)
class _Search:
    """Where the search for an engine stands."""

    deadline: float
    table_version: int = -1
    tried: set[str] = field(default_factory=set)
    failures: int = 0


class Relay:
    """The data path."""

    def __init__(
        self,
        routes: Routes,
        engines: Engines,
        capture: Capture,
        traffic: Traffic,
        clock: Clock,
        hold_limit: int,
    ) -> None:
        self._routes, self._engines, self._capture = routes, engines, capture
        self._traffic, self._clock = traffic, clock
        self._hold_limit, self._held = hold_limit, 0

    @property
    def held(self) -> int:
        """How many requests wait for an engine now."""
        return self._held

    async def begin(self, ask: Ask, project: str, key: str) -> Exchange:
        """The exchange with the engine that answers; ModelNotFound, NoEngine, EngineTimeout."""
        name, began = ModelName.parse(ask.model), self._clock.boot()
        if not self._routes.table.version:
            await self._hold(_FIRST_TABLE_S)
        search = _Search(began + find_route(self._routes.table, name, project).hold_s)
        while True:
            route = self._look(search, name, project)
            target = choose(route, name.version, search.tried, random.random())
            if target is None:
                await self._wait(route, search)
                continue
            exchange = Exchange(
                route, target, self._capture.begin(route.deployment, target.version), ask, key, began
            )
            if await self._attempt(exchange, search):
                return exchange
            search.tried.add(target.engine)

    async def rest(self, exchange: Exchange) -> AsyncIterator[bytes]:
        """What comes after the first bytes; EngineLost or EngineSilent when the engine breaks off."""
        while chunk := await exchange.next():
            yield chunk

    def end(self, exchange: Exchange, outcome: Outcome) -> None:
        """The exchange is over: count it, and keep what was answered."""
        seconds = self._close(exchange, outcome)
        if exchange.status != OK or not exchange.kept:
            self._capture.forget(exchange.answer_id)
            return
        self._capture.keep(
            Answered(
                exchange.answer_id,
                self._clock.now(),
                exchange.route.deployment,
                exchange.target.version,
                exchange.ask,
                b"".join(exchange.kept),
                _STATUSES[outcome],
                seconds * 1000,
                exchange.key,
            )
        )

    def _look(self, search: _Search, name: ModelName, project: str) -> Route:
        """The route as it is now; a newer table gives every engine another chance."""
        table = self._routes.table
        if search.table_version != table.version:
            search.table_version = table.version
            search.tried.clear()
        return find_route(table, name, project)

    async def _wait(self, route: Route, search: _Search) -> None:
        """Wait for a newer table, or a moment before the engines that failed are tried again."""
        left = search.deadline - self._clock.boot()
        if left <= 0:
            raise NoEngine(f"No engine of {route.id} is open now; try again in a moment.")
        await self._hold(min(left, _BREATH_S) if search.tried else left)
        search.tried.clear()

    async def _hold(self, seconds: float) -> None:
        if self._held >= self._hold_limit:
            raise NoEngine("No engine is open, and too many requests wait already; try again in a moment.")
        self._held += 1
        try:
            await self._routes.changed(seconds)
        finally:
            self._held -= 1

    async def _attempt(self, exchange: Exchange, search: _Search) -> bool:
        """One try at one engine; False when another should be tried."""
        target, ask = exchange.target, exchange.ask
        self._traffic.began(exchange.route.deployment, target)
        try:
            body = await beside(len(ask.body), rename_model, ask, target.served_name)
            exchange.reply = await self._engines.send(target, ask.path, exchange.answer_id, body)
            exchange.status = exchange.reply.status
            if _refuses(exchange.reply, target):
                return self._withdraw(exchange)
            await _receive(exchange)
        except EngineLost:
            return self._abandon(exchange, Outcome.FAILED)
        except EngineSilent:
            self._abandon(exchange, Outcome.FAILED)
            raise EngineTimeout(f"The engine of {exchange.route.id} did not answer in time.") from None
        except BaseException:
            self._abandon(exchange, Outcome.LEFT)
            raise
        search.failures += exchange.status >= 500
        if exchange.status >= 500 and search.failures < _MOST_FAILURES:
            return self._abandon(exchange, Outcome.FAILED)
        return True

    def _withdraw(self, exchange: Exchange) -> bool:
        self._release(exchange)
        self._traffic.withdrew(exchange.route.deployment, exchange.target)
        self._capture.forget(exchange.answer_id)
        return False

    def _abandon(self, exchange: Exchange, outcome: Outcome) -> bool:
        self._close(exchange, outcome)
        self._capture.forget(exchange.answer_id)
        return False

    def _close(self, exchange: Exchange, outcome: Outcome) -> float:
        """Count the exchange; returns the seconds it took."""
        self._release(exchange)
        failed = exchange.status >= 500 and outcome is Outcome.ANSWERED
        seconds = self._clock.boot() - exchange.began
        self._traffic.ended(
            exchange.route.deployment, exchange.target, Outcome.FAILED if failed else outcome, seconds
        )
        return seconds

    def _release(self, exchange: Exchange) -> None:
        if exchange.reply is not None:
            exchange.reply.close()


async def beside(size: int, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call a function that takes time by the size of its bytes: here when they are few, else on a thread."""
    if size < _LARGE:
        return function(*args, **kwargs)
    return await asyncio.to_thread(function, *args, **kwargs)


def _refuses(reply: Reply, target: Target) -> bool:
    """Whether the engine does not take the request, or took it as another version than the table says."""
    signed = reply.header(_SIGNATURE)
    return reply.status in _REFUSALS or (bool(signed) and signed != target.version.encode())


async def _receive(exchange: Exchange) -> None:
    """Take in the first bytes of a stream, or the whole of any other answer."""
    reply = exchange.reply
    if reply is None:
        return
    exchange.content_type = reply.header(b"content-type") or exchange.content_type
    exchange.first = await exchange.next()
    if not exchange.first and exchange.streams:
        raise EngineLost("The stream ended before it began.")
    if exchange.streams or not exchange.first:
        return
    chunks = [exchange.first]
    while chunk := await exchange.next():
        chunks.append(chunk)
    exchange.first = b"".join(chunks)
