"""Two strategies in a warm vLLM engine, with an undo, under open streams; `test_real_engine` has the second engine."""

import asyncio
import os
import signal
import sys
import time
from collections import defaultdict
from pathlib import Path

import pytest

from ratoon.serving.v1 import rollout_pb2
from ratoon.serving.v1 import serving_service_pb2 as pb
from ratoon.testkit.waiting import until

pytestmark = [pytest.mark.engine, pytest.mark.timeout(900)]

MODEL, LORA = "projects/p/models/mail", "projects/p/models/lora"
S = rollout_pb2.Rollout
TOKENS, PREFIX = 60, 8
"""Tokens of an answer, and the number of first ones that differ between versions, whatever else is in the batch."""


def callers():
    return sys.modules["serving_callers"]


def under_load(installation, deployment: str, work):
    async def run():
        table = callers().Table(installation.gateway, deployment)
        asking = callers().Callers(table, 4, TOKENS, pause_s=0.05)
        task = asyncio.ensure_future(asking.run())
        try:
            result = await asyncio.to_thread(work)
        finally:
            asking.stop()
            await task
            table.stop()
        return asking.answers, result

    return asyncio.run(run())


def versions_of(answers) -> set[str]:
    """Check that no answer failed or was cut, and each has the tokens of its signing version; return the versions."""
    assert [answer.fault for answer in answers if answer.fault] == []
    assert all(answer.done and len(answer.tokens) == TOKENS for answer in answers)
    texts_by_version = defaultdict(set)
    for answer in answers:
        texts_by_version[answer.number % 50, answer.version].add(tuple(answer.tokens[:PREFIX]))
    assert all(len(texts) == 1 for texts in texts_by_version.values())
    prompts = {prompt for prompt, _ in texts_by_version}
    for prompt in prompts:
        texts = [next(iter(texts)) for (request, _), texts in texts_by_version.items() if request == prompt]
        assert len(set(texts)) == len(texts), "two versions give the same answer"
    return {answer.version for answer in answers}


@pytest.mark.parametrize(
    ("model", "strategy"), [(MODEL, S.STRATEGY_IN_PLACE), (LORA, S.STRATEGY_ADAPTER_SWAP)]
)
def test_a_warm_engine_changes_its_version_and_back(installation, model, strategy):
    models = installation.models
    old, new = models.versions if model == MODEL else models.adapters
    with installation.service():
        deployment = installation.deploy(model)
        first = installation.end(installation.roll_out(old))
        assert first.state == S.STATE_SUCCEEDED, first.reason
        (before,) = installation.targets(deployment)
        identities = [identity for identity in installation.identities() if identity.alive()]

        def roll_out_and_undo():
            done = installation.end(installation.roll_out(new, 1.0, strategy))
            undo = pb.UndoRolloutRequest(name=done.name)
            return done, installation.end(installation.operator.UndoRollout(undo))

        answers, ended = under_load(installation, deployment, roll_out_and_undo)
        for rollout in ended:
            assert rollout.state == S.STATE_SUCCEEDED, rollout.reason
            assert rollout.strategy == strategy
        (after,) = installation.targets(deployment)
        assert [identity for identity in installation.identities() if identity.alive()] == identities
    assert versions_of(answers) == {old, new}
    assert (after.version, after.endpoint) == (old, before.endpoint)


@pytest.mark.parametrize("model", [MODEL, LORA])
def test_a_warm_engine_that_is_killed_comes_back_with_what_the_database_names(installation, model):
    deployment = f"projects/p/deployments/{model.rpartition('/')[2]}"
    with installation.service():
        (target,) = installation.targets(deployment)
        (identity,) = [
            identity
            for identity in installation.identities()
            if identity.alive() and _serves(identity, target)
        ]
        os.killpg(identity.pid, signal.SIGKILL)
        until(
            lambda: not identity.alive() and installation.targets(deployment),
            180,
            "the engine was not brought back",
        )
        answers, _ = under_load(installation, deployment, lambda: time.sleep(2))
    assert versions_of(answers) == {target.version}


def _serves(identity, target) -> bool:
    """Return whether this process listens at the target's socket."""
    path = target.endpoint.removeprefix("unix://")
    lines = Path("/proc/net/unix").read_text().splitlines()
    inodes = {line.split()[6] for line in lines if line.endswith(path)}
    links = (os.readlink(entry.path) for entry in os.scandir(f"/proc/{identity.pid}/fd"))
    return any(link == f"socket:[{inode}]" for link in links for inode in inodes)
