"""Dedicated pods of a run: template, progress, and the order of actions."""

import json
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from ratoon.operations.job_machine import Action, Failure, JobObservation, Phase
from ratoon.operations.operations import Claim
from ratoon.process.errors import FailedPrecondition
from ratoon_training.adapters import worker_manifest as manifest
from ratoon_training.adapters.drivers import DriverOptions, JobDrivers
from ratoon_training.adapters.machine import ClusterPods
from ratoon_training.adapters.worker_folder import WorkerFolder, bytes_of
from ratoon_training.application.pod_gc import PodGarbageCollector
from ratoon_training.application.procedures import RunProcedure
from ratoon_training.domain.places import Place
from ratoon_training.domain.plan import MEBI, ResourcePlan, plan
from ratoon_training.domain.pods import RAY_BYTES, SharedPods, own_bytes, pod_bytes
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
    entries = [{"accelerator": "CPU", "pods": 3, "places": 2, "memory": "4Gi"}]
    (tmp_path / "groups.json").write_text(json.dumps(entries))
    return WorkerFolder(tmp_path)


def deployment() -> dict:
    return manifest.deployment(yaml.safe_load(TEMPLATE), RUN, OWNER)


def test_each_worker_gets_a_pod_as_large_as_its_part_of_the_plan():
    body = deployment()
    assert body["spec"]["replicas"] == 2
    (container,) = body["spec"]["template"]["spec"]["containers"]
    requests, limits = container["resources"]["requests"], container["resources"]["limits"]
    assert requests == limits
    assert bytes_of(requests["memory"]) == pod_bytes(RUN.plan, 2)
    assert (requests["cpu"], requests["nvidia.com/gpu"]) == ("8", "1")


