"""What each ServiceAccount of a release may do: the API itself is asked, as that account."""

from pathlib import Path

import pytest

from ratoon.testkit.kubernetes import ControlPlane

from ..release import CHART, LAPTOP, Release

EVERYBODY = {
    "selfsubjectaccessreviews.authorization.k8s.io",
    "selfsubjectrulesreviews.authorization.k8s.io",
    "selfsubjectreviews.authentication.k8s.io",
    "clustertrustbundles.certificates.k8s.io",
}
"""What every account may see about itself."""
RIGHTS = {
    "ratoon-serving": {
        "deployments.apps": {"get", "list", "watch", "create", "patch", "delete"},
        "pods": {"get", "list", "watch", "delete"},
        "secrets": {"create", "patch", "delete"},
        "events": {"create"},
    },
}
"""All that accounts of a release may do in its namespace; whoever is not named may do nothing."""
PODS_OF_RUNS = {
    "ratoon-training": {
        "deployments.apps": {"get", "list", "watch", "create", "delete"},
        "pods": {"list", "watch"},
    },
}
"""What training may do beside, where runs get pods of their own."""


@pytest.fixture(scope="module")
def release(control_plane: ControlPlane) -> Release:
    """The laptop's accounts."""
    return accounts_of(Release(control_plane, "access"), LAPTOP)


def accounts_of(release: Release, values: Path) -> Release:
    """What a release leaves behind once its hooks have run: the accounts, and what is bound to them."""
    release.make_namespace()
    kinds = {"ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"}
    rendered = [each for each in release.render(values) if each["kind"] in kinds]
    lasting = [each for each in rendered if "helm.sh/hook" not in each["metadata"].get("annotations", {})]
    release.apply(*lasting)
    return release


def test_only_serving_may_do_anything(release: Release) -> None:
    assert all_rights(release) == RIGHTS


def test_training_makes_deployments_where_runs_get_pods_of_their_own(control_plane: ControlPlane) -> None:
    release = accounts_of(Release(control_plane, "access-runs"), CHART / "examples/onprem-gpu.yaml")
    assert all_rights(release) == RIGHTS | PODS_OF_RUNS
    assert not control_plane.can_i("access-runs", "ratoon-training", "patch", "deployments")
    assert not control_plane.can_i("access-runs", "ratoon-training", "create", "pods")


def test_nobody_may_do_anything_elsewhere(release: Release) -> None:
    for account in release.get("serviceaccounts"):
        assert rights(release, account["metadata"]["name"], "default") == {}


def test_serving_makes_secrets_and_reads_none(release: Release, control_plane: ControlPlane) -> None:
    assert control_plane.can_i("access", "ratoon-serving", "create", "secrets")
    assert not control_plane.can_i("access", "ratoon-serving", "get", "secrets")
    assert not control_plane.can_i("access", "ratoon-serving", "create", "pods/exec")


def all_rights(release: Release) -> dict[str, dict[str, set[str]]]:
    """What each account has that has any."""
    accounts = [each["metadata"]["name"] for each in release.get("serviceaccounts")]
    assert len(accounts) > 9
    found = {name: rights(release, name, release.namespace) for name in accounts}
    return {name: told for name, told in found.items() if told}


def rights(release: Release, account: str, namespace: str) -> dict[str, set[str]]:
    """Resource → verbs that an account has in a namespace, beyond what every account has."""
    user = f"system:serviceaccount:{release.namespace}:{account}"
    arguments = ["auth", "can-i", "--list", "--no-headers", "--namespace", namespace, "--as", user]
    lines = release.plane.kubectl(*arguments).splitlines()
    told = [(line.split()[0], line.rpartition("[")[2].rstrip("]").split()) for line in lines]
    return {
        resource: set(verbs)
        for resource, verbs in told
        if not resource.startswith("[") and resource not in EVERYBODY
    }
