"""Cost of the platform on Kubernetes while idle, and of a switch between engine pods for its callers.

    make bench-cluster              six switches; ARGS=--quick: two

The one-machine Kubernetes of `make test-cluster`, the laptop's values, two gateways. Idle: no engine, no model. Then
two versions of a tiny model, each in a pod of its own, are promoted in turn while callers ask at a fixed rate.
"""

import argparse
import asyncio
import json
import os
import platform as machine
import statistics
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from bench.cluster.idle import idle
from bench.rollout.load import Answer, RequestSpec, under_load
from ratoon.client.states import has_succeeded
from ratoon.client.types import Rollout
from ratoon.testkit.kubernetes import node
from ratoon.testkit.kubernetes.node import own_cluster
from tests.chaos.served import Served
from tests.cluster.platform import JSON, Platform
from tests.cluster.release import IMAGES, LAPTOP, ROOT, Release

_VALUES = ROOT / "tests/cluster/whole/values.yaml"
_BUNDLED = ("kafka", "postgresql", "s3")
"""Bundled development servers: production has its own."""
_RATE = 5.0
_LEAD_S = 15.0
_SETTLE_S = 60.0


@dataclass(frozen=True)
class Switch:
    """One promotion as its callers saw it; times in seconds."""

    until_green: float
    """From asking for the version to the last request that the old one answered."""
    flip: float
    """From the change of the route, as the rollout's steps record it, to that request."""
    steady: tuple[float, float]
    """p50 and p99 of requests due before it began."""
    during: tuple[float, float]
    """… due from then until it had ended."""
    requests: int
    failed: int


def switched(served: Served, spec: RequestSpec) -> Switch:
    """One promotion under load."""
    ended_rollouts: list[Rollout] = []
    wall_ahead = time.time() - time.monotonic()
    target = served.other().rpartition("/versions/")[2]

    def work() -> float:
        started = time.monotonic()
        ended_rollouts.append(served.end(served.roll_out(served.other(), bake_s=10.0)))
        return started

    began = time.monotonic()
    answers, started = asyncio.run(under_load(spec, _RATE, work, _LEAD_S))
    (ended,) = ended_rollouts
    if not has_succeeded(ended):
        raise SystemExit(f"The rollout ended as {ended.state}: {ended.reason}")
    return switch_of(answers, started, target, route_changed(ended) - wall_ahead - began)


def route_changed(rollout: Rollout) -> float:
    """Return when traffic was sent to the new version, in seconds since the epoch."""
    step = next(each for each in rollout.steps if each.state == "SHIFTING")
    assert step.time is not None
    return step.time.timestamp()


def switch_of(answers: list[Answer], started: float, target: str, changed: float) -> Switch:
    """Return the measurements of a switch; all times count from the beginning of the load."""
    old = [each.due for each in answers if not each.fault and not each.version.endswith(f"@{target}")]
    well = [each for each in answers if not each.fault]
    return Switch(
        until_green=max(old) - started,
        flip=max(old) - changed,
        steady=quantiles([each.seconds for each in well if each.due < started]),
        during=quantiles([each.seconds for each in well if started <= each.due < answers[-1].due - _LEAD_S]),
        requests=len(answers),
        failed=len(answers) - len(well),
    )


def quantiles(seconds: list[float]) -> tuple[float, float]:
    """Median and 99th percentile."""
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    return cuts[49], cuts[98]


def measure(installed: Platform, rounds: int, folder: Path) -> JSON:
    """Everything, on a release that is ready."""
    print(f"idle: settling for {_SETTLE_S:.0f} s, then two minutes", flush=True)
    time.sleep(_SETTLE_S)
    parts, calls = idle(installed, 120.0)
    served = Served(installed)
    print("two versions are uploaded, the first one served", flush=True)
    served.set_up(folder)
    spec = RequestSpec(
        urlsplit(installed.url).port or 80,
        {"authorization": f"Bearer {installed.key}"},
        "mail/mail",
    )
    switches = []
    for number in range(rounds):
        switches.append(switched(served, spec))
        print(f"switch {number + 1} of {rounds}: {switches[-1]}", flush=True)
    return {
        "idle": [vars(each) for each in parts],
        "api_calls_a_minute": calls,
        "switches": [vars(each) for each in switches],
    }


def table(results: JSON) -> str:
    """Return the results as text."""
    lines = [f"{'idle':24}{'pods':>6}{'resident MiB':>14}{'working set MiB':>17}{'% of a core':>13}"]
    rows = results["idle"]
    own = [row for row in rows if row["part"] not in _BUNDLED]
    keys = ("pods", "resident", "working_set", "processor")
    total = {"part": "without bundled servers", **{key: sum(row[key] for row in own) for key in keys}}
    for row in [*rows, total]:
        lines.append(
            f"{row['part']:24}{row['pods']:6}{row['resident']:14.0f}{row['working_set']:17.0f}{row['processor']:13.1f}"
        )
    lines.append(f"calls to the API server a minute, idle: {results['api_calls_a_minute']:.1f}")
    switches = results["switches"]
    for name in ("until_green", "flip"):
        values = [each[name] for each in switches]
        lines.append(f"{name}, s: median {statistics.median(values):.2f}, worst {max(values):.2f}")
    for index, name in enumerate(("p50", "p99")):
        steady, during = (
            statistics.median(each[when][index] for each in switches) for when in ("steady", "during")
        )
        lines.append(
            f"{name}, ms: steady {1000 * steady:.0f}, added during a switch {1000 * (during - steady):.0f}"
        )
    lines.append(
        f"requests {sum(s['requests'] for s in switches)}, failed {sum(s['failed'] for s in switches)}"
    )
    return "\n".join(lines)


def main() -> None:
    """Measure, and print the results."""
    parser = argparse.ArgumentParser(description="The platform on Kubernetes: idle, and in a switch.")
    parser.add_argument("--quick", action="store_true", help="two switches")
    parser.add_argument("--json", type=Path, help="JSON file of the results [in a temporary directory]")
    options = parser.parse_args()
    if reason := node.missing():
        raise SystemExit(reason)
    folder = Path(tempfile.mkdtemp(prefix="ratoon-bench-"))
    with own_cluster() as cluster:
        for name in IMAGES:
            cluster.node.images.add(name)
        installed = Platform(cluster, Release(cluster.plane, "ratoon"))
        installed.release.make_namespace()
        installed.release.install(LAPTOP, _VALUES)
        installed.wait_ready(600)
        results = measure(installed, 2 if options.quick else 6, folder)
    report = {
        "time": datetime.now(UTC).isoformat(),
        "machine": {"processors": os.cpu_count(), "system": machine.platform()},
        "load": {"requests_per_s": _RATE},
        **results,
    }
    path = options.json or folder / "figures.json"
    path.write_text(json.dumps(report, indent=1))
    print(table(results))
    print(f"figures: {path}")


if __name__ == "__main__":
    main()
