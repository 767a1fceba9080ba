"""The installed platform as its operator and its callers have it: pods, the gateway's port, the first key."""

import base64
from dataclasses import dataclass
from typing import Any

import pytest

from ratoon.sdk.client import Client
from ratoon.testkit.kubernetes import CommandFailed
from ratoon.testkit.kubernetes.node import Cluster, OwnCluster
from ratoon.testkit.waiting import until

from .release import CONTROLLERS, Manifest, Release

JSON = dict[str, Any]
_TAIL = "--tail=15"


@dataclass(frozen=True)
class Platform:
    """A release on a cluster. It has a `client` and makes a `project`, as an installation on one machine has."""

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
    def client(self) -> Client:
        """A caller with the operator's key."""
        return Client(self.url, self.key, timeout_s=60.0)

    @property
    def own(self) -> OwnCluster:
        """The cluster, where it is ours to break; else the test is skipped."""
        if not isinstance(self.cluster, OwnCluster):
            pytest.skip("The cluster that KUBECONFIG names is not ours to break.")
        return self.cluster

    def project(self, name: str) -> JSON:
        """Make a project, in one attempt."""
        return self.client.create("projects", {"labels": ["ham", "spam"]}, name, request_id=name)

    def wait_ready(self, seconds: float) -> None:
        """Until every controller has its pods, of this revision, ready; else AssertionError with what they say."""
        until(
            lambda: not self._waiting(),
            seconds,
            lambda: f"not ready: {', '.join(self._waiting())}\n{self.complaints()}",
            1.0,
        )

    def pods(self, part: str) -> list[str]:
        """Names of the pods of a part that are not on their way out."""
        selector = f"app.kubernetes.io/name={part},app.kubernetes.io/instance={self.release.name}"
        found = self.release.get("pods", "--selector", selector)
        return [each["metadata"]["name"] for each in found if "deletionTimestamp" not in each["metadata"]]

    def names(self, kinds: str) -> list[str]:
        """What there is of these kinds, as `kind/name`."""
        arguments = ["get", kinds, "--namespace", self.release.namespace, "--output", "name"]
        return self.release.plane.kubectl(*arguments).split()

    def wait_gone(self, seconds: float) -> None:
        """Until no pod is left."""
        until(
            lambda: not self.names("pods"),
            seconds,
            lambda: f"still there: {', '.join(self.names('pods'))}",
            1.0,
        )

    def complaints(self) -> str:
        """What pods that are not ready say, and what the cluster says about them."""
        pods = [pod for pod in self.release.get("pods") if not _is_ready(pod)]
        lines = [line for pod in pods for line in self._says(pod)]
        return "\n".join([*lines, *self._warnings()])

    def _waiting(self) -> list[str]:
        found = [each for kind in CONTROLLERS for each in self.release.get(kind)]
        return [each["metadata"]["name"] for each in found if not _is_current(each)]

    def _says(self, pod: Manifest) -> list[str]:
        name = pod["metadata"]["name"]
        arguments = ["logs", name, "--namespace", self.release.namespace, "--all-containers", _TAIL]
        try:
            said = self.release.plane.kubectl(*arguments)
        except CommandFailed as refused:
            said = str(refused)
        states = [each.get("state") for each in pod["status"].get("containerStatuses", [])]
        return [f"── {name}: {pod['status']['phase']} {states}", said]

    def _warnings(self) -> list[str]:
        events = self.release.get("events", "--field-selector", "type=Warning")
        return [f"{each['involvedObject']['name']}: {each['message']}" for each in events[-20:]]


def _is_current(controller: Manifest) -> bool:
    """Whether all pods of a controller are of its latest generation and ready."""
    status, wanted = controller.get("status", {}), controller["spec"]["replicas"]
    seen = status.get("observedGeneration", 0) >= controller["metadata"]["generation"]
    current = [status.get(name, 0) for name in ("replicas", "updatedReplicas", "readyReplicas")]
    return seen and current == [wanted] * 3


def _is_ready(pod: Manifest) -> bool:
    if pod["status"]["phase"] == "Succeeded":
        return True
    conditions = pod["status"].get("conditions", [])
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
