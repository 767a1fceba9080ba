"""Serving with real vLLM engines: blue-green under open streams, a killed engine, restarts."""

import asyncio
import json
import os
import signal
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest

from ratoon.serving.v1 import rollout_pb2, route_pb2
from ratoon.serving.v1 import serving_service_pb2 as pb
from ratoon.testkit.waiting import until

pytestmark = [pytest.mark.engine, pytest.mark.timeout(900)]

MODEL = "projects/p/models/mail"
S = rollout_pb2.Rollout
STREAMS, LONG = 20, 400


@dataclass
class Stream:
    prompt: list[int]
    version: str = ""
    tokens: list[int] = field(default_factory=list)
    done: bool = False


async def read_stream(target: route_pb2.Target, stream: Stream) -> None:
    request = {
        "model": target.served_name,
        "prompt": stream.prompt,
        "max_tokens": LONG,
        "temperature": 0,
        "ignore_eos": True,
        "stream": True,
        "logprobs": 0,
        "return_tokens_as_token_ids": True,
    }
    headers = {"x-ratoon-engine-secret": target.secret}
    connector = aiohttp.UnixConnector(target.endpoint.removeprefix("unix://"))
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.post("http://engine/v1/completions", json=request, headers=headers) as answer,
    ):
        stream.version = answer.headers["x-ratoon-version"]
        async for line in answer.content:
            data = line.decode().removeprefix("data: ").strip()
            if data == "[DONE]":
                stream.done = True
            elif data:
                tokens = json.loads(data)["choices"][0]["logprobs"]["tokens"]
                stream.tokens += [int(name.removeprefix("token_id:")) for name in tokens]


def test_blue_green_with_open_streams_cuts_none_and_mixes_none(installation):
    old, new = installation.models.versions
    with installation.service():
        installation.deploy(MODEL)
        first = installation.end(installation.roll_out(old))
        assert (first.state, installation.models.alias) == (S.STATE_SUCCEEDED, old), first.reason
        ended, streams = asyncio.run(_switch_under_streams(installation, new))
    assert (ended.state, installation.models.alias) == (S.STATE_SUCCEEDED, new), ended.reason
    assert all(stream.done and len(stream.tokens) == LONG for stream in streams)
    assert {stream.version for stream in streams} == {old}


async def _switch_under_streams(installation, new: str):
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
    before = [identity for identity in installation.identities() if identity.alive()]
    with installation.service():
        (target,) = installation.targets()
        stream = Stream([9, 9, 9])
        asyncio.run(read_stream(target, stream))
    assert stream.done
    assert [identity for identity in installation.identities() if identity.alive()] == before
    assert len(before) == 1


def test_answers_follow_a_requested_schema(installation):
    async def ask(target: route_pb2.Target) -> dict:
        schema = {"type": "object", "properties": {"spam": {"type": "boolean"}}, "required": ["spam"]}
        request = {
            "model": target.served_name,
            "messages": [{"role": "user", "content": "hello"}],
            "max_tokens": 64,
            "response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}},
        }
        connector = aiohttp.UnixConnector(target.endpoint.removeprefix("unix://"))
        headers = {"x-ratoon-engine-secret": target.secret}
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.post("http://engine/v1/chat/completions", json=request, headers=headers) as answer,
        ):
            return await answer.json()

    with installation.service():
        body = asyncio.run(ask(installation.targets()[0]))
    assert body["choices"][0]["message"]["content"].lstrip().startswith("{")


def core_of(server: int) -> int:
    """The process that computes for this API server."""
    children = Path(f"/proc/{server}/task/{server}/children").read_text().split()
    return next(int(pid) for pid in children if "EngineCore" in Path(f"/proc/{pid}/cmdline").read_text())


def sockets_at(pid: int, path: str) -> list[str]:
    """The process's descriptors of Unix sockets that are bound to the path."""
    bound = {
        line.split()[6] for line in Path("/proc/net/unix").read_text().splitlines() if line.endswith(path)
    }
    links = {each.name: os.readlink(each) for each in Path(f"/proc/{pid}/fd").iterdir()}
    return [name for name, link in links.items() if link.removeprefix("socket:[").rstrip("]") in bound]


def test_the_core_does_not_hold_the_socket_of_its_server(installation):
    with installation.service():
        (target,) = installation.targets()
        (identity,) = [identity for identity in installation.identities() if identity.alive()]
        socket_path = target.endpoint.removeprefix("unix://")
        assert sockets_at(identity.pid, socket_path)
        assert not sockets_at(core_of(identity.pid), socket_path)


@pytest.mark.parametrize("part", ["server", "core"])
def test_a_killed_engine_is_restarted_and_attested(installation, part):
    with installation.service():
        (target,) = installation.targets()
        (identity,) = [identity for identity in installation.identities() if identity.alive()]
        os.kill(identity.pid if part == "server" else core_of(identity.pid), signal.SIGKILL)
        until(
            lambda: (
                [m for m in installation.identities() if m.alive()] not in ([], [identity])
                and installation.targets()
            ),
            120,
            "the engine was not brought back",
        )
        stream = Stream([9, 9, 9])
        asyncio.run(read_stream(installation.targets()[0], stream))
        assert stream.done
        assert installation.operator.GetEngine(pb.GetEngineRequest(name=target.engine)).attested
