"""The room with real vLLM engines: blue-green under open streams, an engine that is killed, restarts."""

import asyncio
import json
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest

from ratoon.chassis.app import Foundation, Platform
from ratoon.chassis.artifacts import ArtifactStore
from ratoon.chassis.identity import Role, make_signing_key
from ratoon.chassis.jobs import JobState, LocalJobs, ProcessMark
from ratoon.chassis.migrations import migrate
from ratoon.serving.v1 import deployment_pb2, rollout_pb2, route_pb2
from ratoon.serving.v1 import serving_service_pb2 as pb
from ratoon.serving.v1.serving_service_pb2_grpc import ServingServiceStub
from ratoon.testkit.models import tiny_llama
from ratoon.testkit.rooms import State, serving
from ratoon_serving.adapters import tables
from ratoon_serving.adapters.engine_http import EngineClient
from ratoon_serving.adapters.local_engine import LocalEngineHost
from ratoon_serving.application.ports import ServableVersion
from ratoon_serving.bootstrap import assemble, local_engines
from ratoon_serving.domain.attestation import golden_prompts
from ratoon_serving.settings import Settings

pytestmark = [pytest.mark.engine, pytest.mark.timeout(900)]

MODEL = "projects/p/models/mail"
DEPLOYMENT = "projects/p/deployments/mail"
S = rollout_pb2.Rollout
STREAMS, LONG = 20, 1000


