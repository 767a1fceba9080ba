"""Connections: their schedules, which addresses are allowed, and the state machine of readings."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ratoon.operations.job_machine import Action, Failure, JobObservation, Phase
from ratoon_ingestion.domain.connections import (
    Blob,
    Connection,
    ConnectionFailed,
    ConnectionKind,
    ConnectionObservation,
    ConnectionRead,
    ConnectionState,
    ReadingResult,
    begun,
    changed,
    checked,
    source_names,
    sources_of,
    step,
)
from ratoon_ingestion.domain.endpoints import checked_url, endpoint_of
from ratoon_ingestion.domain.errors import BadConnection, ConnectionNotAllowed
from ratoon_ingestion.domain.schedules import Schedule, next_cron

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
CONNECTION = begun(
    Connection(
        "projects/p/connections/lake",
        NOW,
        NOW,
        ConnectionKind.FSSPEC,
        "s3://lake/mail",
        schedule=Schedule(interval_s=60),
        licence="CC0-1.0",
        consent="form 3",
        domain="mail",
    )
)
RESULT = ReadingResult("c" * 64, (Blob("a" * 64, 3, "one.jsonl"), Blob("b" * 64, 4)), listed=9, taken=2)
EMPTY = ReadingResult("c" * 64, listed=9)


def job(phase: Phase, result: ReadingResult | None = None, **failure: str) -> ConnectionObservation:
    return ConnectionObservation(JobObservation(phase, result=result, failure=Failure(**failure)))


def reading_of(connection: Connection = CONNECTION) -> Connection:
    return step(connection, ConnectionObservation(), NOW).connection


def test_a_reading_that_is_due_starts_a_job_once():
    first = step(CONNECTION, ConnectionObservation(), NOW)
    assert (first.connection.state, first.connection.reading_number) == (ConnectionState.READING, 1)
    assert first.actions == (Action.START,)
    again = step(first.connection, job(Phase.RUNNING), NOW)
    assert again.actions == () and again.polls


def test_the_position_moves_only_once_all_sources_exist():
    storing = step(reading_of(), job(Phase.SUCCEEDED, RESULT), NOW)
    assert storing.actions == (Action.APPLY,) and storing.events == ()
    assert storing.connection.cursor == "" and storing.connection.result == RESULT
    repeated = step(storing.connection, ConnectionObservation(stored=False), NOW)
    assert repeated.actions == (Action.APPLY,) and repeated.connection == storing.connection
    later = NOW + timedelta(seconds=5)
    done = step(storing.connection, ConnectionObservation(stored=True), later)
    assert done.connection.cursor == RESULT.cursor and done.connection.state is ConnectionState.IDLE
    assert done.connection.next_read_time == later + timedelta(seconds=60)
    assert done.connection.last_reading is not None
    assert done.events == (ConnectionRead(done.connection.last_reading.sources, (3, 4), "mail"),)
    assert done.connection.record_count == 7


def test_the_names_of_sources_follow_from_the_position():
    storing = step(reading_of(), job(Phase.SUCCEEDED, RESULT), NOW).connection
    names = source_names(storing, RESULT)
    assert names == source_names(replace(storing, reading_number=9), RESULT)
    assert len(set(names)) == 2
    assert not set(names) & set(source_names(replace(storing, cursor=RESULT.cursor), RESULT))
    assert not set(names) & set(source_names(replace(storing, create_time=NOW + timedelta(1)), RESULT))
    long = replace(storing, name=f"projects/p/connections/{'x' * 63}")
    assert all(len(name.rpartition("/")[2]) <= 63 for name in source_names(long, RESULT))


def test_sources_have_what_the_connection_states():
    storing = step(reading_of(), job(Phase.SUCCEEDED, RESULT), NOW).connection
    source = sources_of(storing, NOW)[0]
    assert (source.licence, source.consent, source.domain) == ("CC0-1.0", "form 3", "mail")
    assert (source.connection, source.digest) == (CONNECTION.name, "a" * 64)
    assert source.display_name == "lake, reading 1: one.jsonl"


def test_a_reading_without_new_data_moves_the_position_and_sends_no_event():
    storing = step(reading_of(), job(Phase.SUCCEEDED, EMPTY), NOW).connection
    done = step(storing, ConnectionObservation(stored=True), NOW)
    assert done.events == () and done.connection.cursor == EMPTY.cursor


def test_more_data_are_read_at_once_even_if_paused():
    paused = replace(CONNECTION, paused=True, read_requested=True)
    storing = step(reading_of(paused), job(Phase.SUCCEEDED, replace(RESULT, more=True)), NOW).connection
    done = step(storing, ConnectionObservation(stored=True), NOW)
    assert done.connection.read_requested and done.wake_after_s == 0
    assert step(done.connection, ConnectionObservation(), NOW).actions == (Action.START,)


def test_a_paused_connection_waits_for_requests_only():
    paused = replace(CONNECTION, paused=True)
    assert step(paused, ConnectionObservation(), NOW).connection == paused
    assert step(replace(paused, read_requested=True), ConnectionObservation(), NOW).actions == (Action.START,)


def test_an_error_keeps_the_position_and_is_tried_again_later_and_later():
    connection, delays = replace(CONNECTION, cursor="d" * 64), []
    events: list[object] = []
    for _ in range(20):
        reading = reading_of(replace(connection, next_read_time=NOW))
        failed = step(reading, job(Phase.FAILED, reason="AWAY", message="It is away."), NOW)
        connection = failed.connection
        assert connection.next_read_time is not None
        delays.append((connection.next_read_time - NOW).total_seconds())
        events += failed.events
    assert connection.cursor == "d" * 64 and connection.failure.reason == "AWAY"
    assert delays[:3] == [10, 20, 40] and delays[-1] == 3600
    assert events == [ConnectionFailed("AWAY")]


def test_a_worker_that_is_lost_each_time_fails_the_reading():
    connection = reading_of()
    actions = []
    while connection.state is ConnectionState.READING:
        lost = step(connection, job(Phase.LOST, reason="WORKER_LOST", message="killed"), NOW)
        connection, actions = lost.connection, [*actions, *lost.actions]
    assert actions == [Action.RESTART] * 4 + [Action.CLEAN]
    assert connection.failure == Failure("WORKER_LOST", "killed")


def test_without_a_schedule_an_error_is_not_repeated():
    connection = replace(begun(replace(CONNECTION, schedule=Schedule())), read_requested=True)
    failed = step(reading_of(connection), job(Phase.FAILED, reason="AWAY"), NOW).connection
    assert failed.next_read_time is None
    assert step(failed, ConnectionObservation(), NOW + timedelta(days=9)).actions == ()


def test_a_new_schedule_counts_from_the_last_reading():
    after = changed(CONNECTION, {"schedule": Schedule(cron="0 3 * * *")}, NOW)
    assert after.next_read_time == datetime(2026, 6, 2, 3, 0, tzinfo=UTC)
    assert changed(CONNECTION, {"schedule": Schedule()}, NOW).next_read_time is None
    assert changed(CONNECTION, {"domain": "news"}, NOW).next_read_time == CONNECTION.next_read_time


@pytest.mark.parametrize(
    ("cron", "time"),
    [
        ("* * * * *", "2026-06-01T12:01"),
        ("0 3 * * *", "2026-06-02T03:00"),
        ("*/20 9-17 * * 1-5", "2026-06-01T12:20"),
        ("30 8 1,15 * *", "2026-06-15T08:30"),
        ("0 0 29 2 *", "2028-02-29T00:00"),
        ("0 0 13 * 5", "2026-06-05T00:00"),
        ("0 12 * * 7", "2026-06-07T12:00"),
        ("5/25 12 * * *", "2026-06-01T12:05"),
    ],
)
def test_cron_gives_the_next_time(cron: str, time: str):
    assert next_cron(cron, NOW) == datetime.fromisoformat(time).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "cron",
    [
        "",
        "* * * *",
        "60 * * * *",
        "* * 0 * *",
        "*/0 * * * *",
        "5-1 * * * *",
        "a * * * *",
        "0 0 31 2 *",
        "٣ * * * *",
    ],
)
def test_bad_cron_is_refused(cron: str):
    with pytest.raises(BadConnection):
        next_cron(cron, NOW)


@pytest.mark.parametrize("seconds", [1, -60, float("nan"), float("inf"), 4e7])
def test_bad_intervals_are_refused(seconds: float):
    with pytest.raises(BadConnection):
        Schedule(interval_s=seconds)


def test_only_listed_addresses_are_allowed():
    listed = {"s3://lake/{project}": "LAKE", "s3://lake/p/open": "", "postgresql://reader@db/mail": "DB"}
    assert endpoint_of("s3://lake/p/mail", "p", listed).credentials == "LAKE"
    assert endpoint_of("s3://lake/p/open/x", "p", listed).credentials in ("LAKE", "")
    for url in ("s3://lake/q/mail", "s3://lake/pq", "s3://lake", "s3://other/p"):
        with pytest.raises(ConnectionNotAllowed):
            endpoint_of(url, "p", listed)
    assert endpoint_of("postgresql://reader@db/mail", "p", listed, exact=True).credentials == "DB"
    with pytest.raises(ConnectionNotAllowed):
        endpoint_of("postgresql://reader@db/mail/x", "p", listed, exact=True)
    with pytest.raises(ConnectionNotAllowed):
        endpoint_of("postgresql://reader@db/mail?host=evil", "p", listed, exact=True)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/srv/data",
        "s3://lake/../other",
        "s3://lake/%2e%2e/other",
        "simplecache::s3://lake",
        "file:///srv/data/..",
        "postgresql://reader:secret@db/mail",
        "s3://lake/a b",
        "s3://lake/\x00",
        "file:///srv\\data",
        "s3://" + "x" * 3000,
    ],
)
def test_addresses_that_lead_elsewhere_are_refused(url: str):
    with pytest.raises(BadConnection) as refusal:
        checked_url(url)
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"query": "SELECT 1"},
        {"max_items": 0},
        {"max_bytes": 1 << 40},
        {"overlap": float("nan")},
        {"kind": ConnectionKind.SQL},
        {"kind": ConnectionKind.SQL, "query": "a;b", "cursor_column": "t", "key_column": "id"},
        {"kind": ConnectionKind.KAFKA, "pattern": "*"},
        {"consent": "x" * 2000},
    ],
)
def test_settings_that_do_not_fit_are_refused(changes: dict[str, object]):
    with pytest.raises(BadConnection):
        checked(replace(CONNECTION, **changes))  # type: ignore[arg-type]
