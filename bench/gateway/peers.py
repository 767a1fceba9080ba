"""What is measured, each in a process of its own on loopback: the mock engine, vllm-router, and Ratoon's gateway."""

import asyncio
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from load import Peer

from ratoon.chassis.identity import make_keys
from ratoon.chassis.migrations import migrate
from ratoon.chassis.settings import SERVICES
from ratoon.serving.v1 import route_pb2
from ratoon.testkit.engine import MockEngine
from ratoon_gateway.settings import Settings

_START_S = 60.0
_SECRET = "bench"


@contextmanager
def all_peers(folder: Path) -> Iterator[list[Peer]]:
    """The engine alone, the engine behind vllm-router, and the engine behind the gateway."""
    with ExitStack() as stack:
        engine = free_port()
        stack.enter_context(process([sys.executable, __file__, str(engine)], folder / "engine.log"))
        until_up(engine, "/health", {"x-ratoon-engine-secret": _SECRET})
        secret = {"x-ratoon-engine-secret": _SECRET}
        peers = [Peer("engine alone", engine, secret, "served")]
        peers.append(stack.enter_context(router(engine, folder)))
        peers.append(stack.enter_context(gateway(engine, folder)))
        yield peers


@contextmanager
def router(engine: int, folder: Path) -> Iterator[Peer]:
    """vllm-router before the engine, with one worker and nothing to decide."""
    port, metrics = free_port(), free_port()
    command = [str(Path(sys.executable).with_name("vllm-router")), "--host", "127.0.0.1", "--port", str(port)]
    command += ["--worker-urls", f"http://127.0.0.1:{engine}", "--policy", "round_robin"]
    command += ["--prometheus-host", "127.0.0.1", "--prometheus-port", str(metrics), "--log-level", "error"]
    with process(command, folder / "router.log"):
        until_up(port, "/health")
        yield Peer("vllm-router", port, {}, "served")


@contextmanager
def gateway(engine: int, folder: Path) -> Iterator[Peer]:
    """The gateway before the engine: API key checked, traffic captured; serving and flywheel are away."""
    state = folder / "state"
    make_keys(state / "keys", SERVICES)
    settings = Settings(state=state)
    migrate("gateway", settings.database_url)
    settings.folder.mkdir(parents=True, exist_ok=True)
    (settings.folder / "routes.pb").write_bytes(routes(engine).SerializeToString())
    port = free_port()
    command = [sys.executable, "-m", "ratoon_gateway", "--port", str(port), "--grpc", "off"]
    with process(command, folder / "gateway.log", {"RATOON_GATEWAY_STATE": str(state)}):
        until_up(port, "/readyz")
        key = (state / "keys" / "operator.key").read_text().strip()
        yield Peer("Ratoon gateway", port, {"authorization": f"Bearer {key}"}, "p/bench")


def routes(engine: int) -> route_pb2.RouteTable:
    """A table with one engine."""
    target = route_pb2.Target(
        engine="projects/p/deployments/bench/engines/e",
        version="projects/p/models/bench/versions/v1.0",
        endpoint=f"http://127.0.0.1:{engine}",
        secret=_SECRET,
        weight=100,
        served_name="served",
    )
    route = route_pb2.Route(deployment="projects/p/deployments/bench", targets=[target])
    return route_pb2.RouteTable(version=1, routes=[route])


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
    raise TimeoutError(f"nothing came up on port {port}; see the logs beside the figures")


def free_port() -> int:
    """A loopback port that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


async def _serve_engine(port: int) -> None:
    # vllm-router sends no secret, so the engine asks for none: the check costs the gateway's peer nothing.
    async with MockEngine("v1.0").serve_tcp(port):
        await asyncio.Event().wait()


if __name__ == "__main__":
    import uvloop

    uvloop.run(_serve_engine(int(sys.argv[1])))
