"""Cost of exporting spans for the gateway: no spans, one trace in a hundred, every trace, in the same run.

    python bench/gateway/traces.py            # about two minutes
    python bench/gateway/traces.py --quick    # about half a minute

Each kind is a gateway in a process of its own before the same mock engine; its spans go to a collector in another
process, which shares the processors. Rounds visit every kind in turn. `of first` compares with the first kind.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import uvloop
from load import Peer
from peers import gateway, mock_engine, process, until_up
from run import Metrics, measure

from ratoon.testkit.ports import free_ports

_COLUMNS = {
    "p50 at 100/s": "p50_ms",
    "p99": "p99_ms",
    "requests": "requests_per_s",
    "tokens, 32": "stream_tokens_per_s",
    "tokens, 1000": "many_tokens_per_s",
    "failed": "failed",
}
_SHARES = {"no spans": "", "1 trace in 100": "0.01", "every trace": "1"}


@contextmanager
def kinds(folder: Path) -> Iterator[list[Peer]]:
    """A gateway for each share of traces."""
    with ExitStack() as stack:
        engine = stack.enter_context(mock_engine(folder))
        otlp = stack.enter_context(collector(folder))
        peers = []
        for number, (name, ratio) in enumerate(_SHARES.items()):
            own = folder / str(number)
            own.mkdir()
            variables = {"RATOON_GATEWAY_OTLP": otlp, "RATOON_GATEWAY_TRACE_RATIO": ratio} if ratio else {}
            plain, _ = stack.enter_context(gateway(engine, own, variables))
            peers.append(Peer(name, plain.port, plain.headers, plain.model))
        yield peers


@contextmanager
def collector(folder: Path) -> Iterator[str]:
    """Run a collector that discards spans; yield its URL."""
    [port] = free_ports()
    with process([sys.executable, __file__, "--collect", str(port)], folder / "collector.log"):
        until_up(port, "/")
        yield f"http://127.0.0.1:{port}"


def table(metrics: Metrics) -> str:
    """Return the metrics as text."""
    first = next(iter(metrics.values()))
    head = f"{'':16}" + "".join(f"{name:>14}" for name in _COLUMNS) + f"{'of first':>14}"
    rows = [
        f"{name:16}"
        + "".join(f"{one[key]:14,.{2 if key.endswith('ms') else 0}f}" for key in _COLUMNS.values())
        + f"{one['requests_per_s'] / first['requests_per_s']:14.3f}"
        for name, one in metrics.items()
    ]
    return "\n".join([head, *rows])


async def _collect(port: int) -> None:
    """Answer every request with nothing, as a collector that has taken it does."""
    from aiohttp import web

    async def take(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(content_type="application/x-protobuf")

    application = web.Application(client_max_size=64 << 20)
    application.router.add_route("*", "/{path:.*}", take)
    await web._run_app(application, host="127.0.0.1", port=port, print=None)


def main() -> None:
    """Measure and tell."""
    parser = argparse.ArgumentParser(description="Cost of exporting spans for the gateway.")
    parser.add_argument("--quick", action="store_true", help="one short round")
    parser.add_argument("--collect", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.collect:
        uvloop.run(_collect(options.collect))
        return
    with kinds(Path(tempfile.mkdtemp(prefix="ratoon-bench-traces-"))) as peers:
        rounds, seconds = (1, 2.0) if options.quick else (4, 2.0)
        print(table(uvloop.run(measure(peers, rounds, seconds))))


if __name__ == "__main__":
    main()
