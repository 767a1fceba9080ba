"""Engines without weights behind the room's real port: mock engines on Unix sockets, in one loop of their own."""

import asyncio
import hashlib
import threading
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import uvloop

from ratoon.testkit.engine import Faults, Golden, MockEngine, Pace
from ratoon_serving.adapters.engine_http import EngineClient
from ratoon_serving.application.ports import ServableVersion
from ratoon_serving.domain.attestation import Continuation, GoldenPrompt
from ratoon_serving.domain.engine import Check, Engine, EngineState, EngineView

GOLDEN = [
    GoldenPrompt((1, 2, 3), (7, 8, 9), (-0.1, -0.2, -0.3), (-2.0, -3.0, -4.0)),
    GoldenPrompt((4, 5), (6, 6), (-0.5, -0.5), (-1.5, -1.6)),
]


class SimulatedEngineHost:
    """Starts, looks at and ends mock engines; tests reach them by `engines` and may make versions lie or die."""

    def __init__(self, run: Path) -> None:
        self._run, self._client = run, EngineClient()
        self._loop = uvloop.new_event_loop()
        self._stacks: dict[str, AsyncExitStack] = {}
        self.engines: dict[str, MockEngine] = {}
        self.dishonest: set[str] = set()
        self.stillborn: set[str] = set()
        self.pace = Pace(tokens=4)
        threading.Thread(target=self._loop.run_forever, daemon=True, name="mock-engines").start()

    def engine_of(self, version: str) -> MockEngine:
        return next(e for e in self.engines.values() if e.version == version)

    def die(self, name: str) -> None:
        """End it as kill -9 does."""
        self.engines[name].faults = Faults(refuse=True)
        self._do(self._end(name))
        self.engines[name].status["dead"] = True

    def prepare(self) -> None:
        self._run.mkdir(parents=True, exist_ok=True)

    def endpoint(self, engine: Engine) -> str:
        return f"unix://{self._socket(engine.name)}"

    def start(self, engine: Engine) -> None:
        if self.view(engine).state not in (EngineState.ABSENT, EngineState.GONE):
            return
        digest = "f" * 64 if engine.version in self.dishonest else engine.artifact_digest
        golden = Golden() if engine.version in self.dishonest else golden_of(GOLDEN)
        mock = MockEngine(
            engine.version,
            secret=engine.secret,
            pace=self.pace,
            golden=golden,
            status={"artifact_digest": digest},
        )
        self.engines[engine.name] = mock
        if engine.version not in self.stillborn:
            self._do(self._begin(engine.name, mock))

    def view(self, engine: Engine) -> EngineView:
        if engine.name not in self.engines:
            return EngineView(EngineState.ABSENT)
        seen = self._client.view(engine)
        return seen or EngineView(EngineState.GONE, message="the mock engine was ended")

    def close(self, engine: Engine) -> None:
        self._client.control(engine, "close")

    def open(self, engine: Engine) -> None:
        self._client.control(engine, "open")

    def stop(self, engine: Engine) -> None:
        if self.engines.pop(engine.name, None) is not None:
            self._do(self._end(engine.name))

    def continue_prompts(self, engine: Engine, prompts: Sequence[GoldenPrompt]) -> Sequence[Continuation]:
        return self._client.continue_prompts(engine, prompts)

    def probe(self, engine: Engine) -> Check:
        return self._client.probe(engine)

    def inject(self, engine: Engine, error_rate: float, seconds: float) -> None:
        self.engines[engine.name].faults = Faults(status=500) if error_rate else Faults()

    def sweep(self, is_known) -> None:
        for name in [name for name in self.engines if not is_known(name)]:
            del self.engines[name]

    async def _begin(self, name: str, mock: MockEngine) -> None:
        stack = self._stacks[name] = AsyncExitStack()
        await stack.enter_async_context(mock.serve(self._socket(name)))

    async def _end(self, name: str) -> None:
        if stack := self._stacks.pop(name, None):
            await stack.aclose()

    def _do(self, work) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    def _socket(self, name: str) -> Path:
        return self._run / f"{hashlib.sha256(name.encode()).hexdigest()[:10]}.sock"


class FakeModels:
    """A registry in memory."""

    def __init__(self) -> None:
        self.versions: dict[str, ServableVersion] = {}
        self.alias = ""
        self.moves: list[str] = []

    def add(self, name: str, ready: bool = True) -> str:
        digest = hashlib.sha256(name.encode()).hexdigest()
        self.versions[name] = ServableVersion(name, ready, digest, "s" * 64, "g" * 64)
        return name

    def version(self, name: str) -> ServableVersion:
        return self.versions[name]

    def golden(self, digest: str) -> Sequence[GoldenPrompt]:
        return GOLDEN

    def production(self, model: str) -> str:
        return self.alias

    def move_production(self, model: str, version: str, reason: str, request_id: str) -> None:
        self.alias = version
        self.moves.append(version)


def golden_of(prompts: Sequence[GoldenPrompt]) -> Golden:
    return Golden({p.prompt: p.tokens for p in prompts}, {p.prompt: p.logprobs for p in prompts})
