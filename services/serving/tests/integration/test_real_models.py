"""Real vLLM engines with models of other architectures, and with the adapters of two projects on one base."""

import http.client
import json
import socket
from collections.abc import Sequence
from pathlib import Path

import pytest

from ratoon.serving.v1 import rollout_pb2, route_pb2
from ratoon.testkit.parity import whole_model

pytestmark = [pytest.mark.engine, pytest.mark.thorough, pytest.mark.timeout(900)]

S = rollout_pb2.Rollout
PROMPTS = ([1, 40, 41, 42], [1, 7, 100, 9, 55, 60])
TOKENS = 12
ARCHITECTURES = {
    "qwen3": {"head_dim": 32, "tie_word_embeddings": True},
    "mixtral": {"head_dim": 32, "num_local_experts": 4, "num_experts_per_tok": 2},
}


class Engine(http.client.HTTPConnection):
    """Connection to the engine of a target."""

    def __init__(self, target: route_pb2.Target) -> None:
        super().__init__("engine", timeout=120)
        self._path = target.endpoint.removeprefix("unix://")

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(self._path)


def answer(target: route_pb2.Target, prompt: Sequence[int], **fields: object) -> tuple[int, list[int], str]:
    """Return the status, the greedy tokens and the version that signed them."""
    request = {
        "model": target.served_name,
        "prompt": list(prompt),
        "max_tokens": TOKENS,
        "temperature": 0,
        "ignore_eos": True,
        "logprobs": 0,
        "return_tokens_as_token_ids": True,
        **fields,
    }
    connection = Engine(target)
    headers = {"x-ratoon-engine-secret": target.secret, "content-type": "application/json"}
    try:
        connection.request("POST", "/v1/completions", json.dumps(request), headers)
        response = connection.getresponse()
        body = json.loads(response.read())
        if response.status != 200:
            return response.status, [], ""
        tokens = [int(name.removeprefix("token_id:")) for name in body["choices"][0]["logprobs"]["tokens"]]
        return 200, tokens, response.headers["x-ratoon-version"]
    finally:
        connection.close()


def greedy(folder: Path, prompt: Sequence[int]) -> list[int]:
    """Return the tokens that transformers chooses in float32."""
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    ids = torch.tensor([list(prompt)])
    with torch.no_grad():
        for _ in range(TOKENS):
            chosen = model(input_ids=ids, use_cache=False).logits[0, -1].argmax()
            ids = torch.cat([ids, chosen.reshape(1, 1)], dim=1)
    tokens: list[int] = ids[0, len(prompt) :].tolist()
    return tokens


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_an_engine_answers_with_the_tokens_of_transformers(installation, tmp_path, kind):
    folder = whole_model(tmp_path / kind, 3, kind, **ARCHITECTURES[kind])
    version = f"projects/p/models/{kind}/versions/v1.0"
    installation.models.add(version, folder)
    with installation.service():
        deployment = installation.deploy(f"projects/p/models/{kind}")
        rollout = installation.end(installation.roll_out(version))
        assert rollout.state == S.STATE_SUCCEEDED, rollout.reason
        (target,) = installation.targets(deployment)
        answers = [answer(target, prompt) for prompt in PROMPTS]
    assert answers == [(200, greedy(folder, prompt), version) for prompt in PROMPTS]


def test_two_projects_have_their_adapters_of_one_base_in_one_engine(installation):
    own, other = installation.models.adapters
    foreign = own.replace("projects/p/", "projects/q/")
    installation.models.adapters[foreign] = installation.models.adapters[other]
    with installation.service(shared_adapters=2):
        targets = []
        for version in (own, foreign):
            deployment = installation.deploy(version.partition("/versions/")[0])
            rollout = installation.end(installation.roll_out(version, strategy=S.STRATEGY_UNSPECIFIED))
            assert rollout.state == S.STATE_SUCCEEDED, rollout.reason
            targets += installation.targets(deployment)
        answers = [[answer(target, prompt) for prompt in PROMPTS] for target in targets]
    assert targets[0].endpoint == targets[1].endpoint
    assert [{signed for _, _, signed in each} for each in answers] == [{own}, {foreign}]
    assert all(mine != others for (_, mine, _), (_, others, _) in zip(*answers, strict=True))
