"""Every test here runs on both logs."""

import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ratoon.events.ports import EventLog, Topic
from ratoon.storage.database import Database
from ratoon.testkit.events import EmbeddedUnderTest, KafkaUnderTest, LogUnderTest, SampleService
from ratoon.testkit.kafka import kafka_broker
from ratoon.testkit.postgresql import Databases

__all__ = ["kafka_broker"]


@pytest.fixture(params=["embedded", pytest.param("kafka", marks=pytest.mark.kafka)])
def under_test(request: pytest.FixtureRequest, tmp_path: Path) -> LogUnderTest:
    if request.param == "embedded":
        return EmbeddedUnderTest(tmp_path / "events")
    return KafkaUnderTest(request.getfixturevalue("kafka_broker"))


@pytest.fixture
def log(under_test: LogUnderTest) -> Iterator[EventLog]:
    log = under_test.open()
    yield log
    log.close()


@pytest.fixture
def name() -> str:
    """A topic's name, which does not exist yet."""
    return f"ratoon.test.v1.things-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def topic(log: EventLog, name: str) -> str:
    """A topic with one partition."""
    log.create_topics([Topic(name, partitions=1)])
    return name


@pytest.fixture
def service(tmp_path: Path, log: EventLog, name: str, databases: Databases) -> Iterator[SampleService]:
    with closing(Database(databases.url_of_file(tmp_path / "service.db"))) as database:
        yield SampleService(database, log, name)
