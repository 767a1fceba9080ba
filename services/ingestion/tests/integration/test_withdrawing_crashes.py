"""Withdrawn items and dead letters of connections, with a crash at each step."""

import base64
import json
from dataclasses import replace

import pytest

from ratoon.storage.artifacts import ArtifactStore
from ratoon.storage.paging import PageTokens
from ratoon_ingestion.application.connections import (
    list_dead_letters,
    read_connection,
    replay_dead_letters,
)
from ratoon_ingestion.domain.connections import (
    MAX_DEAD_LETTERS,
    Blob,
    ReadingResult,
    Vanished,
    Withdrawn,
    reading_name,
)
from ratoon_ingestion.domain.errors import NoDeadLetters
from services.ingestion.tests.integration import test_connection_crashes as crashes
from services.ingestion.tests.integration.test_connection_crashes import Jobs, Service, begin

service = crashes.service
LETTERS = 3


class Withdrawing(Jobs):
    """Each reading gives one blob, withdraws an item of the blob of the one before, and leaves dead letters."""

    def __init__(self, store: ArtifactStore) -> None:
        super().__init__()
        self.store, self.names, self.replays = store, list[str](), 0

    def letters(self, count: int) -> str:
        row = {"partition": 0, "time": "2026-06-01T12:00:00+00:00", "reason": "NOT_JSON", "detail": "No."}
        rows = [
            {**row, "offset": number, "key": "", "value": base64.b64encode(b"{").decode(), "size_bytes": 1}
            for number in range(count)
        ]
        return self.store.put_bytes("".join(json.dumps(each) + "\n" for each in rows).encode())

    def start(self, job_id: str, job) -> None:
        self._count()
        number, name = job.connection.reading_number, reading_name(job.connection)
        if name not in self.names:
            self.names.append(name)
        if job.connection.replays:
            self.replays += 1
            left = self.letters(1)
            self.results[job_id] = ReadingResult(
                job.connection.cursor,
                (Blob(f"{90 + number:064x}", 2),),
                dead_letters=left,
                dead_letter_count=1,
            )
            return
        before = self.names[self.names.index(name) - 1] if len(self.names) > 1 else "none"
        withdrawn = (Withdrawn(f"{before}-0", f"{70 + number:064x}", 1, 1),)
        self.results[job_id] = ReadingResult(
            f"{number:064x}",
            (Blob(f"{number:064x}", 5),),
            withdrawn=withdrawn,
            dead_letters=self.letters(LETTERS),
            dead_letter_count=LETTERS,
        )
        self._count()


@pytest.fixture
def store(tmp_path) -> ArtifactStore:
    return ArtifactStore(f"{tmp_path}/artifacts")


def read(service: Service) -> None:
    read_connection(service.connection.name, service.store, service.operations)
    service.run()


@pytest.mark.parametrize("point", range(1, 10))
def test_an_item_is_withdrawn_once_whatever_crashes(service, store, point):
    service.jobs = Withdrawing(store)
    service.restart()
    begin(service, vanished=Vanished.WITHDRAW)
    read(service)
    service.jobs.left = point
    read(service)
    first, second = sorted(service.sources, key=lambda source: source.digest)
    assert (int(first.withdrawn, 16), first.withdrawn_count) == (72, 1)
    assert (second.withdrawn, second.withdrawn_count) == ("", 0)
    connection = service.connection
    # the first reading withdraws from a blob that is none: its count is the worker's
    assert connection.last_reading.withdrawn_count == 1 and connection.withdrawn_count == 2


@pytest.mark.parametrize("point", [-1, *range(1, 8)])
def test_a_replay_takes_the_place_of_the_letters_once(service, store, point):
    service.jobs = Withdrawing(store)
    service.restart()
    begin(service)
    with pytest.raises(NoDeadLetters):
        replay_dead_letters(service.connection.name, service.store, service.operations)
    read(service)
    cursor = service.connection.cursor
    tokens, listed = PageTokens(b"s"), []
    page = list_dead_letters(service.connection.name, 2, "", service.store, store, tokens)
    listed += page.items
    page = list_dead_letters(service.connection.name, 2, page.next_token, service.store, store, tokens)
    listed += page.items
    assert [letter.offset for letter in listed] == [0, 1, 2] and not page.next_token
    assert {(letter.value, letter.reason, letter.reading) for letter in listed} == {(b"{", "NOT_JSON", 1)}
    replay_dead_letters(service.connection.name, service.store, service.operations)
    service.jobs.left = point
    service.run()
    assert service.connection.cursor == cursor
    assert sum(each.count for each in service.connection.dead_letters) == 1
    assert len(service.sources) == 2
    replay_dead_letters(service.connection.name, service.store, service.operations)
    service.run()
    assert len(service.sources) == 3  # a second replay gives a source of its own


def test_the_oldest_dead_letters_are_forgotten_first(service, store, monkeypatch):
    monkeypatch.setattr("ratoon_ingestion.domain.connections.MAX_DEAD_LETTERS", 2 * LETTERS)
    assert MAX_DEAD_LETTERS > 2 * LETTERS
    service.jobs = Withdrawing(store)
    service.restart()
    begin(service)
    for _ in range(3):
        read(service)
    assert [each.reading for each in service.connection.dead_letters] == [2, 3]
    assert replace(service.connection, query="SELECT 1").etag != service.connection.etag
