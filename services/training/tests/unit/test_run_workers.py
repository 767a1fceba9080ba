"""Pods of a run's own: what training fills into a template, what it reads off pods, and when it does what."""

import json
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from ratoon.chassis.errors import FailedPrecondition
from ratoon.chassis.operations import Claim
from ratoon.operations.job_machine import Action, Failure, JobObservation, Phase
from ratoon_training.adapters import worker_manifest as manifest
from ratoon_training.adapters.drivers import DriverOptions, JobDrivers
from ratoon_training.adapters.machine import ClusterPods
from ratoon_training.adapters.worker_folder import WorkerFolder, bytes_of
from ratoon_training.application.pod_gc import Sweep
from ratoon_training.application.procedures import RunProcedure
from ratoon_training.domain.places import Place
from ratoon_training.domain.plan import MEBI, ResourcePlan, plan
from ratoon_training.domain.pods import RAY_BYTES, Group, own_bytes, pod_bytes
from ratoon_training.domain.recipes import Accelerator, Recipe, Resources
from ratoon_training.domain.runs import Progress, State, Trained, TrainingRun

NOW = datetime(2026, 11, 26, tzinfo=UTC)
NAME = "projects/p/trainingRuns/Mail.2026-11-26"
RUN = TrainingRun(
    NAME,
    NOW,
    NOW,
    "t",
    "v",
    Recipe(labels=("ham", "spam")),
    Resources(Accelerator.CUDA, workers=2),
    plan=plan(Recipe(labels=("ham", "spam")), Resources(Accelerator.CUDA, workers=2), 2**40, ()),
    state=State.PREPARING,
)
OWNER = manifest.Owner("ns", "r-training", "uid-1")
TEMPLATE = """
kind: Deployment
metadata: {labels: {app.kubernetes.io/name: ray-worker}}
spec:
  template:
    metadata: {labels: {app.kubernetes.io/name: ray-worker}}
    spec:
      containers:
        - name: ray-worker
          args: [start, --num-cpus=0, --num-gpus=1, '--resources={"neuron_cores":1}']
          resources:
            requests: {cpu: "8", memory: 48Gi, nvidia.com/gpu: "1"}
            limits: {cpu: "8", memory: 48Gi, nvidia.com/gpu: "1"}
"""


@pytest.fixture
def folder(tmp_path: Path) -> WorkerFolder:
    (tmp_path / "cuda.yaml").write_text(TEMPLATE)
    told = [{"accelerator": "CPU", "pods": 3, "places": 2, "memory": "4Gi"}]
    (tmp_path / "groups.json").write_text(json.dumps(told))
    return WorkerFolder(tmp_path)


def made() -> dict:
    return manifest.deployment(yaml.safe_load(TEMPLATE), RUN, OWNER)


def test_each_worker_gets_a_pod_as_large_as_its_part_of_the_plan():
    body = made()
    assert body["spec"]["replicas"] == 2
    (container,) = body["spec"]["template"]["spec"]["containers"]
    requests, limits = container["resources"]["requests"], container["resources"]["limits"]
    assert requests == limits
    assert bytes_of(requests["memory"]) == pod_bytes(RUN.plan, 2)
    assert (requests["cpu"], requests["nvidia.com/gpu"]) == ("8", "1")


