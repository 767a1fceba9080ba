"""Placement of pods: engines and training on the pool that they name, on fake nodes; the scheduler is real."""

import copy
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
import yaml

from ratoon.testkit.kubernetes import ControlPlane
from ratoon.testkit.kubernetes.fakes import FakeNode, fake_nodes
from ratoon_serving.adapters import engine_manifest
from ratoon_training.domain.plan import MEBI, ResourcePlan, plan
from ratoon_training.domain.recipes import Architecture, Recipe, Resources

from ..release import CHART, Manifest, Release

SIZES = {"cpu": 100, "gpu": 80, "trn": 20}
"""Nodes of each pool."""
GPUS, CORES = 8, 32
"""Accelerators of a node."""
NODE_MEMORY = 256 * 1024 * MEBI
_SETTLE_S = 240.0


def nodes() -> Iterator[FakeNode]:
    """Three pools as cloud providers make them: accelerators, and taints that keep others away."""
    devices = {
        "cpu": {},
        "gpu": {"nvidia.com/gpu": str(GPUS)},
        "trn": {"aws.amazon.com/neuroncore": str(CORES)},
    }
    taints = {
        "cpu": (),
        "gpu": ("nvidia.com/gpu=present:NoSchedule",),
        "trn": ("aws.amazon.com/neuron=present:NoSchedule",),
    }
    for pool, size in SIZES.items():
        for number in range(size):
            capacity = {"cpu": "32", "memory": "256Gi", "ephemeral-storage": "1Ti", **devices[pool]}
            labels = {"ratoon.dev/pool": pool}
            yield FakeNode(f"{pool}-{number}", capacity, labels, taints[pool])


@dataclass(frozen=True)
class Pools:
    """A release's pod templates by pool, on a control plane with the nodes of all pools."""

    plane: ControlPlane
    release: Release
    engines: dict[str, Manifest]
    runs: dict[str, Manifest]

    @property
    def path(self) -> str:
        """All pods of the namespace in the API."""
        return f"/api/v1/namespaces/{self.release.namespace}/pods"

    def pods(self, label: str) -> list[Manifest]:
        """Return the pods of one test."""
        pods: list[Manifest] = self.plane.request("GET", f"{self.path}?labelSelector=test%3D{label}")["items"]
        return pods

    def once(self, label: str, condition: Callable[[list[Manifest]], bool]) -> list[Manifest]:
        """Wait until the pods of one test fulfil a condition; the scheduler retries refused pods."""
        until = time.monotonic() + _SETTLE_S
        while time.monotonic() < until:
            if condition(pods := self.pods(label)):
                return pods
            time.sleep(1.0)
        refusals = {refusal(pod) for pod in waiting(pods)}
        raise AssertionError(f"{len(waiting(pods))} of {len(pods)} pods wait: {sorted(refusals)[:3]}")


@pytest.fixture(scope="module")
def pools(control_plane: ControlPlane) -> Iterator[Pools]:
    release = Release(control_plane, "placement")
    release.make_namespace()
    gpu, trn = (release.render(CHART / "examples" / f"eks-{name}.yaml") for name in ("gpu", "trainium"))
    classes = {each["metadata"]["name"]: each for each in [*gpu, *trn] if each["kind"] == "PriorityClass"}
    accounts = {each["metadata"]["name"]: each for each in gpu if each["kind"] == "ServiceAccount"}
    release.apply(*classes.values(), *accounts.values())
    engines = {**templates(gpu), **templates(trn)}
    with fake_nodes(control_plane, *nodes()):
        pools = Pools(control_plane, release, engines, runs(gpu))
        yield pools
        control_plane.request("DELETE", f"{pools.path}?gracePeriodSeconds=0")


def templates(rendered: list[Manifest]) -> dict[str, Manifest]:
    """Engine templates by pool, as serving reads them."""
    config = next(each for each in rendered if each["metadata"]["name"] == "ratoon-engines")
    return {
        name.removesuffix(".yaml"): engine_manifest.template(text, name)
        for name, text in config["data"].items()
    }


def runs(rendered: list[Manifest]) -> dict[str, Manifest]:
    """Pod templates of Ray's workers: by group, and those of a run's own on a GPU."""
    cluster = next(each for each in rendered if each["kind"] == "RayCluster")
    shared = {group["groupName"]: group["template"] for group in cluster["spec"]["workerGroupSpecs"]}
    own = next(each for each in rendered if each["metadata"]["name"] == "ratoon-run-workers")
    return shared | {"gpu": yaml.safe_load(own["data"]["cuda.yaml"])["spec"]["template"]}


@pytest.mark.parametrize("kind", ["gpu", "trn"])
def test_an_engine_lands_on_its_pool_with_its_accelerators(pools: Pools, kind: str) -> None:
    label = f"engine-{kind}"
    submitted = engine_pod(pools, kind, label, 0)
    pools.release.apply(submitted)
    (pod,) = pools.once(label, lambda pods: len(pods) == 1 and not waiting(pods))
    assert pool_of(pod) == kind
    resource = {"gpu": "nvidia.com/gpu", "trn": "aws.amazon.com/neuroncore"}[kind]
    requests = pod["spec"]["containers"][0]["resources"]["requests"]
    assert int(requests[resource]) == {"gpu": 1, "trn": 2}[kind]


