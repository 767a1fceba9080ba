"""The event log on Apache Kafka, through kafka-python: idempotent producer, consumer groups, manual commits.

Blocking is bounded and nothing connects before it is used. It knows topics and records, not what is in them.
"""

import logging
import socket
import threading
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka import errors as kafka_errors
from kafka.admin import ConfigResource
from kafka.structs import OffsetAndMetadata, TopicPartition

from ratoon.events.ports import (
    Delivery,
    EventLogError,
    Fenced,
    LogUnavailable,
    Partition,
    Record,
    RecordRefused,
    Topic,
    UnknownTopic,
    checked,
)

_MIN_PROTOCOL = (3, 0)
_NOT_YET = "Topic %s not found in cluster metadata"
_TOPIC_EXISTS = 36
_METADATA_AGE_MS = 5_000
_FENCED = (
    kafka_errors.CommitFailedError,
    kafka_errors.FencedInstanceIdError,
    kafka_errors.IllegalGenerationError,
    kafka_errors.RebalanceInProgressError,
    kafka_errors.UnknownMemberIdError,
)


@dataclass(frozen=True)
class KafkaSettings:
    """Connection to a Kafka cluster."""

    bootstrap: str
    """`host:port`, several separated by commas."""
    replication: int = -1
    """Copies of each partition; -1 is the cluster's default."""
    timeout_s: float = 10.0
    """Seconds that an append or a commit waits for a broker that is away."""
    session_s: float = 10.0
    """Seconds that a silent consumer keeps its partitions."""
    security: Mapping[str, Any] = field(default_factory=dict)
    """TLS and SASL options of kafka-python: `security_protocol`, `ssl_…`, `sasl_…`."""

    def client(self) -> dict[str, Any]:
        """Return the options of every client; a client with a fixed protocol version need not connect to be created."""
        return {
            "bootstrap_servers": self.bootstrap.split(","),
            "api_version": _MIN_PROTOCOL,
            "request_timeout_ms": self.timeout_ms,
            "bootstrap_timeout_ms": self.timeout_ms,
            "reconnect_backoff_max_ms": 1_000,
            "metadata_max_age_ms": _METADATA_AGE_MS,
            "metrics_enabled": False,
            **self.security,
        }

    @property
    def timeout_ms(self) -> int:
        """The timeout in ms."""
        return int(self.timeout_s * 1000)


def _without_topics_to_come(record: logging.LogRecord) -> bool:
    """Return whether a line of the client is worth an error: consumers start before the topics that services create."""
    return record.msg != _NOT_YET


logging.getLogger("kafka.cluster").addFilter(_without_topics_to_come)


