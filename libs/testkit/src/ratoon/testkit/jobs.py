"""Jobs without processes: those that run in the calling thread, and reports of fakes whose jobs only seem to run."""

import importlib
import time
from collections.abc import Callable
from pathlib import Path

from ratoon.operations import wakeups
from ratoon.operations.jobs import JSON, JobFolder, JobState, JobStatus
from ratoon.process.errors import own_reason

_CHANGE_S = 0.02


def report_change() -> None:
    """Have the operation that observes a fake job look again in a moment, as a job does that reports its progress."""
    wakeups.subscribe(_wake_soon)


def _wake_soon(_operation: str, wake: Callable[[], None]) -> None:
    time.sleep(_CHANGE_S)
    wake()


class InlineJobs:
    """Jobs of one worker module, each done before `start` returns; `entry` is the module that holds its `run`."""

    def __init__(self, folder: Path, entry: str) -> None:
        self._folder, self._entry = folder, entry
        self._statuses: dict[str, JobStatus] = {}

    def start(self, job_id: str, module: str, spec: JSON) -> None:
        """Run a job to its end, unless it was run before."""
        if job_id in self._statuses:
            return
        folder = self._folder / job_id
        folder.mkdir(parents=True, exist_ok=True)
        run = importlib.import_module(self._entry).run
        try:
            self._statuses[job_id] = JobStatus(JobState.SUCCEEDED, result=run(spec, JobFolder(folder)))
        except Exception as error:
            reason = own_reason(error) or "WORKER_FAILED"
            self._statuses[job_id] = JobStatus(JobState.FAILED, reason=reason, message=str(error))

    def observe(self, job_id: str) -> JobStatus:
        """Return the status of the job."""
        return self._statuses.get(job_id, JobStatus(JobState.ABSENT))

    def stop(self, job_id: str, grace_s: float = 10.0) -> None:
        """Do nothing: a job that was started has ended."""

    def forget(self, job_id: str) -> None:
        """Let a job be started again."""
        self._statuses.pop(job_id, None)

    def clear(self, work: Path) -> None:
        """Do nothing: jobs keep nothing."""
