"""Messages of a Kafka topic, each a JSON object, in UTF-8 unless the connection names another encoding.

The position is the next offset of each partition; no consumer group is joined, and nothing is committed to Kafka.
Offsets that are missing, because messages were deleted by retention or compaction before they were read, are reported.
A message that is no JSON object or too large becomes a dead letter with its bytes, so that it neither stops the reading
nor is lost.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ratoon.events.kafka import KafkaLog, KafkaSettings
from ratoon.events.ports import Delivery, EventLog, Partition
from ratoon.jobs.v1 import ingestion_jobs_pb2 as pb
from ratoon.storage.artifacts import ArtifactStore
from ratoon_ingestion.worker.charset import named_codec
from ratoon_ingestion.worker.connections.common import JSON, Reading, ReadingFailed, cursor_of
from ratoon_ingestion.worker.connections.dead_letters import DeadLetters, read_dead_letters
from ratoon_ingestion.worker.connections.live_items import LiveItems
from ratoon_ingestion.worker.curate import Progress
from ratoon_ingestion.worker.readers.json_values import BadJson, parsed
from ratoon_ingestion.worker.readers.withdrawn import marked

_URL = re.compile(r"kafka://([^/]+)/([A-Za-z0-9._-]{1,249})")
_OPTIONS = re.compile(r"security_protocol|(ssl|sasl)_[a-z_]+")
_KEY_CHARS = 24


def read_topic(
    spec: pb.ReadingSpec, credentials: JSON, store: ArtifactStore, folder: Path, report: Progress
) -> pb.ReadingResult:
    """Read at most `max_items` messages and `max_bytes` that follow the position, or the dead letters."""
    match = _URL.fullmatch(spec.url)
    if match is None:
        raise ReadingFailed("BAD_ADDRESS", f"{spec.url} is no address of a topic: kafka://host:port/topic.")
    if spec.dead_letters:
        return replay(match[2], spec, store, folder)
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
    cursor = cursor_of(store, spec.cursor)
    offsets = {int(number): offset for number, offset in cursor.get("offsets", {}).items()}
    with _messages(spec, store, folder, cursor) as messages:
        bounds = log.bounds(topic)
        share = max(1, spec.max_items // len(bounds))
        for partition, present in bounds.items():
            part = _Part(partition, present, offsets.get(partition.number), share, messages)
            offsets[partition.number] = part.read(log)
            report(0.5, "Reading", done=messages.reading.taken, unit="messages")
        position = {"offsets": {str(number): offset for number, offset in offsets.items()}}
        shown = ", ".join(f"{number}: {offset}" for number, offset in sorted(offsets.items())[:20])
        return messages.result(position, f"offsets {shown}")


def replay(topic: str, spec: pb.ReadingSpec, store: ArtifactStore, folder: Path) -> pb.ReadingResult:
    """Read dead letters again. The position stays; what gives no record now is a dead letter again."""
    cursor = cursor_of(store, spec.cursor)
    with _messages(spec, store, folder, cursor) as messages:
        for delivery, reason, detail in read_dead_letters(store, list(spec.dead_letters), topic):
            messages.reading.listed += 1
            messages.replay(delivery, reason, detail)
        offsets = {name: value for name, value in cursor.items() if name == "offsets"}
        numbers = sorted((int(number), offset) for number, offset in offsets.get("offsets", {}).items())
        shown = ", ".join(f"{number}: {offset}" for number, offset in numbers[:20])
        return messages.result(offsets, f"offsets {shown}")


@contextmanager
def _messages(
    spec: pb.ReadingSpec, store: ArtifactStore, folder: Path, cursor: JSON
) -> "Iterator[_Messages]":
    """Open the file of a reading's messages, which does not outlive it."""
    path, dead = folder / "messages.jsonl", DeadLetters(folder)
    try:
        with path.open("w", encoding="utf-8") as sink:
            reading = Reading()
            live = LiveItems(spec, store, cursor, reading)
            yield _Messages(spec, store, reading, live, dead, path, sink.write, sink.flush)
    finally:
        dead.close()
        path.unlink(missing_ok=True)


