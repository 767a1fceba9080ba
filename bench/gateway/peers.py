"""Servers under test, each in its own process on loopback: mock engine, vllm-router, LiteLLM's proxy, the gateway.

The gateway is measured twice: plain (API key checked, traffic captured), and with all on (limits of every kind, and
word lists for prompts and answers). LiteLLM gets an environment of its own below `.tools`, from its lock.
"""

import asyncio
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from environments import environment
from load import Peer

from ratoon.client import Ratoon
from ratoon.client.types import Role
from ratoon.runtime.services import service_names
from ratoon.security.identity import make_keys
from ratoon.serving.v1 import route_pb2
from ratoon.storage.migrations import migrate
from ratoon.testkit.engine import MockEngine
from ratoon.testkit.ports import free_ports
from ratoon_gateway.settings import Settings

_START_S = 120.0
_SECRET = "bench"
_WORDS = [f"forbidden phrase {number}" for number in range(1000)]
_LIMITS = {
    "requestsPerMinute": 10**9,
    "tokensPerMinute": 10**11,
    "concurrentRequests": 10**6,
    "tokensPerDay": 10**12,
}


@contextmanager
def all_peers(folder: Path) -> Iterator[list[Peer]]:
    """The engine alone, and the engine behind each of the others."""
    with ExitStack() as stack:
        engine = stack.enter_context(mock_engine(folder))
        secret = {"x-ratoon-engine-secret": _SECRET}
        peers = [Peer("engine alone", engine, secret, "served")]
        peers.append(stack.enter_context(router(engine, folder)))
        peers += stack.enter_context(gateway(engine, folder))
        peers.append(stack.enter_context(litellm(engine, folder)))
        yield peers


@contextmanager
def mock_engine(folder: Path) -> Iterator[int]:
    """A mock engine; its port."""
    [port] = free_ports()
    with process([sys.executable, __file__, str(port)], folder / "engine.log"):
        until_up(port, "/health", {"x-ratoon-engine-secret": _SECRET})
        yield port


@contextmanager
def router(engine: int, folder: Path) -> Iterator[Peer]:
    """vllm-router before the engine, with one worker and nothing to decide."""
    port, metrics = free_ports(2)
    command = [str(Path(sys.executable).with_name("vllm-router")), "--host", "127.0.0.1", "--port", str(port)]
    command += ["--worker-urls", f"http://127.0.0.1:{engine}", "--policy", "round_robin"]
    command += ["--prometheus-host", "127.0.0.1", "--prometheus-port", str(metrics), "--log-level", "error"]
    with process(command, folder / "router.log"):
        until_up(port, "/health")
        yield Peer("vllm-router", port, {}, "served")


@contextmanager
def litellm(engine: int, folder: Path) -> Iterator[Peer]:
    """LiteLLM's proxy before the engine; it only checks its key."""
    [port], config = free_ports(), folder / "litellm.json"
    served = {"model": "openai/served", "api_base": f"http://127.0.0.1:{engine}/v1", "api_key": _SECRET}
    config.write_text(
        json.dumps(
            {
                "model_list": [{"model_name": "served", "litellm_params": served}],
                "general_settings": {"master_key": f"sk-{_SECRET}"},
            }
        )
    )
    command = [str(environment("litellm") / "bin/litellm"), "--config", str(config)]
    command += ["--host", "127.0.0.1", "--port", str(port), "--telemetry", "False"]
    quiet = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR", "NO_DOCS": "True"}
    with process(command, folder / "litellm.log", quiet):
        until_up(port, "/health/liveliness")
        yield Peer("LiteLLM", port, {"authorization": f"Bearer sk-{_SECRET}"}, "served")


@contextmanager
def gateway(engine: int, folder: Path, environment: Mapping[str, str] | None = None) -> Iterator[list[Peer]]:
    """The gateway before the engine, plain and with all on; serving and flywheel are away."""
    state = folder / "state"
    make_keys(state / "keys", service_names())
    settings = Settings(state=state)
    migrate("gateway", settings.database_url)
    settings.folder.mkdir(parents=True, exist_ok=True)
    (settings.folder / "routes.pb").write_bytes(routes(engine).SerializeToString())
    [port] = free_ports()
    command = [sys.executable, "-m", "ratoon_gateway", "--port", str(port), "--grpc", "off"]
    variables = {"RATOON_GATEWAY_STATE": str(state), **(environment or {})}
    with process(command, folder / "gateway.log", variables):
        until_up(port, "/readyz")
        key = (state / "keys" / "operator.key").read_text().strip()
        limited = _with_all_on(Ratoon(base_url=f"http://127.0.0.1:{port}", api_key=key))
        yield [
            Peer("gateway", port, {"authorization": f"Bearer {key}"}, "plain/bench"),
            Peer("gateway, all on", port, {"authorization": f"Bearer {limited}"}, "bench"),
        ]


def routes(engine: int) -> route_pb2.RouteTable:
    """A table with the one engine as a deployment of two projects."""
    return route_pb2.RouteTable(version=1, routes=[_route(project, engine) for project in ("plain", "full")])


def _route(project: str, engine: int) -> route_pb2.Route:
    target = route_pb2.Target(
        engine=f"projects/{project}/deployments/bench/engines/e",
        version=f"projects/{project}/models/bench/versions/v1.0",
        endpoint=f"http://127.0.0.1:{engine}",
        secret=_SECRET,
        weight=100,
        served_name="served",
    )
    return route_pb2.Route(deployment=f"projects/{project}/deployments/bench", targets=[target])


def _with_all_on(client: Ratoon) -> str:
    """Word lists for the project `full`, and a key of it with limits of every kind."""
    client.safety_filter.update("projects/full/safetyFilter", input_words=_WORDS, output_words=_WORDS)
    return client.api_keys.create(
        "projects/full", api_key_id="bench", role=Role.CALLER, limits=_LIMITS
    ).secret


@contextmanager
def process(command: list[str], log: Path, environment: dict[str, str] | None = None) -> Iterator[None]:
    """A child that ends with the block."""
    with log.open("wb") as sink:
        child = subprocess.Popen(command, stdout=sink, stderr=sink, env={**os.environ, **(environment or {})})
    try:
        yield
    finally:
        child.terminate()
        with suppress(subprocess.TimeoutExpired):
            child.wait(15)
        child.kill()


def until_up(port: int, path: str, headers: dict[str, str] | None = None) -> None:
    """Wait until this path answers 200; TimeoutError when it does not within a minute."""
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        with suppress(OSError):
            request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers or {})
            with urllib.request.urlopen(request, timeout=2) as answer:
                if answer.status == 200:
                    return
        time.sleep(0.05)
    raise TimeoutError(f"nothing came up on port {port}; see the logs next to the results")


async def _serve_engine(port: int) -> None:
    # vllm-router sends no secret, so the engine asks for none: the check costs the gateway's peer nothing.
    async with MockEngine("v1.0").serve_tcp(port):
        await asyncio.Event().wait()


if __name__ == "__main__":
    import uvloop

    uvloop.run(_serve_engine(int(sys.argv[1])))
