"""Warm job processes, for real: two jobs in one process, errors, and what happens when a client goes away."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ratoon.operations import warm
from ratoon.operations.job_limits import machine_bytes
from ratoon.operations.jobs import JobState, LocalJobs

JOB = """
import os, re, sys, time
from pathlib import Path
from ratoon.operations import warm
from ratoon.operations.jobs import JobFolder

def run(spec, job):
    job.progress(0.5, "working")
    if spec.get("error"):
        raise ValueError(spec["error"])
    time.sleep(spec.get("seconds", 0))
    if spec.get("deaf"):
        re.fullmatch("(a+)+b", "a" * 60)  # holds the interpreter, so that no other thread runs
    held = bytearray(os.urandom(1 << 20) * spec.get("mebibytes", 0))
    time.sleep(spec.get("then_seconds", 0))
    print("printed by the job")
    return {"pid": os.getpid()}

if __name__ == "__main__":
    spec = JobFolder(Path(sys.argv[1])).spec()
    warm._RELEASE = spec.get("release", warm._RELEASE)
    sys.exit(warm.main("warm_sample:run", sys.argv[1:]))
"""


@pytest.fixture
def jobs(tmp_path, monkeypatch):
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "warm_sample.py").write_text(JOB)
    path = os.pathsep.join([str(tmp_path / "modules"), *filter(None, sys.path)])
    yield LocalJobs(tmp_path / "jobs", {"PYTHONPATH": path})
    warm.stop(tmp_path / "warm")


def ended(jobs, job_id, seconds=20.0):
    deadline = time.monotonic() + seconds
    while (status := jobs.observe(job_id)).state is JobState.RUNNING and time.monotonic() < deadline:
        time.sleep(0.02)
    return status


def test_jobs_share_a_process(jobs, tmp_path):
    spec = {"warm": str(tmp_path / "warm")}
    results = []
    for job_id in ("one", "two"):
        jobs.start(job_id, "warm_sample", spec)
        results.append(ended(jobs, job_id))
    assert [status.state for status in results] == [JobState.SUCCEEDED] * 2
    assert results[0].result["pid"] == results[1].result["pid"] != os.getpid()
    assert "printed by the job" in (jobs.folder("two") / "log.txt").read_text()


def test_a_job_after_an_upgrade_runs_in_a_process_of_its_own_release(jobs, tmp_path):
    spec = {"warm": str(tmp_path / "warm")}
    jobs.start("before", "warm_sample", spec)
    previous = ended(jobs, "before").result["pid"]
    jobs.start("after", "warm_sample", spec | {"release": "9.9.9"})
    assert ended(jobs, "after").result["pid"] != previous


def test_a_long_path_is_no_hindrance(jobs, tmp_path):
    folder = tmp_path / ("deep" * 30)
    jobs.start("one", "warm_sample", {"warm": str(folder)})
    assert ended(jobs, "one").state is JobState.SUCCEEDED
    warm.stop(folder)


def test_an_error_fails_the_job_and_leaves_the_process_usable(jobs, tmp_path):
    spec = {"warm": str(tmp_path / "warm")}
    jobs.start("bad", "warm_sample", spec | {"error": "no such part"})
    failed = ended(jobs, "bad")
    assert (failed.state, failed.reason) == (JobState.FAILED, "WORKER_FAILED")
    assert "internal error" in failed.message
    jobs.start("good", "warm_sample", spec)
    assert ended(jobs, "good").state is JobState.SUCCEEDED


def test_a_stopped_client_takes_the_running_job_along(jobs, tmp_path):
    spec = {"warm": str(tmp_path / "warm")}
    jobs.start("long", "warm_sample", spec | {"seconds": 60})
    while not jobs.observe("long").progress.message:
        time.sleep(0.02)
    while jobs.observe("long").state is JobState.RUNNING:
        jobs.stop("long", grace_s=0)
    assert ended(jobs, "long").state is JobState.LOST
    jobs.start("next", "warm_sample", spec)
    assert ended(jobs, "next").state is JobState.SUCCEEDED


def test_without_a_warm_folder_the_job_runs_in_its_own_process(jobs):
    jobs.start("cold", "warm_sample", {})
    assert ended(jobs, "cold").state is JobState.SUCCEEDED


def test_hidden_packages_look_absent_only_meanwhile():
    code = (
        "from ratoon.operations.warm import hidden\n"
        "import importlib.util\n"
        "with hidden('colorsys'):\n"
        "    assert importlib.util.find_spec('colorsys') is None\n"
        "import colorsys\n"
    )
    subprocess.run(
        [sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": ":".join(sys.path)}
    )


def test_a_killed_warm_process_loses_its_job_and_no_other(jobs, tmp_path):
    spec = {"warm": str(tmp_path / "warm")}
    jobs.start("first", "warm_sample", spec)
    pid = ended(jobs, "first").result["pid"]
    jobs.start("running", "warm_sample", spec | {"seconds": 60})
    while not jobs.observe("running").progress.message:
        time.sleep(0.02)
    jobs.start("queued", "warm_sample", spec)
    os.kill(pid, signal.SIGKILL)
    assert ended(jobs, "running").state is JobState.LOST
    assert ended(jobs, "queued").state is JobState.SUCCEEDED


def test_stop_without_a_process_does_nothing(tmp_path: Path):
    warm.stop(tmp_path)


def begun(jobs, job_id):
    """Wait until a job works (and does not only wait)."""
    while jobs.observe(job_id).progress.message != "working":
        time.sleep(0.02)


def test_a_long_job_of_one_tenant_does_not_hold_another_tenants(jobs, tmp_path):
    spec = {"warm": str(tmp_path / "warm"), "lanes": 2, "lane_max_wait_s": 0}
    jobs.start("long", "warm_sample", spec | {"tenant": "a", "seconds": 600})
    begun(jobs, "long")
    jobs.start("more", "warm_sample", spec | {"tenant": "a"})
    jobs.start("other", "warm_sample", spec | {"tenant": "b"})
    assert ended(jobs, "other").state is JobState.SUCCEEDED
    assert jobs.observe("long").state is JobState.RUNNING
    assert jobs.observe("more").state is JobState.RUNNING
    while not (waiting := jobs.observe("more").progress.message):
        time.sleep(0.02)
    assert waiting == "Waiting: 1 other job run or wait"
    jobs.stop("more", grace_s=0)
    jobs.stop("long", grace_s=0)
    while jobs.observe("long").state is JobState.RUNNING:
        jobs.stop("long", grace_s=0)


@pytest.mark.parametrize("folder", ["warm", ""])
def test_a_job_beyond_its_time_is_ended_with_a_sentence(jobs, tmp_path, folder):
    spec = {"warm": str(tmp_path / folder) if folder else "", "time_limit_s": 1}
    jobs.start("long", "warm_sample", spec | {"seconds": 600})
    failed = ended(jobs, "long")
    assert (failed.state, failed.reason) == (JobState.FAILED, "JOB_TIME_LIMIT")
    assert failed.message.startswith("The job ran longer than 1 s and was ended")
    jobs.start("next", "warm_sample", spec)
    assert ended(jobs, "next").state is JobState.SUCCEEDED


def test_a_job_that_hears_nothing_is_ended_as_well(jobs, tmp_path):
    spec = {"warm": str(tmp_path / "warm"), "time_limit_s": 1}
    jobs.start("deaf", "warm_sample", spec | {"deaf": True})
    assert ended(jobs, "deaf").reason == "JOB_TIME_LIMIT"
    jobs.start("next", "warm_sample", spec)
    assert ended(jobs, "next").state is JobState.SUCCEEDED


@pytest.mark.parametrize("folder", ["warm", ""])
def test_a_job_beyond_its_memory_is_ended_with_a_sentence(jobs, tmp_path, folder):
    spec = {"warm": str(tmp_path / folder) if folder else ""}
    spec["memory_share"] = (200 << 20) / machine_bytes()
    jobs.start("large", "warm_sample", spec | {"mebibytes": 300, "then_seconds": 600})
    failed = ended(jobs, "large")
    assert (failed.state, failed.reason) == (JobState.FAILED, "JOB_MEMORY_LIMIT")
    assert "MiB that one job may take" in failed.message
    jobs.start("small", "warm_sample", spec)
    assert ended(jobs, "small").state is JobState.SUCCEEDED
