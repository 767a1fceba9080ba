"""Engines without weights behind the port of serving: mock engines on Unix sockets, in one loop of their own."""

import asyncio
import hashlib
import threading
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Self

import uvloop

from ratoon.engine.contract import ControlPath
from ratoon.process.errors import Aborted, FailedPrecondition
from ratoon.tasks.compute import Accelerator, Compute, Dtype
from ratoon.tasks.parity import Link
from ratoon.testkit.engine import Faults, Golden, MockEngine, Pace
from ratoon_serving.adapters.engine_http import EngineClient
from ratoon_serving.application.ports import EngineTimeouts, RolloutProgress, ServableVersion
from ratoon_serving.domain.attestation import Continuation, GoldenPrompt, Recording
from ratoon_serving.domain.engine import Check, Engine, EngineState, EngineView, Fence
from ratoon_serving.domain.rollouts.model_spec import ModelSpec
from ratoon_serving.domain.rollouts.second_engine import Headroom
from ratoon_serving.domain.scaling import Load

GOLDEN = [
    GoldenPrompt((1, 2, 3), (7, 8, 9), (-0.1, -0.2, -0.3), (-2.0, -3.0, -4.0)),
    GoldenPrompt((4, 5), (6, 6), (-0.5, -0.5), (-1.5, -1.6)),
]


WHOLE = ModelSpec(shape="one", size_bytes=1 << 20)
ADAPTER = ModelSpec(shape="one", base_digest="b" * 64, size_bytes=1 << 20, rank=8)


