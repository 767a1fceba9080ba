"""Ingestion: sources of exported traffic, dataset versions, splits."""

import json
from collections.abc import Mapping

import grpc

from ratoon.ingestion.v1 import dataset_pb2, source_pb2, split_pb2
from ratoon.ingestion.v1 import ingestion_service_pb2 as pb
from ratoon.ingestion.v1.ingestion_service_pb2_grpc import IngestionServiceStub
from ratoon.storage.names import parent_of
from ratoon.tasks.kinds import kind_of
from ratoon_flywheel.adapters.children import child, ensure, ensure_cancelled
from ratoon_flywheel.application.ports import FeedbackData
from ratoon_flywheel.domain.curation import curation_of
from ratoon_flywheel.domain.errors import LicenseNotAllowed
from ratoon_flywheel.domain.pipelines.actions import BuildDataset, MakeSplit
from ratoon_flywheel.domain.pipelines.runs import Products
from ratoon_flywheel.domain.pipelines.steps import Child
from ratoon_flywheel.domain.projects import Project
from ratoon_flywheel.domain.signals.records import ATTRIBUTES

_LICENSE = "Captured traffic with users' feedback; for this project alone."
_TITLES = {
    FeedbackData.ANSWERS: "Corrected traffic",
    FeedbackData.PREFERENCES: "Preferences of users",
    FeedbackData.UNPAIRED_PREFERENCES: "Unpaired preferences",
}
_TEXTS = source_pb2.Source.Columns(text="text", label="label", id="id", time="time")
_CONVERSATIONS = source_pb2.Source.Columns(id="id", time="time", attributes=ATTRIBUTES)


class TrafficSources:
    """Makes sources of exported traffic."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._ingestion = IngestionServiceStub(channel)

    def create(self, project: Project, data: FeedbackData, digest: str, request_id: str) -> str:
        """Create a source of JSON lines in the artifact store; return its name.

        Lines of free text are conversations, which ingestion recognises by their fields.
        """
        free_text = kind_of(project.task).FREE_TEXT
        source = source_pb2.Source(
            display_name=_TITLES[data],
            format=source_pb2.Source.FORMAT_JSONL,
            digest=digest,
            license=_LICENSE,
            columns=_CONVERSATIONS if free_text else _TEXTS,
        )
        request = pb.CreateSourceRequest(parent=project.name, source=source, request_id=request_id)
        return str(self._ingestion.CreateSource(request).name)


class DatasetStage:
    """The stage `dataset`."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._ingestion = IngestionServiceStub(channel)

    def create(self, spec: BuildDataset, request_id: str) -> str:
        """Curate sources into a new version of the project's dataset."""
        project = spec.project
        if project.data_requirements.licenses and spec.window is None:
            self._check_licenses(spec)
        dataset = dataset_pb2.Dataset(display_name=project.display_name or project.id)
        dataset_request = pb.CreateDatasetRequest(parent=project.name, dataset_id=project.id, dataset=dataset)
        ensure(lambda: self._ingestion.CreateDataset(dataset_request))
        request = pb.CreateDatasetVersionRequest(
            parent=project.dataset,
            dataset_version=dataset_pb2.DatasetVersion(
                sources=spec.sources,
                curation=_curation(project),
            ),
            request_id=request_id,
        )
        return str(self._ingestion.CreateDatasetVersion(request).name)

    def _check_licenses(self, spec: BuildDataset) -> None:
        """Raise LicenseNotAllowed if a given source has another license than those that the project allows."""
        allowed = spec.project.data_requirements.licenses
        for name in spec.sources:
            source = self._ingestion.GetSource(pb.GetSourceRequest(name=name))
            if source.license not in allowed:
                raise LicenseNotAllowed(
                    f"{name} has the license {source.license!r}; {spec.project.name} allows {', '.join(allowed)} "
                    "(data_requirements.licenses). Correct the source, or allow the license."
                )

    def observe(self, resource: str) -> Child:
        """How far the curation is."""
        version = self._ingestion.GetDatasetVersion(pb.GetDatasetVersionRequest(name=resource))
        message = (
            f"{version.record_count} records, {version.rejected_count} of {version.item_count} items rejected"
        )
        products = Products(
            dataset_version=version.name,
            record_count=version.record_count,
            field_counts=_field_counts(version),
        )
        state = dataset_pb2.DatasetVersion.State.Name(version.state)
        return child(state, products, version.progress, version.failure, message)

    def cancel(self, resource: str) -> None:
        """Cancel the curation."""
        ensure_cancelled(
            lambda: self._ingestion.CancelDatasetVersion(pb.CancelDatasetVersionRequest(name=resource))
        )


