"""Shadow answers: another version of a deployment answers a sample of the requests, for comparison.

The answer is captured with the traffic and never sent; a failure is captured without an answer. It begins when the
caller has the whole answer, so it delays no caller; at most `MAX_OPEN` are under way, and requests beyond that are
dropped and counted. It counts neither as traffic of an engine nor as usage of a key.
"""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from ratoon.process.clock import Clock
from ratoon_gateway.application.ports import Capture, EngineLost, Engines, EngineSilent, EngineUnreachable
from ratoon_gateway.domain.capture import CUT, MAX_ANSWER_BYTES, OK, SHADOW, Answered, Live, read_answer
from ratoon_gateway.domain.completions import CompletionRequest, engine_body
from ratoon_gateway.domain.routes import SIGNATURE, Route, Target, refuses, shadow_target

MAX_OPEN = 2
TIMEOUT_S = 120.0
_LAST = 1_000
"""Priority in the engine: requests of callers go before."""


class ShadowOutcome(Enum):
    """Outcome of a request that was sampled."""

    SAME = "same"
    """Both versions wrote the same text."""
    DIFFERENT = "different"
    FAILED = "failed"
    DROPPED = "dropped"
    """Too many shadow answers were under way."""


@dataclass(frozen=True, slots=True)
class Original:
    """An answered request of a caller."""

    answer_id: str
    route: Route
    target: Target
    request: CompletionRequest
    raw: bytes
    key: str
    latency_ms: float


class Shadows:
    """Asks another version for its answer to a share of the answered requests."""

    def __init__(
        self,
        engines: Engines,
        capture: Capture,
        clock: Clock,
        share: float,
        count: Callable[[str, str, ShadowOutcome, float], None],
    ) -> None:
        """`count` gets deployment, version, outcome and seconds of each sampled request.

        `share` holds for routes that have none of their own.
        """
        self._engines, self._capture, self._clock = engines, capture, clock
        self._share, self._count = share, count
        self._open: set[asyncio.Task[None]] = set()

    def offer(self, original: Original) -> None:
        """Begin a shadow answer if the request is sampled and another version serves. It returns at once."""
        if random.random() >= (original.route.shadow_share or self._share):
            return
        target = shadow_target(original.route, original.target)
        if target is None:
            return
        if len(self._open) >= MAX_OPEN:
            self._count(original.route.deployment, target.version, ShadowOutcome.DROPPED, 0.0)
            return
        task = asyncio.get_running_loop().create_task(self._answer(original, target))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def close(self) -> None:
        """Cancel what is under way."""
        for task in list(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _answer(self, original: Original, target: Target) -> None:
        deployment, began = original.route.deployment, self._clock.monotonic()
        answer_id = self._capture.begin(deployment, target.version)
        try:
            async with asyncio.timeout(TIMEOUT_S):
                raw = await self._received(original, target, answer_id)
        except (EngineLost, EngineSilent, EngineUnreachable, TimeoutError):
            raw = b""
        except BaseException:
            self._capture.forget(answer_id)
            raise
        seconds = self._clock.monotonic() - began
        if raw is None:
            self._capture.forget(answer_id)
            self._count(deployment, target.version, ShadowOutcome.FAILED, seconds)
            return
        outcome, tokens = ShadowOutcome.FAILED, 0
        if raw:
            outcome, tokens = await asyncio.to_thread(_compared, original, raw)
        self._count(deployment, target.version, outcome, seconds)
        self._capture.keep(
            Answered(
                answer_id,
                self._clock.now(),
                deployment,
                target.version,
                original.request,
                raw,
                SHADOW if raw else CUT,
                seconds * 1000,
                original.key,
                Live(original.answer_id, original.target.version, original.latency_ms, tokens),
            )
        )

    async def _received(self, original: Original, target: Target, answer_id: str) -> bytes | None:
        """Return the whole answer, empty if the engine fails or writes too much; None if it does not serve the version.

        The route may be older than the end of a rollout.
        """
        body = engine_body(original.request, target.served_name, {**dict(target.defaults), "priority": _LAST})
        reply = await self._engines.send(target, original.request.path, answer_id, body)
        chunks, size = [], 0
        try:
            if refuses(target, reply.status, reply.header(SIGNATURE)):
                return None
            while reply.status == OK and (chunk := await reply.next()):
                chunks.append(chunk)
                size += len(chunk)
                if size > MAX_ANSWER_BYTES:
                    return b""
        finally:
            reply.close()
        return b"".join(chunks)


def _compared(original: Original, raw: bytes) -> tuple[ShadowOutcome, int]:
    """Return whether both texts are the same, and the tokens of the answer that the caller got."""
    live, shadow = (read_answer(each, original.request.stream) for each in (original.raw, raw))
    same = live.text.strip() == shadow.text.strip()
    return ShadowOutcome.SAME if same else ShadowOutcome.DIFFERENT, live.completion_tokens
