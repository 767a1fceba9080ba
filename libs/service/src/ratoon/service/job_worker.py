"""`python -m ratoon.service.job_worker`: runs the heavy work of other services where the heavy libraries are.

It serves `ratoon.jobs.v1.JobsService` to services: a caller may run the worker modules that its package registers, and
sees its own jobs. Jobs are child processes with a directory each, as on one machine (`LocalJobs`); they end with the
worker, and their services start them again.
"""

import asyncio
import json
import logging
import os
import re
import shutil
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from google.protobuf.empty_pb2 import Empty
from pydantic import Field
from pydantic_settings import SettingsConfigDict

from ratoon.jobs.v1 import job_pb2
from ratoon.jobs.v1 import jobs_service_pb2 as pb
from ratoon.jobs.v1.jobs_service_pb2_grpc import JobsServiceServicer, add_JobsServiceServicer_to_server
from ratoon.operations import job_trace
from ratoon.operations.jobs import JSON, JobStatus, LocalJobs
from ratoon.operations.remote_jobs import FOLDERS, message_of
from ratoon.process.errors import InvalidArgument, PermissionDenied, RatoonError
from ratoon.process.loop import BackgroundLoop
from ratoon.runtime import logs
from ratoon.runtime.lifecycle import App, Rpc, run
from ratoon.runtime.server import CallInterceptor, Threads
from ratoon.runtime.services import module_of, service_names
from ratoon.runtime.settings import ProcessSettings, run_folder
from ratoon.security.identity import Verifier, caller, load_public_keys
from ratoon.service.app import Platform
from ratoon.storage import gc_items
from ratoon.storage.gc_items import Item

_LOG = logging.getLogger(__name__)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_REAP_EVERY_S = 5.0
_COLLECT_EVERY_S = 3600.0


class Settings(ProcessSettings):
    """`RATOON_WORKER_…`."""

    model_config = SettingsConfigDict(env_prefix="RATOON_WORKER_", frozen=True, extra="ignore")

    service: str = Field("worker", description="The process's name; not for you to change.")
    keep_hours: float = Field(
        72.0,
        gt=0,
        description="Hours after which the directories of ended jobs, and their work, are removed.",
    )


class JobService:
    """The jobs of all services on this worker. It is synchronous, for the worker's own threads."""

    def __init__(self, settings: Settings, otlp: str = "") -> None:
        self._settings = settings
        self._jobs = {
            service: LocalJobs(
                settings.folder / service / "jobs", trace=partial(job_trace.environment, service, otlp)
            )
            for service in service_names()
        }

    def start(self, job_id: str, module: str, spec: JSON) -> JobStatus:
        """Begin a job of the caller's; PermissionDenied when the module is none of its workers."""
        service, jobs = self._callers()
        workers = module_of("ratoon.workers", service)
        if not workers or not re.fullmatch(rf"{re.escape(workers)}(\.[a-z_]+)*", module):
            raise PermissionDenied(
                f"{service} may run {workers or 'no job'}, not {module}.", reason="NOT_YOURS"
            )
        self._settings.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        jobs.start(_plain(job_id), module, self._settled(service, spec))
        return jobs.observe(job_id)

    def observe(self, job_id: str) -> JobStatus:
        """Return the status of a job of the caller."""
        return self._callers()[1].observe(_plain(job_id))

    def stop(self, job_id: str, grace_s: float) -> JobStatus:
        """Ask it to stop; kill it some time later."""
        jobs = self._callers()[1]
        jobs.stop(_plain(job_id), grace_s)
        return jobs.observe(job_id)

    def forget(self, job_id: str) -> None:
        """Let it be started again."""
        self._callers()[1].forget(_plain(job_id))

    def clear(self, work: str) -> None:
        """Remove what the caller's jobs kept under this name."""
        service, jobs = self._callers()
        jobs.clear(self._work(service) / _plain(work))

    def ended(self) -> Iterator[Item]:
        """Directories of jobs that do not run, and of work that nothing touches, whether old or not."""
        for service in self._jobs:
            yield from (
                item for item in gc_items.jobs(self._settings.folder / service / "jobs", float("inf"))
            )
            for path in self._work(service).glob("*"):
                yield Item(path, "work", 0, gc_items.newest(path))

    def _callers(self) -> tuple[str, LocalJobs]:
        """Return the caller and its jobs; a role is not enough, it must be a service by name."""
        name = caller().name
        if name not in self._jobs:
            raise PermissionDenied(f"{name} is no service that has jobs.", reason="NOT_YOURS")
        return name, self._jobs[name]

    def _settled(self, service: str, spec: JSON) -> JSON:
        """The spec with directories of this machine in place of names, and the store as it is reached from here."""
        places = {"warm": run_folder(self._settings.state), "work": self._work(service)}
        folders = {key: str(places[key] / _plain(spec[key])) for key in FOLDERS if spec.get(key)}
        return {**spec, **folders, "artifacts": self._settings.artifacts_url}

    def _work(self, service: str) -> Path:
        return self._settings.folder / service / "work"


