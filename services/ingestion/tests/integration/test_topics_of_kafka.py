"""Topics of a real Kafka: gaps that compaction leaves, transactions, tombstones, and messages that give no record."""

import json
import time
from pathlib import Path

import pytest
from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import NewTopic

from ratoon.events.kafka import KafkaLog, KafkaSettings
from ratoon.events.ports import UnknownTopic
from ratoon.jobs.v1 import ingestion_jobs_pb2 as pb
from ratoon.storage.artifacts import ArtifactStore
from ratoon.testkit.kafka import Broker, kafka_broker
from ratoon_ingestion.worker.connections.reading import read_connection

__all__ = ["kafka_broker"]
pytestmark = pytest.mark.kafka
COMPACTED = {
    "cleanup.policy": "compact",
    "segment.ms": "100",
    "min.cleanable.dirty.ratio": "0.0",
    "delete.retention.ms": "100",
    "max.compaction.lag.ms": "200",
}


def read(
    broker: Broker, topic: str, folder: Path, spec: pb.ReadingSpec
) -> tuple[pb.ReadingResult, list[str]]:
    """Read once, from the position in the spec, which is moved."""
    store = ArtifactStore(f"{folder}/artifacts")
    spec.kind, spec.url = "KAFKA", f"kafka://{broker.direct}/{topic}"
    result = read_connection(spec, store, folder, lambda *_, **__: None)
    spec.cursor = result.cursor
    lines = [line for blob in result.blobs for line in store.read(blob.digest).decode().splitlines()]
    return result, [json.loads(line)["text"] for line in lines]


def message(text: str) -> bytes:
    return json.dumps({"text": text}).encode()


def test_a_topic_that_is_compacted_meanwhile(kafka_broker, tmp_path):
    admin = KafkaAdminClient(bootstrap_servers=kafka_broker.direct)
    admin.create_topics([NewTopic("compacted", 1, 1, topic_configs=COMPACTED)])
    producer = KafkaProducer(bootstrap_servers=kafka_broker.direct, acks="all")

    def send(key: str, value: bytes | None) -> None:
        producer.send("compacted", value, key.encode()).get(30)

    send("k0", message("first"))
    spec = pb.ReadingSpec(max_items=1000, max_bytes=1 << 20, vanished="withdraw", reading="r1")
    result, texts = read(kafka_broker, "compacted", tmp_path, spec)
    assert texts == ["first"]
    for number in range(20):
        send("k1", message(f"version {number}"))
    send("k2", b"no json")
    send("k0", None)
    log = KafkaLog(KafkaSettings(kafka_broker.direct))
    (partition,), (present,) = zip(*log.bounds("compacted").items(), strict=True)
    until = time.monotonic() + 60
    while len(list(log.read(partition, present))) > 10 and time.monotonic() < until:
        time.sleep(1)
        send("roll", message("a new segment lets the cleaner take the one before"))
        present = log.bounds("compacted")[partition]
    spec.reading = "r2"
    result, texts = read(kafka_broker, "compacted", tmp_path, spec)
    assert "version 19" in texts and "version 0" not in texts
    assert any("are not there (retention, compaction" in note for note in result.notes)
    assert result.skipped["NOT_JSON"] == result.dead_letter_count == 1
    assert result.skipped["TOMBSTONE"] <= 1  # the cleaner may have taken it
    assert result.listed == result.taken + sum(result.skipped.values())
    again, _ = read(kafka_broker, "compacted", tmp_path, spec)
    assert again.listed == 0 and not again.more
    with pytest.raises(UnknownTopic):
        log.bounds("none")
    log.close()
    producer.close()
    admin.close()


def test_open_and_aborted_transactions_are_not_read(kafka_broker, tmp_path):
    admin = KafkaAdminClient(bootstrap_servers=kafka_broker.direct)
    admin.create_topics([NewTopic("transactions", 1, 1)])
    producer = KafkaProducer(bootstrap_servers=kafka_broker.direct, transactional_id="t1", acks="all")
    producer.init_transactions()
    for text, commits in (("kept", True), ("aborted", False), ("kept too", True)):
        producer.begin_transaction()
        producer.send("transactions", message(text), b"k").get(30)
        producer.commit_transaction() if commits else producer.abort_transaction()
    spec = pb.ReadingSpec(max_items=1000, max_bytes=1 << 20)
    _, texts = read(kafka_broker, "transactions", tmp_path, spec)
    assert texts == ["kept", "kept too"]
    producer.begin_transaction()
    producer.send("transactions", message("open"), b"k").get(30)
    _, texts = read(kafka_broker, "transactions", tmp_path, spec)
    assert texts == []
    producer.commit_transaction()
    result, texts = read(kafka_broker, "transactions", tmp_path, spec)
    assert texts == ["open"] and not result.more
    producer.close()
    admin.close()
