"""Finds an engine for a completion and relays its answer. It knows neither the caller's nor the engine's protocol.

A request whose engine refuses it or dies before a byte of the answer went out is sent to another one; while no
engine is open it waits, within the route's bound. From the first byte on it stays where it is.

A request that fails is tried once more, at another version if there is one. What both fail at is the request's own
fault and counts against neither.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import ParamSpec, TypeVar

from ratoon.process.clock import Clock
from ratoon_gateway.application.fairness import Fairness
from ratoon_gateway.application.guard import StreamGuard, check_prompt, checked_answer
from ratoon_gateway.application.ports import (
    AnswerTooLong,
    Capture,
    ContentFilter,
    EngineBroke,
    EngineLost,
    Engines,
    EngineSilent,
    EngineUnreachable,
    Reply,
    Routes,
    Safety,
)
from ratoon_gateway.application.shadows import Original, Shadows
from ratoon_gateway.domain.capture import (
    CUT,
    FILTERED,
    LEFT,
    MAX_ANSWER_BYTES,
    OK,
    Answered,
    tokens_spent,
)
from ratoon_gateway.domain.completions import CompletionRequest, engine_body, longest_text
from ratoon_gateway.domain.engine_errors import ERROR_EVENT, engine_error, stream_error
from ratoon_gateway.domain.errors import EngineTimeout, GatewayError, NoEngine
from ratoon_gateway.domain.routes import (
    SIGNATURE,
    ModelName,
    Route,
    Target,
    choose,
    comparison,
    find_route,
    refuses,
)
from ratoon_gateway.domain.shares import Turn
from ratoon_gateway.domain.traffic import Outcome, Traffic, caller_fingerprint

P = ParamSpec("P")
R = TypeVar("R")
_STATUSES = {
    Outcome.ANSWERED: OK,
    Outcome.FILTERED: FILTERED,
    Outcome.LEFT: LEFT,
    Outcome.CUT: CUT,
    Outcome.REJECTED: CUT,
}
LOST = 502
"""Status in place of that of an engine that broke off."""
_MAX_LOST = 3
"""Engines that one request may lose before it is taken to be the cause."""
_MAX_ANSWERING = 1_000
_RETRY_S = 0.2
_LARGE = 256 << 10
_FIRST_TABLE_S = 5.0


@dataclass(slots=True)
class Exchange:
    """A request at one engine; once begun, its first bytes are here (all of them, unless it streams)."""

    route: Route
    target: Target
    answer_id: str
    request: CompletionRequest
    key: str
    began: float
    turn: Turn
    is_first: bool = True
    """False if another engine received the request before."""
    content_filter: ContentFilter | None = None
    guard: StreamGuard | None = None
    filtered: bool = False
    """True if the safety filter withheld a part."""
    reply: Reply | None = None
    status: int = OK
    fault: GatewayError | None = None
    """Error for the caller where the engine answered with one."""
    content_type: bytes = b"application/json"
    first: bytes = b""
    chunks: list[bytes] = field(default_factory=list)
    retained_bytes: int = 0

    @property
    def streams(self) -> bool:
        """True if more may follow `first`."""
        return self.request.stream and self.status == OK

    @property
    def truncated(self) -> str:
        """Return what the version's template truncates of the longest message; empty if nothing."""
        limit = self.target.max_prompt_characters
        length = longest_text(self.request) if limit else 0
        return f"characters; kept={limit}; given={length}" if length > limit else ""

    @property
    def tokens(self) -> int:
        """Return the tokens of prompt and answer so far; 0 where the engine refused."""
        return tokens_spent(self.request, b"".join(self.chunks)) if self.status == OK else 0

    async def next(self) -> bytes:
        """Return the next bytes of the answer, retained up to a bound; empty at the end."""
        chunk = await self.reply.next() if self.reply else b""
        if self.retained_bytes < MAX_ANSWER_BYTES:
            self.chunks.append(chunk)
            self.retained_bytes += len(chunk)
        return chunk

    def passed(self, chunk: bytes) -> bytes:
        """Return the part of a stream's next bytes that may be sent now."""
        if self.guard is None:
            return chunk
        allowed = self.guard.take(chunk)
        self.filtered = self.guard.blocked
        return allowed

    def last(self) -> bytes:
        """Return the rest that is to be sent at the end of a stream."""
        if self.guard is None or self.filtered:
            return b""
        allowed = self.guard.end()
        self.filtered = self.guard.blocked
        return allowed


