"""Curation on Ray makes the bytes that the pool makes: on one machine, on two nodes, and when one of them is killed."""

import json
import random
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ratoon.jobs.v1.ingestion_jobs_pb2 import CurationSpec
from ratoon.jobs.v1.job_pb2 import JobEnvironment
from ratoon.operations.job_messages import spec_json, to_json
from ratoon.operations.jobs import JobState, JobStatus, LocalJobs
from ratoon.storage.artifacts import ArtifactStore
from ratoon.tasks.curation import Step
from ratoon.testkit.object_store import object_store
from ratoon.testkit.ray_cluster import RayCluster, ray_cluster
from ratoon.testkit.waiting import until
from ratoon_ingestion.domain.curation import CurationConfig
from ratoon_ingestion.worker.curate import curate
from ratoon_ingestion.worker.spec import read_spec
from ratoon_ingestion.worker.steps import registry

__all__ = ["object_store"]

pytestmark = [pytest.mark.ray, pytest.mark.timeout(400)]
WORDS = ("river", "stone", "market", "letter", "window", "bridge", "winter", "copper", "candle", "forest")
BATCHES = 30
TIMEOUT_S = 200
STEP = '''
"""Step that writes down its process and each batch; the first batches take until two processes have one."""

import hashlib
import os
import time
from pathlib import Path

from ratoon_ingestion.worker.steps import StepResult


def noted(batch, params):
    notes, until = Path(os.environ["ACME_NOTES"]), time.monotonic() + 60
    name = hashlib.sha256(batch.column("text")[0].as_py().encode()).hexdigest()
    with notes.open("a") as sink:
        sink.write(f"{os.getpid()} {name}\\n")
    while len({line.split()[0] for line in notes.read_text().splitlines()}) < 2 and time.monotonic() < until:
        time.sleep(0.05)
    time.sleep(0.1)
    return StepResult()
'''


def story(seed: int, words: int = 25) -> str:
    return " ".join(random.Random(seed).choices(WORDS, k=words))


def sources(count: int, items: int) -> Iterator[bytes]:
    """Yield sources, each of them less than one batch."""
    stories = [{"text": f"{story(n)} ann{n}@example.com"} for n in range(count * items)]
    stories[-1] = stories[3]
    stories[items] = {"text": f"{story(10)} and a little more"}
    stories[5] = {"text": f"The benchmark asks this. {story(10_000, 20)}"}
    for start in range(0, len(stories), items):
        yield "\n".join(map(json.dumps, stories[start : start + items])).encode()


class Bench:
    """Curations of one source, in this process and as jobs."""

    def __init__(self, folder: Path, artifacts: str, count: int, items: int) -> None:
        self.folder, self.store = folder, ArtifactStore(artifacts)
        self.sources = [self.store.put_bytes(each) for each in sources(count, items)]
        self.benchmark = self.store.put_bytes(json.dumps({"text": story(10_000, 20)}).encode())

    def spec(self, *steps: Step, **fields: Any) -> CurationSpec:
        benchmark = {"name": "asked", "source": {"digest": self.benchmark, "format": "JSONL"}}
        spec = {
            "version": "projects/p/datasets/d/versions/v1",
            "sources": [
                {"name": f"projects/p/sources/{digest[:9]}", "digest": digest, "format": "JSONL"}
                for digest in self.sources
            ],
            "curation": CurationConfig(
                steps=(Step("decontamination", {"benchmarks": "asked"}), *steps)
            ).stated(),
            "decontamination": {"benchmarks": [benchmark]},
            "record_key": "ab" * 32,
            "processes": 1,
            **fields,
        }
        return read_spec(CurationSpec, spec)

    def pooled(self, *steps: Step) -> dict[str, Any]:
        def silent(fraction: float, message: str, **counts: Any) -> None:
            assert 0 <= fraction <= 1

        return comparable(to_json(curate(self.spec(*steps), self.store, self.folder, silent)))


class Runs:
    """Curations as jobs on Ray."""

    def __init__(self, bench: Bench, environment: dict[str, str]) -> None:
        self.bench, self.jobs = bench, LocalJobs(bench.folder / "jobs", environment)

    def start(self, name: str, *steps: Step) -> None:
        environment = JobEnvironment(task="curate", artifacts=self.bench.store.url)
        spec = spec_json(environment, self.bench.spec(*steps, executor="ray", processes=2))
        self.jobs.start(name, "ratoon_ingestion.worker", spec)

    def until(self, name: str, enough: Callable[[JobStatus], bool]) -> JobStatus:
        def reached() -> bool:
            status = self.jobs.observe(name)
            ended = status.state is not JobState.RUNNING
            assert enough(status) or not ended, (status, self.log(name))
            return enough(status)

        until(reached, TIMEOUT_S)
        return self.jobs.observe(name)

    def log(self, name: str) -> str:
        return (self.jobs.folder(name) / "log.txt").read_text()[-3000:]

    def result(self, name: str) -> dict[str, Any]:
        status = self.until(name, lambda status: status.state is JobState.SUCCEEDED)
        return comparable(dict(status.result))


