"""Growth of cost with data: each metric at a small and at a large size, by the services' own code.

    python bench/growth/run.py [--quick] [--json FILE]

Idle operations, pages of projects, claims of tasks, label sets, drift reports, pages of wrong answers and look-ups of
near duplicates run in this process over SQLite databases and artifacts in a temporary directory. A metric that does not
grow has a ratio near 1.
`--quick` uses small sizes and takes at most 20 s.
"""

import argparse
import json
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import Table, insert

from ratoon.operations.operations import Claim, Operations, Step
from ratoon.process.clock import SystemClock
from ratoon.process.errors import Description
from ratoon.storage import outbox
from ratoon.storage.artifacts import ArtifactStore
from ratoon.storage.database import Database
from ratoon.storage.migrations import migrate
from ratoon.storage.paging import PageTokens
from ratoon.storage.store import Resource, Store, codec_of
from ratoon.tasks.classify import Classify
from ratoon_evaluation.adapters.answers import ParquetAnswers
from ratoon_flywheel import mapping as flywheel_mapping
from ratoon_flywheel.adapters import tables as flywheel_tables
from ratoon_flywheel.domain.pipelines.runs import PipelineRun
from ratoon_flywheel.domain.projects import Project
from ratoon_flywheel.domain.signals.drift import Feature, Measure
from ratoon_flywheel.domain.signals.monitor import DriftReport, Monitor, is_news
from ratoon_ingestion.domain.curation import CLUSTER_THRESHOLD
from ratoon_ingestion.worker.index.lookup import matches
from ratoon_ingestion.worker.index.segment import Segment
from ratoon_ingestion.worker.index.sketches import BLOCK, Sketches
from ratoon_ingestion.worker.index.stored import index_store, layout_for
from ratoon_ingestion.worker.index.write import build
from ratoon_labeling import mapping as labeling_mapping
from ratoon_labeling.adapters import tables as labeling_tables
from ratoon_labeling.adapters.ledger import BulkLedger
from ratoon_labeling.adapters.task_counts import SqlTaskCounts
from ratoon_labeling.adapters.task_queue import SqlTaskQueue
from ratoon_labeling.application import handlers as labeling
from ratoon_labeling.application.commands import ClaimTask, CompleteTask
from ratoon_labeling.domain.guidelines import ConflictPolicy
from ratoon_labeling.domain.label_sets import Frozen, LabelSet
from ratoon_labeling.domain.tasks import Reason, Task

START = datetime(2026, 1, 1, tzinfo=UTC)
_IDLE_S = 1.5
LABELS = Classify(("ham", "spam"))
ANNOTATORS = 8
CARDS = 24
"""Projects on the start page of the console, and the pipeline runs that each of them shows."""
RUNS = 5
CLOCK = SystemClock()
OLD_RECORDS, NEW_RECORDS, SHINGLES = 10, 1_000, 20
"""Old records for each task, records of each new version, and shingles of a record, in the index of near duplicates."""


@dataclass(frozen=True)
class Sizes:
    """A size of every kind of data."""

    projects: int
    tasks: int
    labels: int
    records: int
    """Records in a test part, each with a text of `text_chars`."""
    text_chars: int = 20_000


@dataclass(frozen=True)
class Metric:
    """One measured value, its unit, and what it grows with."""

    name: str
    unit: str
    small: float
    large: float

    @property
    def ratio(self) -> float:
        """The large value in multiples of the small one."""
        return self.large / self.small if self.small else float("inf") if self.large else 1.0


FULL = Sizes(1_000, 10_000, 10_000, 500), Sizes(10_000, 100_000, 100_000, 4_000)
QUICK = Sizes(200, 1_000, 1_000, 100), Sizes(1_000, 8_000, 4_000, 800)


class Observer:
    """Procedure of monitors that sleep for an hour after each observation; it records when each was observed."""

    kind = Monitor

    def __init__(self) -> None:
        self.observed_at: dict[str, float] = {}
        self.changed = threading.Condition()

    def observe(self, resource: Monitor, claim: Claim) -> None:
        """Record the observation."""
        with self.changed:
            self.observed_at[resource.name] = time.perf_counter()
            self.changed.notify_all()

    def step(self, resource: Monitor, observation: None, now: datetime) -> Step[Monitor]:
        """Sleep."""
        return Step(resource, wake_after=3600.0)

    def act(self, resource: Monitor, action: object, claim: Claim) -> None:
        """Do nothing."""

    def failed(self, resource: Monitor, error: Description, now: datetime) -> Step[Monitor]:
        """Sleep."""
        return Step(resource, wake_after=3600.0)


