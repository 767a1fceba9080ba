"""From a commit in one service to its effect, by outbox, log and inbox."""

from contextlib import suppress

import pytest
from sqlalchemy import Connection, text

from ratoon.events.cloudevents import Event
from ratoon.events.dead_letters import dead_letters, replayable
from ratoon.events.headers import headers_text
from ratoon.events.inbox import replay, replay_topic
from ratoon.events.ports import EventLog, Record, Topic, with_dead_letters
from ratoon.storage import outbox
from ratoon.testkit.events import CLOCK, POISON, LogUnderTest, SampleService
from ratoon.testkit.waiting import until


class Away(Exception):
    """A part that the handler needs is away."""

    code, reason = "UNAVAILABLE", "PART_AWAY"


def settle(service: SampleService, effects: int) -> None:
    until(lambda: len(service.effects()) >= effects and not service.waiting(), message=f"{effects} effects")


def test_each_change_has_one_effect_in_the_order_of_its_key(service: SampleService) -> None:
    with service.running() as consumer:
        events = [service.change(f"things/{i % 5}") for i in range(100)]
        settle(service, 100)
    assert {effect.event_id for effect in service.effects()} == {event.id for event in events}
    assert consumer.consumed.handled == 100
    for name in {event.subject for event in events}:
        assert [e.revision for e in service.effects() if e.subject == name] == list(range(1, 21))


def test_a_change_that_is_rolled_back_was_never_published(service: SampleService) -> None:
    with service.running():
        with suppress(ZeroDivisionError), service.database.write() as connection:
            service.change_in(connection, "things/undone")
            raise ZeroDivisionError
        service.change("things/done")
        settle(service, 1)
    assert [effect.subject for effect in service.effects()] == ["things/done"]


def test_a_row_that_commits_late_under_a_lower_number_is_published(service: SampleService) -> None:
    """Sequence numbers are given before the commit: 3 may appear after 5 is gone, and 4 never."""
    insert = text(
        "INSERT INTO outbox (id, topic, key, value, headers) VALUES (:id, :topic, :key, :value, :headers)"
    )

    def put(number: int, name: str) -> None:
        record = service.event(name, 1).record()
        row = {"id": number, "topic": record.topic, "key": record.key, "value": record.value}
        with service.database.write() as connection:
            connection.execute(insert, row | {"headers": headers_text(record)})

    with service.running():
        put(5, "things/five")
        settle(service, 1)
        put(3, "things/three")
        settle(service, 2)
    assert [effect.subject for effect in service.effects()] == ["things/five", "things/three"]


def test_published_twice_has_one_effect(service: SampleService, log: EventLog) -> None:
    log.create_topics(with_dead_letters([Topic(service.topic, partitions=2)]))
    event = service.event("things/1", 1)
    log.append([event.record(), event.record()])
    log.append([event.record(), service.event("things/1", 2).record()])
    with service.running() as consumer:
        settle(service, 2)
    assert [effect.revision for effect in service.effects()] == [1, 2]
    assert consumer.consumed.repeated == 2


def test_an_older_revision_is_dropped(service: SampleService, log: EventLog) -> None:
    log.create_topics([Topic(service.topic, partitions=1)])
    for name, revision in (
        ("things/1", 5),
        ("things/1", 4),
        ("things/2", 1),
        ("things/1", 5),
        ("things/1", 6),
    ):
        log.append([service.event(name, revision).record()])
    with service.running() as consumer:
        settle(service, 4)
    assert [effect.revision for effect in service.effects()] == [5, 1, 5, 6]
    assert consumer.consumed.superseded == 1


def test_poison_is_parked_once_and_later_events_of_its_key_go_on(
    service: SampleService, log: EventLog
) -> None:
    with service.running() as consumer:
        service.change("things/1")
        poison = service.change("things/1", POISON)
        service.change("things/1")
        settle(service, 2)
        until(lambda: dead_letters(log, service.topic) and not service.waiting(), message="a dead letter")
    assert [effect.revision for effect in service.effects()] == [1, 3]
    (letter,) = dead_letters(log, service.topic)
    assert (letter.event_id, letter.group, letter.reason) == (poison.id, service.topic, "ValueError")
    assert letter.attempts == 2
    assert letter.record == poison.record()
    assert "a person's text" not in letter.message
    assert (consumer.consumed.parked, consumer.consumed.retried) == (1, 1)


