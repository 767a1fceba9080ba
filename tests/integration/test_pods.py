"""Services as in pods: a separate disk for each, mutual TLS between them, heavy work on a job worker."""

import json
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from ratoon.ingestion.v1 import dataset_pb2, source_pb2
from ratoon.ingestion.v1 import ingestion_service_pb2 as ingestion_pb
from ratoon.ingestion.v1.ingestion_service_pb2_grpc import IngestionServiceStub
from ratoon.labeling.v1 import annotation_pb2, label_set_pb2
from ratoon.labeling.v1 import labeling_service_pb2 as labeling_pb
from ratoon.labeling.v1.labeling_service_pb2_grpc import LabelingServiceStub
from ratoon.operations import warm
from ratoon.registry.v1 import model_pb2, model_version_pb2
from ratoon.registry.v1 import registry_service_pb2 as registry_pb
from ratoon.registry.v1.registry_service_pb2_grpc import RegistryServiceStub
from ratoon.runtime.client import open_channel
from ratoon.runtime.settings import run_folder
from ratoon.security.authority import make_authority
from ratoon.security.tls import Certificates
from ratoon.service import job_worker
from ratoon.service.app import Platform
from ratoon.storage.artifacts import ArtifactStore
from ratoon.testkit.certificates import write_certificates
from ratoon.testkit.models import tiny_llama
from ratoon.testkit.object_store import object_store
from ratoon.testkit.ports import free_ports
from ratoon.testkit.services import State, running, serving
from ratoon_ingestion.settings import Settings as IngestionSettings
from ratoon_labeling.settings import Settings as LabelingSettings
from ratoon_registry.settings import Settings as RegistrySettings
from ratoon_registry.worker import signature

__all__ = ["object_store"]
WORDS = ["invoice", "meeting", "garden", "engine", "library", "harbour"]
PROJECT, DATASET, MODEL = "projects/p", "projects/p/datasets/mail", "projects/p/models/mail"


class Pods:
    """The addresses of services, and the store that they share."""

    def __init__(self, folder: Path, store: ArtifactStore) -> None:
        self.folder, self.store = folder, store
        self.keys = State(folder / "secrets")
        self.authority = make_authority("pods")
        ports = free_ports(4)
        names = ("ingestion", "labeling", "registry", "worker")
        self.addresses = {name: f"localhost:{port}" for name, port in zip(names, ports, strict=True)}

    def common(self, name: str) -> dict[str, object]:
        """Return the settings of every pod."""
        return {
            "state": self.folder / name,
            "keys": self.keys.folder / "keys",
            "artifacts_url": self.store.url,
            "listen": self.addresses[name],
            "tls": write_certificates(self.folder / f"{name}-tls", self.authority, "localhost"),
        }

    def service(self, name: str) -> dict[str, object]:
        """Return the settings of a service."""
        peers = {peer: self.addresses[peer] for peer in ("ingestion",) if peer != name}
        return {**self.common(name), "peers": peers, "jobs": self.addresses["worker"]}

    def channel(self, name: str) -> grpc.Channel:
        """Return a channel to a service, as another service."""
        shown = Certificates(self.folder / "worker-tls")
        return open_channel(self.addresses[name], self.keys.signer("flywheel"), shown)


@pytest.fixture(scope="module", params=[pytest.param("folder", marks=pytest.mark.thorough), "s3"])
def pods(request, tmp_path_factory) -> Iterator[Pods]:
    folder = tmp_path_factory.mktemp(f"pods-{request.param}")
    url = request.getfixturevalue("object_store").url if request.param == "s3" else str(folder / "artifacts")
    pods = Pods(folder, ArtifactStore(url))
    worker = job_worker.Settings(**pods.common("worker"))
    settings = [
        IngestionSettings(**pods.service("ingestion"), processes=1),
        LabelingSettings(**pods.service("labeling")),
        RegistrySettings(**pods.service("registry"), golden_count=4),
    ]
    with serving([job_worker.build(worker, Platform.of_process())]), running(settings):
        yield pods
    for name in ("ingestion-warm", "models-warm"):
        warm.stop(run_folder(worker.state) / name)


