"""Latency from the end of a stage of a pipeline run to the start of the next, and observations of a waiting run.

    python bench/stages.py [--poll SECONDS] [--runs 20] [--seconds 5]

The flywheel's own procedure, relay, embedded log and consumer work in one process over stages that a script ends.
With `--poll` no event is consumed, and a run is observed each so many seconds. Takes about 10 s.
"""

import argparse
import json
import statistics
import tempfile
import threading
import time
import uuid
from collections.abc import Sequence
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ratoon.events.cloudevents import Event
from ratoon.events.consumer import Consumer
from ratoon.events.embedded import EmbeddedLog
from ratoon.events.ports import Topic
from ratoon.operations.operations import Operations
from ratoon.process.clock import SystemClock
from ratoon.service.events import topics_of
from ratoon.storage import outbox
from ratoon.storage.database import Database
from ratoon.storage.paging import PageTokens
from ratoon.storage.store import Store
from ratoon.tasks.classify import Classify
from ratoon_flywheel import mapping
from ratoon_flywheel.adapters import tables
from ratoon_flywheel.adapters.runs import RunTables
from ratoon_flywheel.application import ports, procedures
from ratoon_flywheel.application.procedures import RunProcedure
from ratoon_flywheel.application.watched import WatchedRuns
from ratoon_flywheel.domain.pipelines.actions import BuildDataset, FreezeLabels, StageRequest
from ratoon_flywheel.domain.pipelines.runs import PipelineRun, Products
from ratoon_flywheel.domain.pipelines.steps import Child, ChildState
from ratoon_flywheel.domain.projects import Project
from ratoon_flywheel.entrypoints.events import TOPICS, WAKING, on_stage_end

_END = "ratoon.ingestion.v1.DatasetVersionCompleted"


class Stages:
    """The service of every stage: its first resource ends when the benchmark says so, the next one stays at work."""

    def __init__(self) -> None:
        self.observations = 0
        self.first: dict[str, str] = {}
        self.ended: dict[str, float] = {}
        self.latencies: list[float] = []
        self._followed = threading.Condition()

    def create(self, spec: StageRequest, request_id: str) -> str:
        """Return a new resource; note when the stage after the first one begins."""
        resource = f"resources/{request_id}"
        if isinstance(spec, BuildDataset):
            self.first[spec.project.name] = resource
        elif isinstance(spec, FreezeLabels):
            with self._followed:
                self.latencies.append(time.monotonic() - self.ended[self.first[spec.project.name]])
                self._followed.notify()
        return resource

    def observe(self, resource: str) -> Child:
        """Return the state of a resource."""
        self.observations += 1
        if resource in self.ended:
            return Child(ChildState.SUCCEEDED, Products(dataset_version="versions/v"))
        return Child(ChildState.WORKING)

    def production(self, project: Project) -> None:
        """Return None: no version serves."""

    def wait(self, number: int, timeout_s: float) -> None:
        """Wait until `number` stages have followed."""
        with self._followed:
            self._followed.wait_for(lambda: len(self.latencies) >= number, timeout_s)


def main() -> None:
    """Measure once and print a table and a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--poll", type=float, default=0.0, help="poll each so many seconds [by event]")
    parser.add_argument("--runs", type=int, default=20, help="pipeline runs [20]")
    parser.add_argument("--seconds", type=float, default=5.0, help="seconds for which the runs wait [5]")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        metrics = measure(Path(folder), options.poll, options.runs, options.seconds)
    for name, value in metrics.items():
        print(f"{name:<40} {value}")
    print(json.dumps(metrics))


def measure(folder: Path, poll_s: float, count: int, seconds: float) -> dict[str, float]:
    """Begin runs, let them wait, then end their stages one after another."""
    if poll_s:
        vars(procedures)["SAFETY_NET_S"] = poll_s
    stages, database, clock = Stages(), Database(f"sqlite:///{folder}/flywheel.db"), SystemClock()
    with database.write() as connection:
        tables.METADATA.create_all(connection)
    store = Store(database, tables.RESOURCES, mapping.event, outbox.append, PageTokens(b"bench"), clock)
    log, runs = EmbeddedLog(folder / "events", clock), RunTables()
    operations, relay, consumer = parts(store, database, log, clock, stages, runs)
    work: Sequence[Any] = [operations, *(() if poll_s else (relay, consumer))]
    for part in work:
        part.start()
    names = [begin(store, operations, number, clock) for number in range(count)]
    time.sleep(1.0)
    observations, used = stages.observations, time.process_time()
    time.sleep(seconds)
    observations, used = stages.observations - observations, time.process_time() - used
    for number, name in enumerate(names, 1):
        end(store, stages, name)
        stages.wait(number, 2.0)
        time.sleep(0.1 * (number % 3))
    for part in reversed(work):
        part.stop()
    latencies = sorted(stages.latencies)
    return {
        "looks per minute of a waiting run": round(60 * observations / seconds / count, 1),
        "processor, % of one core, all runs": round(100 * used / seconds, 2),
        "stage to stage, median ms": round(1000 * statistics.median(latencies), 1),
        "stage to stage, max ms": round(1000 * latencies[-1], 1),
        "stages that followed": len(latencies),
    }


def parts(
    store: Store, database: Database, log: EmbeddedLog, clock: SystemClock, stages: Stages, runs: RunTables
) -> tuple[Operations, outbox.Relay, Consumer]:
    """Build what follows a run."""
    procedure = RunProcedure(
        store,
        runs,
        ports.Stages(**{each.name: unused(stages) for each in fields(ports.Stages)}),
        lineage=unused(stages),
        sources=unused(None),
        answers=unused(None),
        segments=unused(None),
        watched=WatchedRuns(),
    )
    operations = Operations(store, tables.METADATA.tables["operations"], [procedure], clock)
    topics = [*topics_of("flywheel"), *map(Topic, TOPICS)]
    consumer = Consumer(
        "flywheel",
        TOPICS,
        on_stage_end(store, operations, runs),
        log=log,
        database=database,
        publish=outbox.append,
        clock=clock,
    )
    return operations, outbox.Relay("flywheel", database, log, clock, topics), consumer


def unused(port: object) -> Any:
    """Return a port of which the benchmark uses a part, or nothing."""
    return port


def begin(store: Store, operations: Operations, number: int, clock: SystemClock) -> str:
    """Begin a run of a project of its own; return the project's name."""
    now, name = clock.now(), f"projects/p{number}"
    project = Project(name, now, now, Classify(("ham", "spam")))
    run = PipelineRun(f"{name}/pipelineRuns/r", now, now, project, sources=(f"{name}/sources/s",))
    with store.write() as tx:
        run, _ = tx.create(run)
        operations.begin(tx, run)
    return name


def end(store: Store, stages: Stages, project: str) -> None:
    """End the first stage of a project's run, with the event that its service publishes."""
    resource = stages.first[project]
    stages.ended[resource] = time.monotonic()
    event = Event(WAKING[0], _END, "ingestion", resource, datetime.now(UTC), b"", id=str(uuid.uuid4()))
    with store.write() as tx:
        outbox.append(tx.connection, event.record())


if __name__ == "__main__":
    main()