def test_what_is_no_event_is_parked_at_once(service: SampleService, log: EventLog) -> None:
    log.create_topics([Topic(service.topic, partitions=1)])
    log.append(
        [
            Record(service.topic, b"things/1", b"?", (("ce_id", b"\xff"),)),
            service.event("things/1", 1).record(),
        ]
    )
    with service.running():
        settle(service, 1)
        until(lambda: dead_letters(log, service.topic), message="a dead letter")
    (letter,) = dead_letters(log, service.topic)
    assert letter.reason == "MALFORMED_EVENT"
    assert not replayable(letter)


def test_what_passes_is_tried_until_it_does(service: SampleService, log: EventLog) -> None:
    tries: list[str] = []

    def apply(event: Event, connection: Connection) -> None:
        tries.append(event.id)
        if len(tries) < 5:
            raise Away("not yet")
        service.apply(event, connection)

    consumer, relay = service.consumer(apply), service.relay()
    relay.start()
    consumer.start()
    service.change("things/1")
    settle(service, 1)
    consumer.stop()
    relay.stop()
    assert len(tries) == 5
    assert dead_letters(log, service.topic) == []


def test_a_dead_letter_is_replayed_for_its_group_alone(service: SampleService, log: EventLog) -> None:
    with service.running():
        service.change("things/1", POISON)
        service.change("things/1")
        settle(service, 1)
        until(lambda: dead_letters(log, service.topic), message="a dead letter")
    (letter,) = dead_letters(log, service.topic)

    def mended(event: Event, connection: Connection) -> None:
        service.apply(Event(**(vars(event) | {"data": b"mended"})), connection)

    consumer, relay = service.consumer(mended), service.relay()
    with service.database.write() as connection:
        replay(connection, outbox.append, letter.group, letter.record, CLOCK.now())
    relay.start()
    consumer.start()
    settle(service, 2)
    consumer.stop()
    relay.stop()
    assert [effect.revision for effect in service.effects()] == [2, 1]


def test_a_topic_is_replayed_whatever_its_revisions(service: SampleService, log: EventLog) -> None:
    with service.running():
        for _ in range(4):
            service.change("things/1")
        settle(service, 4)
        assert (
            replay_topic(service.database, outbox.append, log, service.topic, service.topic, CLOCK.now()) == 4
        )
        settle(service, 8)
    assert [effect.revision for effect in service.effects()] == [1, 2, 3, 4, 1, 2, 3, 4]


def test_writes_go_on_while_the_log_is_away(under_test: LogUnderTest, service: SampleService) -> None:
    with service.running():
        service.change("things/1")
        settle(service, 1)
        with under_test.away():
            for _ in range(10):
                service.change("things/1")
            assert service.waiting()
        settle(service, 11)
    assert [effect.revision for effect in service.effects()] == list(range(1, 12))


@pytest.mark.parametrize(
    "under_test",
    ["embedded", pytest.param("kafka", marks=[pytest.mark.kafka, pytest.mark.thorough])],
    indirect=True,
)
def test_a_service_starts_while_the_log_is_away(under_test: LogUnderTest, service: SampleService) -> None:
    with under_test.away(), service.running():
        service.change("things/1")
    with service.running():
        settle(service, 1)


def test_a_topic_that_is_missing_stops_no_other(service: SampleService, name: str) -> None:
    with service.running():
        with service.database.write() as connection:
            outbox.append(connection, Record(f"{name}-missing", b"key", b"value"))
        service.change("things/1")
        until(lambda: service.effects(), message="the other topic's effect")
    assert service.waiting() == 1


def test_restarts_lose_and_double_nothing(service: SampleService) -> None:
    stops = 3
    for _ in range(stops):
        with service.running():
            for i in range(10):
                service.change(f"things/{i % 2}")
    with service.running():
        settle(service, 10 * stops)
    for name in ("things/0", "things/1"):
        ours = [effect.revision for effect in service.effects() if effect.subject == name]
        assert ours == list(range(1, 5 * stops + 1))
