"""A job worker on a port, by mutual TLS: jobs of several services, what each may do, and a worker that was lost."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ratoon.operations.jobs import JobState, JobStatus, LocalJobs
from ratoon.operations.remote_jobs import RemoteJobs, chosen
from ratoon.process.errors import InvalidArgument, PermissionDenied, Unavailable
from ratoon.runtime.client import open_channel
from ratoon.security.authority import make_authority
from ratoon.security.identity import Principal, Role, set_caller
from ratoon.security.tls import Certificates
from ratoon.service.app import Platform
from ratoon.service.job_worker import JobService, Settings, WorkCollector, build, reap
from ratoon.testkit.certificates import write_certificates
from ratoon.testkit.ports import free_ports
from ratoon.testkit.services import State, serving
from ratoon.testkit.waiting import until

WORKER = """
import sys, time
from pathlib import Path
from ratoon.operations.jobs import JobFolder
job = JobFolder(Path(sys.argv[1]))
spec = job.spec()
job.progress(0.5, "half", done=1, total=2, unit="steps", remaining_s=3.0, metrics={"loss": 0.25})
if spec.get("work"):
    Path(spec["work"]).mkdir(parents=True, exist_ok=True)
while spec.get("wait") and not job.stop_requested():
    time.sleep(0.02)
if spec.get("fail"):
    job.fail("REPORTED", "as specified")
else:
    job.succeed({"spec": spec, "count": 3})
"""
MODULE = "ratoon_registry.worker"


@pytest.fixture
def workers(tmp_path, monkeypatch) -> Path:
    """A directory from which child processes take what is called the registry's worker."""
    package = tmp_path / "modules/ratoon_registry/worker"
    package.mkdir(parents=True)
    for folder in (package.parent, package):
        (folder / "__init__.py").touch()
    (package / "__main__.py").write_text(WORKER)
    monkeypatch.setenv("PYTHONPATH", str(package.parents[1]))
    return package.parents[1]


@pytest.fixture
def settings(tmp_path, workers) -> Settings:
    authority = make_authority("tests")
    write_certificates(tmp_path / "calling", authority, "registry")
    return Settings(
        state=tmp_path / "state",
        keys=State(tmp_path).folder / "keys",
        artifacts_url="s3://bucket/artifacts",
        listen=f"localhost:{free_ports()[0]}",
        tls=write_certificates(tmp_path / "serving", authority, "localhost"),
    )


@pytest.fixture
def worker(settings) -> Iterator[None]:
    with serving([build(settings, Platform.of_process())]):
        yield


def jobs_of(service: str, settings: Settings, folder: Path) -> RemoteJobs:
    certificates = Certificates(folder / "calling")
    channel = open_channel(settings.listen, State(folder).signer(service), certificates)
    return RemoteJobs({settings.listen: channel})


@pytest.fixture
def jobs(worker, settings, tmp_path) -> RemoteJobs:
    return jobs_of("registry", settings, tmp_path)


HERE = Path("/here").joinpath("work", "abc")
"""What a service that runs elsewhere calls its directory."""


def reached(jobs: RemoteJobs, *states: JobState) -> JobStatus:
    """Return the status of the job once it is in one of these states and has reported progress."""

    def status() -> JobStatus | None:
        observed = jobs.observe("j")
        return observed if observed.state in states and observed.progress.message else None

    final = until(status, 30, lambda: jobs.observe("j"))
    assert final is not None
    return final


def test_a_job_runs_there_with_folders_and_store_of_the_workers_own(jobs, settings):
    assert jobs.observe("j").state is JobState.ABSENT
    spec = {
        "artifacts": "/here/artifacts",
        "warm": "/here/run/models-warm",
        "work": str(HERE),
        "more": 1,
    }
    jobs.start("j", MODULE, spec)
    observed = reached(jobs, JobState.SUCCEEDED)
    work = settings.folder.joinpath("registry", "work", "abc")
    assert observed.result["spec"] == {
        "artifacts": "s3://bucket/artifacts",
        "warm": str(settings.state / "run/models-warm"),
        "work": str(work),
        "more": 1,
    }
    assert observed.result["count"] == 3
    assert (observed.progress.remaining_s, observed.progress.metrics) == (3.0, {"loss": 0.25})
    assert work.exists()
    jobs.clear(HERE)
    assert not work.exists()


