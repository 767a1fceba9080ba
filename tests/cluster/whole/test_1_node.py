"""The cluster runs pods: restricted, resolved by name, reachable from outside, with persistent volumes."""

import urllib.error
import urllib.request
from pathlib import Path

import pytest

from ratoon.testkit.kubernetes.node import Cluster, OwnCluster
from ratoon.testkit.waiting import until

from ..release import Manifest, Release
from ..summary import Summary

pytestmark = pytest.mark.timeout(2400)  # a cold node takes ten gigabytes of images
IMAGE = f"docker.io/ratoon/services:{(Path(__file__).parents[3] / 'VERSION').read_text().strip()}"
SECURITY = {
    "runAsNonRoot": True,
    "runAsUser": 10001,
    "fsGroup": 10001,
    "seccompProfile": {"type": "RuntimeDefault"},
}
RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
}


def test_a_pod_serves_under_its_name_and_on_a_port_of_the_node(cluster: Cluster, summary: Summary) -> None:
    if not isinstance(cluster, OwnCluster):
        pytest.skip("The nodes that KUBECONFIG names are others' to test.")
    release = Release(cluster.plane, "node")
    with summary.step("a pod serves"):
        release.make_namespace()
        release.apply(claim("kept"), server(), service())
        cluster.plane.kubectl("wait", "--for=condition=Ready", "pod/server", "-n", "node", "--timeout=120s")
        (created,) = release.get("services")
        port = created["spec"]["ports"][0]["nodePort"]
        assert until(lambda: fetched(f"http://127.0.0.1:{port}/word"), 30) == b"kept"
        ask = (
            "import urllib.request as r; print(r.urlopen('http://server.node.svc.cluster.local/word').read())"
        )
        output = cluster.plane.kubectl("exec", "-n", "node", "server", "--", "python", "-c", ask)
        assert "kept" in output
        assert "GET /word" in cluster.plane.kubectl("logs", "-n", "node", "server")
        cluster.plane.kubectl("delete", "namespace", "node", "--wait=false")


def fetched(url: str) -> bytes:
    """Return the content of a URL; empty while no server listens."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return bytes(answer.read())
    except urllib.error.URLError:
        return b""


def server() -> Manifest:
    """A pod that serves a file of its volume."""
    script = (
        "import pathlib, http.server, os; pathlib.Path('/data/word').write_text('kept'); os.chdir('/data');"
        "http.server.test(http.server.SimpleHTTPRequestHandler, port=8000)"
    )
    container = {
        "name": "server",
        "image": IMAGE,
        "command": ["python", "-c", script],
        "securityContext": RESTRICTED,
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
        "readinessProbe": {"httpGet": {"path": "/word", "port": 8000}, "periodSeconds": 1},
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "server", "labels": {"app": "server"}},
        "spec": {
            "securityContext": SECURITY,
            "terminationGracePeriodSeconds": 1,
            "containers": [container],
            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "kept"}}],
        },
    }


def service() -> Manifest:
    """Its Service, on a port of the node too."""
    spec = {"type": "NodePort", "selector": {"app": "server"}, "ports": [{"port": 80, "targetPort": 8000}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "server"}, "spec": spec}


def claim(name: str) -> Manifest:
    """A claim to a volume."""
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name},
        "spec": spec,
    }
