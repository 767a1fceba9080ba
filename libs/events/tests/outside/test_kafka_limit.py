"""A topic of a real Kafka that takes smaller records than an event has."""

import uuid

import pytest
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource

from ratoon.events.kafka import KafkaLog, KafkaSettings
from ratoon.events.ports import Record, RecordRefused, Topic
from ratoon.testkit.kafka import Broker, kafka_broker

__all__ = ["kafka_broker"]
pytestmark = [pytest.mark.kafka, pytest.mark.thorough, pytest.mark.timeout(300)]


def limit(broker: Broker, topic: str, size: int) -> None:
    admin = KafkaAdminClient(bootstrap_servers=broker.direct)
    admin.alter_configs([ConfigResource("TOPIC", topic, {"max.message.bytes": str(size)})])
    admin.close()


def test_the_refusal_names_topic_size_and_limit_and_ends_with_the_limit(kafka_broker: Broker) -> None:
    log, name = KafkaLog(KafkaSettings(kafka_broker.direct)), f"ratoon.test.v1.things-{uuid.uuid4().hex[:8]}"
    log.create_topics([Topic(name, partitions=1)])
    limit(kafka_broker, name, 4096)
    large, small = (Record(name, b"key", b"x" * size) for size in (8000, 100))
    with pytest.raises(
        RecordRefused, match=f"no record of 8,003 bytes for {name}: max.message.bytes .* 4,096"
    ):
        log.append([large])
    with pytest.raises(RecordRefused):
        log.append([small, large])
    log.append([small])
    limit(kafka_broker, name, 1_048_588)
    log.append([large])
    assert [len(each.record.value) for each in log.scan(name)].count(8000) == 1
    log.close()
