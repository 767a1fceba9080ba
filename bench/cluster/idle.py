"""Cost of an idle platform: memory, processor, and calls to the API server."""

import json
import re
import time
from collections import defaultdict
from dataclasses import dataclass

from ratoon.testkit.kubernetes.node import NAME
from tests.cluster.platform import Platform

_CALLS = re.compile(
    r'^apiserver_flowcontrol_dispatched_requests_total\{flow_schema="service-accounts".*\} (\S+)$', re.M
)
"""Requests of ServiceAccounts outside kube-system: those of the platform."""
_NAME = "app.kubernetes.io/name"


@dataclass(frozen=True)
class Idle:
    """One part of the platform: resident and working-set memory in MiB, processor in % of one core."""

    part: str
    pods: int
    resident: float
    working_set: float
    processor: float


def idle(platform: Platform, seconds: float) -> tuple[list[Idle], float]:
    """Measure each part over some seconds, and the calls to the API server per minute."""
    before, calls, began = usage(platform), api_calls(platform), time.monotonic()
    time.sleep(seconds)
    after, lasted = usage(platform), time.monotonic() - began
    a_minute = (api_calls(platform) - calls) * 60 / lasted
    return [_row(part, before[part], after[part], lasted) for part in sorted(after)], a_minute


def usage(platform: Platform) -> dict[str, list[tuple[float, float, float]]]:
    """Return the kubelet's usage of each pod by part: resident bytes, working set, core seconds."""
    labels = {
        pod["metadata"]["name"]: pod["metadata"]["labels"][_NAME] for pod in platform.release.get("pods")
    }
    counted = platform.cluster.plane.kubectl("get", "--raw", f"/api/v1/nodes/{NAME}/proxy/stats/summary")
    usages = defaultdict(list)
    for pod in json.loads(counted)["pods"]:
        name, memory = pod["podRef"]["name"], pod["memory"]
        if pod["podRef"]["namespace"] == platform.release.namespace and name in labels:
            cores = pod["cpu"]["usageCoreNanoSeconds"] / 1e9
            usages[labels[name]].append((memory["rssBytes"], memory["workingSetBytes"], cores))
    return usages


def api_calls(platform: Platform) -> float:
    """Return the number of the platform's requests to the API server."""
    counted = platform.cluster.plane.kubectl("get", "--raw", "/metrics")
    return sum(float(number) for number in _CALLS.findall(counted))


def _row(
    part: str,
    before: list[tuple[float, float, float]],
    after: list[tuple[float, float, float]],
    seconds: float,
) -> Idle:
    resident, working_set, cores = (sum(column) for column in zip(*after, strict=True))
    used = cores - sum(row[2] for row in before)
    return Idle(part, len(after), resident / 2**20, working_set / 2**20, 100 * used / seconds)
