"""Dataset versions over ingestion's gRPC API."""

from collections.abc import Sequence

import grpc

from ratoon.ingestion.v1.dataset_pb2 import DatasetVersion
from ratoon.ingestion.v1.ingestion_service_pb2 import (
    CheckSealedRecordsRequest,
    GetDatasetVersionRequest,
    GetRecordRequest,
)
from ratoon.ingestion.v1.ingestion_service_pb2_grpc import IngestionServiceStub
from ratoon_labeling.application.ports import Reading
from ratoon_labeling.domain.errors import DatasetNotReady, DatasetRedacted

_MAX_CHECKED = 1_000
"""Records of a request."""


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

    def check(self, project: str, records: Sequence[tuple[str, str]], reading: Reading | None) -> list[bool]:
        """Return for the id and content digest of each record if it is sealed; log the reading, if there is one."""
        identity = CheckSealedRecordsRequest.RecordIdentity
        sealed = list[bool]()
        for start in range(0, len(records), _MAX_CHECKED):
            some = records[start : start + _MAX_CHECKED]
            request = CheckSealedRecordsRequest(
                parent=project,
                records=[identity(record_id=name, content_digest=digest) for name, digest in some],
            )
            if reading is not None:
                request.reader, request.purpose = reading.reader, reading.purpose
                request.principal = reading.principal
            sealed.extend(self._ingestion.CheckSealedRecords(request).sealed)
        return sealed

    def text_of(self, dataset_version: str, record_id: str) -> str:
        """Return the text of a record; NotFound if the version does not have it, or it was erased.

        The reading of a record of a test part is logged at the split.
        """
        request = GetRecordRequest(
            parent=dataset_version,
            record_id=record_id,
            reader=dataset_version,
            purpose="An answer is checked",
        )
        return str(self._ingestion.GetRecord(request).text)
