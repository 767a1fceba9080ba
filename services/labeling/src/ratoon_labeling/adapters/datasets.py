"""Dataset versions over ingestion's gRPC API."""

import grpc

from ratoon.ingestion.v1.dataset_pb2 import DatasetVersion
from ratoon.ingestion.v1.ingestion_service_pb2 import GetDatasetVersionRequest
from ratoon.ingestion.v1.ingestion_service_pb2_grpc import IngestionServiceStub
from ratoon_labeling.domain.errors import DatasetNotReady, DatasetRedacted


class IngestionDatasets:
    """Reads dataset versions from ingestion."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._ingestion = IngestionServiceStub(channel)

    def artifact_of(self, dataset_version: str) -> str:
        """The digest of a version's tree; DatasetNotReady before it is READY."""
        version = self._ingestion.GetDatasetVersion(GetDatasetVersionRequest(name=dataset_version))
        if version.state == DatasetVersion.STATE_REDACTED:
            raise DatasetRedacted(
                f"{version.erased_count} records of {dataset_version} were erased by {version.erasure}. "
                "Create a new version of its sources, which no longer contain them, and label that "
                "version.",
                "label_set.dataset_version",
            )
        if version.state != DatasetVersion.STATE_READY:
            state = DatasetVersion.State.Name(version.state).removeprefix("STATE_")
            raise DatasetNotReady(
                f"{dataset_version} is {state}; wait until it is READY, then create the label set.",
                "label_set.dataset_version",
            )
        return version.artifact_digest
