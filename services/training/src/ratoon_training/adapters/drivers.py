"""Runs as jobs: `python -m ratoon_training.worker`, which hands them to the driver."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ratoon.jobs.v1.job_pb2 import JobEnvironment
from ratoon.jobs.v1.training_jobs_pb2 import (
    TrainingEstimate,
    TrainingRecipe,
    TrainingResult,
    TrainingSpec,
)
from ratoon.operations.job_machine import JobObservation
from ratoon.operations.job_messages import JSON, from_json, spec_json
from ratoon.operations.job_procedure import WorkerJobs, observed
from ratoon.operations.jobs import Jobs
from ratoon.service.tasks import message_of
from ratoon.storage.scratch import ScratchStore
from ratoon_training import run_messages
from ratoon_training.domain.diagnosis import Diagnosis, Finding
from ratoon_training.domain.estimates import DataSample
from ratoon_training.domain.lengths import PromptLimit
from ratoon_training.domain.places import CLAIMS, FINISH, Place, finish_request, scratch_name
from ratoon_training.domain.recipes import Recipe, Resources
from ratoon_training.domain.runs import Progress, Trained, TrainingRun

WORKER = "ratoon_training.worker"
_OF_THIS_RELEASE = ("estimate", "endpoint_listed", "endpoint_key_variable")
"""Fields of a spec that the release before does not know; they are left out where they say nothing."""


@dataclass(frozen=True)
class DriverOptions:
    """Options of all runs: directories, idle time of a driver, checkpoint interval and memory limit."""

    work: Path
    warm: Path
    artifacts_url: str
    idle_s: float = 180.0
    checkpoint_every_s: float = 5.0
    memory_limit_bytes: int = 0
    endpoints: Mapping[str, str] = field(default_factory=dict)
    """Listed endpoints of teachers, each with the variable of its key."""


class JobDrivers:
    """Starts and observes the jobs of runs; the checkpoints of a run are in its work directory, for all attempts."""

    def __init__(self, jobs: Jobs, options: DriverOptions) -> None:
        self._jobs, self._options = jobs, options

    def observe(self, job_id: str) -> JobObservation[Trained]:
        """The job as it is now."""
        status = self._jobs.observe(job_id)
        trained = _trained(from_json(TrainingResult, status.result)) if status.result else None
        return observed(status, Progress(**asdict(status.progress)), trained)

    def start(self, job_id: str, run: TrainingRun, place: Place, fence: int) -> None:
        """Start the job, unless it was started before."""
        self._jobs.start(job_id, WORKER, self._spec(run, place, fence))

    def stop(self, job_id: str) -> None:
        """Ask the job to end; kill it after a grace."""
        self._jobs.stop(job_id)

    def finish(self, run: TrainingRun) -> None:
        """Ask the run to end early, with its best weights so far."""
        self._scratch(run).put(FINISH, finish_request(run.earlier_attempts * CLAIMS))

    def clean(self, run: TrainingRun) -> None:
        """Remove the run's tokens and checkpoints."""
        self._jobs.clear(self._work(run))
        self._scratch(run).clear()

    def estimate_spec(self, run: TrainingRun) -> JSON:
        """Return the spec of the job that reads a sample of the run's data, in a process of its own."""
        return {**self._spec(run, Place(), 0), "warm": "", "work": "", "estimate": True}

    def _scratch(self, run: TrainingRun) -> ScratchStore:
        return ScratchStore(self._options.artifacts_url, scratch_name(self._work(run).name))

    def _work(self, run: TrainingRun) -> Path:
        return work_folder(self._options.work, run.name)

    def _spec(self, run: TrainingRun, place: Place, fence: int) -> JSON:
        """Return the job's spec. A run in dedicated pods and a small model have a process of their own."""
        options, resources = self._options, run.resources
        environment = JobEnvironment(
            warm="" if place.pods or run.recipe.method.is_small else str(options.warm),
            warm_idle_s=options.idle_s,
            artifacts=options.artifacts_url,
            work=str(self._work(run)),
        )
        spec = TrainingSpec(
            fence=fence + run.earlier_attempts * CLAIMS,
            train=run.train_digest,
            validation=run.validation_digest,
            base=run.base_artifact_digest,
            recipe=recipe_message(run.recipe),
            resources=TrainingSpec.Resources(
                accelerator=resources.accelerator.value,
                workers=resources.workers,
                threads=resources.threads or place.cpus,
                parallelism=_parallelism(resources),
            ),
            pods=place.pods,
            checkpoint_every_s=options.checkpoint_every_s,
            memory_limit_bytes=options.memory_limit_bytes,
            endpoint_listed=run.recipe.distillation.base_url in options.endpoints,
            endpoint_key_variable=options.endpoints.get(run.recipe.distillation.base_url, ""),
        )
        if run.sweep:
            spec.record_scores = True
        stored = spec_json(environment, spec)
        stated = _stated(stored["recipe"])
        stored["resources"] = _stated(stored["resources"])
        if "architecture" in stated:
            stated["architecture"] = _stated(stated["architecture"])
        of_this_release = {name for name in _OF_THIS_RELEASE if not stored.get(name)}
        return {
            **{name: each for name, each in stored.items() if name not in of_this_release},
            "recipe": stated,
        }


def estimate_jobs(jobs: Jobs, options: DriverOptions) -> WorkerJobs[TrainingRun, DataSample]:
    """Return the jobs that read a sample of the data of a run that is not stored."""
    drivers = JobDrivers(jobs, options)
    return WorkerJobs(
        jobs,
        WORKER,
        drivers.estimate_spec,
        lambda result: run_messages.sample_of(from_json(TrainingEstimate, result)),
    )


def _stated(value: JSON) -> JSON:
    """Return the fields that are set: workers of an earlier release know no others."""
    return {name: each for name, each in value.items() if each is not None}


def recipe_message(recipe: Recipe) -> TrainingRecipe:
    """Return the recipe as workers read it."""
    values = {**recipe.as_json(), "task": None}
    if recipe.new_tokens:
        values["new_tokens"] = {"tokens": recipe.new_tokens}
    message = from_json(TrainingRecipe, values)
    if recipe.task is not None:
        message.task.CopyFrom(message_of(recipe.task))
    return message


def _parallelism(resources: Resources) -> TrainingSpec.Parallelism | None:
    """Return the layout as workers read it; None if they only share the data, as earlier releases did."""
    value, layout = resources.parallelism, resources.layout
    if not layout.divides and not value.min_workers:
        return None
    return TrainingSpec.Parallelism(
        data=layout.data,
        tensor=layout.tensor,
        pipeline=layout.pipeline,
        strategy=layout.strategy,
        schedule=layout.schedule,
        min_workers=value.min_workers,
    )


def work_folder(work: Path, run: str) -> Path:
    """Return the directory of a run's tokens and checkpoints."""
    return work / hashlib.sha256(run.encode()).hexdigest()[:32]


def _trained(result: TrainingResult) -> Trained:
    diagnosis, limit = result.diagnosis, result.prompt_limit
    return Trained(
        artifact_digest=result.artifact_digest,
        curves_digest=result.curves_digest,
        parameter_count=result.parameter_count,
        diagnosis=Diagnosis(
            diagnosis.verdict,
            diagnosis.remedy,
            diagnosis.evidence,
            tuple(Finding(each.verdict, each.remedy, each.evidence) for each in diagnosis.findings),
        ),
        metrics=dict(sorted(result.metrics.items())),
        scores_digest=result.scores_digest,
        prompt_limit=PromptLimit(limit.max_tokens, limit.max_characters, limit.cut_share),
    )
