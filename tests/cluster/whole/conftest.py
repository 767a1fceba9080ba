"""One cluster for all tests here: they run in the order of their files, and print a table at the end."""

from collections.abc import Iterator

import pytest

from ratoon.testkit.kubernetes import node
from ratoon.testkit.kubernetes.node import Cluster, OwnCluster, running_cluster

from ..platform import Platform
from ..release import IMAGES, Release
from ..summary import Summary

_SUMMARY = Summary()


@pytest.fixture(scope="session")
def summary() -> Summary:
    """Summary of all steps."""
    return _SUMMARY


@pytest.fixture(scope="session")
def cluster(summary: Summary) -> Iterator[Cluster]:
    """The cluster that `KUBECONFIG` names, else one of our own with the images that were built."""
    if reason := node.missing():
        pytest.skip(reason)
    with running_cluster() as cluster:
        if isinstance(cluster, OwnCluster):
            with summary.step("images into the node"):
                for name in IMAGES:
                    cluster.node.images.add(name)
        yield cluster


@pytest.fixture(scope="session")
def platform(cluster: Cluster) -> Platform:
    """The one release; the first test that needs it installed has installed it."""
    release = Release(cluster.plane, "ratoon")
    if not isinstance(cluster, OwnCluster) and release.exists():
        pytest.exit("That cluster has a release in the namespace ratoon: tests install their own there.", 2)
    return Platform(cluster, release)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The table of steps."""
    if _SUMMARY.steps:
        terminalreporter.section("steps on the cluster")
        for line in _SUMMARY.table():
            terminalreporter.line(line)