def test_the_pods_are_the_runs_and_go_with_training():
    body = deployment()
    name = body["metadata"]["name"]
    assert body["metadata"]["annotations"] == {"ratoon.dev/training-run": NAME}
    assert manifest.run_of(body) == NAME
    (owner,) = body["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["uid"]) == ("Deployment", "r-training", "uid-1")
    assert body["spec"]["selector"] == {"matchLabels": {"ratoon.dev/run-pods": name}}
    labels = body["spec"]["template"]["metadata"]["labels"]
    assert labels["app.kubernetes.io/name"] == "ray-worker"
    selected = dict(each.split("=") for each in manifest.selector("r-training").split(","))
    assert selected.items() <= labels.items() and selected.items() <= body["metadata"]["labels"].items()
    assert deployment() == body  # the same each time


def test_ray_counts_one_place_in_each_pod_beside_what_the_template_says():
    body = deployment()
    (container,) = body["spec"]["template"]["spec"]["containers"]
    (argument,) = [each for each in container["args"] if each.startswith("--resources=")]
    assert json.loads(argument.partition("=")[2]) == {"neuron_cores": 1, body["metadata"]["name"]: 1}
    assert "--num-gpus=1" in container["args"]
    assert manifest.cpus(yaml.safe_load(TEMPLATE)) == 8


def test_neuron_cores_of_a_run_are_in_one_pod():
    """XLA computes on all of them in one process."""
    template = yaml.safe_load(TEMPLATE.replace("nvidia.com/gpu", "aws.amazon.com/neuroncore"))
    run = replace(RUN, resources=Resources(Accelerator.NEURON, workers=4))
    body = manifest.deployment(template, run, OWNER)
    (container,) = body["spec"]["template"]["spec"]["containers"]
    assert body["spec"]["replicas"] == 1
    for amounts in container["resources"].values():
        assert amounts["aws.amazon.com/neuroncore"] == "4"
        assert bytes_of(amounts["memory"]) == pod_bytes(RUN.plan, 1)
    (argument,) = [each for each in container["args"] if each.startswith("--resources=")]
    assert json.loads(argument.partition("=")[2])["neuron_cores"] == 4


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


def test_the_message_of_waiting_pods_is_the_clusters():
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


def test_the_directory_lists_dedicated_and_shared_pods(folder):
    assert folder.has_templates
    assert folder.template(Accelerator.CPU) is None
    assert folder.max_bytes(Accelerator.CUDA) == 48 * 1024 * MEBI
    assert folder.shared_pods() == [SharedPods(Accelerator.CPU, 3, 2, 4 * 1024 * MEBI)]


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
    configured = ClusterPods(folder, memory_bytes=7, families_file=None)
    assert configured.available_bytes(Resources()) == 7
    assert configured.available_bytes(own) == own_bytes(own, 48 * 1024 * MEBI)  # a pod is no larger for that


class FakeCluster:
    """Fake drivers, workers and machine that record the order of their calls."""

    def __init__(self) -> None:
        self.calls: list[tuple] = []
        self.observation = JobObservation(Phase.RUNNING, Progress(message="Starting the workers."))
        self.waits = ""

    def observe(self, job_id: str) -> JobObservation[Trained]:
        return self.observation

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
def cluster() -> FakeCluster:
    return FakeCluster()


@pytest.fixture
def procedure(cluster: FakeCluster) -> RunProcedure:
    return RunProcedure(cluster, cluster, cluster)


CLAIM = Claim(NAME, fence=1)


def test_pods_are_created_before_the_job_starts_and_deleted_after_it(procedure, cluster):
    procedure.act(RUN, Action.START, CLAIM)
    procedure.act(RUN, Action.CLEAN, CLAIM)
    place = Place("run-x", 8)
    assert cluster.calls == [("ensure", NAME), ("start", place), ("clean", NAME), ("remove", NAME)]


def test_the_end_of_a_trial_wakes_its_sweep(cluster):
    woken: list[str] = []
    procedure = RunProcedure(cluster, cluster, cluster, wake=woken.append)
    trial = replace(RUN, sweep="projects/p/sweeps/s")
    procedure.act(trial, Action.START, CLAIM)
    procedure.act(RUN, Action.CLEAN, CLAIM)
    assert woken == []
    procedure.act(trial, Action.CLEAN, CLAIM)
    assert woken == [trial.sweep]


def test_the_clusters_message_on_a_runs_pods_is_its_progress(procedure, cluster):
    assert procedure.observe(RUN, CLAIM).job.progress.message == "Starting the workers."
    cluster.waits = "Waiting for nodes for 2 of 2 pods: 0/1 nodes are available."
    run = procedure.step(RUN, procedure.observe(RUN, CLAIM), NOW).resource
    assert run.progress.message == cluster.waits
    cluster.observation = JobObservation(Phase.FAILED, failure=Failure("STOPPED"))
    assert procedure.observe(RUN, CLAIM).job.progress.message == ""


def test_a_queued_run_is_planned_for_its_own_resources(procedure):
    queued = replace(RUN, state=State.QUEUED, plan=ResourcePlan())
    planned = procedure.observe(queued, CLAIM).plan
    assert planned == RUN.plan


class RecordingJobs:
    """Fake jobs that record the spec with which they start."""

    def start(self, job_id: str, module: str, spec: dict) -> None:
        self.spec = spec


def test_a_run_in_dedicated_pods_has_its_own_driver_and_all_their_processors():
    jobs = RecordingJobs()
    drivers = JobDrivers(jobs, DriverOptions(Path("/w"), Path("/warm"), "s3://a"))
    drivers.start("j", RUN, Place("run-x", 8), 1)
    assert (jobs.spec["warm"], jobs.spec["pods"], jobs.spec["resources"]["threads"]) == ("", "run-x", 8)
    drivers.start("j", replace(RUN, resources=replace(RUN.resources, threads=3)), Place("run-x", 8), 1)
    assert jobs.spec["resources"] == {"accelerator": "CUDA", "workers": 2, "threads": 3}
    drivers.start("j", RUN, Place(), 1)
    assert (jobs.spec["warm"], jobs.spec["pods"], jobs.spec["resources"]["threads"]) == ("/warm", "", 0)


class FakeRuns:
    """Fake store of runs by name, and workers that some of them left."""

    def __init__(self, *runs: TrainingRun) -> None:
        self.existing, self.removed = {run.name: run for run in runs}, []

    @contextmanager
    def read(self):
        yield self

    def find(self, _kind: type, name: str) -> TrainingRun | None:
        return self.existing.get(name)

    def runs(self) -> list[str]:
        return [*self.existing, "projects/p/trainingRuns/unknown"]

    def remove(self, run: str) -> None:
        self.removed.append(run)


def test_pods_of_ended_runs_are_collected_and_those_of_runs_in_progress_stay():
    ended = [replace(RUN, name=state, state=state) for state in State if state.ended]
    cluster = FakeRuns(RUN, replace(RUN, name="cancelling", state=State.CANCELLING), *ended)
    PodGarbageCollector(cluster, cluster).collect()
    assert cluster.removed == ["SUCCEEDED", "FAILED", "CANCELLED", "projects/p/trainingRuns/unknown"]
