"""Files of other annotation tools in the artifact store, and the texts of the records that they are about."""

from collections.abc import Iterable, Iterator

import grpc

from ratoon.ingestion.v1.example_pb2 import Example
from ratoon.ingestion.v1.ingestion_service_pb2 import ListRecordsRequest
from ratoon.ingestion.v1.ingestion_service_pb2_grpc import IngestionServiceStub
from ratoon.process.errors import InvalidArgument
from ratoon.storage.artifacts import ArtifactStore
from ratoon.tasks.kind import Turn
from ratoon_labeling.domain.exchange import RecordText

MAX_BYTES = 64 << 20
"""Size of a file that is read at once."""
_PAGE = 1_000


class IngestionRecords:
    """Reads the records of dataset versions from ingestion, as far as it shows them."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._ingestion = IngestionServiceStub(channel)

    def of(self, dataset_version: str) -> Iterator[RecordText]:
        """Yield the records of a version."""
        token = ""
        while True:
            request = ListRecordsRequest(parent=dataset_version, page_size=_PAGE, page_token=token)
            page = self._ingestion.ListRecords(request)
            for each in page.records:
                yield RecordText(each.record_id, each.content_digest, each.text, _turns(each.example))
            token = page.next_page_token
            if not token:
                return


def _turns(example: Example) -> tuple[Turn, ...]:
    return tuple(
        Turn(
            each.role,
            each.content,
            tool_calls=each.tool_calls,
            tool_call_id=each.tool_call_id,
            name=each.name,
            reasoning=each.reasoning,
        )
        for each in example.messages
    )


class ArtifactFiles:
    """Files in the artifact store."""

    def __init__(self, artifacts: ArtifactStore) -> None:
        self._artifacts = artifacts

    def read(self, project: str, digest: str) -> bytes:
        """Return a file that belongs to a project; InvalidArgument if there is none, or it is too large."""
        if not self._artifacts.owned(project, digest) or not self._artifacts.exists(digest):
            raise InvalidArgument(
                f"projects/{project} has no artifact {digest}: upload the file first.",
                reason="ARTIFACT_MISSING",
                field="digest",
            )
        if (size := self._artifacts.size(digest)) > MAX_BYTES:
            raise InvalidArgument(
                f"The file has {size:,} bytes; it can have {MAX_BYTES:,}. Split it into several files.",
                reason="FILE_TOO_LARGE",
                field="digest",
            )
        return self._artifacts.read(digest)

    def write(self, project: str, pieces: Iterable[bytes]) -> tuple[str, int]:
        """Store a file that belongs to a project; its digest and its size in bytes."""
        data = b"".join(pieces)
        digest = self._artifacts.put_bytes(data)
        self._artifacts.grant(project, digest)
        return digest, len(data)
