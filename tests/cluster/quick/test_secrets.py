"""The Job that makes an installation's secrets, against a real API, with the rights that the chart gives it."""

import json
import os
import subprocess
import sys
from base64 import b64decode

import pytest

from ratoon.testkit.kubernetes.control_plane import ControlPlane

NAMESPACE = "secrets-job"
LABELS = {"app.kubernetes.io/instance": "loop", "app.kubernetes.io/component": "secrets"}
PLAN = {
    "namespace": NAMESPACE,
    "name": "loop",
    "labels": LABELS,
    "services": ["ingestion", "registry", "flywheel", "gateway"],
    "certificates": {"registry": ["loop-registry"]},
    "passwords": {"loop-registry-database": ["password"]},
}
MAKING = [
    {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list", "create"]},
    {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["loop-public-keys"], "verbs": ["patch"]},
]
REMOVING = [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["list", "delete"]}]


@pytest.fixture(scope="module")
def plane(control_plane: ControlPlane) -> ControlPlane:
    control_plane.kubectl("create", "namespace", NAMESPACE)
    for name, rules in (("maker", MAKING), ("remover", REMOVING)):
        control_plane.kubectl("create", "-f", "-", stdin=json.dumps(account(name, rules)))
    return control_plane


def account(name: str, rules: list[dict[str, object]]) -> dict[str, object]:
    meta = {"name": name, "namespace": NAMESPACE}
    group = "rbac.authorization.k8s.io"
    return {
        "apiVersion": "v1",
        "kind": "List",
        "items": [
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta},
            {"apiVersion": f"{group}/v1", "kind": "Role", "metadata": meta, "rules": rules},
            {
                "apiVersion": f"{group}/v1",
                "kind": "RoleBinding",
                "metadata": meta,
                "roleRef": {"apiGroup": group, "kind": "Role", "name": name},
                "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": NAMESPACE}],
            },
        ],
    }


def job(plane: ControlPlane, who: str, *arguments: str, **changes: object) -> str:
    """Run the Job as this account and return its output."""
    variables = {
        "KUBECONFIG": str(plane.account(NAMESPACE, who)),
        "RATOON_SECRETS_PLAN": json.dumps({**PLAN, **changes}),
    }
    command = [sys.executable, "-m", "ratoon.kubernetes.secrets", *arguments]
    done = subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stderr + done.stdout


def held(plane: ControlPlane) -> dict[str, dict[str, str]]:
    output = plane.kubectl("--namespace", NAMESPACE, "get", "secrets", "-o", "json")
    return {each["metadata"]["name"]: each["data"] for each in json.loads(output)["items"]}


def test_secrets_are_created_once_added_to_and_removed(plane):
    assert "missing: loop-ingestion-keys" in job(plane, "maker", "make", "--dry-run")
    assert held(plane) == {}
    job(plane, "maker", "make")
    first = held(plane)
    assert {"loop-operator", "loop-authority", "loop-registry-tls", "loop-registry-database"} <= set(first)
    assert "nothing, all is there" in job(plane, "maker", "make")
    assert held(plane) == first
    job(plane, "maker", "make", services=[*PLAN["services"], "serving"])
    later = held(plane)
    assert set(later) - set(first) == {"loop-serving-keys"}
    assert set(json.loads(b64decode(later["loop-public-keys"]["public.json"]))) == {
        *PLAN["services"],
        "serving",
    }
    plane.kubectl("--namespace", NAMESPACE, "create", "secret", "generic", "given", "--from-literal=a=b")
    job(plane, "remover", "remove")
    assert set(held(plane)) == {"given"}
