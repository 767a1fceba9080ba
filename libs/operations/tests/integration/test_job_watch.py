"""The watch over real processes: progress and the end of a job are reported, whichever process started it."""

import json
import queue
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from ratoon.operations import wakeups
from ratoon.operations.job_watch import MIN_INTERVAL_S, JobWatch
from ratoon.operations.jobs import JobFolder, JobProgress, JobState, LocalJobs
from ratoon.process.identity import ProcessIdentity

OPERATION = "projects/p/works/w"
SOON_S = 5.0


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        yield process
        process.kill()


@pytest.fixture
def reports() -> "queue.Queue[float]":
    return queue.Queue()


@pytest.fixture
def watched(tmp_path: Path, process: subprocess.Popen[bytes], reports: "queue.Queue[float]") -> JobFolder:
    JobWatch().watch("job", tmp_path, ProcessIdentity.of(process.pid), OPERATION, reporting(reports))
    return JobFolder(tmp_path)


def reporting(reports: "queue.Queue[float]") -> Callable[[], None]:
    return lambda: reports.put(time.monotonic())


def test_a_result_is_reported_once_while_the_process_still_ends(watched, reports, process):
    watched.succeed({})
    reports.get(timeout=SOON_S)
    process.kill()
    with pytest.raises(queue.Empty):
        reports.get(timeout=0.2)


def test_a_killed_process_is_reported(watched, reports, process):
    process.kill()
    reports.get(timeout=SOON_S)


def test_progress_is_reported_with_an_interval_and_the_latest_is_never_missed(watched, reports):
    began = time.monotonic()
    for number in range(100):
        watched.report(JobProgress(number / 100))
    first, second = reports.get(timeout=SOON_S), reports.get(timeout=SOON_S)
    assert second - first >= 0.9 * MIN_INTERVAL_S
    assert second > began
    assert reports.empty()


def test_each_operation_that_observes_a_job_is_woken_once(tmp_path, reports, process):
    watch, receivers = JobWatch(), list[str]()
    for receiver in ("a", "b", "a"):
        report = partial(receivers.append, receiver)
        watch.watch("job", tmp_path, ProcessIdentity.of(process.pid), receiver, report)
    watch.watch("job", tmp_path, ProcessIdentity.of(process.pid), "c", reporting(reports))
    process.kill()
    reports.get(timeout=SOON_S)
    assert receivers == ["a", "b"]


def test_a_job_that_ended_before_it_is_watched_is_reported(tmp_path, reports, process):
    process.kill()
    process.wait()
    JobWatch().watch("job", tmp_path, ProcessIdentity(process.pid, 1), OPERATION, reporting(reports))
    reports.get(timeout=SOON_S)


def test_an_error_of_a_receiver_does_not_end_the_watch(tmp_path, reports, process):
    def fails() -> None:
        reports.put(0.0)
        raise OSError("The database is closed.")

    watch = JobWatch()
    watch.watch("job", tmp_path, ProcessIdentity.of(process.pid), OPERATION, fails)
    JobFolder(tmp_path).report(JobProgress(0.5))
    reports.get(timeout=SOON_S)
    watch.watch("job", tmp_path, ProcessIdentity.of(process.pid), OPERATION, reporting(reports))
    process.kill()
    assert reports.get(timeout=SOON_S) > 0.0


def test_an_operation_is_woken_by_the_end_of_the_job_that_it_observes(tmp_path, reports):
    module = tmp_path / "briefly.py"
    module.write_text("import time; time.sleep(0.3)")
    jobs = LocalJobs(tmp_path / "jobs", {"PYTHONPATH": str(tmp_path)})
    jobs.start("job", "briefly", json.loads("{}"))
    with wakeups.observing(OPERATION, reporting(reports)) as wake_up:
        assert jobs.observe("job").state is JobState.RUNNING
    assert wake_up.subscribed
    reports.get(timeout=SOON_S)
    assert jobs.observe("job").state is JobState.LOST
