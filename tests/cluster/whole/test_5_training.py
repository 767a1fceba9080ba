"""The same run elsewhere: on dedicated pods, without a Ray cluster, and on KubeRay's.

The operator runs next to the node, as it would in a pod, with the rights of an administrator.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ratoon.client.states import has_ended
from ratoon.client.types import Parallelism, Resources, TrainingRun
from ratoon.testkit.kubernetes import tools
from ratoon.testkit.kubernetes.node import OwnCluster
from ratoon.testkit.ports import free_ports
from ratoon.testkit.waiting import until

from ..platform import Platform
from ..release import LAPTOP, Manifest
from ..summary import Summary

VALUES, OWN, WITHOUT, SCALED = (
    Path(__file__).with_name(f"{name}.yaml")
    for name in ("values", "own-workers", "without-ray", "autoscaled")
)
SAME_FIELDS = ("train_digest", "validation_digest", "recipe", "resources")
"""Fields of a request for the same run."""
RUN_PODS = "app.kubernetes.io/component=run-worker"
pytestmark = pytest.mark.timeout(1200)


def test_a_run_on_dedicated_pods_leaves_none(
    platform: Platform, summary: Summary, first: TrainingRun
) -> None:
    with summary.step("training.workers are set"):
        platform.release.install(LAPTOP, VALUES, OWN)
        platform.wait_ready(300)
        until(lambda: reads_templates(platform), 180)
    with summary.step("a training run on pods of its own"):
        run = begun(platform, first)
        (pod,) = until(lambda: own_pods(platform, run), 120)
        ended = platform.client.training_runs.wait(run.name)
    worker = pod["spec"]["containers"][0]["resources"]
    requested, planned = worker["requests"]["memory"], ended.plan.measured_bytes // 2**20
    assert worker["limits"]["memory"] == requested
    assert planned < int(requested.removesuffix("Mi")) < planned + 1024
    assert until(lambda: not platform.release.get("pods", "--selector", RUN_PODS), 180)


def test_a_run_over_two_pods_survives_the_loss_of_one(
    platform: Platform, summary: Summary, first: TrainingRun
) -> None:
    """It goes on with the other pod, and with both as soon as the Deployment has replaced the lost one."""
    recipe = first.recipe.model_copy(update={"epochs": 40.0})
    resources = Resources(workers=2, parallelism=Parallelism(min_workers=1))
    with summary.step("a training run over two pods, one of which is deleted"):
        run = begun(platform, first, recipe=recipe, resources=resources)

        def workers() -> int:
            return int(platform.client.training_runs.get(run.name).progress.metrics.get("workers", 0))

        until(lambda: workers() == 2, 300)
        lost = own_pods(platform, run)[-1]["metadata"]["name"]
        where = ("--namespace", platform.release.namespace)
        platform.release.plane.kubectl("delete", "pod", lost, *where, "--grace-period=0", "--force")
        until(lambda: workers() == 1, 180)
        until(lambda: workers() == 2, 300)
        ended = platform.client.training_runs.wait(run.name)
    assert ended.state == "STATE_SUCCEEDED"
    assert ended.metrics["validation_loss"] <= first.metrics["validation_loss"] + 0.05
    assert until(lambda: not platform.release.get("pods", "--selector", RUN_PODS), 180)


def test_the_same_run_without_a_ray_cluster_gives_the_same_weights(
    platform: Platform, summary: Summary, first: TrainingRun
) -> None:
    with summary.step("ray.mode from static to none"):
        platform.release.install(LAPTOP, VALUES, WITHOUT)
        platform.wait_ready(300)
        until(lambda: is_replaced(platform) and not platform.pods("ray-head"), 180)
    with summary.step("a training run in a job worker"):
        ended = platform.client.training_runs.wait(begun(platform, first).name)
    assert ended.artifact_digest == first.artifact_digest


def test_the_same_run_on_kuberays_cluster_gives_the_same_weights(
    platform: Platform, summary: Summary, first: TrainingRun
) -> None:
    with operator(platform.own):
        with summary.step("ray.mode to kuberay"):
            platform.release.install(LAPTOP, VALUES, SCALED)
            platform.wait_ready(300)
            until(lambda: is_replaced(platform), 180)
            wait_for_ray(platform)
        assert platform.pods("ray-worker") == []
        with summary.step("a training run on KubeRay's cluster, which gets a worker for it"):
            ended = platform.client.training_runs.wait(begun(platform, first).name)
        assert ended.artifact_digest == first.artifact_digest
        with summary.step("nobody trains: the worker goes"):
            until(lambda: not platform.pods("ray-worker"), 480)
        with summary.step("ray.mode back to static"):
            platform.release.install(LAPTOP, VALUES)
            platform.wait_ready(300)
    assert platform.names("rayclusters.ray.io") == []


@pytest.fixture(scope="module")
def first(platform: Platform) -> TrainingRun:
    """The run of the loop's first version."""
    runs = platform.client.training_runs.list("projects/triage")
    return next(each for each in runs if not each.base_artifact_digest)


