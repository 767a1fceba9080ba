"""Cost of a new version for its callers: three strategies, next to an engine that is restarted, in one run.

    make bench-rollout              three rounds; ARGS=--quick: one

Callers send requests at a fixed rate, through the gateway (or, for the restart, straight at vLLM), while a tiny model
changes its version twice. Measured are the time from the request for the version until every answer is of it, the
longest wait of a request, and failed or cut requests.
"""

import argparse
import asyncio
import json
import os
import platform
import statistics
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from load import Answer, RequestSpec, under_load
from stack import Plain, Stack

from ratoon.serving.v1 import rollout_pb2
from ratoon.testkit.ports import free_ports

_RATE = 10.0
_LEAD_S = 3.0
_S = rollout_pb2.Rollout
_WAYS = {
    "second engine": ("mail", _S.STRATEGY_SECOND_ENGINE),
    "adapter swap": ("lora", _S.STRATEGY_ADAPTER_SWAP),
    "in place": ("mail", _S.STRATEGY_IN_PLACE),
}


@dataclass(frozen=True)
class Switch:
    """One change of version as its callers saw it; times in seconds."""

    until_new: float
    longest_wait: float
    usual_wait: float
    requests: int
    failed: int


def switch_of(answers: list[Answer], started: float, ended: Callable[[Answer], bool]) -> Switch:
    """Return the measurements of a switch; `ended` is true for an answer of the new version."""
    before = [a.seconds for a in answers if a.due < started and not a.fault]
    late = [a.due for a in answers if a.due >= started and not ended(a)]
    return Switch(
        until_new=max([0.0, *(due - started + 1 / _RATE for due in late)]),
        longest_wait=max(a.seconds for a in answers if not a.fault),
        usual_wait=statistics.median(before),
        requests=len(answers),
        failed=sum(bool(a.fault) for a in answers),
    )


def measure(spec: RequestSpec, work: Callable[[], float], ended: Callable[[Answer], bool]) -> Switch:
    """One switch under load."""
    answers, started = asyncio.run(under_load(spec, _RATE, work, _LEAD_S))
    return switch_of(answers, started, ended)


def of_ratoon(folder: Path, rounds: int) -> dict[str, list[Switch]]:
    """Measure the three strategies, two switches each per round."""
    stack = Stack(folder)
    models = {"mail": [*stack.installation.models.versions], "lora": [*stack.installation.models.adapters]}
    results: dict[str, list[Switch]] = {name: [] for name in _WAYS}
    with stack.open() as port:
        deployments = {model: stack.serve(versions[0]) for model, versions in models.items()}
        for number in range(rounds):
            for name, (model, strategy) in _WAYS.items():
                for version in reversed(models[model]):
                    results[name].append(_one(stack, port, deployments[model], version, strategy))
                print(f"round {number + 1} of {rounds}: {name}", flush=True)
    return results


def _one(stack: Stack, port: int, deployment: str, version: str, strategy: _S.Strategy.ValueType) -> Switch:
    label = f"{version.split('/')[3]}@{version.split('/')[5]}"
    return measure(
        stack.request_spec(port, deployment),
        lambda: stack.switch(version, strategy),
        lambda answer: answer.version == label,
    )


def of_restart(folder: Path, models: list[Path], rounds: int) -> list[Switch]:
    """A plain vLLM that is stopped and started with the other model."""
    plain = Plain(folder, free_ports()[0])
    spec = RequestSpec(plain.port, {}, "mail")
    results = []
    try:
        plain.start(models[0])
        for number in range(rounds):
            model = models[(number + 1) % 2]
            results.append(measure(spec, lambda model=model: plain.restart(model), lambda a: not a.fault))
            print(f"round {number + 1} of {rounds}: restart", flush=True)
    finally:
        plain.stop()
    return results


def table(results: dict[str, list[Switch]]) -> str:
    """Return the results as text: medians, the longest wait of all, and failures of all."""
    names = ("until new, s", "longest wait, s", "usual wait, s", "requests", "failed")
    rows = ["".join([f"{'':16}", *(f"{name:>17}" for name in names)])]
    for name, all_of_it in results.items():
        until_new = statistics.median(one.until_new for one in all_of_it)
        usual = statistics.median(one.usual_wait for one in all_of_it)
        longest, failed = max(one.longest_wait for one in all_of_it), sum(one.failed for one in all_of_it)
        requests = sum(one.requests for one in all_of_it)
        rows.append(f"{name:16}{until_new:17.2f}{longest:17.2f}{usual:17.2f}{requests:17}{failed:17}")
    return "\n".join(rows)


def main() -> None:
    """Measure, and print the results."""
    parser = argparse.ArgumentParser(description="Cost of a new version for its callers, next to a restart.")
    parser.add_argument("--quick", action="store_true", help="one round")
    parser.add_argument("--json", type=Path, help="JSON file of the results [in a temporary directory]")
    options = parser.parse_args()
    folder, rounds = Path(tempfile.mkdtemp(prefix="ratoon-bench-")), 1 if options.quick else 3
    results = of_ratoon(folder, rounds)
    results["restart"] = of_restart(folder, [folder / "model-0", folder / "model-1"], rounds)
    report = {
        "time": datetime.now(UTC).isoformat(),
        "machine": {"processors": os.cpu_count(), "system": platform.platform()},
        "load": {"requests_per_s": _RATE, "rounds": rounds},
        "ways": {name: [vars(one) for one in all_of_it] for name, all_of_it in results.items()},
    }
    path = options.json or folder / "figures.json"
    path.write_text(json.dumps(report, indent=1))
    print(table(results))
    print(f"figures: {path}")


if __name__ == "__main__":
    main()
