"""Rows of batches that no test part seals."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from ratoon.storage.artifacts import ArtifactStore
from ratoon_ingestion.domain.mixtures import COPY_OF
from ratoon_ingestion.sealed_parts import SealedParts

IDENTITIES = ("record_id", "content_digest", "attributes")
"""Columns by which a sealed record is recognised."""


class Unsealed:
    """Leaves out the records of test parts, their copies, and records with the text of one."""

    def __init__(self, store: ArtifactStore, parts: Sequence[str]) -> None:
        self._sealed, self._parts = SealedParts(store), list(parts)

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return the rows that are not sealed; the batch needs the columns of IDENTITIES."""
        if not self._parts or not batch.num_rows:
            return batch
        ids, digests = (batch.column(name).to_pylist() for name in IDENTITIES[:2])
        copies = _copied(batch.column("attributes"))
        sealed = self._sealed.holds(self._parts, zip(ids, digests, copies, strict=True))
        return batch.filter(pc.invert(pa.array(sealed, pa.bool_()))) if any(sealed) else batch


def _copied(attributes: pa.MapArray) -> list[str]:
    """Return the id of the record that each row copies; empty: none."""
    if not pc.any(pc.equal(attributes.keys, COPY_OF)).as_py():
        return [""] * len(attributes)
    return [dict(row or ()).get(COPY_OF, "") for row in attributes.to_pylist()]
