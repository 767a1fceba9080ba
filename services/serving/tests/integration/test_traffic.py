"""Traffic book: reports of gateways and votes of users."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from ratoon.storage.database import Database
from ratoon.storage.migrations import migrate
from ratoon.tasks.votes import Tally, Votes
from ratoon_serving.adapters.traffic import TableTrafficBook
from ratoon_serving.application.commands import TrafficReport, VoteReport, Window
from ratoon_serving.domain.rollouts.analysis import Traffic

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def database(tmp_path, databases) -> Iterator[Database]:
    url = databases.url_of_file(tmp_path / "serving.db")
    migrate("serving", url)
    database = Database(url)
    yield database
    database.close()


def window(second: int) -> Window:
    return Window(START + timedelta(seconds=second), START + timedelta(seconds=second + 1))


def at(second: int) -> datetime:
    return START + timedelta(seconds=second)


def report_of(second: int, traffic: Traffic) -> TrafficReport:
    return TrafficReport("e", window(second), traffic)


def test_windows_add_up_count_once_and_survive_a_restart(database):
    book = TableTrafficBook(database)
    book.add_traffic("g1", [report_of(second, Traffic(requests=10, errors=1)) for second in (0, 1)], at(2))
    book.add_traffic("g1", [report_of(second, Traffic(requests=10, errors=1)) for second in (1, 2)], at(3))
    book.add_traffic("g2", [report_of(2, Traffic(requests=5)), report_of(3, Traffic())], at(4))
    book = TableTrafficBook(database)
    assert book.traffic("e", START).requests == 35
    late = book.traffic("e", at(2))
    assert (late.requests, late.errors, late.seconds) == (15, 1, 2.0)


def test_the_peak_rate_counts_answers_of_all_gateways_within_ten_seconds(database):
    book = TableTrafficBook(database)
    assert book.peak_rate("e", START) == 0.0
    book.add_traffic("g1", [report_of(second, Traffic(requests=10, errors=1)) for second in (0, 1)], at(2))
    book.add_traffic("g2", [report_of(1, Traffic(requests=22))], at(2))
    assert book.peak_rate("e", START) == pytest.approx(4.0)
    assert book.peak_rate("other", START) == 0.0


def test_each_callers_part_survives_a_restart(database):
    part = Traffic(4, 2, 1, 0.25)
    traffic = Traffic(10, 2, 1, 0.5, callers=(("c1", part), ("c2", Traffic(6))))
    TableTrafficBook(database).add_traffic("g1", [report_of(0, traffic), report_of(1, traffic)], at(2))
    callers = dict(TableTrafficBook(database).traffic("e", START).callers)
    assert callers == {"c1": part + part, "c2": Traffic(12)}


def test_the_sum_of_the_windows_is_read(database):
    some = Traffic(10, 2, 1, 0.5, callers=(("c1", Traffic(4, 2, 1, 0.25)), ("c2", Traffic(6, p50_s=1.0))))
    more = Traffic(30, 0, 0, 0.1, callers=(("c2", Traffic(6, p50_s=0.5)), ("c3", Traffic(24, p50_s=2.0))))
    TableTrafficBook(database).add_traffic("g1", [report_of(0, some), report_of(1, more)], at(2))
    assert TableTrafficBook(database).traffic("e", START) == replace(some + more, seconds=2.0)


def test_a_report_without_requests_counts(database):
    book = TableTrafficBook(database)
    assert book.traffic("e", START) == Traffic()
    book.add_traffic("g1", [], at(9))
    assert book.traffic("e", START) == Traffic(seconds=9.0)
    assert book.traffic("e", at(9)) == Traffic()


def test_votes_add_up_and_old_ones_are_forgotten(database):
    book = TableTrafficBook(database)
    for votes in (Votes(1, 2), Votes(1, 3)):
        book.add_votes([VoteReport("v", window(0), votes)])
    assert book.votes("v", START) == Votes(1, 3)
    book.add_votes([VoteReport("v", window(4000), Votes(1, 0))])
    assert book.votes("v", START) == Votes(1, 0)


def test_a_callers_votes_in_many_windows_are_one_callers(database):
    book = TableTrafficBook(database)
    votes = Votes(0, 3, (("loud", 0, 2),))
    book.add_votes([VoteReport("v", window(second), votes) for second in range(10)])
    stored = TableTrafficBook(database).votes("v", START)
    assert stored == Votes(0, 30, (("loud", 0, 20),))
    assert stored.tally == Tally(votes=30, callers=11, unhappy=11)


def test_votes_of_the_previous_release_count_one_by_one(tmp_path, databases):
    url = databases.url_of_file(tmp_path / "old.db")
    migrate("serving", url, "0005")
    database = Database(url)
    row = "INSERT INTO vote_windows (version, start, \"end\", positive, negative) VALUES ('v', :start, :end, 1, 4)"

    def insert(second: int) -> None:
        with database.write() as connection:
            start = at(second).timestamp()
            connection.execute(text(row), {"start": start, "end": start + 1})

    insert(0)
    migrate("serving", url)
    insert(1)
    assert TableTrafficBook(database).votes("v", START).tally == Tally(votes=10, callers=10, unhappy=8)
    database.close()
