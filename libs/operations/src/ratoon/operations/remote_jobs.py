"""Jobs on job workers of a cluster, behind the face of `LocalJobs`; see `job_worker` for the other side.

A job's id decides which worker has it, so that all callers reach the same one. A worker that lost its disk knows
no job any more: the job counts as ABSENT and is started again.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import grpc

from ratoon.jobs.v1 import job_pb2
from ratoon.jobs.v1 import jobs_service_pb2 as pb
from ratoon.jobs.v1.jobs_service_pb2_grpc import JobsServiceStub
from ratoon.operations.jobs import JSON, JobProgress, JobState, JobStatus

FOLDERS = ("warm", "work")
"""Keys of a spec that name directories: they travel as plain names."""


class RemoteJobs:
    """Jobs of one service on several workers."""

    def __init__(self, workers: Mapping[str, grpc.Channel]) -> None:
        """`workers` by what they are called; a job stays with its worker as long as that is among them."""
        self._workers = {
            name: JobsServiceStub(channel)  # type: ignore[no-untyped-call, unused-ignore]
            for name, channel in workers.items()
        }

    def start(self, job_id: str, module: str, spec: JSON) -> None:
        """Begin a job, unless it runs or has ended."""
        request = pb.StartJobRequest(id=job_id, module=module, spec=json.dumps(travelling(spec)))
        self._of(job_id).StartJob(request)

    def observe(self, job_id: str) -> JobStatus:
        """Return the status of the job."""
        return status_of(self._of(job_id).ObserveJob(pb.ObserveJobRequest(id=job_id)))

    def stop(self, job_id: str, grace_s: float = 10.0) -> None:
        """Ask the job to stop; it is killed when it still runs `grace_s` after the first asking."""
        self._of(job_id).StopJob(pb.StopJobRequest(id=job_id, grace_s=grace_s))

    def forget(self, job_id: str) -> None:
        """Let a job that is not running be started again."""
        self._of(job_id).ForgetJob(pb.ForgetJobRequest(id=job_id))

    def clear(self, work: Path) -> None:
        """Remove what jobs kept for their next attempt, on every worker."""
        for worker in self._workers.values():
            worker.ClearWork(pb.ClearWorkRequest(work=work.name))

    def _of(self, job_id: str) -> JobsServiceStub:
        return self._workers[chosen(job_id, list(self._workers))]


def chosen(job_id: str, workers: Sequence[str]) -> str:
    """The worker of a job (rendezvous hashing: another worker more or less moves few jobs)."""
    return max(workers, key=lambda name: hashlib.sha256(f"{name} {job_id}".encode()).digest())


def travelling(spec: JSON) -> JSON:
    """A spec without what is true of this machine alone: directories by name, and no artifact store."""
    folders = {key: Path(spec[key]).name for key in FOLDERS if spec.get(key)}
    return {key: value for key, value in {**spec, **folders}.items() if key != "artifacts"}


def message_of(job_id: str, status: JobStatus) -> job_pb2.Job:
    """A job as the wire has it."""
    progress = status.progress
    return job_pb2.Job(
        id=job_id,
        state=job_pb2.Job.State.Value(f"STATE_{status.state}"),
        progress=job_pb2.JobProgress(
            fraction=progress.fraction,
            message=progress.message,
            done=progress.done,
            total=progress.total,
            unit=progress.unit,
            remaining_s=progress.remaining_s,
            metrics=progress.metrics,
        ),
        result=json.dumps(status.result) if status.result else "",
        reason=status.reason,
        message=status.message,
    )


def status_of(job: job_pb2.Job) -> JobStatus:
    """Return the status of a job from its message."""
    reported = job.progress
    progress = JobProgress(
        reported.fraction,
        reported.message,
        reported.done,
        reported.total,
        reported.unit,
        reported.remaining_s if reported.HasField("remaining_s") else None,
        dict(reported.metrics),
    )
    state = JobState(job_pb2.Job.State.Name(job.state).removeprefix("STATE_"))
    return JobStatus(state, progress, json.loads(job.result) if job.result else {}, job.reason, job.message)
