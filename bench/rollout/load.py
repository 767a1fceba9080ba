"""Callers at a fixed rate over loopback: each requests a few tokens as a stream, on its own connection.

Latency counts from when a request was due. It knows no product: the version that answered is read from a header, if
there is one.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import aiohttp

_TIMEOUT_S = 120.0


@dataclass(frozen=True)
class RequestSpec:
    """Target and content of requests."""

    port: int
    headers: dict[str, str]
    model: str
    tokens: int = 16


@dataclass
class Answer:
    """One request: when it was due, how long it took, who answered; times in seconds, `fault` empty when well."""

    due: float
    seconds: float = 0.0
    version: str = ""
    fault: str = ""


@dataclass
class Load:
    """Requests at `rate` a second until `stop`."""

    spec: RequestSpec
    rate: float
    answers: list[Answer] = field(default_factory=list)
    _stopping: bool = False

    def stop(self) -> None:
        """Send no more; what was sent is waited for."""
        self._stopping = True

    async def run(self, began: float) -> None:
        """Send, each when it is due since `began` (monotonic seconds)."""
        timeout, connector = aiohttp.ClientTimeout(total=_TIMEOUT_S), aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
            sent: list[asyncio.Task[None]] = []
            while not self._stopping:
                due = began + len(sent) / self.rate
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                answer = Answer(due - began)
                self.answers.append(answer)
                sent.append(asyncio.create_task(self._ask(session, answer, due)))
            await asyncio.gather(*sent)

    async def _ask(self, session: aiohttp.ClientSession, answer: Answer, due: float) -> None:
        body = {
            "model": self.spec.model,
            "messages": [{"role": "user", "content": "Dear friend, you have won."}],
            "max_tokens": self.spec.tokens,
            "ignore_eos": True,
            "stream": True,
        }
        url = f"http://127.0.0.1:{self.spec.port}/v1/chat/completions"
        try:
            async with session.post(url, json=body, headers=self.spec.headers) as reply:
                answer.version = reply.headers.get("x-ratoon-model", "")
                text = await reply.text()
            answer.fault = "" if reply.status == 200 and "[DONE]" in text else f"{reply.status}: {text[:80]}"
        except (aiohttp.ClientError, TimeoutError) as error:
            answer.fault = type(error).__name__
        answer.seconds = time.monotonic() - due


async def under_load(
    spec: RequestSpec, rate: float, work: Callable[[], float], lead_s: float
) -> tuple[list[Answer], float]:
    """All answers while `work` runs on a thread, with some lead before and after; and when its switch began."""
    load, began = Load(spec, rate), time.monotonic()
    running = asyncio.create_task(load.run(began))
    await asyncio.sleep(lead_s)
    try:
        started = await asyncio.to_thread(work)
        await asyncio.sleep(lead_s)
    finally:
        load.stop()
        await running
    return load.answers, started - began
