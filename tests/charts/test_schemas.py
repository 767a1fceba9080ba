"""Manifests against Kubernetes' own schemas, by kubeconform: no unknown field, no wrong type."""

import pytest

from tests.charts.manifests import OTHERS


def test_manifests_are_what_kubernetes_takes(release, conformity):
    assert conformity(list(release.native)) == []


def test_a_wrong_manifest_is_detected(conformity):
    policy = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "x"}}
    assert conformity([{**policy, "spec": {"podSelector": {}, "ingres": []}}])
    assert conformity([{**policy, "spec": {"podSelector": {}, "policyTypes": "Ingress"}}])


@pytest.mark.parametrize("kind", sorted(OTHERS))
def test_other_projects_kinds_are_rendered_by_some_example(helm, kind):
    assert any(helm.release(example).of(kind) for example in ("eks-gpu", "eks-trainium", "onprem-gpu"))
