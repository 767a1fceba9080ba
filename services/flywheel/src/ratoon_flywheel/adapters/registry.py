"""The registry: versions to be, the version in production, and what versions came from."""

import json
from dataclasses import replace

import grpc

from ratoon.ingestion.v1 import ingestion_service_pb2
from ratoon.ingestion.v1.ingestion_service_pb2_grpc import IngestionServiceStub
from ratoon.process.errors import NotFound
from ratoon.registry.v1 import model_pb2, model_version_pb2
from ratoon.registry.v1 import registry_service_pb2 as pb
from ratoon.registry.v1.registry_service_pb2_grpc import RegistryServiceStub
from ratoon.service.compute import dtype_message, message_of
from ratoon.storage.artifacts import ArtifactStore
from ratoon.storage.models import SMALL_CONFIGS
from ratoon.tasks.compute import Dtype
from ratoon.training.v1 import training_service_pb2
from ratoon.training.v1.training_service_pb2_grpc import TrainingServiceStub
from ratoon_flywheel.adapters.children import child, ensure, ensure_cancelled
from ratoon_flywheel.domain.pipelines.actions import MAX_OLD_DOMAINS, Register, RegisterCompressed
from ratoon_flywheel.domain.pipelines.runs import PipelineRun, Production, Products
from ratoon_flywheel.domain.pipelines.steps import Child
from ratoon_flywheel.domain.projects import Project


class _Registrations:
    """Registrations of versions of a project's model."""

    def __init__(self, channel: grpc.Channel, training: grpc.Channel) -> None:
        self._registry, self._training = RegistryServiceStub(channel), TrainingServiceStub(training)

    def _create(self, project: Project, version: model_version_pb2.ModelVersion, request_id: str) -> str:
        if usage := self._usage(version.lineage.training_run):
            version.training_usage.CopyFrom(usage)
        request = pb.CreateModelVersionRequest(
            parent=project.model, model_version=version, request_id=request_id
        )
        return str(self._registry.CreateModelVersion(request).name)

    def _usage(self, run: str) -> model_version_pb2.TrainingUsage | None:
        """Return energy and cost of a training run; None: it is gone, or they were not measured."""
        if not run:
            return None
        try:
            trained = self._training.GetTrainingRun(training_service_pb2.GetTrainingRunRequest(name=run))
        except NotFound:
            return None
        if not trained.HasField("usage"):
            return None
        used = trained.usage
        return model_version_pb2.TrainingUsage(
            energy_wh=used.energy_wh,
            energy_basis=used.energy_basis,
            device_hours=used.device_hours,
            cost=used.cost,
            currency=used.currency,
        )

    def observe(self, resource: str) -> Child:
        """How far the verification is."""
        version = self._registry.GetModelVersion(pb.GetModelVersionRequest(name=resource))
        products = Products(model_version=version.name)
        state = model_version_pb2.ModelVersion.State.Name(version.state)
        return child(state, products, version.progress, version.failure, version.name.rpartition("/")[2])

    def cancel(self, resource: str) -> None:
        """Cancel the verification."""
        ensure_cancelled(
            lambda: self._registry.CancelModelVersion(pb.CancelModelVersionRequest(name=resource))
        )


class RegistrationStage(_Registrations):
    """The stage `registration`."""

    def create(self, spec: Register, request_id: str) -> str:
        """Make the candidate the next version of the project's model."""
        project, products = spec.run.project, spec.run.products
        model = model_pb2.Model(display_name=project.display_name or project.id)
        model_request = pb.CreateModelRequest(parent=project.name, model_id=project.id, model=model)
        ensure(lambda: self._registry.CreateModel(model_request))
        version = model_version_pb2.ModelVersion(
            artifact_digest=products.candidate_digest,
            lineage=_lineage(spec.run),
            changelog=spec.changelog,
            golden_source_digest=products.validation_digest,
            scores=products.scores,
            verification_compute=message_of(project.compute.verification),
            serving_dtypes=map(dtype_message, _serving_dtypes(project)),
        )
        return self._create(project, version, request_id)


