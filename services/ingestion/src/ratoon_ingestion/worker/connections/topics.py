"""Messages of a Kafka topic, each a JSON object in UTF-8.

The position is the next offset of each partition; no consumer group is joined, and nothing is committed to Kafka.
Offsets that are missing, because messages were deleted by retention or compaction before they were read, are reported.
What is no JSON object is set aside with its offset, so that it neither stops the reading nor is lost in silence.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from ratoon.events.kafka import KafkaLog, KafkaSettings
from ratoon.events.ports import Delivery, EventLog, Partition
from ratoon.jobs.v1 import ingestion_jobs_pb2 as pb
from ratoon.storage.artifacts import ArtifactStore
from ratoon_ingestion.worker.connections.common import JSON, Reading, ReadingFailed, cursor_of
from ratoon_ingestion.worker.curate import Progress
from ratoon_ingestion.worker.readers.json_values import BadJson, parsed

_URL = re.compile(r"kafka://([^/]+)/([A-Za-z0-9._-]{1,249})")
_OPTIONS = re.compile(r"security_protocol|(ssl|sasl)_[a-z_]+")
_REPORT_EVERY = 1000


def read_topic(
    spec: pb.ReadingSpec, credentials: JSON, store: ArtifactStore, folder: Path, report: Progress
) -> pb.ReadingResult:
    """Read at most `max_items` messages and `max_bytes` that follow the position."""
    match = _URL.fullmatch(spec.url)
    if match is None:
        raise ReadingFailed("BAD_ADDRESS", f"{spec.url} is no address of a topic: kafka://host:port/topic.")
    security = {name: value for name, value in credentials.items() if _OPTIONS.fullmatch(name)}
    log = KafkaLog(KafkaSettings(match[1], security=security))
    try:
        return read_log(log, match[2], spec, store, folder, report)
    finally:
        log.close()


def read_log(
    log: EventLog, topic: str, spec: pb.ReadingSpec, store: ArtifactStore, folder: Path, report: Progress
) -> pb.ReadingResult:
    """Read messages of any event log into one blob of JSON Lines."""
    reading, path = Reading(), folder / "messages.jsonl"
    offsets = {
        int(number): offset for number, offset in cursor_of(store, spec.cursor).get("offsets", {}).items()
    }
    try:
        with path.open("w", encoding="utf-8") as sink:
            bounds = log.bounds(topic)
            share = max(1, spec.max_items // len(bounds))
            for partition, present in bounds.items():
                part = _Part(partition, present, offsets.get(partition.number), share, spec.max_bytes)
                offsets[partition.number] = part.read(log, reading, sink.write)
                report(0.5, "Reading", done=reading.taken, unit="messages")
        if reading.taken:
            digest = store.put_file(path)
            reading.blobs.append(pb.ReadingResult.Blob(digest=digest, records=reading.taken))
    finally:
        path.unlink(missing_ok=True)
    cursor = {"offsets": {str(number): offset for number, offset in offsets.items()}}
    shown = ", ".join(f"{number}: {offset}" for number, offset in sorted(offsets.items())[:20])
    return reading.result(store, cursor, f"offsets {shown}")


class _Part:
    """A partition from a position on, up to its share of the reading."""

    def __init__(
        self, partition: Partition, present: range, position: int | None, share: int, max_bytes: int
    ) -> None:
        self._partition, self._present, self._position = partition, present, position
        self._share, self._max_bytes = share, max_bytes

    def read(self, log: EventLog, reading: Reading, write: Callable[[str], object]) -> int:
        """Write the messages; return the next position."""
        position = self._start(reading)
        taken = 0
        for delivery in self._deliveries(log, position):
            if missing := delivery.offset - position:
                reading.note(
                    f"Partition {self._partition.number}: {missing:,} offsets from {position:,} on are not there "
                    "(retention, compaction, or marks of transactions)."
                )
            if taken == self._share or reading.size_bytes > self._max_bytes:
                reading.more = True
                return delivery.offset
            position = delivery.offset + 1
            reading.listed += 1
            taken += self._take(delivery, reading, write)
        return max(position, self._present.stop)

    def _deliveries(self, log: EventLog, position: int) -> Iterator[Delivery]:
        if position >= self._present.stop:
            return iter(())
        return log.read(self._partition, range(max(position, self._present.start), self._present.stop))

    def _start(self, reading: Reading) -> int:
        """Return the first offset to read. A topic that ends before the position is another one: it is read anew."""
        if self._position is None:
            return self._present.start
        if self._position > self._present.stop:
            reading.note(
                f"Partition {self._partition.number} ends at offset {self._present.stop:,}, before the position "
                f"{self._position:,}: the topic was created again, and is read from its beginning."
            )
            return self._present.start
        return self._position

    def _take(self, delivery: Delivery, reading: Reading, write: Callable[[str], object]) -> int:
        where = f"Partition {self._partition.number}, offset {delivery.offset:,}"
        if delivery.is_tombstone:
            reading.skip("TOMBSTONE", f"{where} deletes a key; records that were read before stay.")
            return 0
        value = delivery.record.value
        if len(value) > self._max_bytes:
            reading.skip("TOO_LARGE", f"{where} has {len(value):,} bytes, more than max_bytes.")
            return 0
        if (line := _line(value)) is None:
            reading.skip("NOT_JSON", f"{where} is no JSON object ({len(value):,} bytes).")
            return 0
        write(line)
        reading.taken += 1
        reading.size_bytes += len(value)
        return 1


def _line(value: bytes) -> str | None:
    """Return a JSON object in one line, or None if it is none; line breaks outside of texts mean nothing."""
    try:
        text = value.decode("utf-8-sig")
        if not isinstance(parsed(text), dict):
            return None
    except (UnicodeDecodeError, BadJson):
        return None
    return text.replace("\r", " ").replace("\n", " ") + "\n"