def comparable(result: dict[str, Any]) -> dict[str, Any]:
    """Return a result without computing times."""
    for report in result["step_reports"]:
        assert report.pop("seconds") >= 0
    return result


def test_the_cpus_of_one_machine_make_the_bytes_of_the_pool(tmp_path):
    bench = Bench(tmp_path, str(tmp_path / "artifacts"), 4, 50)
    runs = Runs(bench, {})
    runs.start("alone")
    result = runs.result("alone")
    assert result == bench.pooled()
    removed = {report["name"]: report["removed_counts"] for report in result["step_reports"]}
    assert removed["decontamination"] == {"CONTAMINATED": 1}


@pytest.fixture(scope="module")
def bench(tmp_path_factory, object_store) -> Bench:
    """Curations whose artifacts are objects of an S3 server."""
    return Bench(tmp_path_factory.mktemp("bench"), object_store.url, BATCHES, 40)


@pytest.fixture(scope="module")
def notes(bench) -> Path:
    """The step, installed as a package is; returns the file that it writes."""
    site = bench.folder / "site"
    metadata = site / "acme_notes-1.0.dist-info"
    metadata.mkdir(parents=True)
    (site / "acme_notes.py").write_text(textwrap.dedent(STEP))
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-notes\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[ratoon.curation_steps]\nacme.noted = acme_notes:noted\n")
    return bench.folder / "notes.txt"


@pytest.fixture(scope="module")
def cluster(bench, notes) -> Iterator[RayCluster]:
    with ray_cluster({"PYTHONPATH": str(bench.folder / "site"), "ACME_NOTES": str(notes)}) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def runs(bench, cluster) -> Runs:
    return Runs(bench, cluster.driver_environment)


def noted(notes: Path) -> list[tuple[int, str]]:
    """Return the process and the batch of each note."""
    lines = notes.read_text().splitlines() if notes.exists() else ()
    return [(int(pid), batch) for pid, batch in (line.split() for line in lines)]


def ended(pids: set[int]) -> set[int]:
    return {pid for pid in pids if not Path(f"/proc/{pid}").exists()}


@pytest.mark.thorough
def test_a_curation_waits_for_workers_says_so_and_can_be_cancelled(runs):
    runs.start("cancelled")
    message = "Waiting for a worker; the Ray cluster has 0 CPUs"
    runs.until("cancelled", lambda status: status.progress.message == message)
    runs.jobs.stop("cancelled", grace_s=60)
    status = runs.until("cancelled", lambda status: status.state is JobState.FAILED)
    assert status.reason == "STOPPED"


@pytest.fixture
def installed(bench, notes, monkeypatch) -> Iterator[None]:
    """The step in this process too."""
    monkeypatch.syspath_prepend(str(bench.folder / "site"))
    monkeypatch.setenv("ACME_NOTES", str(bench.folder / "pool.txt"))
    registry._external.cache_clear()
    yield
    registry._external.cache_clear()
    sys.modules.pop("acme_notes", None)


@pytest.mark.thorough
def test_a_node_that_is_killed_halfway_repeats_its_batches_alone(runs, cluster, bench, notes, installed):
    for _ in range(2):
        cluster.start_workers(1)
    noting = Step("acme.noted")
    runs.start("killed", noting)
    runs.until("killed", lambda _: len(noted(notes)) >= BATCHES // 2)
    workers = {pid for pid, _ in noted(notes)}
    assert len(workers) == 2
    cluster.kill_workers()
    until(lambda: len(ended(workers)) == 1)
    lost = ended(workers)
    result = runs.result("killed")

    batches: dict[str, list[int]] = {}
    for pid, batch in noted(notes):
        batches.setdefault(batch, []).append(pid)
    repeated = [pids for pids in batches.values() if len(pids) > 1]
    assert len(batches) == BATCHES
    assert len(repeated) <= 2 * 3  # in flight for two CPUs
    assert all(pids[0] in lost and len(pids) == 2 for pids in repeated)
    (bench.folder / "pool.txt").write_text("1 one\n2 two\n")
    assert result == bench.pooled(noting)
