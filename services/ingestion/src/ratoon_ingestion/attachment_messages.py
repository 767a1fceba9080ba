"""Attachments of records to `ratoon.ingestion.v1.Attachment`, by the headers of their files."""

from collections.abc import Iterator, Mapping

from ratoon.ingestion.v1.source_pb2 import Attachment
from ratoon.process.errors import RatoonError
from ratoon.storage.artifacts import ArtifactStore
from ratoon_ingestion.domain.attachments import digests_in
from ratoon_ingestion.media import Media, media_in

_MAX_SHOWN = 20


def attached(store: ArtifactStore, digest: str) -> Media | None:
    """Return what a stored file is by its header; None if the store lacks it, or it is something else."""
    try:
        size = store.size(digest)
        with store.open(digest) as stream:
            return media_in(stream, size)
    except RatoonError:
        return None


def attachment_messages(store: ArtifactStore, attributes: Mapping[str, str]) -> Iterator[Attachment]:
    """Yield the stored attachments of a record as callers see them, the first twenty."""
    for digest in digests_in(attributes)[:_MAX_SHOWN]:
        if (media := attached(store, digest)) is not None:
            yield Attachment(
                digest=digest,
                mime_type=media.mime_type,
                size_bytes=media.size_bytes,
                width=media.width,
                height=media.height,
                duration_seconds=media.duration_s,
            )