class SignedModels:
    """Two tiny versions, verified and signed by the registry's worker; the alias is in memory."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self._store = ArtifactStore(settings.artifacts_url)
        self._jobs = LocalJobs(folder / "jobs")
        self._key = make_signing_key(settings.keys)
        for number in range(2):
            self._begin(folder, number)
        self.versions = {f"{MODEL}/versions/v1.{n}": self._registered(n) for n in range(2)}
        self.alias = ""

    def version(self, name: str) -> ServableVersion:
        made = self.versions[name]
        return ServableVersion(
            name, True, made["artifact_digest"], made["signature_digest"], made["golden_digest"]
        )

    def golden(self, digest: str):
        return golden_prompts(json.loads(self._store.read(digest)))

    def production(self, model: str) -> str:
        return self.alias

    def move_production(self, model: str, version: str, reason: str, request_id: str) -> None:
        self.alias = version

    def _begin(self, folder: Path, number: int) -> None:
        digest = self._store.put_tree(tiny_llama(folder / f"model-{number}", seed=number))
        spec = {"artifacts": self._store.url, "artifact_digest": digest, "signing_key": str(self._key)}
        self._jobs.start(f"v{number}", "ratoon_registry.worker", spec)

    def _registered(self, number: int) -> dict:
        while (status := self._jobs.observe(f"v{number}")).state is JobState.RUNNING:
            time.sleep(0.1)
        assert status.state is JobState.SUCCEEDED, status.message
        return status.result


class Installation:
    """A state folder in which the room can be started again and again."""

    def __init__(self, folder: Path) -> None:
        self.state = State(folder)
        self.settings = Settings(state=folder, kv_cache_mib=64)
        migrate("serving", self.settings.database_url)
        self.models = SignedModels(folder, self.settings)
        self.operator = ServingServiceStub(self.state.as_role(Role.OPERATOR, "serving"))
        self.gateway = ServingServiceStub(self.state.as_service("gateway", "serving"))

    def room(self):
        artifacts = ArtifactStore(self.settings.artifacts_url)
        host = LocalEngineHost(local_engines(self.settings), artifacts, EngineClient())
        base = Foundation(self.settings, Platform.of_process("test"), tables.METADATA)
        return serving([assemble(base, host, self.models)])

    def roll_out(self, version: str, seconds: float = 2.0) -> rollout_pb2.Rollout:
        rollout = S(to_version=version, bake=S.Bake(seconds=seconds))
        return self.operator.CreateRollout(pb.CreateRolloutRequest(parent=DEPLOYMENT, rollout=rollout))

    def end(self, rollout: rollout_pb2.Rollout) -> rollout_pb2.Rollout:
        *_, last = self.operator.WatchRollout(pb.WatchRolloutRequest(name=rollout.name), timeout=600)
        return last

    def until(self, rollout: rollout_pb2.Rollout, step: str) -> None:
        for state in self.operator.WatchRollout(pb.WatchRolloutRequest(name=rollout.name), timeout=600):
            if any(s.state == step for s in state.steps):
                return

    def targets(self) -> list[route_pb2.Target]:
        table = self.gateway.GetRouteTable(pb.GetRouteTableRequest())
        return list(next(r.targets for r in table.routes if r.deployment == DEPLOYMENT))

    def marks(self) -> list[ProcessMark]:
        folders = (self.settings.folder / "engines").glob("*/process.json")
        return [ProcessMark.read(file.parent) for file in folders]

    def end_processes(self) -> None:
        marks = [*self.marks(), ProcessMark.read(self.settings.folder / "nursery")]
        for mark in marks:
            if mark is not None and mark.alive():
                os.killpg(mark.pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def installation(tmp_path_factory) -> Iterator[Installation]:
    made = Installation(tmp_path_factory.mktemp("serving"))
    yield made
    made.end_processes()


@dataclass
class Stream:
    prompt: list[int]
    version: str = ""
    tokens: list[int] = field(default_factory=list)
    done: bool = False


async def read_stream(target: route_pb2.Target, stream: Stream) -> None:
    asked = {
        "model": target.served_name,
        "prompt": stream.prompt,
        "max_tokens": LONG,
        "temperature": 0,
        "ignore_eos": True,
        "stream": True,
        "logprobs": 0,
    }
    headers = {"x-ratoon-engine-secret": target.secret}
    connector = aiohttp.UnixConnector(target.endpoint.removeprefix("unix://"))
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.post("http://engine/v1/completions", json=asked, headers=headers) as answer,
    ):
        stream.version = answer.headers["x-ratoon-version"]
        async for line in answer.content:
            data = line.decode().removeprefix("data: ").strip()
            if data == "[DONE]":
                stream.done = True
            elif data:
                told = json.loads(data)["choices"][0]["logprobs"]["tokens"]
                stream.tokens += [int(name.removeprefix("token_id:")) for name in told]


def test_blue_green_with_open_streams_cuts_none_and_mixes_none(installation):
    old, new = installation.models.versions
    with installation.room():
        asked = pb.CreateDeploymentRequest(
            parent="projects/p", deployment_id="mail", deployment=deployment_pb2.Deployment(model=MODEL)
        )
        installation.operator.CreateDeployment(asked)
        first = installation.end(installation.roll_out(old))
        assert (first.state, installation.models.alias) == (S.STATE_SUCCEEDED, old), first.reason
        ended, streams = asyncio.run(_switch_under_streams(installation, new))
    assert (ended.state, installation.models.alias) == (S.STATE_SUCCEEDED, new), ended.reason
    assert all(stream.done and len(stream.tokens) == LONG for stream in streams)
    assert {stream.version for stream in streams} == {old}


async def _switch_under_streams(installation: Installation, new: str):
    rollout = installation.roll_out(new)
    installation.operator.PauseRollout(pb.PauseRolloutRequest(name=rollout.name))
    await asyncio.to_thread(installation.until, rollout, "PROBING")
    (blue,) = installation.targets()
    streams = [Stream([5, 6, 7 + number]) for number in range(STREAMS)]
    reading = [asyncio.ensure_future(read_stream(blue, stream)) for stream in streams]
    while not all(stream.tokens for stream in streams):
        await asyncio.sleep(0.05)
    installation.operator.ResumeRollout(pb.ResumeRolloutRequest(name=rollout.name))
    await asyncio.to_thread(installation.until, rollout, "BAKING")
    green = next(t for t in installation.targets() if t.version == new)
    fresh = Stream([5, 6, 7])
    still_open = sum(not stream.done for stream in streams)
    await read_stream(green, fresh)
    ended = await asyncio.to_thread(installation.end, rollout)
    await asyncio.gather(*reading)
    assert still_open >= STREAMS // 2
    assert fresh.version == new
    assert fresh.tokens != streams[0].tokens
    return ended, streams


def test_engines_outlive_the_platform_and_are_taken_over(installation):
    before = [mark for mark in installation.marks() if mark.alive()]
    with installation.room():
        (target,) = installation.targets()
        stream = Stream([9, 9, 9])
        asyncio.run(read_stream(target, stream))
    assert stream.done
    assert [mark for mark in installation.marks() if mark.alive()] == before
    assert len(before) == 1


def test_answers_keep_to_a_schema_when_asked(installation):
    async def ask(target: route_pb2.Target) -> dict:
        schema = {"type": "object", "properties": {"spam": {"type": "boolean"}}, "required": ["spam"]}
        asked = {
            "model": target.served_name,
            "messages": [{"role": "user", "content": "hello"}],
            "max_tokens": 64,
            "response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}},
        }
        connector = aiohttp.UnixConnector(target.endpoint.removeprefix("unix://"))
        headers = {"x-ratoon-engine-secret": target.secret}
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.post("http://engine/v1/chat/completions", json=asked, headers=headers) as answer,
        ):
            return await answer.json()

    with installation.room():
        told = asyncio.run(ask(installation.targets()[0]))
    assert told["choices"][0]["message"]["content"].lstrip().startswith("{")


def core_of(server: int) -> int:
    """The process that computes for this API server."""
    children = Path(f"/proc/{server}/task/{server}/children").read_text().split()
    return next(int(pid) for pid in children if "EngineCore" in Path(f"/proc/{pid}/cmdline").read_text())


@pytest.mark.parametrize("part", ["server", "core"])
def test_a_killed_engine_comes_back_and_proves_itself(installation, part):
    with installation.room():
        (target,) = installation.targets()
        (mark,) = [mark for mark in installation.marks() if mark.alive()]
        os.kill(mark.pid if part == "server" else core_of(mark.pid), signal.SIGKILL)
        deadline = time.monotonic() + 120
        while [m for m in installation.marks() if m.alive()] in ([], [mark]) or not installation.targets():
            assert time.monotonic() < deadline, "the engine was not brought back"
            time.sleep(0.1)
        stream = Stream([9, 9, 9])
        asyncio.run(read_stream(installation.targets()[0], stream))
        assert stream.done
        assert installation.operator.GetEngine(pb.GetEngineRequest(name=target.engine)).attested
