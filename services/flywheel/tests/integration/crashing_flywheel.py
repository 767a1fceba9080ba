"""A process that reads events from a topic and decides about a run, and kills itself at one named point.

Without a point it runs until a run took all events, and prints what is stored.
"""

import json
import os
import signal
import sys
from pathlib import Path

from ratoon.events.embedded import EmbeddedLog
from ratoon.operations import operations as mechanism
from ratoon.operations.operations import Operations
from ratoon.process.clock import SystemClock
from ratoon.service.compute import JobDevices
from ratoon.storage.database import Database
from ratoon.storage.paging import PageTokens
from ratoon.storage.store import Store
from ratoon.tasks.classify import Classify
from ratoon_flywheel import mapping
from ratoon_flywheel.adapters import tables
from ratoon_flywheel.adapters.runs import RunTables
from ratoon_flywheel.application.external_events import EventCounts
from ratoon_flywheel.application.procedures import PolicyProcedure
from ratoon_flywheel.domain.pipelines.budget import Rates
from ratoon_flywheel.domain.pipelines.external_events import EventFilter, ExternalEvent
from ratoon_flywheel.domain.pipelines.policies import Policy, Signals
from ratoon_flywheel.domain.pipelines.runs import PipelineRun
from ratoon_flywheel.domain.projects import Project
from ratoon_flywheel.entrypoints.external_events import ExternalEventConsumer, receiver

PROJECT = "projects/mail"
mechanism._LEASE_S = 1.0


class Fuse:
    """Kills the process when its point is passed."""

    def __init__(self, point: str) -> None:
        self._point = point

    def passes(self, point: str) -> None:
        if point == self._point:
            os.kill(os.getpid(), signal.SIGKILL)


class FusedLog(EmbeddedLog):
    """The embedded log with points around the commit of offsets."""

    fuse: Fuse

    def subscribe(self, group, topics):
        subscription, fuse = super().subscribe(group, topics), self.fuse
        commit = subscription.commit

        def committing(offsets):
            fuse.passes("after receipt")
            commit(offsets)
            fuse.passes("after offsets")

        subscription.commit = committing
        return subscription


class NoTraffic:
    """Reads no signals."""

    def of_window(self, *_window):
        return Signals()


def main(folder: str, url: str, topic: str, point: str) -> None:
    fuse, clock, counts = Fuse(point), SystemClock(), EventCounts()
    database = Database(url)
    with database.write() as connection:
        tables.METADATA.create_all(connection)
    store = Store(database, tables.RESOURCES, mapping.event, lambda *_: None, PageTokens(b"s"), clock)
    operations = Operations(store, tables.METADATA.tables["operations"], [], clock)
    devices = JobDevices(is_local=False)
    procedure = PolicyProcedure(store, RunTables(), NoTraffic(), operations, devices, Rates(), clock)
    deciding = Operations(store, tables.METADATA.tables["operations"], [procedure], clock)
    begin = operations.begin

    def beginning(tx, run):
        begin(tx, run)
        fuse.passes("before run")

    operations.begin = beginning
    _create(store, deciding, clock)
    receive = receiver(deciding, counts, clock)

    def receiving(events, tx):
        receive(events, tx)
        fuse.passes("before receipt")

    log = FusedLog(Path(folder), clock, lease_s=0.5)
    log.fuse = fuse
    consumer = ExternalEventConsumer([topic], log, store, counts, receiving)
    while len(_taken(store)) < 2:
        consumer._step()
        if len(_events(store)) == 2:
            deciding.run_due()
        if _taken(store):
            fuse.passes("after run")
    consumer.stop()
    _print(store)


def _create(store, operations, clock):
    now = clock.now()
    filters = (EventFilter("com.example.*"),)
    sources = (f"{PROJECT}/sources/s",)
    policy = Policy(f"{PROJECT}/policies/data", now, now, event_filters=filters, sources=sources)
    with store.write() as tx:
        if tx.find(Project, PROJECT) is None:
            tx.create(Project(PROJECT, now, now, Classify(("ham", "spam"))))
            stored, _ = tx.create(policy)
            operations.begin(tx, stored)


def _events(store):
    with store.read() as tx:
        return tx.all(ExternalEvent, PROJECT)


def _taken(store):
    return [event.pipeline_run for event in _events(store) if event.pipeline_run]


def _print(store):
    with store.read() as tx:
        runs = tx.all(PipelineRun, PROJECT)
    stored = {
        "events": [event.event_id for event in _events(store)],
        "taken": _taken(store),
        "runs": [{"name": run.name, "events": run.event_count} for run in runs],
    }
    sys.stdout.write(json.dumps(stored))


if __name__ == "__main__":
    main(*sys.argv[1:])
