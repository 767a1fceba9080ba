"""The real API takes the chart: its schemas, its admission under Pod Security *restricted*, its own owners and pods."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ratoon.testkit.kubernetes import CommandFailed, ControlPlane
from ratoon.testkit.kubernetes.fakes import FakeNode, fake_nodes
from ratoon.testkit.waiting import until

from ..release import CONTROLLERS, EXAMPLES, LAPTOP, Manifest, Release

OUTSIDE = {
    "Certificate": "cert-manager",
    "HTTPRoute": "the Gateway API",
    "NodePool": "Karpenter",
    "PrometheusRule": "the Prometheus operator",
    "RayCluster": "KubeRay",
    "ScaledObject": "KEDA",
    "ServiceMonitor": "the Prometheus operator",
}
"""Kinds whose definitions a plain API server lacks; tests/charts holds them against their documented schema."""
CAPACITY = {"cpu": "16", "memory": "64Gi", "ephemeral-storage": "1Ti"}
_PODS_S = 120.0


@pytest.fixture(scope="module")
def release(control_plane: ControlPlane) -> Iterator[Release]:
    """The laptop's values, installed on a fake node."""
    release = Release(control_plane, "admission")
    release.make_namespace()
    with fake_nodes(control_plane, FakeNode("fake-laptop", CAPACITY)):
        release.install(LAPTOP)
        yield release
        release.helm("uninstall", "--no-hooks")


def test_a_pod_that_is_not_restricted_is_refused(release: Release) -> None:
    container = {"name": "any", "image": "any", "securityContext": {"privileged": True}}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "any"},
        "spec": {"containers": [container]},
    }
    with pytest.raises(CommandFailed, match="violates PodSecurity"):
        release.apply(pod)


def test_every_controller_gets_the_pods_that_it_asks_for(release: Release) -> None:
    until(lambda: not lacking_pods(release), _PODS_S, lambda: refusals(release), 0.5)
    assert refusals(release) == []


def test_every_pod_runs_as_itself_and_asks_for_resources(release: Release) -> None:
    for pod in release.get("pods"):
        account = pod["spec"]["serviceAccountName"]
        assert account != "default", pod["metadata"]["name"]
        for container in pod["spec"]["containers"]:
            assert set(container["resources"]["requests"]) >= {"cpu", "memory"}, pod["metadata"]["name"]


@pytest.fixture(scope="module")
def examples(control_plane: ControlPlane) -> Release:
    """The examples' namespace, in which nothing is installed."""
    release = Release(control_plane, "examples")
    release.make_namespace()
    return release


@pytest.fixture(scope="module")
def known(control_plane: ControlPlane) -> set[str]:
    """The kinds that this API server knows."""
    lines = control_plane.kubectl("api-resources", "--no-headers").splitlines()
    return {line.split()[-1] for line in lines}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_the_api_takes_every_example_without_a_warning(
    examples: Release, known: set[str], example: Path
) -> None:
    rendered = examples.render(example)
    unknown = {each["kind"] for each in rendered} - known
    assert unknown <= set(OUTSIDE)
    taken = [each for each in rendered if each["kind"] in known]
    options = ("--dry-run=server", "--force-conflicts", "--warnings-as-errors")
    assert examples.apply(*taken, options=options).count("serverside-applied") == len(taken)


def lacking_pods(release: Release) -> list[str]:
    """Controllers with fewer pods than they ask for."""
    controllers = [each for kind in CONTROLLERS for each in release.get(kind)]
    assert controllers
    return [
        each["metadata"]["name"]
        for each in controllers
        if each.get("status", {}).get("replicas", 0) < each["spec"]["replicas"]
    ]


def refusals(release: Release) -> list[str]:
    """Return the API's refusals of pods."""
    events: list[Manifest] = release.get("events")
    return [each["message"] for each in events if each["reason"] == "FailedCreate"]
