"""Small dataset versions in an artifact store, as ingestion writes them, and the service with its worker."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ratoon.labeling.v1.labeling_service_pb2_grpc import (
    LabelingServiceStub,
    add_LabelingServiceServicer_to_server,
)
from ratoon.operations.jobs import Jobs
from ratoon.process.errors import NotFound
from ratoon.runtime.lifecycle import App, Rpc
from ratoon.security.identity import Role
from ratoon.service.app import Platform, ServiceRuntime
from ratoon.storage.artifacts import ArtifactStore
from ratoon.storage.migrations import migrate
from ratoon.testkit.jobs import InlineJobs
from ratoon.testkit.services import State, serving
from ratoon_labeling import mapping
from ratoon_labeling.adapters import tables
from ratoon_labeling.adapters.drawing import drawing_jobs
from ratoon_labeling.adapters.exchange import ArtifactFiles
from ratoon_labeling.adapters.freezing import freezing_jobs
from ratoon_labeling.adapters.ledger import BulkLedger
from ratoon_labeling.adapters.patterns import Re2Patterns
from ratoon_labeling.adapters.task_counts import SqlTaskCounts
from ratoon_labeling.adapters.task_queue import SqlTaskQueue
from ratoon_labeling.application.intake import AnswerText
from ratoon_labeling.application.ports import Reading
from ratoon_labeling.application.procedures import (
    VersionProcedure,
    label_set_procedure,
    refill_procedure,
)
from ratoon_labeling.domain.errors import DatasetNotReady
from ratoon_labeling.domain.exchange import RecordText
from ratoon_labeling.domain.intake import Batch, IntakeRule, Item
from ratoon_labeling.domain.tasks import Task
from ratoon_labeling.entrypoints.grpc import LabelingServicer
from ratoon_labeling.settings import Settings

RECEIVED = datetime(2026, 1, 1, tzinfo=UTC)
Labels = list[str | None]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("labeling")


@pytest.fixture(scope="module")
def artifacts(folder: Path) -> ArtifactStore:
    return ArtifactStore(str(folder / "artifacts"))


@pytest.fixture(scope="module")
def put_dataset(artifacts: ArtifactStore, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Stores two shards; record `<prefix><n>` came with the n-th label. Gives the tree's digest."""

    def put(
        labels: Labels,
        prefix: str = "r",
        examples: Labels | None = None,
        texts: list[str] | None = None,
        digests: list[str] | None = None,
    ) -> str:
        tree = tmp_path_factory.mktemp("dataset")
        half = len(labels) // 2
        for number, span in enumerate((range(half), range(half, len(labels)))):
            rows = table(span, labels, prefix, texts, digests)
            if examples is not None:
                column = pa.array([examples[n] for n in span], pa.string())
                rows = rows.append_column("example", column)
            pq.write_table(rows, tree / f"records-{number:05}.parquet")
        (tree / "profile.json").write_text("{}")
        return artifacts.put_tree(tree)

    return put


def table(
    span: range,
    labels: Labels,
    prefix: str,
    texts: list[str] | None = None,
    digests: list[str] | None = None,
) -> pa.Table:
    received = [RECEIVED + timedelta(hours=n) for n in span]
    return pa.table(
        {
            "record_id": [f"{prefix}{n}" for n in span],
            "content_digest": [
                digests[n] if digests else f"d{n}" if prefix == "r" else f"{prefix}-d{n}" for n in span
            ],
            "text": [texts[n] if texts else "a text that no label set reads" for n in span],
            "source": ["projects/p/sources/mail" for _ in span],
            "source_label": pa.array([labels[n] for n in span], pa.string()),
            "received_time": pa.array(received, pa.timestamp("us", tz="UTC")),
        }
    )


class FakeDatasets:
    """The dataset versions that a test put here."""

    def __init__(self) -> None:
        self.ready: dict[str, str] = {}
        self.texts: dict[str, str] = {}
        self.sealed: set[str] = set()
        self.readings: list[Reading] = []

    def artifact_of(self, dataset_version: str) -> str:
        if dataset_version not in self.ready:
            raise DatasetNotReady(f"{dataset_version} is RUNNING; wait until it is READY.")
        return self.ready[dataset_version]

    def check(self, project: str, records: Sequence[tuple[str, str]], reading: Reading | None) -> list[bool]:
        marks = [not self.sealed.isdisjoint(each) for each in records]
        if reading is not None and any(marks):
            self.readings.append(reading)
        return marks

    def text_of(self, dataset_version: str, record_id: str) -> str:
        if record_id not in self.texts:
            raise NotFound(f"{dataset_version} has no record {record_id}.")
        return self.texts[record_id]


