"""Messages of a topic: each once, gaps and what is no JSON are said, a topic that was created again is read again."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ratoon.events.embedded import EmbeddedLog
from ratoon.events.ports import Delivery, Partition, Record, Topic, UnknownTopic
from ratoon.jobs.v1 import ingestion_jobs_pb2 as pb
from ratoon.process.clock import SystemClock
from ratoon.storage.artifacts import ArtifactStore
from ratoon_ingestion.worker.connections.common import ReadingFailed
from ratoon_ingestion.worker.connections.reading import read_connection
from ratoon_ingestion.worker.connections.topics import read_log

TOPIC = "mails"


@dataclass
class FakeTopic:
    """A topic with one partition, as compaction or a new creation leaves it."""

    values: dict[int, bytes | None]
    start: int = 0
    end: int = 0

    def bounds(self, topic: str) -> Mapping[Partition, range]:
        return {Partition(topic, 0): range(self.start, self.end or max(self.values, default=-1) + 1)}

    def read(self, partition: Partition, offsets: range) -> Iterator[Delivery]:
        for offset, value in self.values.items():
            if offset in offsets:
                record = Record(partition.topic, b"k", value or b"")
                yield Delivery(partition, offset, datetime.now(UTC), record, value is None)


@dataclass
class Reader:
    """Reads a log, with its position and all that it has read."""

    log: Any
    folder: Path
    cursor: str = ""
    texts: list[str] = field(default_factory=list)

    def read(self, keep: bool = True, **settings: int) -> pb.ReadingResult:
        store = ArtifactStore(f"{self.folder}/artifacts")
        spec = pb.ReadingSpec(cursor=self.cursor, **{"max_items": 100, "max_bytes": 1 << 20, **settings})
        result = read_log(self.log, TOPIC, spec, store, self.folder, lambda *_, **__: None)
        if keep:
            self.cursor = result.cursor
            for blob in result.blobs:
                self.texts += [
                    json.loads(line)["text"] for line in store.read(blob.digest).decode().splitlines()
                ]
        return result


def message(text: str) -> bytes:
    return json.dumps({"text": text}, indent=2).encode()


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EmbeddedLog]:
    log = EmbeddedLog(tmp_path, SystemClock())
    log.create_topics([Topic(TOPIC, 3)])
    yield log
    log.close()


def append(log: EmbeddedLog, *texts: str) -> None:
    log.append([Record(TOPIC, text.encode(), message(text)) for text in texts])


@pytest.mark.parametrize("size", [1, 2, 7, 100])
def test_each_message_is_read_once_whatever_crashes(log, tmp_path, size):
    texts = [f"text {number}" for number in range(20)]
    append(log, *texts)
    reader = Reader(log, tmp_path)
    more = True
    while more:
        reader.read(keep=False, max_items=size)
        more = reader.read(max_items=size).more
    assert sorted(reader.texts) == sorted(texts)
    append(log, "later")
    reader.read()
    assert sorted(reader.texts) == sorted([*texts, "later"])
    assert reader.read().taken == 0


def test_no_other_topic_is_read(log, tmp_path):
    log.create_topics([Topic("others", 1)])
    log.append([Record("others", b"k", message("other"))])
    reader = Reader(log, tmp_path)
    assert reader.read().taken == 0
    with pytest.raises(UnknownTopic):
        log.bounds("none")


def test_d09_what_is_no_json_object_is_set_aside_with_its_offset(tmp_path):
    values = {
        0: message("a"),
        1: b"no json",
        2: b"",
        3: None,
        4: b"[1]",
        5: b"\xff",
        6: b"\xef\xbb\xbf" + message("b"),
    }
    reader = Reader(FakeTopic(values), tmp_path)
    result = reader.read()
    assert reader.texts == ["a", "b"]
    assert dict(result.skipped) == {"NOT_JSON": 4, "TOMBSTONE": 1}
    assert result.listed == result.taken + sum(result.skipped.values()) == 7
    assert result.notes[0] == "Partition 0, offset 1 is no JSON object (7 bytes)."
    assert reader.read().listed == 0


def test_d08_gaps_of_compaction_and_markers_do_not_stop_the_reading(tmp_path):
    topic = FakeTopic({0: message("a"), 1: message("b"), 3: message("c"), 7: message("d")}, end=9)
    reader = Reader(topic, tmp_path)
    result = reader.read(max_items=3)
    assert result.more and reader.texts == ["a", "b", "c"]
    assert "1 offsets from 2 on" in result.notes[0]
    assert not reader.read().more and reader.texts[-1] == "d"
    assert reader.read().listed == 0


def test_messages_that_retention_deleted_are_said(tmp_path):
    reader = Reader(FakeTopic({0: message("a")}), tmp_path)
    reader.read()
    reader.log = FakeTopic({8: message("b")}, start=8)
    assert "7 offsets from 1 on are not there" in reader.read().notes[0]
    assert reader.texts == ["a", "b"]


def test_a_topic_that_was_created_again_is_read_from_its_beginning(tmp_path):
    reader = Reader(FakeTopic({number: message(str(number)) for number in range(9)}), tmp_path)
    reader.read()
    reader.log = FakeTopic({0: message("new")})
    assert "created again" in reader.read().notes[0]
    assert reader.texts[-1] == "new"
    assert reader.read().taken == 0


def test_bounds_in_bytes(tmp_path):
    reader = Reader(FakeTopic({0: message("a"), 1: message("x" * 500), 2: message("b")}), tmp_path)
    result = reader.read(max_bytes=100)
    assert dict(result.skipped) == {"TOO_LARGE": 1} and reader.texts == ["a", "b"]


def test_an_address_without_a_topic_or_a_broker(tmp_path):
    store = ArtifactStore(f"{tmp_path}/artifacts")
    spec = pb.ReadingSpec(kind="KAFKA", url="kafka://127.0.0.1:1", max_items=1, max_bytes=1)
    with pytest.raises(ReadingFailed, match="kafka://host:port/topic"):
        read_connection(spec, store, tmp_path, lambda *_, **__: None)
    spec.url = "kafka://127.0.0.1:1/mails"
    with pytest.raises(ReadingFailed) as away:
        read_connection(spec, store, tmp_path, lambda *_, **__: None)
    assert away.value.reason == "EVENT_LOG_UNAVAILABLE"
