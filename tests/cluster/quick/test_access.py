"""Rights of each ServiceAccount of a release, as the API itself grants them to that account."""

import itertools
from pathlib import Path

import pytest

from ratoon.testkit.kubernetes import ControlPlane

from ..release import CHART, LAPTOP, Manifest, Release

COMMON_RIGHTS = {
    "selfsubjectaccessreviews.authorization.k8s.io",
    "selfsubjectrulesreviews.authorization.k8s.io",
    "selfsubjectreviews.authentication.k8s.io",
    "clustertrustbundles.certificates.k8s.io",
}
"""Rights of every account on itself."""
RIGHTS = {
    "ratoon-serving": {
        "deployments.apps": {"get", "list", "watch", "create", "patch", "delete"},
        "pods": {"get", "list", "watch", "delete"},
        "secrets": {"create", "patch", "delete"},
        "events": {"create"},
    },
}
"""All rights of a release's accounts in its namespace; other accounts have none."""
PODS_OF_RUNS = {
    "ratoon-training": {
        "deployments.apps": {"get", "list", "watch", "create", "delete"},
        "pods": {"list", "watch"},
    },
}
"""Additional rights of training if runs get dedicated pods."""


@pytest.fixture(scope="module")
def release(control_plane: ControlPlane) -> Release:
    """The laptop's accounts."""
    return accounts_of(Release(control_plane, "access"), LAPTOP)


def accounts_of(release: Release, values: Path) -> Release:
    """Apply what remains of a release after its hooks: accounts, roles and bindings."""
    release.make_namespace()
    kinds = {"ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"}
    rendered = [each for each in release.render(values) if each["kind"] in kinds]
    lasting = [each for each in rendered if "helm.sh/hook" not in each["metadata"].get("annotations", {})]
    release.apply(*lasting)
    return release


def test_only_serving_may_do_anything(release: Release, control_plane: ControlPlane) -> None:
    assert all_rights(control_plane, release) == RIGHTS


def test_training_creates_deployments_if_runs_get_dedicated_pods(control_plane: ControlPlane) -> None:
    release = accounts_of(Release(control_plane, "access-runs"), CHART / "examples/onprem-gpu.yaml")
    assert all_rights(control_plane, release) == RIGHTS | PODS_OF_RUNS
    assert not control_plane.can_i("access-runs", "ratoon-training", "patch", "deployments")
    assert not control_plane.can_i("access-runs", "ratoon-training", "create", "pods")


def test_no_account_has_rights_elsewhere(release: Release, control_plane: ControlPlane) -> None:
    for account in release.get("serviceaccounts"):
        assert rights(control_plane, user_of(account), "default") == {}


def test_serving_makes_secrets_and_reads_none(release: Release, control_plane: ControlPlane) -> None:
    assert control_plane.can_i("access", "ratoon-serving", "create", "secrets")
    assert not control_plane.can_i("access", "ratoon-serving", "get", "secrets")
    assert not control_plane.can_i("access", "ratoon-serving", "create", "pods/exec")


def all_rights(plane: ControlPlane, release: Release) -> dict[str, dict[str, set[str]]]:
    """Return the rights of each account that has any."""
    accounts = release.get("serviceaccounts")
    assert len(accounts) > 9
    by_account = {
        account["metadata"]["name"]: rights(plane, user_of(account), release.namespace)
        for account in accounts
    }
    return {name: verbs for name, verbs in by_account.items() if verbs}


def user_of(account: Manifest) -> str:
    """Return the API's name of a ServiceAccount."""
    return f"system:serviceaccount:{account['metadata']['namespace']}:{account['metadata']['name']}"


def rights(plane: ControlPlane, user: str, namespace: str) -> dict[str, set[str]]:
    """Resource → verbs that a user has in a namespace, beyond what every account has."""
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": namespace},
    }
    path = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
    status = plane.request("POST", path, review, user)["status"]
    verbs: dict[str, set[str]] = {}
    for rule in status["resourceRules"]:
        for group, resource in itertools.product(rule["apiGroups"], rule["resources"]):
            verbs.setdefault(f"{resource}.{group}" if group else resource, set()).update(rule["verbs"])
    return {resource: granted for resource, granted in verbs.items() if resource not in COMMON_RIGHTS}