def rows(count: int) -> bytes:
    lines = [
        {
            "text": f"Letter {n} says that the {WORDS[n % 6]} near the {WORDS[n // 6 % 6]} is number {n * 13 + 5}.",
            "label": "spam" if n % 4 == 0 else "ham",
            "id": f"m-{n}",
        }
        for n in range(count)
    ]
    return "\n".join(json.dumps(line) for line in lines).encode()


@pytest.fixture(scope="module")
def dataset(pods) -> str:
    """A curated version's name."""
    rpc = IngestionServiceStub(pods.channel("ingestion"))
    rpc.CreateDataset(ingestion_pb.CreateDatasetRequest(parent=PROJECT, dataset_id="mail"))
    source = source_pb2.Source(
        format=source_pb2.Source.FORMAT_JSONL, digest=pods.store.put_bytes(rows(80)), license="CC0-1.0"
    )
    name = rpc.CreateSource(ingestion_pb.CreateSourceRequest(parent=PROJECT, source=source)).name
    request = dataset_pb2.DatasetVersion(sources=[name])
    created = rpc.CreateDatasetVersion(
        ingestion_pb.CreateDatasetVersionRequest(parent=DATASET, dataset_version=request)
    )
    *_, last = rpc.WatchDatasetVersion(
        ingestion_pb.WatchDatasetVersionRequest(name=created.name), timeout=120
    )
    assert last.state == dataset_pb2.DatasetVersion.STATE_READY, last.failure
    return last.name


def test_a_dataset_is_curated_on_the_worker_and_its_records_are_read_from_the_store(pods, dataset):
    rpc = IngestionServiceStub(pods.channel("ingestion"))
    page = rpc.ListRecords(ingestion_pb.ListRecordsRequest(parent=dataset, page_size=100))
    assert len(page.records) == 80
    assert not (pods.folder / "ingestion/ingestion/jobs").exists()
    assert list((pods.folder / "worker/worker/ingestion/jobs").iterdir())


def test_labels_are_frozen_on_the_worker(pods, dataset):
    rpc = LabelingServiceStub(pods.channel("labeling"))
    guideline = annotation_pb2.Guideline(labels=["ham", "spam"], instructions="What is it?")
    rpc.CreateGuideline(
        labeling_pb.CreateGuidelineRequest(parent=PROJECT, guideline_id="mail", guideline=guideline)
    )
    request = label_set_pb2.LabelSet(
        dataset_version=dataset,
        guideline=f"{PROJECT}/guidelines/mail",
    )
    created = rpc.CreateLabelSet(labeling_pb.CreateLabelSetRequest(parent=PROJECT, label_set=request))
    *_, last = rpc.WatchLabelSet(labeling_pb.WatchLabelSetRequest(name=created.name), timeout=120)
    assert last.state == label_set_pb2.LabelSet.STATE_SUCCEEDED, last
    assert pods.store.exists(last.digest)


def test_a_model_is_verified_on_the_worker_and_signed_by_the_registry(pods, tmp_path):
    rpc = RegistryServiceStub(pods.channel("registry"))
    rpc.CreateModel(registry_pb.CreateModelRequest(parent=PROJECT, model_id="mail", model=model_pb2.Model()))
    artifact = pods.store.put_tree(tiny_llama(tmp_path / "model", seed=3))
    request = model_version_pb2.ModelVersion(artifact_digest=artifact)
    created = rpc.CreateModelVersion(
        registry_pb.CreateModelVersionRequest(parent=MODEL, model_version=request)
    )
    *_, last = rpc.WatchModelVersion(registry_pb.WatchModelVersionRequest(name=created.name), timeout=200)
    assert last.state == model_version_pb2.ModelVersion.STATE_READY, last
    folder = pods.store.fetch_tree(last.artifact_digest, tmp_path / "signed")
    seal = pods.store.fetch(last.signature_digest, tmp_path / "model.sig")
    signature.verify(folder, pods.keys.folder / "keys/model-signing.pub", seal)
    spec = next((pods.folder / "worker/worker/registry/jobs").glob("*/spec.json")).read_text()
    assert "signing_key" not in json.loads(spec)
