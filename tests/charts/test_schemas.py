"""Manifests against Kubernetes' own schemas, by kubeconform: no field that there is not, no wrong type."""

import json
import subprocess

import pytest

from ratoon.testkit.kubernetes import tools
from tests.charts import schemas
from tests.charts.manifests import OTHERS


@pytest.fixture(scope="session")
def conformity(helm, tmp_path_factory):
    """What kubeconform says of manifests: a list of faults."""
    folder = tmp_path_factory.mktemp("schemas")
    schemas.write(folder)
    options = ["-strict", "-output", "json", "-schema-location", f"{folder}/{schemas.LOCATION}"]

    def faults(manifests):
        given = json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests})
        command = [str(tools.tools() / "kubeconform"), *options]
        done = subprocess.run(command, input=given, capture_output=True, text=True)
        return json.loads(done.stdout)["resources"]

    return faults


def test_manifests_are_what_kubernetes_takes(release, conformity):
    assert conformity(list(release.native)) == []


def test_what_is_wrong_is_found(conformity):
    policy = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "x"}}
    assert conformity([{**policy, "spec": {"podSelector": {}, "ingres": []}}])
    assert conformity([{**policy, "spec": {"podSelector": {}, "policyTypes": "Ingress"}}])


@pytest.mark.parametrize("kind", sorted(OTHERS))
def test_other_projects_kinds_are_rendered_by_some_example(helm, kind):
    assert any(helm.release(example).of(kind) for example in ("eks-gpu", "eks-trainium", "onprem-gpu"))
