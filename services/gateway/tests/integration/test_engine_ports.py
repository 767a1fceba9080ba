"""Engines that listen on a port, as those in pods do: the client speaks to them as it does over sockets."""

import asyncio
import json

import pytest

from ratoon.testkit.engine import MockEngine
from ratoon_gateway.adapters.engines import EngineClient
from ratoon_gateway.application.ports import EngineLost
from ratoon_gateway.domain.routes import Target

VERSION = "projects/p/models/m/versions/v1.0"
BODY = json.dumps(
    {"model": "m", "messages": [{"role": "user", "content": "Hello?"}], "stream": True}
).encode()


async def send(client: EngineClient, target: Target) -> tuple[int, bytes]:
    reply = await client.send(target, "/v1/chat/completions", "an-id", BODY)
    chunks = []
    while chunk := await reply.next():
        chunks.append(chunk)
    reply.close()
    return reply.status, b"".join(chunks)


def target(port: int) -> Target:
    return Target("projects/p/engines/e", VERSION, f"http://127.0.0.1:{port}", "s", 1, "m")


def test_an_engine_on_a_port_streams_its_answer_and_a_connection_is_used_again():
    async def scenario() -> None:
        client = EngineClient(10.0)
        async with MockEngine(VERSION, secret="s").serve_tcp() as port:
            for _ in range(2):
                status, body = await send(client, target(port))
                assert status == 200
                assert body.rstrip().endswith(b"data: [DONE]")
            assert len(client._idle[f"http://127.0.0.1:{port}"]) == 1
        await client.close()
        with pytest.raises(EngineLost):
            await send(EngineClient(10.0), target(port))

    asyncio.run(scenario())