class _Messages:
    """Messages of a reading: the records they give, dead letters, and keys that they delete."""

    def __init__(
        self,
        spec: pb.ReadingSpec,
        store: ArtifactStore,
        reading: Reading,
        live: LiveItems,
        dead: DeadLetters,
        path: Path,
        write: Callable[[str], object],
        flush: Callable[[], object],
    ) -> None:
        self.spec, self.reading = spec, reading
        self._store, self._live, self._dead, self._path = store, live, dead, path
        self._write, self._flush = write, flush
        self._codec = _codec(spec.source.encoding)

    def take(self, delivery: Delivery) -> int:
        """Write the record of a message. Returns 0 if it gives none."""
        where = f"Partition {delivery.partition.number}, offset {delivery.offset:,}"
        if delivery.is_tombstone:
            self._tombstone(delivery, where)
            return 0
        size = len(delivery.record.value)
        if size > self.spec.max_bytes:
            detail = f"{where} has {size:,} bytes, more than max_bytes."
            self._set_aside(delivery, "TOO_LARGE", detail)
            return 0
        if (line := _line(delivery.record.value, self._codec)) is None:
            self._set_aside(delivery, "NOT_JSON", f"{where} is no JSON object ({size:,} bytes).")
            return 0
        mark = f"{delivery.partition.number}.{delivery.offset}"
        self._write((marked(line, mark) if self._live.is_on else line) + "\n")
        if delivery.record.key:
            self._live.put(_key(delivery), 0, mark)
        self.reading.taken += 1
        self.reading.size_bytes += size
        return 1

    def replay(self, delivery: Delivery, reason: str, detail: str) -> None:
        """Take a dead letter. One whose bytes were not kept stays as it is; one that its key replaced is left out."""
        newest = self._live.item(_key(delivery)).rpartition(".")[2] if delivery.record.key else ""
        if newest and int(newest) > delivery.offset:
            where = f"Partition {delivery.partition.number}, offset {delivery.offset:,}"
            self.reading.skip("REPLACED", f"{where} has the key of a later message.")
        elif delivery.record.value:
            self.take(delivery)
        else:
            self._set_aside(delivery, reason, detail)

    def result(self, cursor: JSON, position: str) -> pb.ReadingResult:
        """Store what was read; return the result."""
        self._flush()
        if self.reading.taken:
            digest = self._store.put_file(self._path)
            self.reading.blobs.append(pb.ReadingResult.Blob(digest=digest, records=self.reading.taken))
        self._dead.end(self.reading, self._store)
        return self.reading.result(self._store, {**cursor, **self._live.stored()}, position)

    def _tombstone(self, delivery: Delivery, where: str) -> None:
        self.reading.vanished += 1
        if self._live.remove(_key(delivery)):
            sentence = f"{where} deletes a key; its record is withdrawn."
        elif self._live.is_on:
            sentence = f"{where} deletes a key of which no record is known."
        else:
            sentence = f"{where} deletes a key; records that were read before stay."
        self.reading.skip("TOMBSTONE", sentence)

    def _set_aside(self, delivery: Delivery, reason: str, detail: str) -> None:
        self._dead.add(delivery, reason, detail)
        self.reading.skip(reason, detail)


class _Part:
    """A partition from a position on, up to its share of the reading."""

    def __init__(
        self, partition: Partition, present: range, position: int | None, share: int, messages: _Messages
    ) -> None:
        self._partition, self._present, self._position = partition, present, position
        self._share, self._messages, self._reading = share, messages, messages.reading

    def read(self, log: EventLog) -> int:
        """Write the messages; return the next position."""
        position = self._start()
        taken = 0
        for delivery in self._deliveries(log, position):
            if missing := delivery.offset - position:
                self._reading.note(
                    f"Partition {self._partition.number}: {missing:,} offsets from {position:,} on are not there "
                    "(retention, compaction, or marks of transactions)."
                )
            if taken == self._share or self._reading.size_bytes > self._messages.spec.max_bytes:
                self._reading.more = True
                return delivery.offset
            position = delivery.offset + 1
            self._reading.listed += 1
            taken += self._messages.take(delivery)
        return max(position, self._present.stop)

    def _deliveries(self, log: EventLog, position: int) -> Iterable[Delivery]:
        if position >= self._present.stop:
            return ()
        return log.read(self._partition, range(max(position, self._present.start), self._present.stop))

    def _start(self) -> int:
        """Return the first offset to read. A topic that ends before the position is another one: it is read anew."""
        if self._position is None:
            return self._present.start
        if self._position > self._present.stop:
            self._reading.note(
                f"Partition {self._partition.number} ends at offset {self._present.stop:,}, before the position "
                f"{self._position:,}: the topic was created again, and is read from its beginning."
            )
            return self._present.start
        return self._position


def _codec(encoding: str) -> str:
    codec = named_codec(encoding) if encoding else "utf-8"
    return "utf-8-sig" if codec == "utf-8" else codec


def _key(delivery: Delivery) -> str:
    """Return the name of a message's key, which is one of its partition."""
    digest = hashlib.sha256(delivery.record.key).hexdigest()[:_KEY_CHARS]
    return f"{delivery.partition.number}:{digest}"


def _line(value: bytes, codec: str) -> str | None:
    """Return a JSON object in one line, or None if it is none; line breaks outside of texts mean nothing."""
    try:
        text = value.decode(codec)
        if not isinstance(parsed(text), dict):
            return None
    except (UnicodeDecodeError, BadJson):
        return None
    return text.replace("\r", " ").replace("\n", " ")