def test_the_pods_are_the_runs_and_go_with_training():
    body = made()
    name = body["metadata"]["name"]
    assert body["metadata"]["annotations"] == {"ratoon.dev/training-run": NAME}
    assert manifest.run_of(body) == NAME
    (owner,) = body["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["uid"]) == ("Deployment", "r-training", "uid-1")
    assert body["spec"]["selector"] == {"matchLabels": {"ratoon.dev/run-pods": name}}
    labels = body["spec"]["template"]["metadata"]["labels"]
    assert labels["app.kubernetes.io/name"] == "ray-worker"
    wanted = dict(each.split("=") for each in manifest.selector("r-training").split(","))
    assert wanted.items() <= labels.items() and wanted.items() <= body["metadata"]["labels"].items()
    assert made() == body  # the same each time


def test_ray_counts_one_place_in_each_pod_beside_what_the_template_says():
    body = made()
    (container,) = body["spec"]["template"]["spec"]["containers"]
    (told,) = [each for each in container["args"] if each.startswith("--resources=")]
    assert json.loads(told.partition("=")[2]) == {"neuron_cores": 1, body["metadata"]["name"]: 1}
    assert "--num-gpus=1" in container["args"]
    assert manifest.cpus(yaml.safe_load(TEMPLATE)) == 8


@pytest.mark.parametrize("run", [NAME, "projects/p/trainingRuns/" + 70 * "x", "projects/p/trainingRuns/--"])
def test_a_name_is_one_that_kubernetes_and_a_label_take(run):
    name = manifest.object_name(run)
    assert len(name) <= 50
    assert name == name.lower().strip("-")
    assert name != manifest.object_name(f"{run}2")


def pod(*, conditions=(), waiting=None) -> dict:
    state = {"waiting": waiting} if waiting else {"running": {}}
    return {
        "status": {
            "conditions": list(conditions),
            "containerStatuses": [{"name": "ray-worker", "state": state}],
        }
    }


UNPLACED = {"type": "PodScheduled", "status": "False", "message": "0/3 nodes: 3 Insufficient nvidia.com/gpu."}


def test_what_keeps_pods_from_running_is_told_in_the_clusters_words():
    quota = {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota: gpus"}
    assert manifest.complaint(None, []) == ""
    assert manifest.complaint(None, [pod(), pod()]) == ""
    assert manifest.complaint(None, [pod(waiting={"reason": "ContainerCreating"})]) == ""
    assert manifest.complaint(None, [pod(), pod(conditions=[UNPLACED])]) == (
        "Waiting for nodes for 1 of 2 pods: 0/3 nodes: 3 Insufficient nvidia.com/gpu."
    )
    assert "exceeded quota: gpus" in manifest.complaint({"status": {"conditions": [quota]}}, [])
    backing_off = {"reason": "ImagePullBackOff", "message": "no such image"}
    assert "ImagePullBackOff no such image" in manifest.complaint(None, [pod(waiting=backing_off)])


def test_a_folder_says_which_pods_there_are(folder):
    assert folder.has_templates
    assert folder.template(Accelerator.CPU) is None
    assert folder.most_bytes(Accelerator.CUDA) == 48 * 1024 * MEBI
    assert folder.groups() == [Group(Accelerator.CPU, 3, 2, 4 * 1024 * MEBI)]


def test_a_template_without_a_limit_of_memory_is_refused_by_name(tmp_path):
    (tmp_path / "cuda.yaml").write_text(TEMPLATE.replace("memory: 48Gi, ", ""))
    with pytest.raises(FailedPrecondition, match="a memory limit") as refused:
        WorkerFolder(tmp_path).template(Accelerator.CUDA)
    assert refused.value.reason == "WORKER_TEMPLATE_INVALID"


@pytest.mark.parametrize(
    ("quantity", "size"), [("4Gi", 4 * 2**30), ("512Mi", 2**29), ("1.5G", 1_500_000_000), (1024.0, 1024)]
)
def test_quantities_are_bytes(quantity, size):
    assert bytes_of(quantity) == size


def test_a_run_plans_with_the_pods_that_it_would_get(folder):
    pods = ClusterPods(folder, memory_bytes=0, families_file=None)
    own = Resources(Accelerator.CUDA, workers=3)
    assert pods.available_bytes(own) == own_bytes(own, 48 * 1024 * MEBI)
    assert pods.available_bytes(Resources()) == 4 * 1024 * MEBI - RAY_BYTES
    told = ClusterPods(folder, memory_bytes=7, families_file=None)
    assert told.available_bytes(Resources()) == 7
    assert told.available_bytes(own) == own_bytes(own, 48 * 1024 * MEBI)  # a pod is no larger for that


class World:
    """Drivers, workers and a machine that note in which order they are called."""

    def __init__(self) -> None:
        self.calls: list[tuple] = []
        self.seen = JobObservation(Phase.RUNNING, Progress(message="Starting the workers."))
        self.waits = ""

    def observe(self, job_id: str) -> JobObservation[Trained]:
        return self.seen

    def start(self, job_id: str, run: TrainingRun, place: Place, fence: int) -> None:
        self.calls.append(("start", place))

    def stop(self, job_id: str) -> None:
        self.calls.append(("stop",))

    def clean(self, run: TrainingRun) -> None:
        self.calls.append(("clean", run.name))

    def ensure(self, run: TrainingRun) -> Place:
        self.calls.append(("ensure", run.name))
        return Place("run-x", 8)

    def waits_for(self, run: TrainingRun) -> str:
        return self.waits

    def remove(self, run: str) -> None:
        self.calls.append(("remove", run))

    def available_bytes(self, resources: Resources) -> int:
        return 2**40

    def families(self) -> tuple:
        return ()


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def procedure(world: World) -> RunProcedure:
    return RunProcedure(world, world, world)


CLAIM = Claim(NAME, fence=1)


def test_pods_are_asked_for_before_the_job_is_started_and_end_after_it(procedure, world):
    procedure.act(RUN, Action.START, CLAIM)
    procedure.act(RUN, Action.CLEAN, CLAIM)
    place = Place("run-x", 8)
    assert world.calls == [("ensure", NAME), ("start", place), ("clean", NAME), ("remove", NAME)]


def test_what_the_cluster_says_of_a_runs_pods_is_its_progress(procedure, world):
    assert procedure.observe(RUN, CLAIM).job.progress.message == "Starting the workers."
    world.waits = "Waiting for nodes for 2 of 2 pods: 0/1 nodes are available."
    told = procedure.step(RUN, procedure.observe(RUN, CLAIM), NOW).resource
    assert told.progress.message == world.waits
    world.seen = JobObservation(Phase.FAILED, failure=Failure("STOPPED"))
    assert procedure.observe(RUN, CLAIM).job.progress.message == ""


def test_a_queued_run_is_planned_for_its_own_resources(procedure):
    queued = replace(RUN, state=State.QUEUED, plan=ResourcePlan())
    planned = procedure.observe(queued, CLAIM).plan
    assert planned == RUN.plan


class NotedJobs:
    """Jobs that only note with which spec they would start."""

    def start(self, job_id: str, module: str, spec: dict) -> None:
        self.spec = spec


def test_a_run_in_pods_of_its_own_has_a_driver_of_its_own_and_all_their_processors():
    jobs = NotedJobs()
    drivers = JobDrivers(jobs, DriverOptions(Path("/w"), Path("/warm"), "s3://a"))
    drivers.start("j", RUN, Place("run-x", 8), 1)
    assert (jobs.spec["warm"], jobs.spec["pods"], jobs.spec["resources"]["threads"]) == ("", "run-x", 8)
    drivers.start("j", replace(RUN, resources=replace(RUN.resources, threads=3)), Place("run-x", 8), 1)
    assert jobs.spec["resources"] == {"accelerator": "CUDA", "workers": 2, "threads": 3}
    drivers.start("j", RUN, Place(), 1)
    assert (jobs.spec["warm"], jobs.spec["pods"], jobs.spec["resources"]["threads"]) == ("/warm", "", 0)


class Ended:
    """A store of runs by name, and workers that some of them left."""

    def __init__(self, *runs: TrainingRun) -> None:
        self.there, self.removed = {run.name: run for run in runs}, []

    @contextmanager
    def read(self):
        yield self

    def find(self, _kind: type, name: str) -> TrainingRun | None:
        return self.there.get(name)

    def runs(self) -> list[str]:
        return [*self.there, "projects/p/trainingRuns/unknown"]

    def remove(self, run: str) -> None:
        self.removed.append(run)


def test_what_ended_runs_left_is_swept_and_what_is_under_way_stays():
    ended = [replace(RUN, name=state, state=state) for state in State if state.ended]
    world = Ended(RUN, replace(RUN, name="cancelling", state=State.CANCELLING), *ended)
    Sweep(world, world).sweep()
    assert world.removed == ["SUCCEEDED", "FAILED", "CANCELLED", "projects/p/trainingRuns/unknown"]
