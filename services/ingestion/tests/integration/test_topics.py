"""Messages of a topic: each once, gaps and what is no JSON are said, a topic that was created again is read again."""

import base64
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
from ratoon_ingestion.domain.curation import Rejected
from ratoon_ingestion.domain.sources import Format
from ratoon_ingestion.worker.connections.common import ReadingFailed
from ratoon_ingestion.worker.connections.reading import read_connection
from ratoon_ingestion.worker.connections.topics import read_log, replay
from ratoon_ingestion.worker.readers import Item, SourceSpec, read_source
from ratoon_ingestion.worker.readers.withdrawn import marked

TOPIC = "mails"


@dataclass
class FakeTopic:
    """A topic with one partition, as compaction or a new creation leaves it."""

    values: dict[int, bytes | None]
    start: int = 0
    end: int = 0
    keys: dict[int, bytes] = field(default_factory=dict)

    def bounds(self, topic: str) -> Mapping[Partition, range]:
        return {Partition(topic, 0): range(self.start, self.end or max(self.values, default=-1) + 1)}

    def read(self, partition: Partition, offsets: range) -> Iterator[Delivery]:
        for offset, value in self.values.items():
            if offset in offsets:
                record = Record(partition.topic, self.keys.get(offset, b"k"), value or b"")
                yield Delivery(partition, offset, datetime.now(UTC), record, value is None)


@dataclass
class Reader:
    """Reads a log, with its position and all that it has read."""

    log: Any
    folder: Path
    vanished: str = ""
    cursor: str = ""
    number: int = 0
    withdrawn: dict[str, str] = field(default_factory=dict)
    blobs: dict[str, str] = field(default_factory=dict)
    texts: list[str] = field(default_factory=list)

    def read(self, keep: bool = True, **settings: Any) -> pb.ReadingResult:
        store = ArtifactStore(f"{self.folder}/artifacts")
        self.number += 1
        spec = pb.ReadingSpec(
            cursor=self.cursor,
            vanished=self.vanished,
            reading=f"r{self.number}",
            **{"max_items": 100, "max_bytes": 1 << 20, **settings},
        )
        result = (
            replay(TOPIC, spec, store, self.folder)
            if spec.dead_letters
            else read_log(self.log, TOPIC, spec, store, self.folder, lambda *_, **__: None)
        )
        self.blobs |= {f"r{self.number}-{place}": blob.digest for place, blob in enumerate(result.blobs)}
        self.withdrawn |= {each.blob: each.digest for each in result.withdrawn}
        if keep:
            self.cursor = result.cursor
            for blob in result.blobs:
                self.texts += [
                    json.loads(line)["text"] for line in store.read(blob.digest).decode().splitlines()
                ]
        return result

    def live(self) -> list[str]:
        """Return the texts that a curation of all sources reads."""
        store, texts = ArtifactStore(f"{self.folder}/artifacts"), list[str]()
        for blob, digest in self.blobs.items():
            source = SourceSpec("s", digest, Format.JSONL, withdrawn=self.withdrawn.get(blob, ""))
            entries = list(read_source(source, store))
            assert all(isinstance(each, Item) or each.reason == Rejected.WITHDRAWN for each in entries)
            texts += [each.payload.decode() for each in entries if isinstance(each, Item)]
        return sorted(texts)


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


def test_d08_a_deleted_key_withdraws_its_record_and_no_other(tmp_path):
    keys = {0: b"k1", 1: b"k2", 2: b"k1", 3: b"k3"}
    topic = FakeTopic({0: message("a"), 1: message("a"), 2: None, 3: b""}, keys=keys)
    reader = Reader(topic, tmp_path, vanished="withdraw")
    result = reader.read()
    assert (result.vanished, dict(result.skipped)) == (1, {"TOMBSTONE": 1, "NOT_JSON": 1})
    assert reader.live() == ["a"]  # that of k2, whose text is the same
    topic.values |= {4: message("a, corrected"), 5: message("b"), 6: None, 7: None}
    topic.keys |= {4: b"k2", 5: b"k4", 6: b"k4", 7: b"unknown"}
    result = reader.read()
    assert reader.live() == ["a, corrected"] and result.vanished == 2
    assert sum(each.added for each in result.withdrawn) == 2
    assert reader.read().vanished == 0 and reader.live() == ["a, corrected"]


def test_d08_by_default_records_of_a_deleted_key_stay_and_are_counted(tmp_path):
    reader = Reader(FakeTopic({0: message("a"), 1: None}), tmp_path)
    result = reader.read()
    assert (result.vanished, len(result.withdrawn), reader.live()) == (1, 0, ["a"])
    assert "ratoon.item" not in ArtifactStore(f"{tmp_path}/artifacts").read(result.blobs[0].digest).decode()


def test_d09_dead_letters_keep_their_bytes_and_are_replayed(tmp_path):
    values = {0: message("a"), 1: '{"text": "中文"}'.encode("gb18030"), 2: b"{", 3: message("x" * 300)}
    reader = Reader(FakeTopic(values), tmp_path)
    first = reader.read(max_bytes=100)
    assert first.dead_letter_count == 3 and reader.texts == ["a"]
    store = ArtifactStore(f"{tmp_path}/artifacts")
    letters = [json.loads(line) for line in store.read(first.dead_letters).splitlines()]
    assert [(each["offset"], each["reason"]) for each in letters] == [
        (1, "NOT_JSON"), (2, "NOT_JSON"), (3, "TOO_LARGE"),
    ]  # fmt: skip
    assert base64.b64decode(letters[0]["value"]) == values[1]
    source = pb.SourceSpec(encoding="gb18030")
    second = reader.read(dead_letters=[first.dead_letters], source=source)
    assert reader.texts == ["a", "中文", "x" * 300]
    assert (second.listed, second.taken, second.dead_letter_count) == (3, 2, 1)
    assert reader.read().listed == 0  # the position is where it was


def test_a_replayed_message_does_not_replace_a_later_one_of_its_key(tmp_path):
    values = {0: '{"text": "旧"}'.encode("gb18030"), 1: message("new"), 2: '{"text": "别"}'.encode("gb18030")}
    topic = FakeTopic(values, keys={0: b"k1", 1: b"k1", 2: b"k2"})
    reader = Reader(topic, tmp_path, vanished="withdraw")
    letters = reader.read().dead_letters
    result = reader.read(dead_letters=[letters], source=pb.SourceSpec(encoding="gb18030"))
    assert dict(result.skipped) == {"REPLACED": 1} and not result.withdrawn
    assert reader.live() == ["new", "别"]


@pytest.mark.parametrize(
    "line", ['{"text": "a"}', '{ "text": "}" , "x": {} }  ', "{}", '{"a": 1e999, "b": [1]}']
)
def test_a_mark_changes_nothing_else(line):
    read = json.loads(marked(line, "0.7"))
    assert read.pop("ratoon.item") == "0.7" and read == json.loads(line)


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