def measure(sizes: Sizes, folder: Path) -> dict[tuple[str, str], float]:
    """Return each metric at these sizes, by name and unit."""
    folder.mkdir()
    return {
        **idle_operations(sizes.projects, folder),
        **start_page(sizes.projects, folder),
        **annotators(sizes.tasks, folder),
        **label_set(sizes.labels, folder),
        **wrong_answers(sizes, folder),
        **near_duplicates(sizes.tasks * OLD_RECORDS, folder),
        ("drift reports kept in a day of steady traffic", ""): drift_reports(),
    }


def idle_operations(count: int, folder: Path) -> dict[tuple[str, str], float]:
    """Measure the cost of sleeping monitors, and how long a new run waits while all of them are due."""
    with opened("flywheel", folder / "idle.db", flywheel_tables, flywheel_mapping) as store:
        monitors = [Monitor(f"projects/p{number}/monitors/m", START, START) for number in range(count)]
        put(store.database, flywheel_tables.RESOURCES[Monitor], monitors)
        observer = Observer()
        operations = Operations(store, flywheel_tables.METADATA.tables["operations"], [observer], CLOCK)
        with store.write() as tx:
            for monitor in monitors:
                operations.begin(tx, monitor)
            tx.connection.exec_driver_sql("UPDATE operations SET due = due + 3600, priority = 1")
        operations.start()
        time.sleep(0.5)
        used = time.process_time()
        time.sleep(_IDLE_S)
        used = time.process_time() - used
        waits = [wait_of_a_run(store, operations, observer, number) for number in range(5)]
        operations.stop()
    return {
        ("idle projects", "% of one core"): 100 * used / _IDLE_S,
        ("first look at a run while all idle projects are due", "ms"): statistics.median(waits),
    }


def wait_of_a_run(store: Store, operations: Operations, observer: Observer, number: int) -> float:
    """Make all idle operations due, begin another one, and return the milliseconds until it is observed."""
    name = f"projects/run{number}/monitors/m"
    with store.write() as tx:
        tx.connection.exec_driver_sql("UPDATE operations SET due = 0 WHERE priority = 1")
    with store.write() as tx:
        created, _ = tx.create(Monitor(name, START, START))
        operations.begin(tx, created)
    begun = time.perf_counter()
    with observer.changed:
        observer.changed.wait_for(lambda: name in observer.observed_at, 60)
        return 1000 * (observer.observed_at.get(name, begun + 60) - begun)


class NoTexts:
    """Dataset versions whose texts are not read: answers to `LABELS` do not depend on them."""

    def artifact_of(self, dataset_version: str) -> str:
        """Not read here."""
        raise LookupError(dataset_version)

    def text_of(self, dataset_version: str, record_id: str) -> str:
        """Not read here."""
        raise LookupError(record_id)


def start_page(count: int, folder: Path) -> dict[tuple[str, str], float]:
    """Measure the reads behind one page of projects, the newest first, each with its newest runs."""
    with opened("flywheel", folder / "projects.db", flywheel_tables, flywheel_mapping) as store:
        projects = [
            at(number, Project(f"projects/p{number}", START, START, Classify(("a", "b"))))
            for number in range(count)
        ]
        put(store.database, flywheel_tables.RESOURCES[Project], projects)
        runs = [
            at(
                number,
                PipelineRun(
                    f"{projects[0].name}/pipelineRuns/{number}", START, START, projects[0], sources=()
                ),
            )
            for number in range(count)
        ]
        put(store.database, flywheel_tables.RESOURCES[PipelineRun], runs)

        def page() -> None:
            shown = store.page(Project, "", CARDS, order_by="create_time desc").items
            for project in [projects[0], *shown[1:]]:
                store.page(PipelineRun, project.name, RUNS, order_by="create_time desc")

        return {("reads of the start page of the console", "ms"): milliseconds(page, 10)}


