"""Nodes that pretend: kwok keeps them ready, with whatever capacity a test invents, and lets their pods seem to run.

Scheduling, quotas, priorities and all else that the control plane does with nodes is real; no process of a pod exists.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from ratoon.testkit.kubernetes import tools
from ratoon.testkit.kubernetes.control_plane import ControlPlane

_ANNOTATION = "kwok.x-k8s.io/node"
_GROUP = "ratoon.dev/fake"


@dataclass(frozen=True)
class FakeNode:
    """A node by its name, capacity (`cpu`, `memory`, extended resources), labels and taints (`key=value:Effect`)."""

    name: str
    capacity: Mapping[str, str]
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[str, ...] = ()

    def manifest(self, group: str) -> dict[str, object]:
        """As the API takes it, its status included; a label says with which others it was made."""
        capacity = {"pods": "110", **self.capacity}
        own = {_GROUP: group, "kubernetes.io/hostname": self.name, "kubernetes.io/os": "linux"}
        labels = {**own, **self.labels}
        return {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": self.name, "labels": labels, "annotations": {_ANNOTATION: "fake"}},
            "spec": {"taints": [_taint(each) for each in self.taints]},
            "status": {"capacity": capacity, "allocatable": capacity},
        }


@contextmanager
def fake_nodes(plane: ControlPlane, *nodes: FakeNode) -> Iterator[None]:
    """These nodes until the block ends; they are ready when it begins."""
    group = nodes[0].name
    items = [each.manifest(group) for each in nodes]
    manifests = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
    plane.kubectl("create", "-f", "-", stdin=manifests)
    name = f"kwok-{group}"
    command = [
        tools.tools() / "kwok",
        "--kubeconfig",
        plane.kubeconfig,
        "--config",
        tools.SOURCE / "stages.yaml",
        *_MANAGED,
    ]
    plane.processes.start(name, command, HOME=str(plane.folder))
    try:
        selector = f"{_GROUP}={group}"
        plane.kubectl("wait", "--for=condition=Ready", "--timeout=240s", "nodes", "--selector", selector)
        yield
    finally:
        plane.processes.stop(name)
        plane.kubectl("delete", "--raw", f"/api/v1/nodes?labelSelector={_GROUP}%3D{group}")


_MANAGED = (
    "--manage-all-nodes=false",
    f"--manage-nodes-with-annotation-selector={_ANNOTATION}=fake",
    "--node-lease-duration-seconds=120",
)


def _taint(text: str) -> dict[str, str]:
    key_value, _, effect = text.rpartition(":")
    key, _, value = key_value.partition("=")
    return {"key": key, "value": value, "effect": effect}
