"""Rights of each ServiceAccount of a release, as the API itself grants them to that account."""

from pathlib import Path

import pytest

from ratoon.testkit.kubernetes import ControlPlane

from ..release import CHART, LAPTOP, Release

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


def test_only_serving_may_do_anything(release: Release) -> None:
    assert all_rights(release) == RIGHTS


def test_training_creates_deployments_if_runs_get_dedicated_pods(control_plane: ControlPlane) -> None:
    release = accounts_of(Release(control_plane, "access-runs"), CHART / "examples/onprem-gpu.yaml")
    assert all_rights(release) == RIGHTS | PODS_OF_RUNS
    assert not control_plane.can_i("access-runs", "ratoon-training", "patch", "deployments")
    assert not control_plane.can_i("access-runs", "ratoon-training", "create", "pods")


def test_no_account_has_rights_elsewhere(release: Release) -> None:
    for account in release.get("serviceaccounts"):
        assert rights(release, account["metadata"]["name"], "default") == {}


def test_serving_makes_secrets_and_reads_none(release: Release, control_plane: ControlPlane) -> None:
    assert control_plane.can_i("access", "ratoon-serving", "create", "secrets")
    assert not control_plane.can_i("access", "ratoon-serving", "get", "secrets")
    assert not control_plane.can_i("access", "ratoon-serving", "create", "pods/exec")


def all_rights(release: Release) -> dict[str, dict[str, set[str]]]:
    """Return the rights of each account that has any."""
    accounts = [each["metadata"]["name"] for each in release.get("serviceaccounts")]
    assert len(accounts) > 9
    by_account = {name: rights(release, name, release.namespace) for name in accounts}
    return {name: verbs for name, verbs in by_account.items() if verbs}


def rights(release: Release, account: str, namespace: str) -> dict[str, set[str]]:
    """Resource → verbs that an account has in a namespace, beyond what every account has."""
    user = f"system:serviceaccount:{release.namespace}:{account}"
    arguments = ["auth", "can-i", "--list", "--no-headers", "--namespace", namespace, "--as", user]
    lines = release.plane.kubectl(*arguments).splitlines()
    granted = [(line.split()[0], line.rpartition("[")[2].rstrip("]").split()) for line in lines]
    return {
        resource: set(verbs)
        for resource, verbs in granted
        if not resource.startswith("[") and resource not in COMMON_RIGHTS
    }