class SimulatedEngineHost:
    """Host of mock engines; tests reach them by `engines` and may make versions dishonest or let processes die."""

    def __init__(self, run: Path) -> None:
        self._run, self._client = run, EngineClient()
        self._loop = uvloop.new_event_loop()
        self._stacks: dict[str, AsyncExitStack] = {}
        self.engines: dict[str, MockEngine] = {}
        self.dishonest: set[str] = set()
        self.badly_rounded: set[str] = set()
        self.never_starting: set[str] = set()
        self.targets: dict[str, str] = {}
        self.fences: dict[tuple[str, str], int] = {}
        self.begun: list[str] = []
        self.progress: list[tuple[str, str]] = []
        self.before_stop = lambda engine: None
        self.free_bytes = 1 << 40
        self.timeouts = EngineTimeouts()
        self.max_replicas = 1
        self.max_shared_adapters = 1
        self.replicas: dict[str, int] = {}
        self.busy = Load()
        self.pace = Pace(tokens=4)
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True, name="mock-engines")
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_raised: object) -> None:
        """End the engines and their loop: a loop that is only collected closes sockets that Python has closed too."""
        for name in list(self._stacks):
            self._do(self._end(name))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def engine_of(self, version: str) -> MockEngine:
        """The process that holds this version."""
        held = ((e, {e.version, *(a.version for a in e.adapters.values())}) for e in self.engines.values())
        return next(engine for engine, versions in held if version in versions)

    def die(self, name: str) -> None:
        """End this process as kill -9 does."""
        self.engines[name].faults = Faults(refuse=True)
        self._do(self._end(name))
        self.engines[name].status["dead"] = True

    def scale(self, engine: Engine, fence: Fence) -> None:
        self.claim(engine, fence)
        self.replicas[engine.process] = engine.replicas

    def load(self, engine: Engine) -> Load:
        return self.busy

    def claim(self, engine: Engine, fence: Fence) -> None:
        key = engine.process, fence.operation
        if self.fences.get(key, 0) > fence.number:
            raise Aborted(f"{engine.process} was taken over.", reason="FENCED")
        self.fences[key] = fence.number

    def prepare(self, pool: str = "") -> None:
        self._run.mkdir(parents=True, exist_ok=True)

    def pool(self, name: str, compute: Compute | None) -> str:
        if compute is not None and compute.accelerator is not Accelerator.CPU:
            raise FailedPrecondition("Mock engines have no accelerator.", reason="ACCELERATOR_UNAVAILABLE")
        return name

    def cpu_flags(self, pool: str) -> frozenset[str] | None:
        return frozenset({"avx2"})

    def endpoint(self, engine: Engine) -> str:
        return f"unix://{self._socket(engine.process)}"

    def headroom(self, pool: str) -> Headroom:
        return Headroom(self.free_bytes, 1 << 30)

    def start(self, engine: Engine, fence: Fence) -> None:
        self.claim(engine, fence)
        state = self._view(engine).state
        if engine.process not in self.engines or state is EngineState.GONE:
            self._begin_process(engine)
        elif state is EngineState.ABSENT and not engine.is_adapter:
            self.targets[engine.process] = engine.name
            request = {"version": engine.version, "artifact_digest": self._digest(engine)}
            self._client.control(engine, ControlPath.RELOAD, request)
            self.engines[engine.process].golden = self._golden(engine)
        elif state is EngineState.ABSENT:
            self._load(engine)
        if not engine.is_adapter:
            self.targets[engine.process] = engine.name

    def view(self, engine: Engine) -> EngineView:
        is_target = engine.is_adapter or self.targets.get(engine.process) == engine.name
        if not is_target:
            return EngineView()
        return replace(self._view(engine), desired_replicas=self.replicas.get(engine.process, 1))

    def close(self, engine: Engine) -> None:
        self._client.close(engine)

    def open(self, engine: Engine) -> None:
        self._client.open(engine)

    def unload(self, engine: Engine) -> None:
        if self.targets.get(engine.process) == engine.name:
            self.targets[engine.process] = ""
        self._client.control(engine, ControlPath.UNLOAD_ADAPTER, {"name": engine.served_name})

    def stop(self, engine: Engine, fence: Fence) -> None:
        self.before_stop(engine)
        self.claim(engine, fence)
        if self.view(engine).state is EngineState.ABSENT:
            return
        if self.engines.pop(engine.process, None) is not None:
            self._do(self._end(engine.process))

    def continue_prompts(self, engine: Engine, prompts: Sequence[GoldenPrompt]) -> Sequence[Continuation]:
        return self._client.continue_prompts(engine, prompts)

    def score_prompts(self, engine: Engine, prompts: Sequence[GoldenPrompt]) -> Sequence[Continuation]:
        shift = 2.0 if engine.version in self.badly_rounded else 0.01
        scores = self._client.score_prompts(engine, prompts)
        return [replace(each, logprobs=tuple(value - shift for value in each.logprobs)) for each in scores]

    def probe(self, engine: Engine) -> Check:
        return self._client.probe(engine)

    def inject(self, engine: Engine, error_rate: float, seconds: float) -> None:
        self.engines[engine.process].faults = Faults(status=500) if error_rate else Faults()

    def report(self, engine: Engine, progress: RolloutProgress) -> None:
        self.progress.append((progress.phase, progress.message))

    def stop_unknown(self, is_known) -> None:
        for name in [name for name in self.engines if not is_known(name)]:
            del self.engines[name]

    def _view(self, engine: Engine) -> EngineView:
        if engine.process not in self.engines:
            return EngineView(EngineState.ABSENT)
        view = self._client.view(engine)
        started_for_it = engine.is_adapter and self.targets.get(engine.process) == engine.name
        if view and view.state is EngineState.ABSENT and started_for_it:
            self._load(engine)
        return view or EngineView(EngineState.GONE, message="the mock engine was ended")

    def _load(self, engine: Engine) -> None:
        request = {"version": engine.version, "artifact_digest": self._digest(engine)}
        self._client.control(engine, ControlPath.LOAD_ADAPTER, {"name": engine.served_name, **request})

    def _begin_process(self, engine: Engine) -> None:
        self.targets[engine.process] = engine.name
        mock = MockEngine(
            "" if engine.is_adapter else engine.version,
            secret=engine.secret,
            pace=self.pace,
            golden=self._golden(engine),
            status={"artifact_digest": engine.base_digest or self._digest(engine), **_dtype(engine)},
        )
        self.engines[engine.process] = mock
        self.begun.append(engine.process)
        if engine.version not in self.never_starting:
            self._do(self._begin(engine.process, mock))

    def _digest(self, engine: Engine) -> str:
        return "f" * 64 if engine.version in self.dishonest else engine.artifact_digest

    def _golden(self, engine: Engine) -> Golden:
        return Golden() if engine.version in self.dishonest else golden_of(GOLDEN)

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
        """The version that any model's alias was moved to last."""
        self.aliases: dict[str, str] = {}
        self.moves: list[str] = []
        self.links: list[tuple[str, Link]] = []

    def add(self, name: str, ready: bool = True, model: ModelSpec = WHOLE) -> str:
        digest = hashlib.sha256(name.encode()).hexdigest()
        # Each registration signs the base again.
        base_signature = digest[::-1] if model.base_digest else ""
        self.versions[name] = ServableVersion(
            name, ready, digest, "s" * 64, "g" * 64, base_signature, model=model
        )
        return name

    def version(self, name: str) -> ServableVersion:
        return self.versions[name]

    def golden(self, digest: str, dtype: Dtype) -> Recording:
        return Recording(tuple(GOLDEN), dtype)

    def record_parity(self, version: str, link: Link) -> None:
        self.links.append((version, link))

    def production(self, model: str) -> str:
        return self.aliases.get(model, "")

    def move_production(self, model: str, version: str, reason: str, request_id: str) -> None:
        self.alias = self.aliases[model] = version
        self.moves.append(version)


def _dtype(engine: Engine) -> dict[str, str]:
    return {"dtype": engine.compute.dtype.lower()} if engine.compute else {}


def golden_of(prompts: Sequence[GoldenPrompt]) -> Golden:
    return Golden({p.prompt: p.tokens for p in prompts}, {p.prompt: p.logprobs for p in prompts})
