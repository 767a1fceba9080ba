"""Wrong answers and texts in the artifact store's parquet blobs."""

from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ratoon.chassis.artifacts import ArtifactStore
from ratoon_evaluation.application.ports import WrongAnswer


class ParquetAnswers:
    """Reads what the worker and ingestion wrote."""

    def __init__(self, artifacts: ArtifactStore) -> None:
        self._artifacts = artifacts

    def wrong(self, digest: str) -> Sequence[WrongAnswer]:
        """The rows of a wrong-answers blob."""
        table = self._table(digest, ["record_id", "label", "predicted"])
        return [WrongAnswer(**row) for row in table.to_pylist()]

    def texts(self, part: str, record_ids: Sequence[str]) -> Mapping[str, str]:
        """The texts of these records in a part."""
        table = self._table(part, ["record_id", "text"])
        found = table.filter(pc.is_in(table.column("record_id"), pa.array(record_ids, pa.string())))
        return {row["record_id"]: row["text"] for row in found.to_pylist()}

    def _table(self, digest: str, columns: list[str]) -> Any:
        return pq.read_table(BytesIO(self._artifacts.read(digest)), columns=columns)
