"""Suite of `tests/cluster` on a small API in this process, where no real one can be started."""

import importlib.util
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from ratoon.process.loop import BackgroundLoop


def _load(name: str, path: Path):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


HERE = Path(__file__).parents[1]
suite = _load("serving_engines_suite", HERE / "cluster" / "test_engines.py")
pod_cluster, small_api = (
    _load(f"serving_{name}", HERE / f"{name}.py") for name in ("pod_cluster", "small_api")
)
QUICK = {
    suite.test_a_version_comes_up_in_a_pod_and_the_next_takes_over,
    suite.test_an_engine_without_a_listener_loses_its_route_at_once_and_keeps_its_pod,
    suite.test_a_pod_that_is_gone_is_replaced_and_routed_at_its_new_address,
    suite.test_an_unavailable_api_stops_no_engine_and_the_rollout_continues_after_it,
    suite.test_a_rollout_wakes_an_engine_that_was_scaled_to_zero,
    suite.test_an_older_fence_is_refused,
}
"""Tests of the quick form; all are quick ones of `tests/cluster`, on a real API."""
globals().update(
    {
        name: test if test in QUICK else pytest.mark.thorough(test)
        for name, test in vars(suite).items()
        if name.startswith("test_")
    }
)


class Small:
    """Small API without authorisation."""

    def __init__(self, folder: Path) -> None:
        self.api = small_api.SmallApi(folder)
        self.admin = str(self.api.kubeconfig)
        self.stop, self.start = self.api.stop, self.api.start

    def account(self, namespace: str) -> str:
        return self.admin

    def prepare(self, namespace: str) -> None:
        """Do nothing: it has no namespaces."""


@pytest.fixture
def cluster(tmp_path_factory) -> Iterator[object]:
    folder = tmp_path_factory.mktemp("c")
    api = Small(folder)
    created = pod_cluster.Cluster(api, folder, "small")
    created.kubelet.start()
    yield created
    created.kubelet.stop()
    api.stop()


@pytest.fixture
def ticks(monkeypatch) -> Counter[str]:
    """Count the ticks of each background loop in this process, by its name."""
    counted, attempt = Counter[str](), BackgroundLoop._attempt

    def count(loop: BackgroundLoop) -> float:
        counted[loop._name] += 1
        return attempt(loop)

    monkeypatch.setattr(BackgroundLoop, "_attempt", count)
    return counted


def test_an_idle_service_hardly_calls_the_api(cluster, ticks):
    with cluster.service(cluster.settings()):
        cluster.serve("v1.0")
        cluster.kubelet.paused = True
        cluster.until(
            "its rollout is not reported to its end", lambda: suite.reasons(cluster) >= suite.REPORTED
        )
        before = len(cluster.api.api.calls)
        ticks.clear()
        cluster.until("operations take no ticks", lambda: ticks["operations"] >= 8)
        assert [call for call in cluster.api.api.calls[before:] if "nodes" not in call] == []


@pytest.mark.parametrize(
    "case",
    [
        suite.test_a_pod_that_no_node_accepts_is_replaced_by_a_load_in_place_where_that_is_safe,
        suite.test_replicas_are_routed_one_by_one_after_attestation,
    ],
)
def test_concurrent_changes_by_a_controller_stop_nothing(cluster, case):
    cluster.api.api.meddles = True
    case(cluster)
