"""Comparisons of judges with people as jobs, and the human verdicts that they read."""

import json
from collections.abc import Mapping, Sequence
from functools import partial

from ratoon.jobs.v1.evaluation_jobs_pb2 import JudgingResult
from ratoon.jobs.v1.job_pb2 import JobEnvironment
from ratoon.operations.job_messages import JSON, from_json, spec_json
from ratoon.operations.job_procedure import WorkerJobs
from ratoon.operations.jobs import Jobs
from ratoon.storage.artifacts import ArtifactStore
from ratoon.tasks.records import to_json
from ratoon_evaluation import judge_messages
from ratoon_evaluation.adapters.scoring import WORKER
from ratoon_evaluation.application.ports import AgreementCase, AgreementJob
from ratoon_evaluation.domain.judges import Agreement

_TASK = "agreement"


class JsonCases:
    """Writes human verdicts to the artifact store."""

    def __init__(self, artifacts: ArtifactStore) -> None:
        self._artifacts = artifacts

    def write(self, judge: str, cases: Sequence[AgreementCase]) -> str:
        """Store the name of the judge and the cases, one a line; returns the digest."""
        lines = [json.dumps({"judge": judge})] + [
            json.dumps({"prompt": to_json(case.record), "answers": case.answers, "human": case.human})
            for case in cases
        ]
        return self._artifacts.put_bytes("\n".join(lines).encode())


def agreement_jobs(
    jobs: Jobs, environment: JobEnvironment, endpoints: Mapping[str, str]
) -> WorkerJobs[AgreementJob, Agreement]:
    """Return the jobs that compare judges with people; `endpoints` are those that the operator listed."""
    return WorkerJobs(jobs, WORKER, partial(_spec, environment, endpoints), _agreement)


def _spec(environment: JobEnvironment, endpoints: Mapping[str, str], job: AgreementJob) -> JSON:
    own = JobEnvironment(task=_TASK, tenant="/".join(job.judge.name.split("/")[:2]))
    own.MergeFrom(environment)
    own.ClearField("warm")  # waiting for an endpoint would keep the process from evaluations
    return spec_json(own, judge_messages.judging_spec(job, endpoints))


def _agreement(result: JSON) -> Agreement:
    return judge_messages.agreement(from_json(JudgingResult, result))
