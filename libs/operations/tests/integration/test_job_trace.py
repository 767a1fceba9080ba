"""The span of a job: reported by the job's own process to a collector, in the trace that started it."""

import os
import sys
import time
from functools import partial

import pytest

from ratoon.operations import job_trace, warm
from ratoon.operations.jobs import JobState, LocalJobs
from ratoon.runtime import tracing
from ratoon.testkit.collector import collecting

JOB = """
import sys, time
from ratoon.operations import warm

def run(spec, job):
    time.sleep(0.2)
    if spec.get("error"):
        raise ValueError(spec["error"])
    return {"loaded": "opentelemetry.sdk" in sys.modules}

if __name__ == "__main__":
    sys.exit(warm.main("traced_sample:run", sys.argv[1:]))
"""
SAMPLED = "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01"


@pytest.fixture
def collector():
    with collecting() as running:
        yield running


@pytest.fixture
def jobs(tmp_path, collector):
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "traced_sample.py").write_text(JOB)
    path = os.pathsep.join([str(tmp_path / "modules"), *filter(None, sys.path)])
    trace = partial(job_trace.environment, "training", collector.url)
    yield LocalJobs(tmp_path / "jobs", {"PYTHONPATH": path}, trace)
    warm.stop(tmp_path / "warm")


def run(jobs, job_id, spec, trace):
    with tracing.within(trace):
        jobs.start(job_id, "traced_sample", spec)
    deadline = time.monotonic() + 20
    while (status := jobs.observe(job_id)).state is JobState.RUNNING and time.monotonic() < deadline:
        time.sleep(0.02)
    return status


def test_a_job_tells_its_length_in_the_trace_of_what_started_it(jobs, collector, tmp_path):
    for job_id, spec in (("alone", {}), ("warm", {"warm": str(tmp_path / "warm")})):
        done = run(jobs, job_id, spec, SAMPLED)
        assert (done.state, done.result) == (JobState.SUCCEEDED, {"loaded": False})
        collector.until(
            lambda job_id=job_id: [s for s in collector.spans if s.attributes["ratoon.job"] == job_id]
        )
    for span in collector.spans:
        assert (span.trace, span.parent) == (SAMPLED[3:35], SAMPLED[36:52])
        assert (span.service, span.name) == ("training", "job traced_sample:run")
        assert span.seconds > 0.2
        assert not span.failed


def test_a_job_that_fails_says_why(jobs, collector):
    assert run(jobs, "bad", {"error": "no such part"}, SAMPLED).state is JobState.FAILED
    collector.until(lambda: collector.spans)
    (span,) = collector.spans
    assert (span.failed, span.attributes["error.type"]) == (True, "WORKER_FAILED")


def test_a_job_of_a_trace_that_nobody_keeps_tells_nothing(jobs, collector):
    run(jobs, "quiet", {}, tracing.unsampled(SAMPLED))
    run(jobs, "loud", {}, SAMPLED)
    collector.until(lambda: collector.spans)
    assert [span.attributes["ratoon.job"] for span in collector.spans] == ["loud"]