class CompressedRegistrationStage(_Registrations):
    """The stage `compression_registration`."""

    def create(self, spec: RegisterCompressed, request_id: str) -> str:
        """Make the compressed model the next version, derived from its source."""
        project, products = spec.run.project, spec.run.products
        lineage = _lineage(spec.run)
        lineage.parent_version = lineage.derived_from = products.model_version
        lineage.evaluation_run = products.compression_evaluation_run
        version = model_version_pb2.ModelVersion(
            artifact_digest=products.compressed_digest,
            lineage=lineage,
            changelog=spec.changelog,
            golden_source_digest=products.validation_digest,
            scores=products.compression_scores,
            verification_compute=message_of(project.compute.verification),
            serving_dtypes=[dtype_message(spec.dtype)],
        )
        return self._create(project, version, request_id)

    def observe(self, resource: str) -> Child:
        """How far the verification is."""
        observed = super().observe(resource)
        return replace(observed, products=Products(compressed_version=observed.products.model_version))


class RegistryLineage:
    """Lineage of versions, read from the registry each time."""

    def __init__(self, registry: grpc.Channel, ingestion: grpc.Channel, artifacts: ArtifactStore) -> None:
        self._artifacts = artifacts
        self._registry, self._ingestion = RegistryServiceStub(registry), IngestionServiceStub(ingestion)

    def production(self, project: Project) -> Production | None:
        """The version that the alias `production` names; None before the first one."""
        try:
            alias = self._registry.GetAlias(pb.GetAliasRequest(name=f"{project.model}/aliases/production"))
        except NotFound:
            return None
        version = self._version(alias.version)
        source = self._source(version)
        splits = self._ancestor_splits(source.lineage.parent_version)
        digest = version.artifact_digest
        return Production(
            version.name,
            digest,
            version.lineage.split,
            splits,
            self._is_small(digest),
            "" if source is version else source.artifact_digest,
        )

    def _source(self, version: model_version_pb2.ModelVersion) -> model_version_pb2.ModelVersion:
        """Return the version of which one is the compressed form; itself if it is none."""
        while version.lineage.derived_from and self._is_compressed(version.artifact_digest):
            version = self._version(version.lineage.derived_from)
        return version

    def _is_compressed(self, digest: str) -> bool:
        """Return whether an artifact is a compressed model; one that is gone counts as one, and so does its recipe."""
        try:
            recipe = next(file for file in self._artifacts.tree(digest) if file.path == "recipe.json")
            return "compression" in json.loads(self._artifacts.read(recipe.sha256))
        except (NotFound, StopIteration):
            return True

    def _is_small(self, digest: str) -> bool:
        """Return whether an artifact is a classical or a small neural model; one that is gone counts as none."""
        try:
            files = self._artifacts.tree(digest)
        except NotFound:
            return False
        return any(file.path in SMALL_CONFIGS for file in files)

    def training_part(self, version: str) -> str:
        """Return the digest of the training part that a version learned from, without erased records; or NotFound."""
        split = self._version(version).lineage.split
        if not split:
            raise NotFound(
                f"{version} does not say which split it was trained on, so drift cannot be measured against it.",
                reason="LINEAGE_WITHOUT_SPLIT",
            )
        opened = self._ingestion.GetSplit(ingestion_service_pb2.GetSplitRequest(name=split))
        return str(opened.redaction.train_digest or opened.train_digest)

    def check_version(self, version: str) -> None:
        """NotFound when there is no such version."""
        self._version(version)

    def _ancestor_splits(self, parent: str) -> tuple[str, ...]:
        """The splits of the versions before, youngest first, as many as a gate looks back on."""
        splits: list[str] = []
        for _ in range(MAX_OLD_DOMAINS):
            if not parent:
                break
            lineage = self._source(self._version(parent)).lineage
            splits.append(lineage.split)
            parent = lineage.parent_version
        return tuple(split for split in splits if split)

    def _version(self, name: str) -> model_version_pb2.ModelVersion:
        return self._registry.GetModelVersion(pb.GetModelVersionRequest(name=name))


def _serving_dtypes(project: Project) -> tuple[Dtype, ...]:
    """Return the number formats of engines beside float32, which is always recorded."""
    served = project.compute.serving.dtype
    return () if served is Dtype.FLOAT32 else (served,)


def _lineage(run: PipelineRun) -> model_version_pb2.Lineage:
    products = run.products
    return model_version_pb2.Lineage(
        dataset_version=products.dataset_version,
        split=products.split,
        label_set=products.label_set,
        training_run=products.training_run,
        evaluation_run=products.evaluation_run,
        pipeline_run=run.name,
        parent_version=run.production.version if run.production else "",
    )