def annotators(count: int, folder: Path) -> dict[tuple[str, str], float]:
    """Measure one annotator's next task, the counts of the queue, and how many tasks eight annotators see."""
    with opened("labeling", folder / "tasks.db", labeling_tables, labeling_mapping) as store:
        put(store.database, labeling_tables.RESOURCES[Task], [task(number) for number in range(count)])
        names: list[str] = []
        queue = SqlTaskQueue(store.database)
        operations = Operations(store, labeling_tables.METADATA.tables["operations"], [], CLOCK)

        def claims() -> None:
            for annotator in range(ANNOTATORS):
                claim = ClaimTask("projects/p", "", f"ann{annotator}")
                claimed = labeling.claim_task(claim, store, CLOCK, queue)
                if claimed is not None:
                    names.append(claimed.name)
                    answer = CompleteTask(claimed.name, "ham", f"ann{annotator}")
                    labeling.complete_task(answer, store, operations, NoTexts(), queue, CLOCK)

        answered = milliseconds(claims, 5) / ANNOTATORS
        summary = milliseconds(lambda: SqlTaskCounts(store.database, CLOCK).of("projects/p"), 3)
        assert len(set(names)) == len(names)
    return {
        ("next task of an annotator and its answer", "ms"): answered,
        ("counts of the review queue", "ms"): summary,
    }


def task(number: int) -> Task:
    """An open task."""
    name, version = f"projects/p/tasks/t{number:07}", "projects/p/datasets/d/versions/v1"
    return Task(name, START, START, f"r{number}", "d", version, LABELS, "ham", Reason.REVIEW_SAMPLE)


def label_set(count: int, folder: Path) -> dict[tuple[str, str], float]:
    """Measure how long the control process records a label set, for each thousand labels."""
    artifacts = ArtifactStore(str(folder / "artifacts"))
    with opened("labeling", folder / "labels.db", labeling_tables, labeling_mapping) as store:
        line = {"content_digest": "d", "label": "ham", "annotator": "projects/p/sources/s"}
        lines = (json.dumps(line | {"record_id": f"r{number}"}).encode() for number in range(count))
        imported, none = artifacts.put_bytes(b"\n".join(lines)), artifacts.put_bytes(b"")
        version, guideline = "projects/p/datasets/d/versions/v1", "projects/p/guidelines/g"
        frozen = LabelSet(
            "projects/p/labelSets/l",
            START,
            START,
            version,
            "d",
            guideline,
            LABELS,
            ConflictPolicy.HUMAN_FIRST,
        )
        ledger = BulkLedger(store.database, artifacts, CLOCK)
        result = Frozen("d", imported, none, {"ham": count}, 0, 0, 0)
        spent = milliseconds(lambda: ledger.record(frozen, result), 1)
    return {("record a label set, each 1,000 labels", "ms"): 1000 * spent / count}


def wrong_answers(sizes: Sizes, folder: Path) -> dict[tuple[str, str], float]:
    """Measure a page of 50 wrong answers with their texts: time, and Arrow's peak of memory."""
    artifacts = ArtifactStore(str(folder / "artifacts"))
    ids = [f"r{number:06}" for number in range(sizes.records)]
    part = folder / "part.parquet"
    rows = pa.table({"record_id": ids, "text": ["x" * sizes.text_chars] * sizes.records})
    pq.write_table(rows, part, row_group_size=200, use_dictionary=False)
    digest = artifacts.put_file(part)
    del rows
    reader, pool = ParquetAnswers(artifacts), pa.proxy_memory_pool(pa.default_memory_pool())
    before = pa.default_memory_pool()
    pa.set_memory_pool(pool)
    try:
        spent = milliseconds(lambda: reader.records(digest, ids[:50]), 3)
    finally:
        pa.set_memory_pool(before)
    peak = (pool.max_memory() or 0) / 2**20
    return {("page of wrong answers", "ms"): spent, ("memory of a page of wrong answers", "MiB"): peak}


def near_duplicates(count: int, folder: Path) -> dict[tuple[str, str], float]:
    """Measure the tenth new version of a dataset with this many old records: its look-ups and its index."""
    store, rng = ArtifactStore(str(folder / "artifacts")), np.random.default_rng(1)
    versions = [f"{number:064x}" for number in range(11)]
    scratch = folder / "segments"
    scratch.mkdir()
    with index_store(store, scratch) as indexes:

        def segment(records: int, version: str) -> Segment:
            blocks = (sketches(rng, min(BLOCK, records - start)) for start in range(0, records, BLOCK))
            return build(blocks, layout_for(CLUSTER_THRESHOLD, version), indexes.path())

        index = indexes.put([segment(count, versions[0])])
        for version in versions[1:10]:
            index = indexes.grown(indexes.covering([index], versions), segment(NEW_RECORDS, version))
        new = sketches(rng, NEW_RECORDS)
        began = time.perf_counter()
        stored = indexes.covering([index], versions)
        matches(new, [each.segment for each in stored], CLUSTER_THRESHOLD)
        layout = layout_for(CLUSTER_THRESHOLD, versions[10])
        indexes.grown(stored, build([new], layout, indexes.path()))
        took = time.perf_counter() - began
    return {(f"tenth version of {NEW_RECORDS:,} new records in the index of near duplicates", "s"): took}


