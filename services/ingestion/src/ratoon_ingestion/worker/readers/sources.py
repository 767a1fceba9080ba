"""Which reader reads which format."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial

from ratoon.storage.artifacts import ArtifactStore
from ratoon_ingestion.domain.sources import Format
from ratoon_ingestion.worker.readers.archive import read_archive
from ratoon_ingestion.worker.readers.document_file import read_document_file
from ratoon_ingestion.worker.readers.items import (
    Item,
    Kind,
    Limits,
    Rejection,
    SourceSpec,
    SourceUnreadable,
)
from ratoon_ingestion.worker.readers.mbox import read_mbox
from ratoon_ingestion.worker.readers.stored_items import is_stored, read_stored
from ratoon_ingestion.worker.readers.tables import read_arrow, read_csv, read_excel, read_jsonl, read_parquet
from ratoon_ingestion.worker.readers.texts import read_text
from ratoon_ingestion.worker.readers.warc import read_warc
from ratoon_ingestion.worker.readers.wikipedia import read_wikipedia

Reader = Callable[[SourceSpec, ArtifactStore, Limits], Iterator[Item | Rejection]]


def read_source(
    source: SourceSpec,
    store: ArtifactStore,
    limits: Limits = Limits(),  # noqa: B008 (frozen)
) -> Iterator[Item | Rejection]:
    """Every item of a source, in its order; SourceUnreadable when it holds none or breaks off."""
    empty = True
    for entry in _READERS[source.format](source, store, limits):
        empty = False
        yield entry
    if empty:
        raise SourceUnreadable("SOURCE_EMPTY", f"{source.name} holds no items. Check what was uploaded.")


def _or_stored(reader: Reader) -> Reader:
    """Return the reader of a format of which an erasure leaves the items alone."""

    def read(source: SourceSpec, store: ArtifactStore, limits: Limits) -> Iterator[Item | Rejection]:
        with store.open(source.digest) as stream:
            if is_stored(stream):
                yield from read_stored(source, stream)
                return
        yield from reader(source, store, limits)

    return read


def _read_archive(
    kind: Kind, source: SourceSpec, store: ArtifactStore, limits: Limits
) -> Iterator[Item | Rejection]:
    return read_archive(source, store, kind, limits)


_READERS: Mapping[Format, Reader] = {
    Format.MAIL_ARCHIVE: partial(_read_archive, Kind.MAIL),
    Format.TEXT_ARCHIVE: _or_stored(partial(_read_archive, Kind.TEXT)),
    Format.MBOX: read_mbox,
    Format.JSONL: read_jsonl,
    Format.CSV: read_csv,
    Format.PARQUET: read_parquet,
    Format.TEXT: read_text,
    Format.DOCUMENT: _or_stored(read_document_file),
    Format.EXCEL: _or_stored(read_excel),
    Format.ARROW: _or_stored(read_arrow),
    Format.WARC: _or_stored(read_warc),
    Format.WIKIPEDIA: _or_stored(read_wikipedia),
}
