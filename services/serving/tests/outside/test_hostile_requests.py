"""A real engine under hostile requests: expensive grammars, many answers at once; and what clients read."""

import asyncio
import json
import os
import signal
import tempfile
import time
from pathlib import Path

import aiohttp
import pytest

from ratoon.engine.sockets import PREFIX, SOCKETS_FILE
from ratoon.serving.v1 import rollout_pb2
from ratoon.testkit.waiting import until

pytestmark = [pytest.mark.engine, pytest.mark.thorough, pytest.mark.timeout(900)]

MODEL = "projects/p/models/mail"
S = rollout_pb2.Rollout
SLOW_S = 5.0
"""Maximum wait of another caller during a hostile request; usual is 0.1 s, on a busy machine 1 s."""


def schema(value) -> dict:
    return {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": value}}}


HOSTILE = {
    "nested repeats": schema({"type": "string", "pattern": "^(([a-z]{0,500}){0,500})$"}),
    "larger repeats": schema({"type": "string", "pattern": "^(([a-z]{0,1000}){0,1000})$"}),
    "ambiguous repeats": {"structured_outputs": {"regex": "((a|aa|aaa|[ab]){0,300}){0,300}c"}},
    "endless reference": schema({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}),
    "many words": {"structured_outputs": {"choice": [f"word{n}" for n in range(1_500)]}},
    "many fields": schema(
        {"type": "object", "properties": {f"p{n}": {"type": "string"} for n in range(400)}}
    ),
    "many answers": {"n": 3_000, "max_tokens": 100, "ignore_eos": True},
}


class Caller:
    def __init__(self, target) -> None:
        self._target = target

    async def __aenter__(self):
        connector = aiohttp.UnixConnector(self._target.endpoint.removeprefix("unix://"))
        headers = {"x-ratoon-engine-secret": self._target.secret}
        self._session = aiohttp.ClientSession(connector=connector, headers=headers)
        return self

    async def __aexit__(self, *_):
        await self._session.close()

    async def ask(self, **more) -> tuple[int, dict]:
        messages = [{"role": "user", "content": "You have won a free prize"}]
        body = {"model": self._target.served_name, "messages": messages, "max_tokens": 20, **more}
        async with self._session.post("http://engine/v1/chat/completions", json=body) as answer:
            return answer.status, await answer.json()


async def longest_wait(caller: Caller, hostile: dict) -> tuple[int, float]:
    """The hostile request's status, and the longest wait of another caller until it ended."""
    attack, longest = asyncio.create_task(caller.ask(**hostile)), 0.0
    while not attack.done():
        begun = time.monotonic()
        status, _ = await caller.ask(temperature=0, max_tokens=4)
        assert status == 200
        longest = max(longest, time.monotonic() - begun)
    return attack.result()[0], longest


async def meet(target) -> None:
    async with Caller(target) as caller:
        for name, hostile in HOSTILE.items():
            status, longest = await longest_wait(caller, hostile)
            assert status in (200, 400), (name, status)
            assert longest < SLOW_S, (name, longest)
        status, answer = await caller.ask(temperature=0, logprobs=True, top_logprobs=2, max_tokens=2)
        assert status == 200
        for token in answer["choices"][0]["logprobs"]["content"]:
            assert not token["token"].startswith("token_id:")
            assert bytes(token["bytes"]).decode(errors="replace") == token["token"]
        status, answer = await caller.ask(
            response_format={"type": "json_object"}, temperature=0, max_tokens=60
        )
        assert status == 200
        assert not any(letter in answer["choices"][0]["message"]["content"] for letter in "\n\t")
        status, _ = await caller.ask(prompt_tokens=1, max_tokens=600)
        assert status == 400, "600 tokens do not fit 512 positions"


def test_no_request_of_one_caller_holds_the_engine_up_for_others(installation):
    version = next(iter(installation.models.versions))
    with installation.service():
        installation.deploy(MODEL)
        ended = installation.end(installation.roll_out(version))
        assert ended.state == S.STATE_SUCCEEDED, ended.reason
        (target,) = installation.targets()
        (note,) = (installation.settings.folder / "engines").glob(f"*/{SOCKETS_FILE}")
        sockets = Path(note.read_text())
        assert sockets.parent == Path(tempfile.gettempdir()) and sockets.name.startswith(PREFIX)
        assert list(sockets.iterdir()) and sockets.stat().st_mode & 0o077 == 0
        asyncio.run(meet(target))
        assert "word77" not in (note.parent / "log.txt").read_text(), "a caller's grammar is in the log"
        assert json.loads((note.parent / "engine.json").read_text())["max_model_len"] == 2048
    (identity,) = installation.identities()
    os.kill(identity.pid, signal.SIGTERM)
    until(lambda: not identity.alive(), 60, "the engine did not end")
    assert not sockets.exists()
