"""The installed platform for its operator and its callers: pods, the gateway's port, the first key."""

import base64
from dataclasses import dataclass
from typing import Any

import pytest

from ratoon.client import Ratoon
from ratoon.client.types import Project
from ratoon.testkit.kubernetes import CommandFailed
from ratoon.testkit.kubernetes.node import Cluster, OwnCluster
from ratoon.testkit.waiting import until

from .release import CONTROLLERS, Manifest, Release

JSON = dict[str, Any]
_TAIL = "--tail=15"


@dataclass(frozen=True)
class Platform:
    """A release on a cluster. It has the same `client` and `project` as an installation on one machine."""

    cluster: Cluster
    release: Release

    @property
    def url(self) -> str:
        """The gateway, on a port of the node."""
        name = f"{self.release.name}-gateway-public"
        ports = self.release.one("service", name)["spec"]["ports"]
        return f"http://{self.cluster.address}:{next(each['nodePort'] for each in ports if each['name'] == 'http')}"

    @property
    def key(self) -> str:
        """The operator's first key."""
        data = self.release.one("secret", f"{self.release.name}-operator")["data"]
        return base64.b64decode(data["operator.key"]).decode().strip()

    @property
    def client(self) -> Ratoon:
        """A caller with the operator's key."""
        return Ratoon(base_url=self.url, api_key=self.key)

    @property
    def own(self) -> OwnCluster:
        """The cluster, if tests may break it; else the test is skipped."""
        if not isinstance(self.cluster, OwnCluster):
            pytest.skip("The cluster that KUBECONFIG names is not ours to break.")
        return self.cluster

    def project(self, name: str) -> Project:
        """Create a project."""
        return self.client.projects.create(project_id=name, labels=["ham", "spam"], request_id=name)

    def wait_ready(self, seconds: float) -> None:
        """Wait until all pods of this revision are ready; AssertionError with their problems otherwise."""
        until(
            lambda: not self._waiting(),
            seconds,
            lambda: f"not ready: {', '.join(self._waiting())}\n{self.problems()}",
            1.0,
        )

    def pods(self, part: str) -> list[str]:
        """Return the names of a part's pods that are not terminating."""
        selector = f"app.kubernetes.io/name={part},app.kubernetes.io/instance={self.release.name}"
        pods = self.release.get("pods", "--selector", selector)
        return [each["metadata"]["name"] for each in pods if "deletionTimestamp" not in each["metadata"]]

    def names(self, kinds: str) -> list[str]:
        """Return the objects of these kinds, as `kind/name`."""
        arguments = ["get", kinds, "--namespace", self.release.namespace, "--output", "name"]
        return self.release.plane.kubectl(*arguments).split()

    def wait_gone(self, seconds: float) -> None:
        """Wait until no pod is left."""
        until(
            lambda: not self.names("pods"),
            seconds,
            lambda: f"still there: {', '.join(self.names('pods'))}",
            1.0,
        )

    def problems(self) -> str:
        """Return the logs of pods that are not ready, and the cluster's warnings."""
        pods = [pod for pod in self.release.get("pods") if not _is_ready(pod)]
        lines = [line for pod in pods for line in self._says(pod)]
        return "\n".join([*lines, *self._warnings()])

    def _waiting(self) -> list[str]:
        controllers = [each for kind in CONTROLLERS for each in self.release.get(kind)]
        return [each["metadata"]["name"] for each in controllers if not _is_current(each)]

    def _says(self, pod: Manifest) -> list[str]:
        name = pod["metadata"]["name"]
        arguments = ["logs", name, "--namespace", self.release.namespace, "--all-containers", _TAIL]
        try:
            log = self.release.plane.kubectl(*arguments)
        except CommandFailed as refused:
            log = str(refused)
        states = [each.get("state") for each in pod["status"].get("containerStatuses", [])]
        return [f"── {name}: {pod['status']['phase']} {states}", log]

    def _warnings(self) -> list[str]:
        events = self.release.get("events", "--field-selector", "type=Warning")
        return [f"{each['involvedObject']['name']}: {each['message']}" for each in events[-20:]]


def _is_current(controller: Manifest) -> bool:
    """Return True if all pods of a controller are of its latest generation and ready."""
    status, replicas = controller.get("status", {}), controller["spec"]["replicas"]
    observed = status.get("observedGeneration", 0) >= controller["metadata"]["generation"]
    current = [status.get(name, 0) for name in ("replicas", "updatedReplicas", "readyReplicas")]
    return observed and current == [replicas] * 3


def _is_ready(pod: Manifest) -> bool:
    if pod["status"]["phase"] == "Succeeded":
        return True
    conditions = pod["status"].get("conditions", [])
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
