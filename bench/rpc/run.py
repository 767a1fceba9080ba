"""Cost of a unary call: `GetProject` of a service, directly and through the gateway, next to a bare grpc.aio echo.

    python bench/rpc/run.py [--quick] [--json FILE]

The echo returns the same message from a process of its own. One client process calls all peers in interleaved rounds
with 16 calls in flight. The table has calls per second as a ratio to the echo, and the CPU time of the serving
processes per call.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from grpc import aio

from ratoon.flywheel.v1 import flywheel_service_pb2 as pb
from ratoon.flywheel.v1.flywheel_service_pb2_grpc import FlywheelServiceStub
from ratoon.flywheel.v1.project_pb2 import Project
from ratoon.process.clock import SystemClock
from ratoon.runtime.client import open_channel_with_token
from ratoon.runtime.services import service_names
from ratoon.runtime.settings import socket_address
from ratoon.security.identity import Principal, Role, Signer, load_key, make_keys
from ratoon.storage.migrations import migrate
from ratoon.testkit.ports import free_ports

_METHOD = "/ratoon.flywheel.v1.FlywheelService/GetProject"
_NAME = "projects/mail"
_IN_FLIGHT = 16
_START_S = 60.0


@dataclass
class Peer:
    """One way to make the call, with the processes that serve it and its measured rounds."""

    name: str
    address: str
    token: Callable[[], str]
    processes: list[int]
    calls_per_s: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)

    async def measure(self, seconds: float) -> None:
        """Add a round."""
        async with aio.insecure_channel(self.address) as channel:
            call = channel.unary_unary(_METHOD, pb.GetProjectRequest.SerializeToString, Project.FromString)
            await self._calls(call, 0.2)
            cpu, start = _cpu_s(self.processes), time.perf_counter()
            count = await self._calls(call, seconds)
            elapsed = time.perf_counter() - start
        self.calls_per_s.append(count / elapsed)
        self.cpu_ms.append(1000 * (_cpu_s(self.processes) - cpu) / count)

    async def _calls(self, call: Any, seconds: float) -> int:
        request, end = pb.GetProjectRequest(name=_NAME), time.perf_counter() + seconds

        async def one_after_another() -> int:
            count = 0
            while time.perf_counter() < end:
                project = await call(request, metadata=[("authorization", f"Bearer {self.token()}")])
                assert project.name == _NAME
                count += 1
            return count

        return sum(await asyncio.gather(*(one_after_another() for _ in range(_IN_FLIGHT))))


async def measure(peers: list[Peer], rounds: int, seconds: float) -> None:
    """Measure all peers in turn, several times."""
    for _ in range(rounds):
        for peer in peers:
            await peer.measure(seconds)


@contextmanager
def all_peers(folder: Path) -> Iterator[list[Peer]]:
    """Start the echo, the flywheel and the gateway, each in its own process."""
    make_keys(folder / "keys", service_names())
    http, proxy = free_ports(2)
    environment = {
        **os.environ,
        **{f"RATOON_{name}_STATE": str(folder) for name in ("FLYWHEEL", "GATEWAY")},
        "RATOON_GATEWAY_PORT": str(http),
        "RATOON_GATEWAY_GRPC": f"127.0.0.1:{proxy}",
    }
    signer = Signer("gateway", load_key(folder / "keys" / "gateway.key"), SystemClock())
    token = signer.token_for(Principal("operator", Role.OPERATOR), 600)
    direct, echo = socket_address(folder, "flywheel"), socket_address(folder, "echo")
    with ExitStack() as stack:
        pids = []
        for service in ("flywheel", "gateway"):
            migrate(service, f"sqlite:///{folder}/{service}/{service}.db")
            command = [sys.executable, "-m", f"ratoon_{service}"]
            pids.append(stack.enter_context(process(command, environment, folder / f"{service}.log")))
        message = _created(direct, token)
        (folder / "message").write_bytes(message.SerializeToString())
        command = [sys.executable, __file__, "--echo", echo, "--message", str(folder / "message")]
        served = stack.enter_context(process(command, environment, folder / "echo.log"))
        key = folder / "keys" / "operator.key"
        _wait_for(f"127.0.0.1:{proxy}", lambda: key.read_text().strip())
        _wait_for(echo, lambda: token)
        operator = key.read_text().strip()
        yield [
            Peer("bare grpc.aio echo", echo, lambda: token, [served]),
            Peer("service", direct, lambda: token, pids[:1]),
            Peer("through the gateway", f"127.0.0.1:{proxy}", lambda: operator, pids),
        ]


def _created(address: str, token: str) -> Project:
    _wait_for(address, lambda: token, grpc.StatusCode.NOT_FOUND)
    project = Project(display_name="Mail", labels=[f"label-{number}" for number in range(10)])
    with open_channel_with_token(address, lambda: token) as channel:
        stub = FlywheelServiceStub(channel)
        return stub.CreateProject(pb.CreateProjectRequest(project_id="mail", project=project))


def _wait_for(address: str, token: Callable[[], str], code: grpc.StatusCode = grpc.StatusCode.OK) -> None:
    """Wait until the call ends with this code."""
    deadline, reason = time.monotonic() + _START_S, "no answer"
    while time.monotonic() < deadline:
        try:
            with grpc.insecure_channel(address) as channel:
                call: Any = channel.unary_unary(_METHOD, pb.GetProjectRequest.SerializeToString)
                bearer = (("authorization", f"Bearer {token()}"),)
                call(pb.GetProjectRequest(name=_NAME), metadata=bearer, timeout=5)
            return
        except grpc.RpcError as error:
            if error.code() is code:
                return
            reason = str(error.details())
        except FileNotFoundError as error:
            reason = str(error)
        time.sleep(0.1)
    raise SystemExit(f"{address} did not start within {_START_S:g} s: {reason}")


@contextmanager
def process(command: list[str], environment: dict[str, str], log: Path) -> Iterator[int]:
    """Run a process until the block ends; its pid."""
    with log.open("wb") as out, subprocess.Popen(command, env=environment, stdout=out, stderr=out) as running:
        try:
            yield running.pid
        finally:
            running.terminate()


async def serve_echo(address: str, message: Path) -> None:
    """Return the message of a file to every call, without any of Ratoon's code."""
    project = Project.FromString(message.read_bytes())

    async def get(_request: pb.GetProjectRequest, _context: object) -> Project:
        return project

    handler = grpc.unary_unary_rpc_method_handler(
        get, pb.GetProjectRequest.FromString, Project.SerializeToString
    )
    server = aio.server()
    service, name = _METHOD.removeprefix("/").split("/")
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {name: handler}),))
    server.add_insecure_port(address)
    await server.start()
    await server.wait_for_termination()