class KafkaLog:
    """An `EventLog` on a Kafka cluster."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._producing = threading.Lock()
        self._producer: Any = None

    def create_topics(self, topics: Collection[Topic]) -> None:
        """Create those that do not exist and wait until they have leaders."""
        with self._admin() as admin:
            known = set(admin.list_topics())
            missing = {topic.name: self._options(topic) for topic in topics if topic.name not in known}
            if not missing:
                return
            response = admin.create_topics(missing, timeout_ms=self._settings.timeout_ms, raise_errors=False)
            for topic in response["topics"]:
                if topic["error_code"] not in (0, _TOPIC_EXISTS):
                    raise kafka_errors.for_code(topic["error_code"])(topic["name"])
            admin.wait_for_topics(list(missing), timeout_ms=self._settings.timeout_ms)

    def append(self, records: Sequence[Record]) -> None:
        """Append, acknowledged by all replicas in sync."""
        batch = [checked(record) for record in records]
        if not batch:
            return
        with self._producing:
            try:
                self._send(batch)
            except RecordRefused:
                self._drop_producer()
                raise RecordRefused(self._too_large(batch)) from None
            except BaseException:
                self._drop_producer()  # after a lost batch its sequence has a hole
                raise

    def subscribe(self, group: str, topics: Collection[str]) -> "KafkaSubscription":
        """Join a group; its partitions are spread over its consumers."""
        return KafkaSubscription(self._settings, group, topics)

    def scan(self, topic: str) -> Iterator[Delivery]:
        """All records that the topic has now."""
        with self._reader() as consumer:
            for partition, offsets in _bounds(consumer, topic).items():
                yield from self._scan(consumer, TopicPartition(*partition), offsets)

    def bounds(self, topic: str) -> dict[Partition, range]:
        """The offsets that each partition has now, up to the first open transaction."""
        with self._reader() as consumer:
            bounds = _bounds(consumer, topic)
        if not bounds:
            raise UnknownTopic(f"Kafka has no topic {topic}.")
        return bounds

    def read(self, partition: Partition, offsets: range) -> Iterator[Delivery]:
        """The committed records of a partition at these offsets."""
        with self._reader() as consumer:
            yield from self._scan(consumer, TopicPartition(*partition), offsets)

    @contextmanager
    def _reader(self) -> Iterator[Any]:
        """Open a consumer outside any group, which reads what is committed."""
        self._reach()
        # Without a protocol it connects when it is made, which is the one connecting that has a timeout.
        options = {**self._settings.client(), "api_version": None, "allow_auto_create_topics": False}
        consumer = KafkaConsumer(**options, enable_auto_commit=False, isolation_level="read_committed")
        with _errors(), _closing(consumer):
            yield consumer

    def close(self) -> None:
        """Close the producer; subscriptions close their own."""
        with self._producing:
            self._drop_producer()

    def _scan(self, consumer: Any, partition: TopicPartition, offsets: range) -> Iterator[Delivery]:
        """Read a partition; the position also passes what is no record, such as the marks of transactions."""
        consumer.assign([partition])
        consumer.seek(partition, offsets.start)
        position = offsets.start
        while position < offsets.stop:
            polled = consumer.poll(timeout_ms=self._settings.timeout_ms)
            before, position = position, self._position(consumer, partition)
            if not polled and position <= before:
                raise LogUnavailable(f"Kafka at {self._settings.bootstrap} does not answer.")
            yield from (_delivery(each) for each in polled.get(partition, ()) if each.offset < offsets.stop)

    def _position(self, consumer: Any, partition: TopicPartition) -> int:
        return consumer.position(partition, timeout_ms=self._settings.timeout_ms) or 0

    def _send(self, records: Sequence[Record]) -> None:
        with _errors():
            if self._producer is None:
                self._producer = KafkaProducer(
                    **self._settings.client(),
                    acks="all",
                    enable_idempotence=True,
                    allow_auto_create_topics=False,
                    max_block_ms=self._settings.timeout_ms // 2,
                    delivery_timeout_ms=self._settings.timeout_ms + 1_000,
                )
            for topic in {record.topic for record in records}:
                self._find(topic)
            sent = [self._producer.send(r.topic, r.value, r.key, list(r.headers)) for r in records]
            for each in sent:
                each.get(timeout=self._settings.timeout_s + 5.0)

    def _too_large(self, batch: Sequence[Record]) -> str:
        """Return why Kafka refused these records: the size of the largest and the limit, where Kafka reports it."""
        largest = max(batch, key=lambda record: len(record.key) + len(record.value))
        size = len(largest.key) + len(largest.value)
        return (
            f"Kafka takes no record of {size:,} bytes for {largest.topic}: max.message.bytes of the topic is "
            f"{self._limit_of(largest.topic)}. Raise it."
        )

    def _limit_of(self, topic: str) -> str:
        with suppress(Exception), self._admin() as admin:  # a sentence is not worth an error of its own
            resources = [ConfigResource("TOPIC", topic)]
            config = admin.describe_configs(resources, config_filter="all")["topic"][topic][
                "max.message.bytes"
            ]
            return f"{int(config['value']):,}"
        return "smaller"

    def _find(self, topic: str) -> None:
        """Wait for the topic's metadata; distinguish a missing topic from a missing broker."""
        try:
            self._producer.partitions_for(topic)
        except kafka_errors.KafkaTimeoutError:
            with self._admin() as admin:
                if topic in admin.list_topics():
                    raise
            raise UnknownTopic(f"Kafka has no topic {topic}; the service that owns it creates it.") from None

    @contextmanager
    def _admin(self) -> Iterator[Any]:
        self._reach()
        options = {key: value for key, value in self._settings.client().items() if key != "metrics_enabled"}
        with _errors(), _closing(KafkaAdminClient(**options)) as admin:
            yield admin

    def _reach(self) -> None:
        """LogUnavailable unless a broker takes connections: clients that cannot start leave threads behind."""
        for server in self._settings.bootstrap.split(","):
            host, _, port = server.strip().rpartition(":")
            with suppress(OSError), socket.create_connection((host, int(port)), self._settings.timeout_s):
                return
        raise LogUnavailable(f"Kafka at {self._settings.bootstrap} cannot be reached.")

    def _drop_producer(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            with suppress(Exception):
                producer.close(timeout=1.0)

    def _options(self, topic: Topic) -> dict[str, Any]:
        """Kafka drops whole segments, so a topic has several within its retention."""
        keep_ms = int(topic.retention_s * 1000)
        return {
            "num_partitions": topic.partitions,
            "replication_factor": self._settings.replication,
            "configs": {
                "retention.ms": str(keep_ms),
                "retention.bytes": str(topic.retention_bytes),
                "segment.ms": str(max(100, keep_ms // 8)),
            },
        }


class KafkaSubscription:
    """A `Subscription` on Kafka."""

    def __init__(self, settings: KafkaSettings, group: str, topics: Collection[str]) -> None:
        self._settings, self._group, self._topics = settings, group, list(topics)
        self._consumer: Any = None

    def poll(
        self, timeout_s: float, max_records: int = 500, held: Collection[Partition] = ()
    ) -> Sequence[Delivery]:
        """The next records of the partitions that are ours at the moment."""
        with _errors():
            consumer = self._open()
            _hold(consumer, {TopicPartition(*partition) for partition in held})
            _mend(consumer)
            polled = consumer.poll(timeout_ms=int(timeout_s * 1000), max_records=max_records)
        records = [_delivery(each) for batch in polled.values() for each in batch]
        return self._without(records, held) if held else records

    def commit(self, offsets: Mapping[Partition, int]) -> None:
        """Remember the next offsets of the group."""
        if not offsets:
            return
        commits = {
            TopicPartition(*each): OffsetAndMetadata(offset, "", -1) for each, offset in offsets.items()
        }
        with _errors():
            self._open().commit(commits, timeout_ms=self._settings.timeout_ms)

    def seek(self, partition: Partition, offset: int) -> None:
        """Read this partition from here on."""
        with suppress(ValueError):  # it went to another consumer meanwhile
            self._open().seek(TopicPartition(*partition), offset)

    def lag(self) -> int:
        """Return how many records remain to be read, as far as the broker has reported."""
        consumer = self._open()
        with _errors():
            ours = consumer.assignment() or ()
            ends = {each: consumer.highwater(each) for each in ours}
            known = {each: end for each, end in ends.items() if end is not None}
            return sum(max(0, end - (consumer.position(each) or 0)) for each, end in known.items())

    def end_polls(self) -> None:
        """Do nothing: a poll of kafka-python ends after its timeout."""

    def close(self) -> None:
        """Leave the group."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            with _errors():
                consumer.close(autocommit=False, timeout_ms=2_000)

    def _open(self) -> Any:
        if self._consumer is None:
            self._consumer = KafkaConsumer(
                *self._topics,
                **self._settings.client(),
                group_id=self._group,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                allow_auto_create_topics=False,
                session_timeout_ms=int(self._settings.session_s * 1000),
                heartbeat_interval_ms=int(self._settings.session_s * 1000 / 4),
            )
        return self._consumer

    def _without(self, records: Sequence[Delivery], held: Collection[Partition]) -> Sequence[Delivery]:
        """Put back what a rebalance within the poll fetched of partitions held."""
        first: dict[Partition, int] = defaultdict(lambda: 1 << 62)
        for each in records:
            if each.partition in held:
                first[each.partition] = min(first[each.partition], each.offset)
        for partition, offset in first.items():
            self.seek(partition, offset)
        return [each for each in records if each.partition not in held]


def _hold(consumer: Any, held: set[TopicPartition]) -> None:
    """Pause these partitions, of those that are ours, and no others."""
    held = held & (consumer.assignment() or set())
    consumer.resume(*(consumer.paused() - held))
    consumer.pause(*held)


def _mend(consumer: Any) -> None:
    """Two defects of kafka-python 3.0.12, each of which may leave a consumer that never reads again.

    What was fetched of a paused partition is set aside and comes back only into an empty slot, but a used-up batch
    stays in the slot. And when a poll ends while the group is rejoined because a topic has appeared, nothing takes
    the assignment that arrives later.
    """
    fetcher, coordinator = consumer._fetcher, consumer._coordinator
    if not fetcher._next_partition_records:
        fetcher._next_partition_records = None
    joined = coordinator._join_task
    if joined is not None and joined.is_done:
        coordinator.request_rejoin()


def _delivery(message: Any) -> Delivery:
    time = datetime.fromtimestamp(message.timestamp / 1000, UTC)
    record = Record(message.topic, message.key or b"", message.value or b"", tuple(message.headers))
    partition = Partition(message.topic, message.partition)
    return Delivery(partition, message.offset, time, record, message.value is None)


def _bounds(consumer: Any, topic: str) -> dict[Partition, range]:
    partitions = [
        TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())
    ]
    if not partitions:
        return {}
    starts, ends = consumer.beginning_offsets(partitions), consumer.end_offsets(partitions)
    return {Partition(topic, each.partition): range(starts[each], ends[each]) for each in partitions}


@contextmanager
def _closing(client: Any) -> Iterator[Any]:
    try:
        yield client
    finally:
        with suppress(kafka_errors.KafkaError):
            client.close()


@contextmanager
def _errors() -> Iterator[None]:
    """Translate kafka-python's errors into those of the log."""
    try:
        yield
    except EventLogError:
        raise
    except _FENCED as error:
        raise Fenced(f"Another consumer has the partitions now ({type(error).__name__}).") from error
    except kafka_errors.UnknownTopicOrPartitionError as error:
        raise UnknownTopic(f"Kafka does not know the topic: {error}.") from error
    except (kafka_errors.MessageSizeTooLargeError, kafka_errors.RecordListTooLargeError) as error:
        raise RecordRefused(f"Kafka refused the record: {error}.") from error
    except (kafka_errors.KafkaError, OSError) as error:
        raise LogUnavailable(
            f"Kafka does not answer as it should: {type(error).__name__}: {error}."
        ) from error
