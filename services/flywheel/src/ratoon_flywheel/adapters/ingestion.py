"""Ingestion: sources of exported traffic, dataset versions, splits."""

import grpc

from ratoon.chassis.names import parent_of
from ratoon.ingestion.v1 import dataset_pb2, source_pb2, split_pb2
from ratoon.ingestion.v1 import ingestion_service_pb2 as pb
from ratoon.ingestion.v1.ingestion_service_pb2_grpc import IngestionServiceStub
from ratoon_flywheel.adapters.children import call_off, child, ensure
from ratoon_flywheel.domain.pipelines.actions import BuildDataset, MakeSplit, Order
from ratoon_flywheel.domain.pipelines.runs import Products
from ratoon_flywheel.domain.pipelines.steps import Child
from ratoon_flywheel.domain.projects import Project

_LICENSE = "Captured traffic with users' feedback; for this project alone."


class TrafficSources:
    """Makes sources of exported traffic."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._ingestion = IngestionServiceStub(channel)

    def create(self, project: Project, digest: str, request_id: str) -> str:
        """A source of JSON lines in the artifact store; its name."""
        source = source_pb2.Source(
            display_name="Corrected traffic",
            format=source_pb2.Source.FORMAT_JSONL,
            digest=digest,
            license=_LICENSE,
            columns=source_pb2.Source.Columns(text="text", label="label", id="id", time="time"),
        )
        request = pb.CreateSourceRequest(parent=project.name, source=source, request_id=request_id)
        return str(self._ingestion.CreateSource(request).name)


class DatasetRoom:
    """The stage `dataset`."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._ingestion = IngestionServiceStub(channel)

    def create(self, order: Order, request_id: str) -> str:
        """Curate sources into a new version of the project's dataset."""
        assert isinstance(order, BuildDataset)
        project = order.project
        dataset = dataset_pb2.Dataset(display_name=project.display_name or project.id)
        asked = pb.CreateDatasetRequest(parent=project.name, dataset_id=project.id, dataset=dataset)
        ensure(lambda: self._ingestion.CreateDataset(asked))
        request = pb.CreateDatasetVersionRequest(
            parent=project.dataset,
            dataset_version=dataset_pb2.DatasetVersion(sources=order.sources),
            request_id=request_id,
        )
        return str(self._ingestion.CreateDatasetVersion(request).name)

    def observe(self, resource: str) -> Child:
        """How far the curation is."""
        seen = self._ingestion.GetDatasetVersion(pb.GetDatasetVersionRequest(name=resource))
        message = f"{seen.record_count} records, {seen.rejected_count} of {seen.item_count} items rejected"
        state = dataset_pb2.DatasetVersion.State.Name(seen.state)
        return child(state, Products(dataset_version=seen.name), seen.progress, seen.failure, message)

    def cancel(self, resource: str) -> None:
        """Call the curation off."""
        call_off(lambda: self._ingestion.CancelDatasetVersion(pb.CancelDatasetVersionRequest(name=resource)))


class SplitRoom:
    """The stage `split`."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._ingestion = IngestionServiceStub(channel)

    def create(self, order: Order, request_id: str) -> str:
        """Split a dataset version."""
        assert isinstance(order, MakeSplit)
        train, validation, test = order.ratios
        mode = split_pb2.Split.MODE_TIME if order.by_time else split_pb2.Split.MODE_STRATIFIED
        split = split_pb2.Split(
            dataset_version=order.dataset_version,
            label_set_digest=order.label_set_digest,
            mode=mode,
            ratios=split_pb2.Split.Ratios(train=train, validation=validation, test=test),
            seed=order.seed,
        )
        if order.replay_split:
            split.replay.split, split.replay.count = order.replay_split, order.replay_count
        parent = parent_of(order.dataset_version)
        request = pb.CreateSplitRequest(parent=parent, split=split, request_id=request_id)
        return str(self._ingestion.CreateSplit(request).name)

    def observe(self, resource: str) -> Child:
        """How far the split is."""
        seen = self._ingestion.GetSplit(pb.GetSplitRequest(name=resource))
        made = Products(
            split=seen.name, train_digest=seen.train_digest, validation_digest=seen.validation_digest
        )
        parts = ", ".join(
            f"{part.record_count} {split_pb2.Part.Name(part.part)[5:].lower()}" for part in seen.parts
        )
        return child(split_pb2.Split.State.Name(seen.state), made, seen.progress, seen.failure, parts)

    def cancel(self, resource: str) -> None:
        """Call the split off."""
        call_off(lambda: self._ingestion.CancelSplit(pb.CancelSplitRequest(name=resource)))
