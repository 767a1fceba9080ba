"""Dead letters: messages that gave no record, with their bytes, so that they can be read and replayed."""

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from ratoon.events.ports import Delivery, Partition, Record
from ratoon.storage.artifacts import ArtifactStore
from ratoon_ingestion.worker.connections.common import JSON, Reading

_MAX_BYTES = 256 << 20
"""Size of the dead letters of one reading; of those beyond it only the reason is retained."""


class DeadLetters:
    """Dead letters of a reading, in a file of JSON Lines."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "dead-letters.jsonl"
        self._sink: TextIO | None = None
        self._size = self.count = 0

    def add(self, delivery: Delivery, reason: str, detail: str) -> None:
        """Keep a message with the reason for which it gave no record."""
        if self._sink is None:
            self._sink = self._path.open("w", encoding="ascii")
        value = delivery.record.value
        self._size += len(value)
        retained = value if self._size <= _MAX_BYTES else b""
        row = {
            "partition": delivery.partition.number,
            "offset": delivery.offset,
            "time": delivery.time.isoformat(),
            "reason": reason,
            "detail": detail,
            "key": base64.b64encode(delivery.record.key).decode(),
            "value": base64.b64encode(retained).decode(),
            "size_bytes": len(value),
        }
        self._sink.write(json.dumps(row) + "\n")
        self.count += 1

    def end(self, reading: Reading, store: ArtifactStore) -> None:
        """Store them."""
        if self._sink is None:
            return
        self._sink.close()
        reading.dead_letters, reading.dead_letter_count = store.put_file(self._path), self.count

    def close(self) -> None:
        """Remove the file."""
        if self._sink is not None:
            self._sink.close()
        self._path.unlink(missing_ok=True)


def read_dead_letters(
    store: ArtifactStore, digests: list[str], topic: str
) -> Iterator[tuple[Delivery, str, str]]:
    """Yield dead letters as messages, with reason and detail; those whose bytes were too large have no value."""
    for digest in digests:
        for line in store.read(digest).splitlines():
            row: JSON = json.loads(line)
            record = Record(topic, base64.b64decode(row["key"]), base64.b64decode(row["value"]))
            time = datetime.fromisoformat(row["time"]).astimezone(UTC)
            delivery = Delivery(Partition(topic, row["partition"]), row["offset"], time, record)
            yield delivery, row["reason"], row["detail"]
