"""Cost of the gateway, next to vllm-router and LiteLLM's proxy, before the same mock engine in the same run.

    python bench/gateway/run.py            # about five minutes; a table, and figures.json in a temporary folder
    python bench/gateway/run.py --quick    # about a minute

Each measurement goes in rounds that visit every peer in turn, so that a noisy minute hits all of them: latency with 20
and with 100 requests a second arriving (open loop), answers a second with 32 busy connections, tokens a second over 32
streams and over 1,000. `added` is the difference to the engine alone. All processes share this machine's processors;
a peer that cannot keep up with 100 requests a second has its queue in its latency there; so 20 is measured, too.
"""

import argparse
import json
import math
import os
import platform
import statistics
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import uvloop
from load import LoadResult, Peer, closed_loop, open_loop
from peers import all_peers

_SLOW_RATE, _RATE = 20.0, 100.0
_CLIENTS, _MANY = 32, 1000
_STREAM_TOKENS = 200
_NOT_MANY = ("LiteLLM",)
"""Peers whose 1,000 streams would take minutes per round."""
_ADDED = ("slow_p50_ms", "p50_ms", "p99_ms")
Metrics = dict[str, dict[str, float]]


@dataclass
class Rounds:
    """Results of one peer, one per round."""

    slow: list[LoadResult] = field(default_factory=list)
    latency: list[LoadResult] = field(default_factory=list)
    busy: list[LoadResult] = field(default_factory=list)
    streams: list[LoadResult] = field(default_factory=list)
    many: list[LoadResult] = field(default_factory=list)

    async def add(self, peer: Peer, seconds: float) -> None:
        """One round more."""
        self.slow.append(await open_loop(peer, _SLOW_RATE, seconds))
        self.latency.append(await open_loop(peer, _RATE, seconds))
        self.busy.append(await closed_loop(peer, _CLIENTS, seconds))
        self.streams.append(await closed_loop(peer, _CLIENTS, seconds, _STREAM_TOKENS, stream=True))
        if peer.name not in _NOT_MANY:
            self.many.append(await closed_loop(peer, _MANY, seconds, _STREAM_TOKENS, stream=True))

    def summary(self) -> dict[str, float]:
        """The medians."""
        every = [*self.slow, *self.latency, *self.busy, *self.streams, *self.many]
        return {
            "slow_p50_ms": _median(result.quantile_ms(0.5) for result in self.slow),
            "p50_ms": _median(result.quantile_ms(0.5) for result in self.latency),
            "p99_ms": _median(result.quantile_ms(0.99) for result in self.latency),
            "requests_per_s": _median(result.rate for result in self.busy),
            "busy_p99_ms": _median(result.quantile_ms(0.99) for result in self.busy),
            "stream_tokens_per_s": _median(result.events / result.elapsed for result in self.streams),
            "many_tokens_per_s": _median(result.events / result.elapsed for result in self.many),
            "failed": sum(result.failed for result in every),
        }


async def measure(peers: list[Peer], rounds: int, seconds: float) -> Metrics:
    """Return the metrics of each peer."""
    by_peer = {peer.name: Rounds() for peer in peers}
    for peer in peers:
        await closed_loop(peer, _CLIENTS, 1.0)  # warm
    for number in range(rounds):
        print(f"round {number + 1} of {rounds}", flush=True)
        for peer in peers:
            await by_peer[peer.name].add(peer, seconds)
    return {name: one.summary() for name, one in by_peer.items()}


def _median(values: Iterable[float]) -> float:
    known = list(values)
    return statistics.median(known) if known else float("nan")


def with_added(metrics: Metrics) -> Metrics:
    """Return the metrics, each with the latency added to that of the first peer."""
    base = next(iter(metrics.values()))
    return {
        name: {**one, **{f"added_{key}": one[key] - base[key] for key in _ADDED}}
        for name, one in metrics.items()
    }


def _measured(one: dict[str, float]) -> dict[str, float]:
    """Return only the measured values."""
    return {key: value for key, value in one.items() if not math.isnan(value)}


def table(metrics: Metrics) -> str:
    """Return the metrics as text: milliseconds, and counts per second."""
    columns = {
        "p50 at 20/s": "slow_p50_ms",
        "added": "added_slow_p50_ms",
        "p50 at 100/s": "p50_ms",
        "added ": "added_p50_ms",
        "p99": "p99_ms",
        "added  ": "added_p99_ms",
        "requests": "requests_per_s",
        "tokens, 32": "stream_tokens_per_s",
        "tokens, 1000": "many_tokens_per_s",
        "failed": "failed",
    }
    head = f"{'':16}" + "".join(f"{name:>13}" for name in columns)
    rows = [
        f"{name:16}"
        + "".join(f"{one[key]:13,.{2 if key.endswith('ms') else 0}f}" for key in columns.values())
        for name, one in metrics.items()
    ]
    return "\n".join([head, *rows])


def goals(metrics: Metrics) -> str:
    """Return the gateway's added latency next to its goals."""
    lines = []
    for rate, key in (("20", "added_slow_p50_ms"), ("100", "added_p50_ms")):
        added = {name: one[key] for name, one in metrics.items()}
        lines.append(
            f"added p50 at {rate}/s: gateway / vllm-router = {added['gateway'] / added['vllm-router']:.2f} (goal 2), "
            f"gateway, all on / LiteLLM = {added['gateway, all on'] / added['LiteLLM']:.3f} (goal 0.1)"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure, and print the metrics."""
    parser = argparse.ArgumentParser(description="Cost of the gateway, next to its peers.")
    parser.add_argument("--quick", action="store_true", help="one short round")
    parser.add_argument("--json", type=Path, help="JSON file of the metrics [in a temporary directory]")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="ratoon-bench-gateway-"))
    with all_peers(folder) as peers:
        rounds, seconds = (1, 2.0) if options.quick else (5, 3.0)
        metrics = with_added(uvloop.run(measure(peers, rounds, seconds)))
    machine = {
        "processors": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
    }
    load = {
        "open_loop_rates": [_SLOW_RATE, _RATE],
        "connections": _CLIENTS,
        "many_streams": _MANY,
        "rounds": rounds,
        "seconds_each": seconds,
    }
    report: dict[str, Any] = {
        "time": datetime.now(UTC).isoformat(),
        "machine": machine,
        "load": load,
        "peers": {name: _measured(one) for name, one in metrics.items()},
    }
    path = options.json or folder / "figures.json"
    path.write_text(json.dumps(report, indent=1))
    print(table(metrics), goals(metrics), sep="\n")
    print(f"figures: {path}")


if __name__ == "__main__":
    main()
