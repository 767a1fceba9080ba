"""What the gateway costs, beside vllm-router, before the same mock engine in the same run.

    python bench/gateway/run.py            # about two minutes; a table, and figures.json in a temporary folder
    python bench/gateway/run.py --quick    # about 20 seconds

Three measurements, each in rounds that visit every peer in turn so that a noisy minute hits all of them: latency with
100 requests a second arriving (open loop), answers a second with 32 busy connections, and tokens a second over 32
streams. `added` is the difference to the engine alone. All processes share this machine's processors.
"""

import argparse
import json
import os
import platform
import statistics
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import uvloop
from load import Peer, Seen, closed_loop, open_loop
from peers import all_peers

_RATE = 100.0
_CLIENTS = 32
_STREAM_TOKENS = 200
Figures = dict[str, dict[str, float]]


async def measure(peers: list[Peer], rounds: int, seconds: float) -> Figures:
    """The figures of each peer: medians over the rounds."""
    for peer in peers:
        await closed_loop(peer, _CLIENTS, 1.0)  # warm
    latency: dict[str, list[Seen]] = {peer.name: [] for peer in peers}
    busy: dict[str, list[Seen]] = {peer.name: [] for peer in peers}
    streams: dict[str, list[Seen]] = {peer.name: [] for peer in peers}
    for number in range(rounds):
        print(f"round {number + 1} of {rounds}", flush=True)
        for peer in peers:
            latency[peer.name].append(await open_loop(peer, _RATE, seconds))
            busy[peer.name].append(await closed_loop(peer, _CLIENTS, seconds))
            streams[peer.name].append(await closed_loop(peer, _CLIENTS, seconds, _STREAM_TOKENS, stream=True))
    return {peer.name: summary(latency[peer.name], busy[peer.name], streams[peer.name]) for peer in peers}


def summary(latency: list[Seen], busy: list[Seen], streams: list[Seen]) -> dict[str, float]:
    """One peer's figures."""
    return {
        "p50_ms": statistics.median(seen.quantile_ms(0.5) for seen in latency),
        "p99_ms": statistics.median(seen.quantile_ms(0.99) for seen in latency),
        "requests_per_s": statistics.median(seen.rate for seen in busy),
        "busy_p99_ms": statistics.median(seen.quantile_ms(0.99) for seen in busy),
        "stream_tokens_per_s": statistics.median(seen.events / seen.elapsed for seen in streams),
        "failed": sum(seen.failed for seen in [*latency, *busy, *streams]),
    }


def with_added(figures: Figures) -> Figures:
    """The figures, each with what it adds to the first one's latency."""
    base = next(iter(figures.values()))
    return {
        name: {**one, **{f"added_{key}": one[key] - base[key] for key in ("p50_ms", "p99_ms")}}
        for name, one in figures.items()
    }


def table(figures: Figures) -> str:
    """The figures for people."""
    names = ("p50 ms", "p99 ms", "added p50", "added p99", "req/s", "tokens/s", "failed")
    head = f"{'':16}" + "".join(f"{name:>11}" for name in names)
    rows = [
        f"{name:16}{one['p50_ms']:11.2f}{one['p99_ms']:11.2f}{one['added_p50_ms']:11.2f}{one['added_p99_ms']:11.2f}"
        f"{one['requests_per_s']:11.0f}{one['stream_tokens_per_s']:11.0f}{one['failed']:11.0f}"
        for name, one in figures.items()
    ]
    return "\n".join([head, *rows])


def main() -> None:
    """Measure and tell."""
    parser = argparse.ArgumentParser(description="What the gateway costs, beside vllm-router.")
    parser.add_argument("--quick", action="store_true", help="one short round")
    parser.add_argument("--json", type=Path, help="where the figures go; else into a temporary folder")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="ratoon-bench-gateway-"))
    with all_peers(folder) as peers:
        rounds, seconds = (1, 2.0) if options.quick else (5, 3.0)
        figures = with_added(uvloop.run(measure(peers, rounds, seconds)))
    machine = {
        "processors": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
    }
    load = {"open_loop_rate": _RATE, "connections": _CLIENTS, "rounds": rounds, "seconds_each": seconds}
    told: dict[str, Any] = {
        "time": datetime.now(UTC).isoformat(),
        "machine": machine,
        "load": load,
        "peers": figures,
    }
    path = options.json or folder / "figures.json"
    path.write_text(json.dumps(told, indent=1))
    print(table(figures))
    print(f"figures: {path}")


if __name__ == "__main__":
    main()
