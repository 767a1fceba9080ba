"""Shared commits on a real database: many writers, few commits, each with its own outcome."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ratoon.process.errors import AlreadyExists
from ratoon.storage import outbox
from ratoon.storage.database import Database
from ratoon.storage.paging import PageTokens
from ratoon.storage.shared_commits import SharedCommits
from ratoon.storage.store import Store
from ratoon.tasks.classify import Classify
from ratoon.testkit.postgresql import Databases
from ratoon_flywheel import mapping
from ratoon_flywheel.adapters import tables
from ratoon_flywheel.domain.projects import Project

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path, databases: Databases) -> Iterator[Store]:
    database = Database(databases.url_of_file(tmp_path / "flywheel.db"))
    with database.write() as connection:
        tables.METADATA.create_all(connection)
    yield Store(database, tables.RESOURCES, mapping.event, outbox.append, PageTokens(b"s"))
    database.close()


def project(id: str) -> Project:
    return Project(f"projects/{id}", NOW, NOW, Classify(("ham", "spam")))


def test_writers_that_come_together_share_commits_and_keep_their_own_outcomes(store):
    commits, counted, first = SharedCommits(store), [], threading.Event()
    store.database.on_commit(lambda: counted.append(1))

    def slow(tx):
        first.set()
        while len(commits._waiting) < 7:
            time.sleep(0.001)
        return "slow"

    def create(id):
        return commits.run(lambda tx: tx.create(project(id))[0].name)

    with ThreadPoolExecutor(8) as pool:
        leader = pool.submit(commits.run, slow)
        first.wait(10)
        followers = [pool.submit(create, id) for id in ("a", "b", "c", "a", "d", "e", "f")]
        outcomes = [follower.exception() or follower.result() for follower in followers]
    assert leader.result() == "slow"
    assert len(counted) == 2
    refused = [outcome for outcome in outcomes if isinstance(outcome, AlreadyExists)]
    assert len(refused) == 1
    assert {o for o in outcomes if o not in refused} == {f"projects/{id}" for id in "abcdef"}


def test_a_lost_commit_raises_in_every_caller(store):
    commits = SharedCommits(Broken(store))
    with pytest.raises(OSError, match="disk"):
        commits.run(lambda tx: "done")


class Broken:
    """A store whose disk is full."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @contextmanager
    def write(self):
        with self._store.write() as tx:
            yield tx
            raise OSError("the disk is full")
