"""The platform itself is upgraded and taken back under load, and leaves nothing when it goes.

The next version is this one with one more migration a service, which adds a column (`charts/images/next`): every pod is
replaced, services of both talk to each other meanwhile, and the old ones go on with the databases of the new.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from ...chaos.served import Served
from ..platform import Platform
from ..release import LAPTOP, Manifest
from ..summary import Step, Summary
from ..traffic import PodTraffic

VALUES = Path(__file__).with_name("values.yaml")
NOW = (Path(__file__).parents[3] / "VERSION").read_text().strip()
NEXT = f"{NOW}-next"
UNCHANGED = ("kafka:{}", "postgresql:{}", "s3:{}", "worker:{}-cpu")
REVISION = """
from ratoon.storage.database import Database
from ratoon.storage.revisions import revision_of
from ratoon_registry.settings import Settings
print(revision_of(Database(Settings().database_url)))
"""
DEFAULT_OBJECTS = {"configmap/kube-root-ca.crt", "serviceaccount/default"}
"""Objects that Kubernetes itself creates in every namespace."""
pytestmark = pytest.mark.timeout(900)


def test_an_upgrade_under_load_loses_no_request(platform: Platform, summary: Summary) -> None:
    for pattern in UNCHANGED:
        names = [f"docker.io/ratoon/{pattern.format(version)}" for version in (NOW, NEXT)]
        platform.own.node.images.name(*names)
    tag = {"global.images.tag": NEXT}
    with summary.step(f"upgrade to {NEXT}") as step:
        assert lost(platform, step, lambda: platform.release.install(LAPTOP, VALUES, **tag)) == []
    images = {image(platform.release.one("pod", name)) for name in platform.pods("gateway")}
    assert images == {f"ratoon/services:{NEXT}"}
    assert revision(platform) == "9999"


def test_a_rollback_under_load_loses_no_request(platform: Platform, summary: Summary) -> None:
    assert platform.own, "skipped where nothing was upgraded"
    with summary.step("rollback") as step:
        assert lost(platform, step, lambda: platform.release.helm("rollback", "--timeout", "5m")) == []
    assert revision(platform) == "9999", "the database went on as it was"


def test_an_uninstall_leaves_nothing(platform: Platform, summary: Summary) -> None:
    with summary.step("uninstall"):
        platform.release.helm("uninstall", "--timeout", "5m")
        platform.wait_gone(240)
    kinds = "all,secret,configmap,serviceaccount,persistentvolumeclaim,role,rolebinding,networkpolicy"
    assert set(platform.names(kinds)) == DEFAULT_OBJECTS


def lost(platform: Platform, step: Step, change: Callable[[], object]) -> list[str]:
    """Return the failed requests while the platform changes, until all its pods are the new ones."""
    callers = PodTraffic(Served(platform))
    callers.start()
    callers.open_streams(2, 200)
    try:
        change()
        platform.wait_ready(420)
    finally:
        callers.stop()
        step.sent = (
            sum(callers.answered.values()) + len(callers.failed) + len(callers.unheard) + len(callers.streams)
        )
        step.failed, step.cut = len(callers.failed) + len(callers.unheard), len(callers.cut())
        step.misattributed = len(callers.mixed)
    return [*callers.failed, *callers.unheard, *callers.mixed, *(stream.ended for stream in callers.cut())]


def image(pod: Manifest) -> str:
    """What a pod's first container runs."""
    return str(pod["spec"]["containers"][0]["image"])


def revision(platform: Platform) -> str:
    """Return the revision of the registry's database, as its pod sees it."""
    (pod,) = platform.pods("registry")
    arguments = ["exec", pod, "--namespace", platform.release.namespace, "--", "python", "-c", REVISION]
    return platform.release.plane.kubectl(*arguments).strip()
