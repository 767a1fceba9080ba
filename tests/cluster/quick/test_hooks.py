"""The chart's own Jobs, with the rights of the chart: they create what pods refer to, and remove it again."""

import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache

import pytest

from ratoon.testkit.kubernetes import ControlPlane

from ..release import LAPTOP, Manifest, Release

SET_BY_SERVING = {""}
"""An engine's own Secret, which its template leaves open."""


@pytest.fixture(scope="module")
def release(control_plane: ControlPlane) -> Iterator[Release]:
    """The accounts and rights of the hooks, in a namespace of their own."""
    release = Release(control_plane, "hooks")
    release.make_namespace()
    hooks = [each for each in rendered(release) if "helm.sh/hook" in each["metadata"].get("annotations", {})]
    release.apply(*(each for each in hooks if each["kind"] in ("ServiceAccount", "Role", "RoleBinding")))
    return release


@cache
def rendered(release: Release) -> list[Manifest]:
    return release.render(LAPTOP)


def run(release: Release, job: str) -> None:
    """Run the Job's container as the Job's account."""
    jobs = {each["metadata"]["name"]: each for each in rendered(release) if each["kind"] == "Job"}
    spec = jobs[job]["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    kubeconfig = release.plane.account(release.namespace, spec["serviceAccountName"])
    variables = {each["name"]: each["value"] for each in container["env"]} | {"KUBECONFIG": str(kubeconfig)}
    command = [sys.executable, *container["command"][1:]]
    subprocess.run(command, env=os.environ | variables, check=True, timeout=60)


def referred(value: object) -> Iterator[tuple[str, str]]:
    """Each (Secret, key) that manifests refer to; the key is empty where the whole is meant."""
    match value:
        case {"secretKeyRef": {"name": name, "key": key}}:
            yield name, key
        case {"secret": {"secretName": name}}:
            yield name, ""
        case {"secret": {"name": name, **rest}}:
            yield from ((name, item["key"]) for item in rest.get("items") or [{"key": ""}])
        case dict():
            for each in value.values():
                yield from referred(each)
        case list():
            for each in value:
                yield from referred(each)


def held(release: Release) -> dict[str, set[str]]:
    return {each["metadata"]["name"]: set(each["data"]) for each in release.get("secrets")}


def test_what_pods_refer_to_is_created_once_and_removed_at_the_end(release: Release) -> None:
    run(release, "ratoon-secrets")
    first = {each["metadata"]["name"]: each["data"] for each in release.get("secrets")}
    references = {each for each in referred(rendered(release)) if each[0] not in SET_BY_SERVING}
    assert len(references) > 30
    existing = held(release)
    assert {
        (name, key) for name, key in references if name not in existing or (key and key not in existing[name])
    } == set()
    run(release, "ratoon-secrets")
    assert {each["metadata"]["name"]: each["data"] for each in release.get("secrets")} == first
    run(release, "ratoon-cleanup")
    assert held(release) == {}