class SplitStage:
    """The stage `split`."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._ingestion = IngestionServiceStub(channel)

    def create(self, spec: MakeSplit, request_id: str) -> str:
        """Split a dataset version."""
        train, validation, test = spec.ratios
        mode = split_pb2.Split.Mode.Value("MODE_TIME" if spec.by_time else f"MODE_{spec.mode}")
        split = split_pb2.Split(
            dataset_version=spec.dataset_version,
            label_set_digest=spec.label_set_digest,
            mode=mode,
            ratios=split_pb2.Split.Ratios(train=train, validation=validation, test=test),
            seed=spec.seed,
            group_attribute=spec.group_attribute,
        )
        if spec.fold_count:
            split.folds.count, split.folds.fold = spec.fold_count, spec.fold
        if spec.replay_split:
            split.replay.split, split.replay.count = spec.replay_split, spec.replay_count
        parent = parent_of(spec.dataset_version)
        request = pb.CreateSplitRequest(parent=parent, split=split, request_id=request_id)
        return str(self._ingestion.CreateSplit(request).name)

    def observe(self, resource: str) -> Child:
        """How far the split is."""
        split = self._ingestion.GetSplit(pb.GetSplitRequest(name=resource))
        counts = {split_pb2.Part.Name(part.part)[5:].lower(): part.record_count for part in split.parts}
        products = Products(
            split=split.name,
            train_digest=split.train_digest,
            validation_digest=split.validation_digest,
            part_counts=counts,
        )
        parts = ", ".join(f"{count} {part}" for part, count in counts.items())
        return child(split_pb2.Split.State.Name(split.state), products, split.progress, split.failure, parts)

    def cancel(self, resource: str) -> None:
        """Cancel the split."""
        ensure_cancelled(lambda: self._ingestion.CancelSplit(pb.CancelSplitRequest(name=resource)))


def _field_counts(version: dataset_pb2.DatasetVersion) -> dict[str, int]:
    """Return how many records of a version have a time, and each attribute, by its profile."""
    profile = json.loads(version.profile_json) if version.profile_json else {}
    counts = {name: _records_with(values) for name, values in profile.get("attributes", {}).items()}
    if "received" in profile:
        counts.setdefault("time", version.record_count - profile["received"]["unknown"])
    return counts


def _records_with(values: Mapping[str, int]) -> int:
    """Return the sum over the values of an attribute; the number of records if there are too many values to list."""
    return values.get("records", values["distinct"]) if "distinct" in values else sum(values.values())


def _curation(project: Project) -> dataset_pb2.Curation:
    """Return the settings of curation; languages that the project requires stand before those of a step."""
    settings = curation_of(project.curation)
    return dataset_pb2.Curation(
        min_chars=settings.min_chars,
        languages=project.data_requirements.languages or settings.languages,
        near_duplicate_threshold=settings.near_duplicate_threshold,
        keep_exact_duplicates=settings.keep_exact_duplicates,
        masks=settings.masks,
        max_replaced_share=settings.max_replaced_share,
        keep_code=settings.keep_code,
        earlier_versions=dataset_pb2.Curation.EarlierVersions.Value(
            f"EARLIER_VERSIONS_{settings.earlier_versions.upper() or 'UNSPECIFIED'}"
        ),
        steps=[dataset_pb2.CurationStep(name=step.name, params=step.params) for step in settings.steps],
    )
