"""Serving on a real Kubernetes API, with its own rights and nothing else."""

import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ratoon.testkit.kubernetes import ControlPlane

_spec = importlib.util.spec_from_file_location(
    "serving_pod_cluster", Path(__file__).parents[1] / "pod_cluster.py"
)
pod_cluster = importlib.util.module_from_spec(_spec)
sys.modules[_spec.name] = pod_cluster
_spec.loader.exec_module(pod_cluster)

RIGHTS = [
    {
        "apiGroups": ["apps"],
        "resources": ["deployments"],
        "verbs": ["get", "list", "watch", "create", "patch", "delete"],
    },
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch", "delete"]},
    {"apiGroups": [""], "resources": ["secrets"], "verbs": ["create", "patch", "delete"]},
    {"apiGroups": [""], "resources": ["events"], "verbs": ["create"]},
]
"""Rights that serving's documentation lists, and no others."""


class RealApi:
    """The control plane of the test session."""

    def __init__(self, plane: ControlPlane) -> None:
        self._plane, self.admin = plane, str(plane.kubeconfig)
        self.stop, self.start = plane.stop_apiserver, plane.start_apiserver

    def account(self, namespace: str) -> str:
        return str(self._plane.account(namespace, "serving"))

    def prepare(self, namespace: str) -> None:
        account = {"kind": "ServiceAccount", "apiVersion": "v1", "metadata": {"name": "serving"}}
        rbac, meta = "rbac.authorization.k8s.io/v1", {"name": "serving"}
        role = {"kind": "Role", "apiVersion": rbac, "metadata": meta, "rules": RIGHTS}
        subject = {"kind": "ServiceAccount", "name": "serving", "namespace": namespace}
        role_ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "serving"}
        binding = {"kind": "RoleBinding", "apiVersion": rbac, "metadata": meta, "subjects": [subject]}
        items = {
            "kind": "List",
            "apiVersion": "v1",
            "items": [account, role, {**binding, "roleRef": role_ref}],
        }
        self._plane.request("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
        self._plane.kubectl("--namespace", namespace, "create", "-f", "-", stdin=json.dumps(items))


@pytest.fixture
def cluster(control_plane: ControlPlane, tmp_path_factory, request) -> Iterator[object]:
    """A namespace of its own for each test."""
    namespace = f"s-{abs(hash(request.node.name)) % 10**8}"
    created = pod_cluster.Cluster(RealApi(control_plane), tmp_path_factory.mktemp("c"), namespace)
    created.kubelet.start()
    yield created
    created.kubelet.stop()