def _cpu_s(pids: list[int]) -> float:
    """Seconds of CPU time that these processes have used."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def results_of(peers: list[Peer]) -> dict[str, dict[str, float]]:
    """The medians of each peer, and its ratio to the first one within each round."""
    base = peers[0].calls_per_s
    return {
        peer.name: {
            "calls_per_s": round(statistics.median(peer.calls_per_s)),
            "ratio": round(statistics.median(a / b for a, b in zip(peer.calls_per_s, base, strict=True)), 2),
            "cpu_ms_per_call": round(statistics.median(peer.cpu_ms), 3),
        }
        for peer in peers
    }


def print_table(results: dict[str, dict[str, float]]) -> None:
    """One row a peer."""
    print(f"{'':22}{'calls/s':>10}{'ratio':>8}{'CPU ms/call':>14}")
    for name, row in results.items():
        print(f"{name:22}{row['calls_per_s']:>10,}{row['ratio']:>8.2f}{row['cpu_ms_per_call']:>14.3f}")


def main() -> None:
    """Measure all peers and print the table and a line of JSON."""
    parser = argparse.ArgumentParser(description="Cost of a unary call, next to a bare grpc.aio echo.")
    parser.add_argument("--quick", action="store_true", help="one round of a second for each peer")
    parser.add_argument("--json", type=Path, help="where to write the results")
    parser.add_argument("--echo", help=argparse.SUPPRESS)
    parser.add_argument("--message", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.echo:
        asyncio.run(serve_echo(options.echo, options.message))
        return
    rounds, seconds = (1, 1.0) if options.quick else (5, 2.0)
    with tempfile.TemporaryDirectory(prefix="ratoon-bench-rpc-") as folder, all_peers(Path(folder)) as peers:
        asyncio.run(measure(peers, rounds, seconds))
    results = results_of(peers)
    print_table(results)
    print(json.dumps(results))
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