def test_hundreds_of_runs_and_engines_find_their_pools_and_none_starves_a_higher_priority(
    pools: Pools,
) -> None:
    label = "many"
    training = [whole_node(run_pod(pools, "gpu", label, number)) for number in range(SIZES["gpu"] + 50)]
    pools.release.apply(*training)
    settled = pools.once(label, lambda pods: len(pods) == len(training) and all(map(decided, pods)))
    assert len(waiting(settled)) >= 50
    others = [run_pod(pools, "cpu", label, number) for number in range(100)]
    serving = [engine_pod(pools, kind, label, number) for kind in ("gpu", "trn") for number in range(40)]
    pools.release.apply(*others, *serving)
    names = {pod["metadata"]["name"] for pod in (*others, *serving)}
    pods = pools.once(label, lambda pods: names <= {pod["metadata"]["name"] for pod in placed(pods)})
    assert [pod["metadata"]["name"] for pod in placed(pods) if pool_of(pod) != requested_pool(pod)] == []
    assert {requested_pool(pod) for pod in waiting(pods)} == {"gpu"}
    lowest = min(priority(pod) for pod in placed(pods) if requested_pool(pod) == "gpu")
    assert max(priority(pod) for pod in waiting(pods)) <= lowest


def test_what_fits_nowhere_is_refused_before_it_is_submitted(pools: Pools) -> None:
    shapes = [Architecture(hidden_size=width, layers=48, heads=32) for width in (1024, 4096, 16384)]
    plans = [plan(Recipe(architecture=shape), Resources(), NODE_MEMORY, ()) for shape in shapes]
    refused = [each for each in plans if not each.admitted]
    assert refused
    assert all("take a smaller model or a larger machine" in each.reason for each in refused)
    admitted = [sized(pools, each, number) for number, each in enumerate(plans) if each.admitted]
    assert admitted
    pools.release.apply(*admitted)
    pools.once("sized", lambda pods: len(pods) == len(admitted) and not waiting(pods))


def test_a_pod_that_no_node_can_take_is_refused_by_the_scheduler(pools: Pools) -> None:
    pod = run_pod(pools, "gpu", "huge", 0)
    pod["spec"]["containers"][0]["resources"] = {
        kind: {"cpu": "8", "memory": "48Gi", "nvidia.com/gpu": str(GPUS + 1)}
        for kind in ("requests", "limits")
    }
    pools.release.apply(pod)
    (pod,) = pools.once("huge", lambda pods: any("nvidia.com/gpu" in refusal(pod) for pod in pods))
    assert "Insufficient nvidia.com/gpu" in refusal(pod)


def run_pod(pools: Pools, pool: str, label: str, number: int) -> Manifest:
    """One worker of a training run, as KubeRay makes it, or training, from the chart's template."""
    template = pools.runs[pool]
    return pod(template, f"{label}-run-{pool}-{number}", label, pool)


def engine_pod(pools: Pools, kind: str, label: str, number: int) -> Manifest:
    """Return a pod of an engine, from serving's template."""
    return pod(pools.engines[kind]["spec"]["template"], f"{label}-{kind}-{number}", label, kind)


def whole_node(pod: Manifest) -> Manifest:
    """The same pod with all accelerators of a node."""
    for resources in pod["spec"]["containers"][0]["resources"].values():
        resources["nvidia.com/gpu"] = str(GPUS)
    return pod


def sized(pools: Pools, needs: ResourcePlan, number: int) -> Manifest:
    """Return a worker that requests the memory of a plan."""
    pod = run_pod(pools, "cpu", "sized", number)
    pod["metadata"]["name"] = f"sized-{number}"
    for resources in pod["spec"]["containers"][0]["resources"].values():
        resources["memory"] = str(needs.measured_bytes)
    return pod


def pod(template: Manifest, name: str, label: str, pool: str) -> Manifest:
    """A pod of a template; a Secret that serving would name is named, as pods that pretend need none."""
    spec = copy.deepcopy(template["spec"])
    for volume in spec["volumes"]:
        if "secret" in volume and not volume["secret"].get("secretName"):
            volume["secret"]["secretName"] = name
        if volume.pop("ephemeral", None):  # nobody here makes volumes
            volume["emptyDir"] = {}
    labels = {**template["metadata"].get("labels", {}), "test": label, "pool": pool}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels},
        "spec": spec,
    }


def placed(pods: list[Manifest]) -> list[Manifest]:
    """Return the pods that have a node."""
    return [pod for pod in pods if pod["spec"].get("nodeName")]


def waiting(pods: list[Manifest]) -> list[Manifest]:
    """Return the pods that have no node."""
    return [pod for pod in pods if not pod["spec"].get("nodeName")]


def priority(pod: Manifest) -> int:
    """Return the priority that admission resolved."""
    return int(pod["spec"].get("priority", 0))


def pool_of(pod: Manifest) -> str:
    """Return the pool of a pod's node."""
    return str(pod["spec"]["nodeName"]).partition("-")[0]


def requested_pool(pod: Manifest) -> str:
    """Return the pool that a pod requests."""
    return str(pod["metadata"]["labels"]["pool"])


def refusal(pod: Manifest) -> str:
    """Return why the scheduler gave a pod no node; empty if it has one."""
    conditions = [
        each for each in pod.get("status", {}).get("conditions", []) if each["type"] == "PodScheduled"
    ]
    return "".join(each.get("message", "") for each in conditions if each["status"] == "False")


def decided(pod: Manifest) -> bool:
    """Return True if a pod has a node, or was refused for lack of accelerators."""
    return bool(pod["spec"].get("nodeName")) or "Insufficient nvidia.com/gpu" in refusal(pod)
