"""Test and training parts as columns, read from the artifact store. It does not know who sealed them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from ratoon.storage.artifacts import ArtifactStore
from ratoon.tasks.kind import Record
from ratoon.tasks.records import BadRecord, record_of

ATTRIBUTES = pa.map_(pa.string(), pa.string())


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
    examples: tuple[str, ...] = ()
    """JSON of each record that is more than one message with one answer; empty: it is not."""
    clusters: tuple[str, ...] = ()
    """Cluster of near-duplicates of each record; empty: unknown."""
    group_attribute: str = ""
    """Attribute whose values group records, for example by user or by document; empty: none does."""
    openings: tuple[str, ...] = ()
    """Beginning of the answer to each record, which the model continues; empty: it writes whole answers."""

    def __len__(self) -> int:
        return len(self.record_ids)

    @cached_property
    def records(self) -> tuple[Record, ...]:
        """Return the records; raises UnusablePart if an example cannot be read."""
        rows = zip(self.texts, self.labels, self.examples or ("",) * len(self), strict=True)
        try:
            return tuple(record_of(text, label or None, example or None) for text, label, example in rows)
        except BadRecord as error:
            raise UnusablePart(f"Part {self.digest} holds an example that cannot be read: {error}") from error

    @cached_property
    def units(self) -> npt.NDArray[np.int64]:
        """Return the number of the resampling unit of each record: near-duplicates and records of a group are one."""
        clusters = self.clusters or ("",) * len(self)
        groups = [attributes.get(self.group_attribute, "") for attributes in self.attributes]
        return _joined(clusters, groups)


def read_part(store: ArtifactStore, digest: str, group_attribute: str = "") -> Part:
    """Read a part; raises UnusablePart when it is empty or unreadable."""
    try:
        table = pq.read_table(BytesIO(store.read(digest)))
        part = _part(digest, table, group_attribute)
    except (pa.ArrowInvalid, KeyError) as error:
        raise UnusablePart(f"Part {digest} is not a table of a split: {error}.") from error
    if not len(part):
        raise UnusablePart(
            f"Part {digest} of the split has no record: the labelled records are too few for its share. "
            f"Add labelled records (6 or more of at least two labels at shares of 0.1), or raise the share."
        )
    return part


def write_table(
    store: ArtifactStore, columns: dict[str, pa.Array], metadata: dict[bytes, bytes] | None = None
) -> str:
    """Store columns as a parquet blob; the same columns and metadata give the same digest."""
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns).replace_schema_metadata(metadata), sink, compression="zstd")
    return store.put_bytes(sink.getvalue().to_pybytes())


def _joined(*keys: Sequence[str]) -> npt.NDArray[np.int64]:
    """Number the rows so that rows with a key in common, directly or by other rows, have the same number."""
    parents = list(range(len(keys[0])))

    def root(row: int) -> int:
        while parents[row] != row:
            parents[row] = row = parents[parents[row]]
        return row

    for column in keys:
        first: dict[str, int] = {}
        for row, key in enumerate(column):
            if key:
                parents[root(row)] = root(first.setdefault(key, row))
    roots = [root(row) for row in range(len(parents))]
    return np.unique(roots, return_inverse=True)[1].astype(np.int64)


def _part(digest: str, table: pa.Table, group_attribute: str) -> Part:
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
        examples=column("example") if "example" in names else (),
        clusters=column("cluster") if "cluster" in names else (),
        group_attribute=group_attribute,
    )


def _attributes(table: pa.Table) -> tuple[dict[str, str], ...]:
    return tuple(dict(row or ()) for row in table.column("attributes").to_pylist())
