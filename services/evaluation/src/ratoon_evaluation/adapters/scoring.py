"""Scoring as a job: `python -m ratoon_evaluation.worker`."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from ratoon.jobs.v1.evaluation_jobs_pb2 import ScoringResult
from ratoon.jobs.v1.job_pb2 import JobEnvironment
from ratoon.operations.job_messages import JSON, from_json, spec_json
from ratoon.operations.job_procedure import WorkerJobs
from ratoon.operations.jobs import JobProgress, Jobs
from ratoon_evaluation import mapping
from ratoon_evaluation.application.ports import ScoringJob
from ratoon_evaluation.domain.costs import Rates
from ratoon_evaluation.domain.runs import Progress, Scored

WORKER = "ratoon_evaluation.worker"
_NO_ENDPOINTS: Mapping[str, str] = {}


@dataclass(frozen=True)
class Effort:
    """Cores of a scoring job (0: by the size of the model), resamples of the bootstrap, and what devices cost."""

    threads: int
    resamples: int
    rates: Rates = Rates()


def scoring_jobs(
    jobs: Jobs, environment: JobEnvironment, effort: Effort, endpoints: Mapping[str, str] = _NO_ENDPOINTS
) -> WorkerJobs[ScoringJob, Scored]:
    """Return the jobs that score, compare and apply the gate; `endpoints` of judges are those that are listed."""
    return WorkerJobs(jobs, WORKER, partial(_spec, environment, effort, endpoints), _scored, _progress)


def _spec(environment: JobEnvironment, effort: Effort, endpoints: Mapping[str, str], job: ScoringJob) -> JSON:
    """Return the spec; workers of the release before read stored answers as `kept`."""
    own = JobEnvironment(tenant="/".join(job.run.name.split("/")[:2]))
    own.MergeFrom(environment)
    spec = mapping.scoring_spec(job, endpoints)
    spec.threads, spec.resamples = effort.threads, effort.resamples
    if effort.rates.hourly_costs:
        spec.rates.hourly_costs.update({str(name): cost for name, cost in effort.rates.hourly_costs.items()})
        spec.rates.currency = effort.rates.currency
    written = spec_json(own, spec)
    without_settings = [
        {name: each[name] for name in ("model", "test", "predictions")} for each in written["stored_answers"]
    ]
    return {**written, "kept": without_settings}


def _scored(result: JSON) -> Scored:
    return mapping.scored(from_json(ScoringResult, result))


def _progress(progress: JobProgress) -> Progress:
    return Progress(
        progress.fraction,
        progress.message,
        progress.done,
        progress.total,
        progress.unit,
        progress.remaining_s or 0.0,
    )
