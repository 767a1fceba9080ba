"""Which reader reads which format."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
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
from ratoon_ingestion.worker.readers.label_studio import read_label_studio
from ratoon_ingestion.worker.readers.mbox import read_mbox
from ratoon_ingestion.worker.readers.media import read_media
from ratoon_ingestion.worker.readers.rows import prepared, raw_row
from ratoon_ingestion.worker.readers.stored_items import is_stored, read_stored
from ratoon_ingestion.worker.readers.tables import (
    read_arrow,
    read_csv,
    read_excel,
    read_jsonl,
    read_parquet,
    row_item,
)
from ratoon_ingestion.worker.readers.texts import read_text
from ratoon_ingestion.worker.readers.warc import read_warc
from ratoon_ingestion.worker.readers.wikipedia import read_wikipedia
from ratoon_ingestion.worker.readers.withdrawn import without_withdrawn

Reader = Callable[[SourceSpec, ArtifactStore, Limits], Iterator[Item | Rejection]]


def read_source(
    source: SourceSpec,
    store: ArtifactStore,
    limits: Limits = Limits(),  # noqa: B008 (frozen)
    counts: Counter[str] | None = None,
) -> Iterator[Item | Rejection]:
    """Every item of a source, in its order; SourceUnreadable when it holds none or breaks off.

    What joins, groups and sorts of its rows count is added to `counts`.
    """
    empty = True
    for entry in without_withdrawn(
        source, store, _entries(source, store, limits, Counter() if counts is None else counts)
    ):
        empty = False
        yield entry
    if empty:
        raise SourceUnreadable("SOURCE_EMPTY", f"{source.name} holds no items. Check what was uploaded.")


def _entries(
    source: SourceSpec, store: ArtifactStore, limits: Limits, counts: Counter[str]
) -> Iterator[Item | Rejection]:
    if source.rows is None:
        yield from _READERS[source.format](source, store, limits)
        return
    with store.open(source.digest) as stream:
        if is_stored(stream):
            yield from read_stored(source, stream)
            return
    other = source.rows.other
    others = iter(()) if other is None else _raw_rows(other, store, limits)
    yield from prepared(source, _raw_rows(source, store, limits), others, row_item, limits, counts)


def _raw_rows(source: SourceSpec, store: ArtifactStore, limits: Limits) -> Iterator[Item | Rejection]:
    """Yield whole rows of a table."""
    if source.format not in _TABLES:
        raise SourceUnreadable(
            "NOT_A_TABLE", f"{source.name} is no table: rows are joined, grouped and sorted of tables only."
        )
    yield from _TABLES[source.format](replace(source, whole_rows=True), store, limits, raw_row)


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


_TABLES = {
    Format.JSONL: read_jsonl,
    Format.CSV: read_csv,
    Format.PARQUET: read_parquet,
    Format.EXCEL: read_excel,
    Format.ARROW: read_arrow,
}
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
    Format.MEDIA_ARCHIVE: _or_stored(read_media),
    Format.LABEL_STUDIO: _or_stored(read_label_studio),
}
