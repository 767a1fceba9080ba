"""Callers of a deployment, as behind the gateway's relay: they follow the route table, wait, and are never refused.

Each answer is a stream whose tokens name the version that wrote it, so that a cut or mixed answer is detected.
"""

import asyncio
import itertools
import json
import threading
import time
from dataclasses import dataclass, field

import aiohttp

from ratoon.serving.v1 import route_pb2
from ratoon.serving.v1 import serving_service_pb2 as pb


@dataclass
class Answer:
    """One request: the version that signed its answer, the tokens, and the seconds that it waited for an engine."""

    number: int
    version: str = ""
    tokens: list[str] = field(default_factory=list)
    waited_s: float = 0.0
    done: bool = False
    fault: str = ""


class Table:
    """The route table, followed by a thread until `stop`."""

    def __init__(self, gateway, deployment: str) -> None:
        self._gateway, self._deployment = gateway, deployment
        self.targets: list[route_pb2.Target] = []
        self.hold_s = 30.0
        self._stopping = threading.Event()
        threading.Thread(target=self._follow, daemon=True).start()

    def _follow(self) -> None:
        while not self._stopping.wait(0.02):
            table = self._gateway.GetRouteTable(pb.GetRouteTableRequest())
            route = next((r for r in table.routes if r.deployment == self._deployment), None)
            if route is not None:
                self.targets, self.hold_s = list(route.targets), route.hold_seconds

    def stop(self) -> None:
        self._stopping.set()


class Callers:
    """`count` callers that send requests until `stop`."""

    def __init__(self, table: Table, count: int, tokens: int, pause_s: float = 0.0) -> None:
        self._table, self._count, self._tokens, self._pause_s = table, count, tokens, pause_s
        self._numbers = itertools.count()
        self._stopping = asyncio.Event()
        self.answers: list[Answer] = []

    async def run(self) -> None:
        await asyncio.gather(*(self._ask_on() for _ in range(self._count)))

    def stop(self) -> None:
        self._stopping.set()

    async def _ask_on(self) -> None:
        while not self._stopping.is_set():
            answer = Answer(next(self._numbers))
            self.answers.append(answer)
            await self._ask(answer)
            await asyncio.sleep(self._pause_s)

    async def _ask(self, answer: Answer) -> None:
        began = time.monotonic()
        while time.monotonic() - began < self._table.hold_s:
            target = next((t for t in self._table.targets if t.weight), None)
            if target is not None and await self._try(target, answer, began):
                return
            await asyncio.sleep(0.02)
        answer.fault = "no engine was open in time"

    async def _try(self, target: route_pb2.Target, answer: Answer, began: float) -> bool:
        """Return whether the engine accepted the request; a later error is recorded in the answer."""
        request = {
            "model": target.served_name,
            "prompt": [5, 6, 7 + answer.number % 50],
            "max_tokens": self._tokens,
            "temperature": 0,
            "ignore_eos": True,
            "stream": True,
            "logprobs": 0,
        }
        connector = aiohttp.UnixConnector(target.endpoint.removeprefix("unix://"))
        headers = {"x-ratoon-engine-secret": target.secret}
        try:
            async with (
                aiohttp.ClientSession(connector=connector) as session,
                session.post("http://engine/v1/completions", json=request, headers=headers) as reply,
            ):
                version = reply.headers.get("x-ratoon-version", "")
                if reply.status in (404, 503) or version != target.version:
                    return False
                answer.version, answer.waited_s = version, time.monotonic() - began
                await _read(reply, answer)
        except aiohttp.ClientError as error:
            answer.fault = repr(error) if answer.version else ""
            return bool(answer.version)
        return True


async def _read(reply: aiohttp.ClientResponse, answer: Answer) -> None:
    if reply.status != 200:
        answer.fault = f"status {reply.status}: {await reply.text()}"
        return
    async for line in reply.content:
        data = line.decode().removeprefix("data: ").strip()
        if data == "[DONE]":
            answer.done = True
        elif data:
            choice = json.loads(data)["choices"][0]
            logged = choice.get("logprobs")
            answer.tokens += logged["tokens"] if logged else choice["text"].split()
