"""Which reader reads which format."""

from collections.abc import Iterator

from ratoon.storage.artifacts import ArtifactStore
from ratoon_ingestion.domain.sources import Format
from ratoon_ingestion.worker.readers.archive import read_archive
from ratoon_ingestion.worker.readers.items import (
    Item,
    Kind,
    Limits,
    Rejection,
    SourceSpec,
    SourceUnreadable,
)
from ratoon_ingestion.worker.readers.mbox import read_mbox
from ratoon_ingestion.worker.readers.tables import read_csv, read_jsonl, read_parquet
from ratoon_ingestion.worker.readers.texts import read_text


def read_source(
    source: SourceSpec,
    store: ArtifactStore,
    limits: Limits = Limits(),  # noqa: B008 (frozen)
) -> Iterator[Item | Rejection]:
    """Every item of a source, in its order; SourceUnreadable when it holds none or breaks off."""
    empty = True
    for entry in _reader(source, store, limits):
        empty = False
        yield entry
    if empty:
        raise SourceUnreadable("SOURCE_EMPTY", f"{source.name} holds no items. Check what was uploaded.")


def _reader(source: SourceSpec, store: ArtifactStore, limits: Limits) -> Iterator[Item | Rejection]:
    match source.format:
        case Format.MAIL_ARCHIVE:
            return read_archive(source, store, Kind.MAIL, limits)
        case Format.TEXT_ARCHIVE:
            return read_archive(source, store, Kind.TEXT, limits)
        case Format.MBOX:
            return read_mbox(source, store, limits)
        case Format.JSONL:
            return read_jsonl(source, store, limits)
        case Format.CSV:
            return read_csv(source, store, limits)
        case Format.PARQUET:
            return read_parquet(source, store, limits)
        case Format.TEXT:
            return read_text(source, store, limits)
