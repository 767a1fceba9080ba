"""Training on a real Kubernetes API, with the account, the rights and the templates that the chart gives it."""

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from ratoon.operations.job_machine import Failure, JobObservation, Phase
from ratoon.security.identity import Role
from ratoon.service.app import Platform, ServiceRuntime
from ratoon.storage.migrations import migrate
from ratoon.testkit.kubernetes import ControlPlane
from ratoon.testkit.kubernetes.fakes import FakeNode, fake_nodes
from ratoon.testkit.services import State, serving
from ratoon.testkit.waiting import until
from ratoon.training.v1 import training_run_pb2 as run_pb
from ratoon.training.v1 import training_service_pb2 as pb
from ratoon.training.v1.training_service_pb2_grpc import TrainingServiceStub
from ratoon_training import bootstrap
from ratoon_training.adapters import tables
from ratoon_training.adapters.compression_jobs import compression_jobs
from ratoon_training.adapters.drivers import DriverOptions, estimate_jobs
from ratoon_training.adapters.model_export_jobs import model_export_jobs
from ratoon_training.domain.diagnosis import Diagnosis
from ratoon_training.domain.places import Place
from ratoon_training.domain.runs import Progress, Trained, TrainingRun
from ratoon_training.settings import Settings

JSON = dict[str, Any]
CHART = Path(__file__).parents[4] / "charts/ratoon"
ANY_NAMESPACE = "any-namespace"
GPUS = 2
"""Accelerators of the one node that has any."""
RELEASE_KINDS = ("PriorityClass", "ServiceAccount", "Role", "RoleBinding", "ConfigMap")
"""Kinds of the release's objects that exist before training runs."""
RESULT = Trained("a" * 64, "c" * 64, 1000, Diagnosis("healthy", "Nothing to do."), {"seconds": 2.0})
OWNER = {
    "kind": "Deployment",
    "apiVersion": "apps/v1",
    "metadata": {"name": "ratoon-training"},
    "spec": {
        "replicas": 0,
        "selector": {"matchLabels": {"app": "training"}},
        "template": {
            "metadata": {"labels": {"app": "training"}},
            "spec": {"containers": [{"name": "c", "image": "i"}]},
        },
    },
}
"""Training's own Deployment, which owns pods of runs."""


class Drivers:
    """Jobs that run until a test ends them."""

    def __init__(self) -> None:
        self.places: dict[str, Place] = {}
        """By the run's name."""
        self.ends: dict[str, JobObservation[Trained]] = {}
        self._runs: dict[str, str] = {}

    def observe(self, job_id: str) -> JobObservation[Trained]:
        if job_id not in self._runs:
            return JobObservation(Phase.ABSENT)
        going_on = JobObservation(Phase.RUNNING, Progress(0.1, "Training.", 1, 10, "steps"))
        return self.ends.get(self._runs[job_id], going_on)

    def start(self, job_id: str, run: TrainingRun, place: Place, fence: int) -> None:
        self._runs[job_id], self.places[run.name] = run.name, place
        self.ends.pop(run.name, None)

    def stop(self, job_id: str) -> None:
        self.ends[self._runs[job_id]] = JobObservation(Phase.FAILED, failure=Failure("STOPPED", "Asked to."))

    def finish(self, run: TrainingRun) -> None:
        """Do nothing."""

    def clean(self, run: TrainingRun) -> None:
        """Do nothing."""


