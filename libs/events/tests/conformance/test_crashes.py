"""`kill -9` at each point between a commit and its effect; after a restart nothing is lost and nothing doubled."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ratoon.events.dead_letters import dead_letters
from ratoon.events.ports import DEAD_LETTERS
from ratoon.storage.database import Database
from ratoon.testkit.events import LogUnderTest, SampleService
from ratoon.testkit.postgresql import Databases

CHANGES, POISON_AT = 12, 4
POINTS = [
    ("before publish", 1, 1),
    ("after publish", 1, 1),
    ("after publish", 2, 2),  # of the dead letter, which the outbox then publishes again
    ("before mark commit", 2, 1),  # the first is the relay's lease
    ("after mark commit", 2, 1),
    ("before effect commit", 3, 1),  # the first prunes the inbox
    ("after effect commit", 3, 1),
    ("before offset commit", 2, 1),
    ("after offset commit", 2, 1),
]
"""Point of the kill, the passage at which it comes, and the copies of the dead letter in the log afterwards."""
_QUICK_ON_KAFKA = (("after publish", 1), ("before offset commit", 2))
"""Kills between a commit of the database and one of Kafka; at the other points the database alone decides."""


def cases() -> Iterator[Any]:
    """All points on both logs; on Kafka, where a group waits for a dead member, most are left to the long form."""
    for log in ("embedded", "kafka"):
        for point, after, copies in POINTS:
            is_quick = log == "embedded" or (point, after) in _QUICK_ON_KAFKA
            marks = [pytest.mark.kafka] if log == "kafka" else []
            marks += [] if is_quick else [pytest.mark.thorough]
            name = f"{log}-{point.replace(' ', '-')}-{after}"
            yield pytest.param(log, point, after, copies, marks=marks, id=name)


def run(under_test: LogUnderTest, database_url: str, topic: str, point: str, after: int) -> int:
    spec = {
        "spec": under_test.spec(),
        "database": database_url,
        "topic": topic,
        "point": point,
        "after": after,
        "changes": CHANGES,
        "poison": POISON_AT,
    }
    command = [sys.executable, str(Path(__file__).with_name("crashing_service.py")), json.dumps(spec)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(command, env=environment, timeout=120, check=False).returncode


@pytest.mark.parametrize(("under_test", "point", "after", "copies"), list(cases()), indirect=["under_test"])
def test_d42_nothing_is_lost_and_nothing_happens_twice(
    under_test: LogUnderTest,
    tmp_path: Path,
    name: str,
    databases: Databases,
    point: str,
    after: int,
    copies: int,
) -> None:
    database_url = databases.url_of_file(tmp_path / "service.db")
    assert run(under_test, database_url, name, point, after) == -signal.SIGKILL
    assert run(under_test, database_url, name, "", 0) == 0
    log = under_test.open()
    database = Database(database_url)
    service = SampleService(database, log, name)
    effects = service.effects()
    assert len({effect.event_id for effect in effects}) == len(effects) == CHANGES - 1
    assert Counter(effect.subject for effect in effects) == {"things/0": 4, "things/1": 3, "things/2": 4}
    for subject in ("things/0", "things/1", "things/2"):
        revisions = [effect.revision for effect in effects if effect.subject == subject]
        assert revisions == sorted(revisions)
    assert service.waiting() == 0
    assert len(dead_letters(log, name)) == 1
    assert sum(1 for _ in log.scan(name + DEAD_LETTERS)) == copies
    log.close()
    database.close()