@contextmanager
def operator(cluster: OwnCluster) -> Iterator[None]:
    """KubeRay, its resources' definitions first, until the block ends."""
    listed = next(line for line in tools.lines_of("companions.txt") if "kuberay" in line)
    definitions = tools.module(listed) / "config" / "crd" / "bases"
    cluster.plane.kubectl("apply", "--server-side", "-f", str(definitions))
    metrics, probe = (f"127.0.0.1:{port}" for port in free_ports(2))
    command = [
        tools.companions() / "ray-operator",
        "--enable-leader-election=false",
        f"--metrics-addr={metrics}",
        f"--health-probe-bind-address={probe}",
    ]
    cluster.node.processes.start("kuberay", command, KUBECONFIG=str(cluster.plane.kubeconfig))
    try:
        yield
    except BaseException:
        print(cluster.node.processes.tail("kuberay", 6000))
        raise
    finally:
        cluster.node.processes.stop("kuberay")


def wait_for_ray(platform: Platform) -> None:
    """Wait until KubeRay's pods are ready."""
    where = ("--namespace", platform.release.namespace, "--timeout=300s")
    platform.release.plane.kubectl(
        "wait", "rayclusters.ray.io", "--all", "--for=jsonpath={.status.state}=ready", *where
    )
    selector = ("--selector", "app.kubernetes.io/name in (ray-head, ray-worker)")
    platform.release.plane.kubectl("wait", "pods", "--for=condition=Ready", *selector, *where)


def own_pods(platform: Platform, run: TrainingRun) -> list[Manifest]:
    """Return a run's dedicated pods; AssertionError with the run if it has ended without any."""
    pods = platform.release.get("pods", "--selector", RUN_PODS)
    now = platform.client.training_runs.get(run.name)
    assert pods or not has_ended(now), now
    return pods


def is_replaced(platform: Platform) -> bool:
    """Return True if training's former pod is gone: until its end it takes runs with its old settings."""
    return len([each for each in platform.names("pods") if each.startswith("pod/ratoon-training-")]) == 1


def reads_templates(platform: Platform) -> bool:
    """Return True if training reads the new templates, and its former pod is gone."""
    if not is_replaced(platform):
        return False
    (pod,) = platform.pods("training")
    script = "import os; print(os.listdir('/etc/ratoon/workers'))"
    where = ("exec", pod, "--namespace", platform.release.namespace, "--")
    return "cpu.yaml" in platform.release.plane.kubectl(*where, "python", "-c", script)


def begun(platform: Platform, first: TrainingRun, **changes: Any) -> TrainingRun:
    """Start a run with the request of another one, and these fields changed."""
    request: dict[str, Any] = {
        name: getattr(first, name) for name in SAME_FIELDS if name in first.model_fields_set
    }
    request |= changes
    return platform.client.training_runs.create("projects/triage", **request)
