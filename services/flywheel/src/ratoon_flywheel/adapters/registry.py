"""The registry: versions to be, the version in production, and what versions came from."""

import grpc

from ratoon.chassis.errors import NotFound
from ratoon.ingestion.v1 import ingestion_service_pb2
from ratoon.ingestion.v1.ingestion_service_pb2_grpc import IngestionServiceStub
from ratoon.registry.v1 import model_pb2, model_version_pb2
from ratoon.registry.v1 import registry_service_pb2 as pb
from ratoon.registry.v1.registry_service_pb2_grpc import RegistryServiceStub
from ratoon_flywheel.adapters.children import call_off, child, ensure
from ratoon_flywheel.domain.pipelines.actions import MOST_OLD_DOMAINS, Order, Register
from ratoon_flywheel.domain.pipelines.runs import PipelineRun, Production, Products
from ratoon_flywheel.domain.pipelines.steps import Child
from ratoon_flywheel.domain.projects import Project


class VersionRoom:
    """The stage `registration`."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._registry = RegistryServiceStub(channel)

    def create(self, order: Order, request_id: str) -> str:
        """Make the candidate the next version of the project's model."""
        assert isinstance(order, Register)
        project, made = order.run.project, order.run.products
        model = model_pb2.Model(display_name=project.display_name or project.id)
        asked = pb.CreateModelRequest(parent=project.name, model_id=project.id, model=model)
        ensure(lambda: self._registry.CreateModel(asked))
        version = model_version_pb2.ModelVersion(
            artifact_digest=made.candidate_digest,
            lineage=_lineage(order.run),
            changelog=order.changelog,
            golden_source_digest=made.validation_digest,
            scores=made.scores,
        )
        request = pb.CreateModelVersionRequest(
            parent=project.model, model_version=version, request_id=request_id
        )
        return str(self._registry.CreateModelVersion(request).name)

    def observe(self, resource: str) -> Child:
        """How far the verification is."""
        seen = self._registry.GetModelVersion(pb.GetModelVersionRequest(name=resource))
        made = Products(model_version=seen.name)
        state = model_version_pb2.ModelVersion.State.Name(seen.state)
        return child(state, made, seen.progress, seen.failure, seen.name.rpartition("/")[2])

    def cancel(self, resource: str) -> None:
        """Call the verification off."""
        call_off(lambda: self._registry.CancelModelVersion(pb.CancelModelVersionRequest(name=resource)))


class RegistryLineage:
    """What versions came from, asked anew each time."""

    def __init__(self, registry: grpc.Channel, ingestion: grpc.Channel) -> None:
        self._registry, self._ingestion = RegistryServiceStub(registry), IngestionServiceStub(ingestion)

    def production(self, project: Project) -> Production | None:
        """The version that the alias `production` names; None before the first one."""
        try:
            alias = self._registry.GetAlias(pb.GetAliasRequest(name=f"{project.model}/aliases/production"))
        except NotFound:
            return None
        version = self._version(alias.version)
        splits = self._ancestor_splits(version.lineage.parent_version)
        return Production(version.name, version.artifact_digest, version.lineage.split, splits)

    def training_part(self, version: str) -> str:
        """The digest of what is there of the training part that a version learned from; NotFound when nobody knows."""
        split = self._version(version).lineage.split
        if not split:
            raise NotFound(
                f"{version} does not say which split it was trained on, so drift cannot be measured against it.",
                reason="LINEAGE_WITHOUT_SPLIT",
            )
        found = self._ingestion.GetSplit(ingestion_service_pb2.GetSplitRequest(name=split))
        return str(found.redaction.train_digest or found.train_digest)

    def check_version(self, version: str) -> None:
        """NotFound when there is no such version."""
        self._version(version)

    def _ancestor_splits(self, parent: str) -> tuple[str, ...]:
        """The splits of the versions before, youngest first, as many as a gate looks back on."""
        splits: list[str] = []
        for _ in range(MOST_OLD_DOMAINS):
            if not parent:
                break
            lineage = self._version(parent).lineage
            splits.append(lineage.split)
            parent = lineage.parent_version
        return tuple(split for split in splits if split)

    def _version(self, name: str) -> model_version_pb2.ModelVersion:
        return self._registry.GetModelVersion(pb.GetModelVersionRequest(name=name))


def _lineage(run: PipelineRun) -> model_version_pb2.Lineage:
    made = run.products
    return model_version_pb2.Lineage(
        dataset_version=made.dataset_version,
        split=made.split,
        label_set=made.label_set,
        training_run=made.training_run,
        evaluation_run=made.evaluation_run,
        pipeline_run=run.name,
        parent_version=run.production.version if run.production else "",
    )
