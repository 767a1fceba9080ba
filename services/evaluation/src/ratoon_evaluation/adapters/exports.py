"""Exports of wrong answers: JSON Lines that a source of ingestion reads, written a few records at a time."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow.parquet as pq

from ratoon.storage.artifacts import ArtifactStore
from ratoon.tasks.records import record_of, to_json
from ratoon_evaluation.application.ports import Export, WrongPart

_BATCH_ROWS = 200
_PREDICTED_CHARS = 1000
"""Characters of a wrong answer: it is an attribute of its record."""
_OWN = ["record_id", "text", "label", "references", "predicted"]
_COLUMNS = ("record_id", "text", "label", "example")


class JsonLinesExports:
    """Writes exports to the artifact store."""

    def __init__(self, artifacts: ArtifactStore) -> None:
        self._artifacts = artifacts

    def write(self, project: str, parts: Sequence[WrongPart], limit: int, *, free_text: bool) -> Export:
        """Store at most `limit` records, part by part, which belong to the project; lost ones are left out.

        Answers in free text may have several lines: they are written as examples, since a label is one line;
        several labels are a list.
        """
        count = 0
        with TemporaryDirectory(prefix="ratoon-export-") as folder:
            path = Path(folder) / "bad-cases.jsonl"
            with path.open("w", encoding="utf-8") as lines:
                for part in parts:
                    for row in self._rows(part, limit - count, free_text):
                        lines.write(json.dumps(row, ensure_ascii=False) + "\n")
                        count += 1
            digest = self._artifacts.put_file(path)
        self._artifacts.grant(project, digest)
        return Export(digest, count)

    def _rows(self, part: WrongPart, limit: int, free_text: bool) -> Iterator[dict[str, Any]]:
        """Yield the records of the first `limit` wrong answers, in the order of the part."""
        if not part.part:
            yield from self._own_rows(part, limit, free_text)
            return
        if not self._artifacts.exists(part.part):
            return
        predicted = self._predicted(part.wrong, limit)
        with self._artifacts.open(part.part) as stream:
            file = pq.ParquetFile(stream)
            columns = [name for name in _COLUMNS if name in file.schema_arrow.names]
            for batch in file.iter_batches(_BATCH_ROWS, columns=columns, use_threads=False):
                for row in batch.to_pylist():
                    if row["record_id"] in predicted and row["text"]:
                        yield _line(row, part.domain, predicted[row["record_id"]], free_text)

    def _own_rows(self, part: WrongPart, limit: int, free_text: bool) -> Iterator[dict[str, Any]]:
        """Yield the records of the first `limit` wrong answers that hold their texts."""
        left = limit
        with self._artifacts.open(part.wrong) as stream:
            batches = pq.ParquetFile(stream).iter_batches(_BATCH_ROWS, columns=_OWN, use_threads=False)
            for batch in batches:
                for row in batch.to_pylist()[:left]:
                    left -= 1
                    if row["text"]:
                        answer = row["label"] or next(iter(row["references"] or ()), "")
                        yield _line({**row, "label": answer}, part.domain, row["predicted"] or "", free_text)
                if not left:
                    return

    def _predicted(self, digest: str, limit: int) -> dict[str, str]:
        """Return the first wrong answers by record id."""
        predicted: dict[str, str] = {}
        with self._artifacts.open(digest) as stream:
            file = pq.ParquetFile(stream)
            columns = ["record_id", "predicted"]
            for batch in file.iter_batches(_BATCH_ROWS, columns=columns, use_threads=False):
                for row in batch.to_pylist()[: limit - len(predicted)]:
                    predicted[row["record_id"]] = row["predicted"] or ""
                if len(predicted) >= limit:
                    break
        return predicted


def _line(row: Mapping[str, Any], domain: str, predicted: str, free_text: bool) -> dict[str, Any]:
    label, example = row.get("label"), row.get("example")
    several = (label or "").split("\n")
    known = {
        "id": row["record_id"],
        "text": row["text"],
        "label": several if len(several) > 1 and not free_text else label or "",
        "domain": domain,
        "predicted": predicted[:_PREDICTED_CHARS],
    }
    if not (example or free_text):
        return known
    return known | {"example": json.loads(to_json(record_of(row["text"], label or None, example)))}