@dataclass(slots=True)
class _Search:
    """State of the search for an engine."""

    deadline: float
    turn: Turn
    table_version: int = -1
    tried: set[tuple[str, str]] = field(default_factory=set)
    lost: int = 0
    sent: bool = False
    """True once an engine received the request."""
    failed: Exchange | None = None
    """The first engine's failure, which another engine's answer will explain."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Limits of the relay: requests that wait for an engine at once, and the longest stream in seconds."""

    held: int
    answer_s: float


class Relay:
    """Relays completions to engines."""

    def __init__(
        self,
        routes: Routes,
        engines: Engines,
        capture: Capture,
        safety: Safety,
        traffic: Traffic,
        clock: Clock,
        bounds: Bounds,
        fairness: Fairness,
        shadows: Shadows | None = None,
    ) -> None:
        self._routes, self._engines, self._capture, self._safety = routes, engines, capture, safety
        self._traffic, self._clock, self._fairness = traffic, clock, fairness
        self._bounds, self._held, self._shadows = bounds, 0, shadows
        self._last_answers: dict[tuple[str, str], float] = {}

    @property
    def held(self) -> int:
        """Return the number of requests that wait for an engine."""
        return self._held

    async def begin(self, request: CompletionRequest, project: str, key: str) -> Exchange:
        """Return the exchange with the engine that answers; ModelNotFound, ContentBlocked, NoEngine, EngineTimeout."""
        name = ModelName.parse(request.model)
        if not self._routes.table.version:
            await self._hold(_FIRST_TABLE_S)
        route = find_route(self._routes.table, name, project)
        filters = self._safety.of(route.project)
        if filters.prompts is not None:
            await off_loop(request.size, check_prompt, request, filters.prompts)
        turn = await self._fairness.enter(route, key, request.choices)
        search = _Search(self._clock.monotonic() + route.hold_s, turn)
        try:
            return await self._search(search, request, name, project, key, filters.answers)
        except BaseException:
            if search.failed is not None:
                self._close(search.failed, Outcome.LEFT)
                self._capture.forget(search.failed.answer_id)
            self._fairness.leave(route, turn)
            raise

    async def _search(
        self,
        search: _Search,
        request: CompletionRequest,
        name: ModelName,
        project: str,
        key: str,
        content_filter: ContentFilter | None,
    ) -> Exchange:
        began = self._clock.monotonic()
        while True:
            route = self._current_route(search, name, project)
            target = self._next(search, route, name.version, request.user or key)
            if target is None and search.failed is not None:
                return self._settled(search, search.failed)
            if target is None:
                await self._wait(route, search)
                continue
            answer_id = self._capture.begin(route.deployment, target.version)
            exchange = Exchange(
                route, target, answer_id, request, key, began, search.turn, not search.sent, content_filter
            )
            if await self._attempt(exchange, search):
                return self._settled(search, exchange)
            search.tried.add(target.process)

    def _next(self, search: _Search, route: Route, version: str, user: str) -> Target | None:
        """Return the target to try next."""
        if search.failed is not None:
            return comparison(route, version, search.tried, search.failed.target)
        return choose(route, version, search.tried, random.random(), user)

    async def rest(self, exchange: Exchange) -> AsyncIterator[bytes]:
        """Yield the bytes after the first; EngineLost, EngineSilent, EngineBroke, AnswerTooLong where it breaks."""
        latest = exchange.began + self._bounds.answer_s
        while not exchange.filtered and (chunk := await exchange.next()):
            place = chunk.find(ERROR_EVENT)
            if place >= 0 and (error := stream_error(chunk[place:])):
                if allowed := exchange.passed(chunk[:place]):
                    yield allowed
                raise EngineBroke(error[1])
            if allowed := exchange.passed(chunk):
                yield allowed
            if self._clock.monotonic() > latest:
                raise AnswerTooLong
        if left := exchange.last():
            yield left

    def end(self, exchange: Exchange, outcome: Outcome) -> None:
        """End an exchange: count it, and capture the answer."""
        if exchange.filtered and outcome is Outcome.ANSWERED:
            outcome = Outcome.FILTERED
        seconds = self._close(exchange, outcome)
        self._fairness.leave(exchange.route, exchange.turn)
        if exchange.status != OK or not exchange.chunks:
            self._capture.forget(exchange.answer_id)
            return
        raw = b"".join(exchange.chunks)
        self._capture.keep(
            Answered(
                exchange.answer_id,
                self._clock.now(),
                exchange.route.deployment,
                exchange.target.version,
                exchange.request,
                raw,
                _STATUSES[outcome],
                seconds * 1000,
                exchange.key,
            )
        )
        if outcome is Outcome.ANSWERED:
            self._offer(exchange, raw, seconds)

    def _offer(self, exchange: Exchange, raw: bytes, seconds: float) -> None:
        """Offer a whole answer for comparison.

        Not one of a pinned version, nor one that a safety filter watches, nor one of several, nor one that its caller
        does not let be stored.
        """
        request = exchange.request
        if self._shadows is None or exchange.content_filter is not None or request.choices > 1:
            return
        if not request.is_stored:
            return
        if ModelName.parse(exchange.request.model).version:
            return
        self._shadows.offer(
            Original(
                exchange.answer_id,
                exchange.route,
                exchange.target,
                exchange.request,
                raw,
                exchange.key,
                seconds * 1000,
            )
        )

    def _current_route(self, search: _Search, name: ModelName, project: str) -> Route:
        """Return the current route; a newer table lets every engine be tried again."""
        table = self._routes.table
        if search.table_version != table.version:
            search.table_version = table.version
            search.tried.clear()
        return find_route(table, name, project)

    async def _wait(self, route: Route, search: _Search) -> None:
        """Wait for a newer table, or briefly before failed engines are tried again."""
        left = search.deadline - self._clock.monotonic()
        if left <= 0:
            raise NoEngine(f"No engine of {route.id} accepts requests now: try again in a moment.")
        if not route.targets:
            self._routes.activate(route.deployment)
        await self._hold(min(left, _RETRY_S) if search.tried else left)
        search.tried.clear()

    async def _hold(self, seconds: float) -> None:
        if self._held >= self._bounds.held:
            raise NoEngine(
                "No engine accepts requests, and the queue of waiting requests is full: try "
                "again in a moment."
            )
        self._held += 1
        try:
            await self._routes.changed(seconds)
        finally:
            self._held -= 1

    async def _attempt(self, exchange: Exchange, search: _Search) -> bool:
        """Try one engine; return False where another one should be tried."""
        target, request = exchange.target, exchange.request
        self._traffic.began(exchange.route.deployment, target)
        try:
            body = await off_loop(request.size, _body_for, exchange)
            exchange.reply = await self._engines.send(target, request.path, exchange.answer_id, body)
            exchange.status = exchange.reply.status
            if _refuses(exchange.reply, target):
                return self._withdraw(exchange)
            search.sent = True
            await _receive(exchange)
        except EngineUnreachable:
            search.sent = True
            return self._abandon(exchange, Outcome.FAILED)
        except EngineLost:
            return self._lose(exchange, search)
        except EngineSilent:
            self._abandon(exchange, self._silence(exchange))
            raise EngineTimeout(f"The engine of {exchange.route.id} did not answer in time.") from None
        except BaseException:
            self._abandon(exchange, Outcome.LEFT)
            raise
        self._note_answer(target)
        if exchange.status >= 500 and search.failed is None:
            return self._suspend(exchange, search)
        return True

    def _note_answer(self, target: Target) -> None:
        if len(self._last_answers) > _MAX_ANSWERING:
            self._last_answers.clear()
        self._last_answers[target.process] = self._clock.monotonic()

    def _lose(self, exchange: Exchange, search: _Search) -> bool:
        """Handle an engine that broke off. A request that loses several engines is not retried again."""
        search.sent, search.lost = True, search.lost + 1
        exchange.status, exchange.fault = LOST, engine_error(LOST, b"")
        if search.lost >= _MAX_LOST:
            exchange.fault = engine_error(500, b"")
            return True
        if search.failed is None:
            return self._suspend(exchange, search)
        return self._abandon(exchange, Outcome.FAILED)

    def _suspend(self, exchange: Exchange, search: _Search) -> bool:
        """Keep a failure until another engine shows its cause."""
        self._release(exchange)
        search.failed = exchange
        return False

    def _settled(self, search: _Search, exchange: Exchange) -> Exchange:
        """Return the exchange for the caller, and count the first failure by what another engine did."""
        failed, search.failed = search.failed, None
        if failed is None or failed is exchange:
            return exchange
        alike = exchange.status >= 400 and exchange.target.version != failed.target.version
        self._abandon(failed, Outcome.REJECTED if alike else Outcome.FAILED)
        return exchange

    def _silence(self, exchange: Exchange) -> Outcome:
        """Return the outcome of a silent engine: one that answered others meanwhile has a long request, no fault."""
        last_answer = self._last_answers.get(exchange.target.process, float("-inf"))
        return Outcome.REJECTED if last_answer > exchange.began else Outcome.FAILED

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
        """Count the exchange; return its duration in seconds."""
        self._release(exchange)
        if outcome is Outcome.ANSWERED and exchange.status != OK:
            outcome = Outcome.FAILED if exchange.status >= 500 else Outcome.REJECTED
        seconds = self._clock.monotonic() - exchange.began
        deployment, target = exchange.route.deployment, exchange.target
        if exchange.is_first:
            self._traffic.ended(deployment, target, outcome, seconds, caller_fingerprint(exchange.key))
        else:
            self._traffic.ended_again(deployment, target, outcome, seconds)
        return seconds

    def _release(self, exchange: Exchange) -> None:
        if exchange.reply is not None:
            exchange.reply.close()


