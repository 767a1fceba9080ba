"""The promises of both logs to producers and consumers."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from ratoon.events.ports import (
    Delivery,
    EventLog,
    EventLogError,
    Fenced,
    LogUnavailable,
    Partition,
    Record,
    RecordRefused,
    Subscription,
    Topic,
    UnknownTopic,
)
from ratoon.testkit.events import LogUnderTest
from ratoon.testkit.waiting import until

QUICK_ON_EMBEDDED = pytest.mark.parametrize(
    "under_test",
    ["embedded", pytest.param("kafka", marks=[pytest.mark.kafka, pytest.mark.thorough])],
    indirect=True,
)
"""On Kafka the test waits for the broker itself, for many seconds: the quick form leaves it out there."""


def records(topic: str, count: int, keys: int = 1, start: int = 0) -> list[Record]:
    return [Record(topic, b"key-%d" % (i % keys), b"%d" % i) for i in range(start, start + count)]


def take(subscription: Subscription, count: int) -> list[Delivery]:
    """Poll until this number of deliveries came."""
    deliveries: list[Delivery] = []

    def enough() -> bool:
        try:
            deliveries.extend(subscription.poll(0.2))
        except LogUnavailable:
            return False
        return len(deliveries) >= count

    until(enough, message=f"{count} deliveries")
    return deliveries


def values(deliveries: Sequence[Delivery]) -> list[int]:
    return [int(each.record.value) for each in deliveries]


def ends(deliveries: Sequence[Delivery]) -> dict[Partition, int]:
    return {each.partition: each.offset + 1 for each in deliveries}


def test_records_come_back_as_they_were(log: EventLog, topic: str) -> None:
    headers = (("ce_id", b"1"), ("odd", b"\xff\x00\xfe"), ("empty", b""))
    log.append([Record(topic, "schlüssel".encode(), b"\x00\xff", headers)])
    (delivery,) = log.scan(topic)
    assert delivery.record == Record(topic, "schlüssel".encode(), b"\x00\xff", headers)


def test_order_per_key_holds_across_partitions_and_batches(log: EventLog, name: str) -> None:
    log.create_topics([Topic(name, partitions=4)])
    for start in range(0, 300, 100):
        log.append(records(name, 100, keys=13, start=start))
    subscription = log.subscribe("readers", [name])
    deliveries = take(subscription, 300)
    assert len({each.partition for each in deliveries}) > 1
    for key in {each.record.key for each in deliveries}:
        ours = [each for each in deliveries if each.record.key == key]
        assert len({each.partition for each in ours}) == 1
        assert values(ours) == sorted(values(ours))
    assert sorted(values(deliveries)) == list(range(300))
    subscription.close()


def test_a_group_goes_on_from_its_committed_offsets(log: EventLog, topic: str) -> None:
    log.append(records(topic, 10))
    first = log.subscribe(topic, [topic])
    deliveries = take(first, 10)
    first.commit({deliveries[3].partition: deliveries[3].offset + 1})
    first.close()
    second = log.subscribe(topic, [topic])
    assert values(take(second, 6)) == list(range(4, 10))
    second.close()


def test_groups_do_not_see_each_other(log: EventLog, topic: str) -> None:
    log.append(records(topic, 3))
    one, other = log.subscribe(f"{topic}-1", [topic]), log.subscribe(f"{topic}-2", [topic])
    deliveries = take(one, 3)
    one.commit(ends(deliveries))
    assert values(take(other, 3)) == [0, 1, 2]
    one.close()
    other.close()


def test_a_topic_that_comes_later_is_read_from_its_start(log: EventLog, name: str) -> None:
    subscription = log.subscribe(name, [name])
    subscription.poll(0.1)
    log.create_topics([Topic(name)])
    log.append(records(name, 5))
    assert sorted(values(take(subscription, 5))) == [0, 1, 2, 3, 4]
    subscription.close()


def test_one_active_consumer_and_a_successor(under_test: LogUnderTest, log: EventLog, topic: str) -> None:
    other_log = under_test.open()
    active, standby = log.subscribe(topic, [topic]), other_log.subscribe(topic, [topic])
    log.append(records(topic, 5))
    deliveries = take(active, 5)
    active.commit(ends(deliveries))
    log.append(records(topic, 5, start=5))
    polled_values: list[int] = []

    def settled() -> bool:
        for consumer in (standby, active):
            polled = consumer.poll(0.1)
            if polled:
                consumer.commit(ends(polled))
            polled_values.extend(values(polled))
        return len(polled_values) >= 5

    until(settled, message="the second five")
    assert polled_values == [5, 6, 7, 8, 9]
    active.close()
    log.append(records(topic, 5, start=10))
    assert values(take(standby, 5)) == [10, 11, 12, 13, 14]
    standby.close()
    other_log.close()


def test_a_consumer_that_hangs_is_followed_and_cannot_commit(
    under_test: LogUnderTest, log: EventLog, topic: str
) -> None:
    log.append(records(topic, 3))
    command = [sys.executable, str(Path(__file__).with_name("slow_consumer.py"))]
    spec = json.dumps({"spec": under_test.spec(), "topic": topic})
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [*command, spec], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as slow:
        assert slow.stdin is not None and slow.stdout is not None
        assert slow.stdout.readline().strip() == "polled 3"
        os.kill(slow.pid, signal.SIGSTOP)
        successor = log.subscribe(topic, [topic])
        deliveries = take(successor, 3)
        successor.commit(ends(deliveries))
        os.kill(slow.pid, signal.SIGCONT)
        slow.stdin.write("go\n")
        slow.stdin.flush()
        assert slow.stdout.readline().strip() == Fenced.__name__
        successor.close()


def test_a_partition_held_back_waits_and_another_goes_on(log: EventLog, name: str) -> None:
    log.create_topics([Topic(name, partitions=2)])
    log.append(records(name, 40, keys=8))
    sizes = Counter(each.partition for each in log.scan(name))
    subscription = log.subscribe(name, [name])
    deliveries: list[Delivery] = []
    until(lambda: deliveries.extend(subscription.poll(0.2, 3)) or deliveries, message="the first three")
    held = deliveries[0].partition
    others = sum(each.partition != held for each in deliveries)
    while others < sizes.total() - sizes[held]:
        polled = subscription.poll(0.2, 3, held=[held])
        assert held not in {each.partition for each in polled}
        others += len(polled)
    rest = take(subscription, sizes[held] - sum(each.partition == held for each in deliveries))
    assert {each.partition for each in rest} == {held}
    subscription.close()


def test_the_lag_is_what_has_still_to_be_read(log: EventLog, topic: str) -> None:
    log.append(records(topic, 10, keys=3))
    subscription = log.subscribe("readers", [topic])
    deliveries: list[Delivery] = []
    while len(deliveries) < 10:
        deliveries += subscription.poll(0.2, max_records=2)
        assert subscription.lag() <= 10 - len(deliveries)
    assert subscription.lag() == 0
    log.append(records(topic, 5, start=10))
    until(lambda: len(subscription.poll(0.2, max_records=1)) == 1, message="one more record")
    until(lambda: subscription.lag() == 4, message="a lag of 4")
    subscription.close()


def test_seek_reads_again(log: EventLog, topic: str) -> None:
    log.append(records(topic, 5))
    subscription = log.subscribe(topic, [topic])
    partition = take(subscription, 5)[0].partition
    subscription.seek(partition, 2)
    assert values(take(subscription, 3)) == [2, 3, 4]
    subscription.seek(Partition(topic, 77), 0)
    subscription.close()


def test_scan_reads_all_and_ends(log: EventLog, name: str) -> None:
    log.create_topics([Topic(name, partitions=3)])
    assert list(log.scan(name)) == []
    log.append(records(name, 700, keys=20))
    assert sorted(values(list(log.scan(name)))) == list(range(700))


def test_partitions_are_read_from_any_offset(log: EventLog, name: str) -> None:
    log.create_topics([Topic(name, partitions=3)])
    assert [len(offsets) for offsets in log.bounds(name).values()] == [0, 0, 0]
    log.append(records(name, 700, keys=20))
    bounds = log.bounds(name)
    assert sum(map(len, bounds.values())) == 700
    partition, offsets = max(bounds.items(), key=lambda each: len(each[1]))
    some = range(offsets.start + 3, offsets.stop - 2)
    assert [each.offset for each in log.read(partition, some)] == list(some)
    assert list(log.read(partition, range(offsets.stop, offsets.stop))) == []
    with pytest.raises(UnknownTopic):
        log.bounds(f"{name}-none")


def test_an_unknown_topic_is_named(log: EventLog, name: str) -> None:
    with pytest.raises(UnknownTopic, match=name):
        log.append(records(name, 1))


def test_creating_again_changes_nothing(log: EventLog, topic: str) -> None:
    log.append(records(topic, 1))
    log.create_topics([Topic(topic, partitions=9)])
    assert values(list(log.scan(topic))) == [0]


def test_records_that_no_log_takes_are_refused(log: EventLog, topic: str) -> None:
    with pytest.raises(RecordRefused, match="digest"):
        log.append([Record(topic, b"key", b"x" * 1_000_000)])
    with pytest.raises(RecordRefused, match="key"):
        log.append([Record(topic, b"", b"value")])


def test_an_append_whose_acknowledgement_is_lost_is_not_doubled(
    under_test: LogUnderTest, log: EventLog, topic: str
) -> None:
    log.append(records(topic, 1))
    under_test.lose_acknowledgement(log)
    log.append(records(topic, 5, start=1))
    log.append(records(topic, 1, start=6))
    assert values(list(log.scan(topic))) == [0, 1, 2, 3, 4, 5, 6]


def test_away_is_an_error_within_a_bound_and_passes(
    under_test: LogUnderTest, log: EventLog, topic: str
) -> None:
    log.append(records(topic, 1))
    subscription = log.subscribe(topic, [topic])
    deliveries = take(subscription, 1)
    with under_test.away():
        with pytest.raises(LogUnavailable):
            log.append(records(topic, 1, start=1))
        with pytest.raises(EventLogError):
            subscription.commit(ends(deliveries))
    log.append(records(topic, 1, start=2))
    assert values(take(subscription, 1))[-1] == 2
    subscription.close()


@QUICK_ON_EMBEDDED
def test_a_restart_keeps_records_and_offsets(under_test: LogUnderTest, topic: str) -> None:
    before = under_test.open()
    before.append(records(topic, 4))
    subscription = before.subscribe(topic, [topic])
    deliveries = take(subscription, 4)
    subscription.commit({deliveries[1].partition: deliveries[1].offset + 1})
    subscription.close()
    before.close()
    under_test.restart()
    after = under_test.open()
    after.append(records(topic, 1, start=4))
    subscription = after.subscribe(topic, [topic])
    assert values(take(subscription, 3)) == [2, 3, 4]
    subscription.close()
    after.close()


@QUICK_ON_EMBEDDED
def test_retention_drops_the_oldest_and_a_late_group_starts_behind_it(log: EventLog, name: str) -> None:
    log.create_topics([Topic(name, partitions=1, retention_s=1.0)])
    log.append(records(name, 3))
    ticks = iter(range(3, 10_000))

    def dropped() -> bool:
        log.append(records(name, 1, start=next(ticks)))
        return min(values(list(log.scan(name))), default=0) > 2

    until(dropped, message="the first three are dropped")
    subscription = log.subscribe(name, [name])
    deliveries = take(subscription, 1)
    assert values(deliveries)[0] > 2
    assert deliveries[0].offset > 2
    subscription.close()