class StoredRecords:
    """The records of the dataset versions that a test put here."""

    def __init__(self, datasets: FakeDatasets, artifacts: ArtifactStore) -> None:
        self._datasets, self._artifacts = datasets, artifacts

    def of(self, dataset_version: str) -> Iterator[RecordText]:
        for file in self._artifacts.tree(self._datasets.artifact_of(dataset_version)):
            if file.path.startswith("records-"):
                with self._artifacts.open(file.sha256) as stream:
                    for row in pq.read_table(
                        stream, columns=["record_id", "content_digest", "text"]
                    ).to_pylist():
                        yield RecordText(**row)


class NoSources:
    """Sources from which no answer comes."""

    def check(self, rule: IntakeRule) -> None:
        pass

    def start(self, project: str, rule: IntakeRule) -> str:
        return "0"

    def read(self, project: str, rule: IntakeRule, position: str) -> Batch:
        return Batch((), position)

    def detailed(self, project: str, items: Sequence[Item]) -> Sequence[Item]:
        return items

    def text_of(self, project: str, answer_id: str) -> AnswerText | None:
        return None

    def give_back(self, task: Task) -> str:
        return ""


class FakeReferences:
    """Resources of other services, by the name or digest that they store."""

    def __init__(self) -> None:
        self.users: dict[str, str] = {}

    def referrers(self, name: str, *digests: str) -> list[str]:
        return [self.users[each] for each in (name, *digests) if each in self.users]


def build(
    settings: Settings,
    datasets: FakeDatasets,
    references: FakeReferences,
    jobs: Jobs,
    endpoints: dict[str, str],
) -> App:
    base = ServiceRuntime(settings, Platform.of_process(), tables.METADATA)
    store = base.store(tables.RESOURCES, mapping.event)
    freezing = freezing_jobs(jobs, settings.artifacts_url)
    artifacts = ArtifactStore(settings.artifacts_url)
    ledger = BulkLedger(base.database, artifacts, base.clock)
    counts, changes = SqlTaskCounts(base.database, base.clock), base.changes(store)
    queue = SqlTaskQueue(base.database)
    drawing = drawing_jobs(jobs, settings.artifacts_url, endpoints)
    procedures = [
        label_set_procedure(freezing, ledger),
        refill_procedure(drawing, ledger, store, queue, datasets),
        VersionProcedure(store, queue),
    ]
    operations = base.operations(store, procedures)
    servicer = LabelingServicer(
        store,
        operations,
        datasets,
        changes,
        base.threads,
        base.clock,
        counts,
        references,
        queue,
        queue,
        Re2Patterns(),
        StoredRecords(datasets, artifacts),
        ArtifactFiles(artifacts),
        endpoints,
        sources=NoSources(),
        sealed=datasets,
    )
    rpc = Rpc("ratoon.labeling.v1.LabelingService", add_LabelingServiceServicer_to_server, servicer)
    return base.app([rpc], [operations])


@pytest.fixture(scope="module")
def jobs(folder: Path) -> Jobs:
    """The worker's code in the threads of the service; `test_service` runs it in a process too."""
    return InlineJobs(folder / "jobs", "ratoon_labeling.worker.job")


@pytest.fixture(scope="module")
def references() -> FakeReferences:
    return FakeReferences()


@pytest.fixture(scope="module")
def datasets() -> FakeDatasets:
    return FakeDatasets()


@pytest.fixture(scope="module")
def endpoints() -> dict[str, str]:
    """Endpoints that the operator listed, with variables of their keys."""
    return {}


@pytest.fixture(scope="module")
def state(folder, artifacts, datasets, references, databases, jobs, endpoints) -> Iterator[State]:
    url = databases.url("labeling", folder)
    settings = Settings(state=folder, artifacts_url=artifacts.url, database_url=url)
    migrate("labeling", settings.database_url)
    with State(folder) as state, serving([build(settings, datasets, references, jobs, endpoints)]):
        yield state


@pytest.fixture(scope="module")
def labeling(state: State) -> LabelingServiceStub:
    return LabelingServiceStub(state.as_role(Role.ENGINEER, "labeling"))