async def off_loop(size: int, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call a function whose time grows with the size of its bytes; on a thread if it is large."""
    if size < _LARGE:
        return function(*args, **kwargs)
    return await asyncio.to_thread(function, *args, **kwargs)


def _body_for(exchange: Exchange) -> bytes:
    """Return the request for this engine. Requests of a busy key have a lower priority in the engine, too."""
    target = exchange.target
    defaults = dict(target.defaults)
    if exchange.turn.ahead:
        defaults["priority"] = exchange.turn.ahead
    return engine_body(exchange.request, target.served_name, defaults)


def _refuses(reply: Reply, target: Target) -> bool:
    return refuses(target, reply.status, reply.header(SIGNATURE))


async def _receive(exchange: Exchange) -> None:
    """Receive the first bytes of a stream, or the whole of any other answer."""
    reply = exchange.reply
    if reply is None:
        return
    exchange.content_type = reply.header(b"content-type") or exchange.content_type
    if exchange.streams:
        await _receive_first(exchange)
        return
    chunks = []
    while chunk := await exchange.next():
        chunks.append(chunk)
    exchange.first = chunks[0] if len(chunks) == 1 else b"".join(chunks)
    if exchange.status != OK:
        exchange.fault = engine_error(exchange.status, exchange.first)
        return
    if exchange.content_filter is not None:
        size = len(exchange.first)
        exchange.first, exchange.filtered = await off_loop(
            size, checked_answer, exchange.first, exchange.content_filter
        )


async def _receive_first(exchange: Exchange) -> None:
    chunk = await exchange.next()
    if not chunk:
        raise EngineLost("The stream ended before it began.")
    if error := stream_error(chunk):
        exchange.status, exchange.fault = error
        return
    if exchange.content_filter is not None:
        exchange.guard = StreamGuard(exchange.content_filter)
    exchange.first = exchange.passed(chunk)
