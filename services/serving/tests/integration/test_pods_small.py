"""The suite of `tests/cluster` on a small API in this process: the same promises, where no real API can be started."""

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
globals().update({name: test for name, test in vars(suite).items() if name.startswith("test_")})


class Small:
    """The small API; everybody may do everything."""

    def __init__(self, folder: Path) -> None:
        self.api = small_api.SmallApi(folder)
        self.admin = str(self.api.kubeconfig)
        self.stop, self.start = self.api.stop, self.api.start

    def account(self, namespace: str) -> str:
        return self.admin

    def prepare(self, namespace: str) -> None:
        """It has no namespaces."""


@pytest.fixture
def cluster(tmp_path_factory) -> Iterator[object]:
    folder = tmp_path_factory.mktemp("c")
    api = Small(folder)
    made = pod_cluster.Cluster(api, folder, "small")
    made.kubelet.start()
    yield made
    made.kubelet.stop()
    api.stop()


@pytest.fixture
def turns(monkeypatch) -> Counter[str]:
    """The turns of each background loop in this process, by its name."""
    counted, attempt = Counter[str](), BackgroundLoop._attempt

    def count(loop: BackgroundLoop) -> float:
        counted[loop._name] += 1
        return attempt(loop)

    monkeypatch.setattr(BackgroundLoop, "_attempt", count)
    return counted


def test_while_nothing_happens_the_api_is_hardly_called(cluster, turns):
    with cluster.room(cluster.settings()):
        cluster.serve("v1.0")
        cluster.kubelet.paused = True
        cluster.until("its rollout is not told to its end", lambda: suite.reasons(cluster) >= suite.TOLD)
        before = len(cluster.api.api.calls)
        turns.clear()
        cluster.until("operations take no turns", lambda: turns["operations"] >= 15)
        assert [call for call in cluster.api.api.calls[before:] if "nodes" not in call] == []


@pytest.mark.parametrize(
    "promise",
    [
        suite.test_a_pod_that_no_node_takes_is_given_up_for_the_way_in_place_where_that_is_safe,
        suite.test_replicas_are_routed_one_by_one_as_they_prove_themselves,
    ],
)
def test_a_controller_that_changes_deployments_meanwhile_stops_nothing(cluster, promise):
    cluster.api.api.meddles = True
    promise(cluster)
