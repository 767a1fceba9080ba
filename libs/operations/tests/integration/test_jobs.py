"""Jobs: started once, followed over a restart of the platform, stopped, and found lost when they were killed."""

import os
import signal
import time

import pytest

from ratoon.operations.jobs import JobFolder, JobState, LocalJobs
from ratoon.process.errors import Unavailable
from ratoon.testkit.waiting import until

WORKER = """
import sys, time
from pathlib import Path
from ratoon.operations.jobs import JobFolder
job = JobFolder(Path(sys.argv[1]))
spec = job.spec()
job.progress(0.5, "half", done=1, total=2, unit="steps")
while spec.get("deaf") or (spec.get("wait") and not job.stop_requested()):
    time.sleep(0.02)
job.fail("REPORTED", "as specified") if spec.get("fail") else job.succeed({"answer": 42})
time.sleep(spec.get("linger", 0))
"""


@pytest.fixture
def jobs(tmp_path) -> LocalJobs:
    (tmp_path / "a_worker.py").write_text(WORKER)
    return LocalJobs(tmp_path / "jobs", {"PYTHONPATH": str(tmp_path)})


def reach(jobs: LocalJobs, state: JobState) -> None:
    """Wait until the job is in this state and, while it runs, has reported progress."""

    def reached() -> bool:
        observed = jobs.observe("j")
        return observed.state is state and (state is not JobState.RUNNING or bool(observed.progress.message))

    until(reached, 30, lambda: f"{jobs.observe('j')} never became {state}")


def test_a_job_tells_progress_and_result(jobs):
    assert jobs.observe("j").state is JobState.ABSENT
    jobs.start("j", "a_worker", {})
    reach(jobs, JobState.SUCCEEDED)
    assert jobs.observe("j").result == {"answer": 42}
    assert jobs.observe("j").progress.message == "half"


def test_a_job_that_fails_says_why(jobs):
    jobs.start("j", "a_worker", {"fail": True})
    reach(jobs, JobState.FAILED)
    assert (jobs.observe("j").reason, jobs.observe("j").message) == ("REPORTED", "as specified")


def test_another_platform_takes_the_running_job_over_and_stops_it(jobs, tmp_path):
    jobs.start("j", "a_worker", {"wait": True})
    reach(jobs, JobState.RUNNING)
    later = LocalJobs(tmp_path / "jobs")
    later.start("j", "a_worker", {"wait": True})
    assert later.observe("j").state is JobState.RUNNING
    later.stop("j", grace_s=5)
    reach(later, JobState.SUCCEEDED)


def test_a_job_whose_platform_was_killed_before_it_marked_it_is_found(jobs, tmp_path):
    jobs.start("j", "a_worker", {"wait": True})
    reach(jobs, JobState.RUNNING)
    (jobs.folder("j") / "process.json").unlink()
    later = LocalJobs(tmp_path / "jobs")
    assert later.observe("j").state is JobState.RUNNING
    later.stop("j")
    reach(later, JobState.SUCCEEDED)


def test_a_job_that_the_disk_failed_can_be_started_again(jobs):
    jobs.start("j", "a_worker", {"wait": True})
    JobFolder(jobs.folder("j")).fail("DISK_FULL", "No space is left.")
    os.killpg(jobs._children["j"].pid, signal.SIGKILL)
    with pytest.raises(Unavailable) as raised:
        reach(jobs, JobState.FAILED)
    assert raised.value.reason == "DISK_FULL"
    jobs.start("j", "a_worker", {})
    reach(jobs, JobState.SUCCEEDED)


def test_a_killed_job_is_lost_and_can_be_started_again(jobs):
    jobs.start("j", "a_worker", {"wait": True})
    reach(jobs, JobState.RUNNING)
    pid = jobs._children["j"].pid
    os.killpg(pid, signal.SIGKILL)
    reach(jobs, JobState.LOST)
    jobs.forget("j")
    jobs.start("j", "a_worker", {})
    reach(jobs, JobState.SUCCEEDED)


@pytest.mark.parametrize("linger", [0.3, 60], ids=["a while", "for ever"])
def test_a_job_that_has_failed_and_lingers_is_not_taken_for_the_next_one(jobs, monkeypatch, linger):
    monkeypatch.setattr("ratoon.operations.jobs._WAY_OUT_S", 1.0)
    jobs.start("j", "a_worker", {"fail": True, "linger": linger})
    reach(jobs, JobState.FAILED)
    jobs.forget("j")
    jobs.start("j", "a_worker", {})
    reach(jobs, JobState.SUCCEEDED)


def test_a_job_that_does_not_listen_is_killed_after_the_grace(jobs):
    jobs.start("j", "a_worker", {"wait": True, "deaf": True})
    reach(jobs, JobState.RUNNING)
    jobs.stop("j", grace_s=0.0)
    for _ in range(100):
        jobs.stop("j", grace_s=0.0)
        if jobs.observe("j").state is JobState.LOST:
            return
        time.sleep(0.02)
    raise AssertionError("it was never killed")
