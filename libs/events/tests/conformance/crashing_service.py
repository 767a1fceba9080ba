"""A process with a whole service that kills itself at one named point; without one it runs until all is done.

The wrappers are all that knows of points: relay, consumer and both logs run as they are.
"""

import contextlib
import json
import os
import signal
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from ratoon.events.dead_letters import dead_letters
from ratoon.events.ports import Delivery, EventLog, Partition, Record, Subscription
from ratoon.storage.database import Database
from ratoon.testkit.events import POISON, SampleService, open_log
from ratoon.testkit.waiting import until


class Fuse:
    """Kills the process the n-th time that its point is passed."""

    def __init__(self, point: str, after: int) -> None:
        self._point, self._left = point, after

    def passes(self, point: str) -> None:
        if point != self._point:
            return
        self._left -= 1
        if self._left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)


class FusedLog:
    def __init__(self, log: EventLog, fuse: Fuse) -> None:
        self._log, self._fuse = log, fuse

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    def append(self, records: Sequence[Record]) -> None:
        self._fuse.passes("before publish")
        self._log.append(records)
        self._fuse.passes("after publish")

    def subscribe(self, group: str, topics: Collection[str]) -> "FusedSubscription":
        return FusedSubscription(self._log.subscribe(group, topics), self._fuse)


class FusedSubscription:
    def __init__(self, subscription: Subscription, fuse: Fuse) -> None:
        self._subscription, self._fuse = subscription, fuse

    def __getattr__(self, name: str) -> Any:
        return getattr(self._subscription, name)

    def poll(self, timeout_s: float, limit: int, held: Collection[Partition] = ()) -> Sequence[Delivery]:
        return self._subscription.poll(timeout_s, limit, held)

    def commit(self, offsets: Mapping[Partition, int]) -> None:
        self._fuse.passes("before offset commit")
        self._subscription.commit(offsets)
        self._fuse.passes("after offset commit")


class FusedDatabase:
    def __init__(self, database: Database, fuse: Fuse, what: str) -> None:
        self._database, self._fuse, self._what = database, fuse, what

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)

    @contextlib.contextmanager
    def write(self) -> Iterator[Connection]:
        with self._database.write() as connection:
            yield connection
            self._fuse.passes(f"before {self._what} commit")
        self._fuse.passes(f"after {self._what} commit")


def main(spec: dict[str, Any]) -> None:
    fuse = Fuse(spec["point"], spec["after"])
    log = open_log(spec["spec"])
    service = SampleService(Database(spec["database"]), FusedLog(log, fuse), spec["topic"])
    while (done := service.changes()) < spec["changes"]:
        service.change(f"things/{done % 3}", POISON if done == spec["poison"] else b"changed")
    database: Any = service.database
    service.database = FusedDatabase(database, fuse, "mark")  # type: ignore[assignment]
    relay = service.relay()
    service.database = FusedDatabase(database, fuse, "effect")  # type: ignore[assignment]
    consumer = service.consumer()
    service.database = database
    relay.start()
    consumer.start()
    until(
        lambda: len(service.effects()) >= spec["changes"] - 1 and not service.waiting(), message="everything"
    )
    until(lambda: dead_letters(log, spec["topic"]), message="the dead letter")
    consumer.stop()
    relay.stop()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