def test_a_job_that_fails_reports_the_reason_and_one_stops_on_request(jobs):
    jobs.start("j", MODULE, {"fail": True})
    observed = reached(jobs, JobState.FAILED)
    assert (observed.reason, observed.message) == ("REPORTED", "as specified")
    jobs.forget("j")
    jobs.start("j", MODULE, {"wait": True})
    reached(jobs, JobState.RUNNING)
    jobs.stop("j", grace_s=10)
    reached(jobs, JobState.SUCCEEDED)


def test_a_caller_runs_its_own_modules_and_sees_its_own_jobs(jobs, settings, tmp_path):
    jobs.start("j", MODULE, {"wait": True})
    other = jobs_of("evaluation", settings, tmp_path)
    assert other.observe("j").state is JobState.ABSENT
    for module in (MODULE, "os", "ratoon_evaluation.adapters", "ratoon_evaluation.workers"):
        with pytest.raises(PermissionDenied):
            other.start("k", module, {})
    with pytest.raises(InvalidArgument):
        jobs.start("../k", MODULE, {})
    with pytest.raises(InvalidArgument):
        jobs.start("k", MODULE, {"work": "/.."})
    jobs.stop("j")


def test_a_worker_that_is_away_is_unavailable_and_one_that_lost_its_disk_knows_no_job(settings, tmp_path):
    jobs = jobs_of("registry", settings, tmp_path)
    with serving([build(settings, Platform.of_process())]):
        jobs.start("j", MODULE, {"wait": True})
        reached(jobs, JobState.RUNNING)
        pid = LocalJobs(settings.folder / "registry/jobs").folder("j") / "process.json"
        os.kill(int(pid.read_text().partition(":")[2].partition(",")[0]), signal.SIGKILL)
        reached(jobs, JobState.LOST)
    with pytest.raises(Unavailable):
        jobs.observe("j")
    shutil.rmtree(settings.folder)
    with serving([build(settings, Platform.of_process())]):
        deadline = time.monotonic() + 30
        while True:
            try:
                assert jobs.observe("j").state is JobState.ABSENT
                break
            except Unavailable:
                assert time.monotonic() < deadline


def test_folders_of_ended_jobs_go_after_a_while_and_running_ones_stay(settings):
    jobs = JobService(settings)
    set_caller(Principal("registry", Role.SERVICE))
    jobs.start("runs", MODULE, {"wait": True})
    jobs.start("ended", MODULE, {"work": "kept"})
    until(lambda: jobs.observe("ended").state is JobState.SUCCEEDED, 30)
    WorkCollector(jobs, keep_s=3600).collect()
    assert {item.path.name for item in jobs.ended()} == {"runs", "ended", "kept"}

    def only_the_running_one() -> bool:
        WorkCollector(jobs, keep_s=-1).collect()
        return {item.path.name for item in jobs.ended()} == {"runs"}

    until(only_the_running_one, 30)
    jobs.stop("runs", 0.0)


def test_an_id_always_has_the_same_worker_and_ids_spread():
    names = ["worker-0", "worker-1", "worker-2"]
    workers = [chosen(str(number), names) for number in range(300)]
    assert workers == [chosen(str(number), names) for number in range(300)]
    assert min(workers.count(name) for name in names) > 60
    moved = [number for number in range(300) if chosen(str(number), [*names, "worker-3"]) != workers[number]]
    assert len(moved) < 120


def test_processes_that_nobody_waits_for_are_taken_leave_of():
    orphan = subprocess.Popen(["true"])
    until(lambda: reap() or not Path(f"/proc/{orphan.pid}").exists(), 10)