def sketches(rng: np.random.Generator, count: int) -> Sketches:
    """Return random sketches."""
    ids, digests = (rng.integers(0, 2**64, (count, 4), np.uint64) for _ in range(2))
    shingles = np.sort(rng.integers(0, 2**64, (count, SHINGLES), np.uint64), axis=1).ravel()
    offsets = np.arange(count + 1, dtype=np.int64) * SHINGLES
    return Sketches(
        ids, digests, shingles, offsets, rng.integers(0, 2**64, count, np.uint64), np.zeros(count, np.uint64)
    )


def drift_reports() -> float:
    """Count the reports of a day of measurements, one each 2 s, that are stored."""
    measures = (Measure(Feature.WORDS, 0.1, 0.2),)
    report, newest, stored = DriftReport("r", START, START, "v1", 300, measures, 100, 10), None, 0
    for second in range(0, 86_400, 2):
        report = replace(report, create_time=START + timedelta(seconds=second))
        if is_news(report, newest):
            newest, stored = report, stored + 1
    return stored


@contextmanager
def opened(service: str, path: Path, tables: Any, mapping: Any) -> Iterator[Store]:
    """A service's store on a new database."""
    url = f"sqlite:///{path}"
    migrate(service, url)
    database = Database(url)
    yield Store(database, tables.RESOURCES, mapping.event, outbox.append, PageTokens(b"secret"), CLOCK)
    database.close()


def put(database: Database, table: Table, resources: list[Any]) -> None:
    """Add resources in bulk."""
    rows = [row_of(codec_of(type(each), table), each) for each in resources]
    with database.write() as connection:
        connection.execute(insert(table), rows)


def row_of(codec: Any, resource: Resource) -> dict[str, object]:
    """The row of a resource of revision 1."""
    parent = resource.name.rsplit("/", 2)[0] if resource.name.count("/") > 1 else ""
    body = codec.dump(replace(resource, revision=1))  # type: ignore[type-var]
    time_ = resource.create_time.isoformat()
    return {"name": resource.name, "parent": parent, "create_time": time_, "revision": 1, "body": body}


def at(number: int, resource: Any) -> Any:
    """Return the resource, created `number` seconds after the start."""
    return replace(resource, create_time=START + timedelta(seconds=number))


def milliseconds(work: Callable[[], object], times: int) -> float:
    """The median duration of some work."""
    spent = []
    for _ in range(times):
        begun = time.perf_counter()
        work()
        spent.append(1000 * (time.perf_counter() - begun))
    return statistics.median(spent)


def print_table(metrics: list[Metric], sizes: tuple[Sizes, Sizes]) -> None:
    """Print one row per metric."""
    small, large = sizes
    print(f"small: {small}\nlarge: {large}\n")
    print(f"{'':56}{'small':>10}{'large':>10}{'ratio':>8}")
    for each in metrics:
        unit = f", {each.unit}" if each.unit else ""
        print(f"{each.name + unit:56}{each.small:>10,.1f}{each.large:>10,.1f}{each.ratio:>8.1f}")


def main() -> None:
    """Measure at both sizes and print the table and a line of JSON."""
    parser = argparse.ArgumentParser(description="Growth of cost with data.")
    parser.add_argument("--quick", action="store_true", help="small sizes, at most 20 s")
    parser.add_argument("--json", type=Path, help="where to write the results")
    options = parser.parse_args()
    sizes = QUICK if options.quick else FULL
    with tempfile.TemporaryDirectory(prefix="ratoon-bench-growth-") as folder:
        small, large = (
            measure(each, Path(folder, name)) for each, name in zip(sizes, ("small", "large"), strict=True)
        )
    metrics = [Metric(name, unit, small[name, unit], large[name, unit]) for name, unit in small]
    print_table(metrics, sizes)
    results = {f"{each.name}, {each.unit}": {"small": each.small, "large": each.large} for each in metrics}
    print(json.dumps(results))
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