class Cluster:
    """A namespace with a release's accounts and templates, and training services in this process."""

    def __init__(self, plane: ControlPlane, namespace: str, chart: str, folder: Path) -> None:
        self.plane, self.namespace, self.drivers = plane, namespace, Drivers()
        self.folder, self.state = folder, State(folder)
        plane.request("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
        text = chart.replace(ANY_NAMESPACE, namespace)
        rendered = [each for each in yaml.load_all(text, yaml.CSafeLoader) if each]
        self.apply(OWNER, *(each for each in rendered if each["kind"] in RELEASE_KINDS))
        (folder / "workers").mkdir()
        (workers,) = (each for each in rendered if each["metadata"]["name"] == "ratoon-run-workers")
        for name, content in workers["data"].items():
            (folder / "workers" / name).write_text(content)

    def service(self) -> AbstractContextManager[None]:
        """Run training as the chart's account."""
        settings = Settings(
            state=self.folder,
            workers=self.folder / "workers",
            namespace=self.namespace,
            kubeconfig=str(self.plane.account(self.namespace, "ratoon-training")),
        )
        migrate("training", settings.database_url)
        runtime = ServiceRuntime(settings, Platform.of_process(), tables.METADATA)
        workers, watches = bootstrap.run_workers(settings)
        self.training = TrainingServiceStub(self.state.as_role(Role.ENGINEER, "training"))
        jobs = estimate_jobs(runtime.jobs(), DriverOptions(self.folder / "work", self.folder / "warm", ""))
        app = bootstrap.assemble(
            runtime,
            self.drivers,
            bootstrap.machine(settings),
            workers,
            watches,
            estimates=jobs,
            compressions=compression_jobs(runtime.jobs(), ""),
            model_exports=model_export_jobs(
                runtime.jobs(), settings.artifacts_url, settings.llama_cpp_folder
            ),
        )
        return serving([app])

    def create(self, name: str, accelerator: str = "CUDA", workers: int = 1, **recipe: object) -> str:
        """Queue a run; its name."""
        resources = run_pb.Resources(
            accelerator=run_pb.Resources.Accelerator.Value(f"ACCELERATOR_{accelerator}"), workers=workers
        )
        run = run_pb.TrainingRun(
            train_digest="1" * 64,
            validation_digest="2" * 64,
            recipe=run_pb.Recipe(labels=["ham", "spam"], **recipe),
            resources=resources,
        )
        request = pb.CreateTrainingRunRequest(parent="projects/p", training_run_id=name, training_run=run)
        return str(self.training.CreateTrainingRun(request).name)

    def get(self, run: str) -> run_pb.TrainingRun:
        """The run as it is now."""
        return self.training.GetTrainingRun(pb.GetTrainingRunRequest(name=run))

    def end(self, run: str, observation: JobObservation[Trained] | None = None) -> run_pb.TrainingRun:
        """Let its job end; the run as it has ended."""
        if observation is not None:
            self.drivers.ends[run] = observation
        *_, last = self.training.WatchTrainingRun(pb.WatchTrainingRunRequest(name=run), timeout=60)
        return last

    def deployments(self) -> list[JSON]:
        """Those of runs."""
        return self.items("apis/apps/v1", "deployments")

    def pods(self) -> list[JSON]:
        """Those of runs."""
        return self.items("api/v1", "pods")

    def items(self, api: str, kind: str) -> list[JSON]:
        """Objects that training created."""
        selector = "labelSelector=app.kubernetes.io/component%3Drun-worker"
        path = f"/{api}/namespaces/{self.namespace}/{kind}?{selector}"
        items: list[JSON] = self.plane.request("GET", path)["items"]
        return items

    def apply(self, *manifests: JSON) -> None:
        """Apply as an administrator."""
        items = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(manifests)})
        options = ("--server-side", "--namespace", self.namespace)
        self.plane.kubectl("apply", *options, "-f", "-", stdin=items)

    def until(self, what: str, reached: Callable[[], bool]) -> None:
        """Wait for it; `what` says what is wrong when it does not come."""
        until(reached, 90, what, 0.3)


def succeeded() -> JobObservation[Trained]:
    """A job that produced a model."""
    return JobObservation(Phase.SUCCEEDED, result=replace(RESULT))


@pytest.fixture(scope="module")
def nodes(control_plane: ControlPlane) -> Iterator[None]:
    """A node with accelerators, and one without."""
    capacity = {"cpu": "32", "memory": "64Gi", "ephemeral-storage": "1Ti"}
    taint = "nvidia.com/gpu=present:NoSchedule"
    gpu = FakeNode(
        "runs-gpu", {**capacity, "nvidia.com/gpu": str(GPUS)}, {"ratoon.dev/pool": "gpu"}, (taint,)
    )
    cpu = FakeNode("runs-cpu", capacity, {"ratoon.dev/pool": "cpu"})
    with fake_nodes(control_plane, gpu, cpu):
        yield


@pytest.fixture(scope="module")
def chart(control_plane: ControlPlane) -> str:
    """The chart's manifests in `ANY_NAMESPACE`."""
    values = ("--values", str(CHART / "examples/eks-gpu.yaml"))
    return control_plane.helm("template", "ratoon", str(CHART), "--namespace", ANY_NAMESPACE, *values)


@pytest.fixture
def cluster(
    control_plane: ControlPlane, nodes: None, chart: str, tmp_path_factory, request
) -> Iterator[Cluster]:
    """A separate namespace for each test; it is deleted in the background."""
    namespace = f"t-{hashlib.sha256(request.node.name.encode()).hexdigest()[:8]}"
    yield Cluster(control_plane, namespace, chart, tmp_path_factory.mktemp("c"))
    control_plane.request("DELETE", f"/api/v1/namespaces/{namespace}")