class JobsServicer(JobsServiceServicer):
    """Answers `ratoon.jobs.v1.JobsService`."""

    def __init__(self, jobs: JobService, threads: Threads) -> None:
        self._jobs, self._threads = jobs, threads

    async def StartJob(self, request: pb.StartJobRequest, context: Any) -> job_pb2.Job:
        """Begin a job."""
        spec = _parsed(request.spec)
        return message_of(request.id, await self._threads(self._jobs.start, request.id, request.module, spec))

    async def ObserveJob(self, request: pb.ObserveJobRequest, context: Any) -> job_pb2.Job:
        """Return the status of a job."""
        return message_of(request.id, await self._threads(self._jobs.observe, request.id))

    async def StopJob(self, request: pb.StopJobRequest, context: Any) -> job_pb2.Job:
        """Ask it to stop."""
        return message_of(request.id, await self._threads(self._jobs.stop, request.id, request.grace_s))

    async def ForgetJob(self, request: pb.ForgetJobRequest, context: Any) -> Empty:
        """Let it be started again."""
        await self._threads(self._jobs.forget, request.id)
        return Empty()

    async def ClearWork(self, request: pb.ClearWorkRequest, context: Any) -> Empty:
        """Remove what it kept."""
        await self._threads(self._jobs.clear, request.work)
        return Empty()


class WorkCollector:
    """Removes directories of jobs that ended long ago."""

    def __init__(self, jobs: JobService, keep_s: float) -> None:
        self._jobs, self._keep_s = jobs, keep_s
        self._loop = BackgroundLoop("work-gc", self._step, first_delay_s=_COLLECT_EVERY_S)

    def start(self) -> None:
        """Begin."""
        self._loop.start()

    def stop(self) -> None:
        """Begin nothing new."""
        self._loop.stop(0.0)

    def collect(self) -> None:
        """Remove what has not changed for that long and is not in use."""
        oldest = time.time() - self._keep_s
        for item in self._jobs.ended():
            if not item.use and item.modified < oldest:
                shutil.rmtree(item.path, ignore_errors=True)

    def _step(self) -> float:
        self.collect()
        return _COLLECT_EVERY_S


class Reaper:
    """Reaps orphaned processes, where this process is a container's first."""

    def __init__(self) -> None:
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin, if this is the first process."""
        if os.getpid() == 1:
            self._task = asyncio.create_task(self._loop())

    async def stop(self) -> None:
        """No more."""
        if self._task is not None:
            self._task.cancel()

    async def _loop(self) -> None:
        while True:
            await asyncio.sleep(_REAP_EVERY_S)
            reap()


def reap() -> None:
    """Take leave of every child that has ended."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            continue
    except ChildProcessError:
        return


def build(settings: Settings, platform: Platform) -> App:
    """The job worker, ready to run."""
    jobs, threads = JobService(settings, platform.traces.otlp), Threads(settings.service)
    verifier = Verifier(load_public_keys(settings.keys / "public.json"))
    return App(
        settings,
        [
            Rpc(
                "ratoon.jobs.v1.JobsService",
                add_JobsServiceServicer_to_server,
                JobsServicer(jobs, threads),
            )
        ],
        CallInterceptor(verifier, platform.traces.tracer(settings.service), platform.rpc_metrics),
        threads,
        None,
        (WorkCollector(jobs, settings.keep_hours * 3600),),
        (Reaper(),),
    )


def main() -> int:
    """Serve until terminated; return the exit status."""
    logs.configure("worker")
    settings = Settings()
    platform = Platform.of_process(settings.otlp, settings.trace_ratio)
    try:
        run("worker", [build(settings, platform)], settings.metrics, platform.metrics)
    except RatoonError as error:
        _LOG.error("%s", error)
        return 1
    finally:
        platform.traces.close()
    return 0


def _plain(name: str) -> str:
    """A name that stays within its directory."""
    if not _NAME.fullmatch(name):
        raise InvalidArgument(f"{name!r} is no plain name.", reason="BAD_NAME")
    return name


def _parsed(spec: str) -> JSON:
    try:
        value = json.loads(spec)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise InvalidArgument("spec must be a JSON object.", reason="BAD_SPEC", field="spec")
    return value


if __name__ == "__main__":
    sys.exit(main())
