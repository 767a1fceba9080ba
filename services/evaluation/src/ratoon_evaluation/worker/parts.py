"""Test and training parts as columns, read from the artifact store. It does not know who sealed them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

import pyarrow as pa
import pyarrow.parquet as pq

from ratoon.storage.artifacts import ArtifactStore


class UnusablePart(ValueError):
    """The part cannot be scored."""

    reason = "UNUSABLE_PART"


@dataclass(frozen=True)
class Part:
    """The columns of a split's part, one entry a record."""

    digest: str
    record_ids: tuple[str, ...]
    content_digests: tuple[str, ...]
    texts: tuple[str, ...]
    labels: tuple[str, ...]
    languages: tuple[str, ...]
    attributes: tuple[dict[str, str], ...]

    def __len__(self) -> int:
        return len(self.record_ids)


def read_part(store: ArtifactStore, digest: str, labels: Sequence[str]) -> Part:
    """Read a part.

    Raises UnusablePart when it is empty, unreadable or holds an unknown label.
    """
    try:
        table = pq.read_table(BytesIO(store.read(digest)))
        part = _part(digest, table)
    except (pa.ArrowInvalid, KeyError) as error:
        raise UnusablePart(f"Part {digest} is not a table of a split: {error}.") from error
    if not len(part):
        raise UnusablePart(
            f"Part {digest} of the split has no record: the labelled records are too few for its share. "
            f"Add labelled records (6 or more of at least two labels at shares of 0.1), or raise the share."
        )
    if strange := set(part.labels) - set(labels):
        raise UnusablePart(
            f"Part {digest} contains labels that are not evaluated: {sorted(strange)}. Add them to the "
            "labels of the run."
        )
    return part


def write_table(store: ArtifactStore, columns: dict[str, pa.Array]) -> str:
    """Store columns as a parquet blob; the same columns give the same digest."""
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink, compression="zstd")
    return store.put_bytes(sink.getvalue().to_pybytes())


def _part(digest: str, table: pa.Table) -> Part:
    def column(name: str) -> tuple[str, ...]:
        return tuple(value or "" for value in table.column(name).to_pylist())

    names = set(table.column_names)
    return Part(
        digest=digest,
        record_ids=column("record_id"),
        content_digests=column("content_digest"),
        texts=column("text"),
        labels=column("label"),
        languages=column("language") if "language" in names else ("",) * table.num_rows,
        attributes=_attributes(table) if "attributes" in names else ({},) * table.num_rows,
    )


def _attributes(table: pa.Table) -> tuple[dict[str, str], ...]:
    return tuple(dict(row or ()) for row in table.column("attributes").to_pylist())
