"""Jobs that ask judges: what the operator's list decides, and what neither specs nor resources hold."""

from dataclasses import replace
from datetime import UTC, datetime

from google.protobuf import json_format

from ratoon.jobs.v1.evaluation_jobs_pb2 import JudgingSpec
from ratoon.jobs.v1.job_pb2 import JobEnvironment
from ratoon.operations.job_messages import from_json
from ratoon.operations.jobs import JobState, JobStatus
from ratoon.tasks.generate import Generate
from ratoon.tasks.judges import JudgeKind
from ratoon_evaluation import judge_messages, mapping
from ratoon_evaluation.adapters.agreements import agreement_jobs
from ratoon_evaluation.application.ports import AgreementJob, Parts, ScoringJob
from ratoon_evaluation.domain.human import HumanVerdicts
from ratoon_evaluation.domain.judges import Agreement, AppliedJudge, Judge, JudgeSpec
from ratoon_evaluation.domain.runs import Domain, EvaluationRun, Question

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
SPEC = JudgeSpec(JudgeKind.PAIRWISE, "https://judge.example/v1", "m")
JUDGE = Judge("projects/p/judges/j", NOW, NOW, SPEC)
LISTED = {"https://judge.example/v1": "JUDGE_KEY"}


class FakeJobs:
    """Keeps the spec of a job, and ends with a result."""

    def __init__(self, result=None):
        self.spec, self.result = {}, result or {}

    def start(self, job_id, module, spec):
        self.spec = spec

    def observe(self, job_id):
        return JobStatus(JobState.SUCCEEDED, result=self.result)


def test_a_comparison_has_a_process_of_its_own_and_the_name_of_the_key():
    jobs = FakeJobs()
    environment = JobEnvironment(artifacts="file:///a", warm="/w", time_limit_s=60.0)
    runner = agreement_jobs(jobs, environment, LISTED)
    runner.start("id", AgreementJob(JUDGE, "c" * 64, 2, ("d" * 64,)))
    assert (jobs.spec["task"], jobs.spec["tenant"]) == ("agreement", "projects/p")
    assert jobs.spec["time_limit_s"] == 60
    assert "warm" not in jobs.spec
    spec = from_json(JudgingSpec, jobs.spec)
    assert (spec.missing, spec.cases, spec.judge.name) == (2, "c" * 64, "j")
    assert (spec.judge.listed, spec.judge.key_variable) == (True, "JUDGE_KEY")
    assert list(spec.judge.stored_verdicts) == ["d" * 64]


def test_an_endpoint_that_is_not_listed_gets_no_key():
    spec = judge_messages.judge_spec("j", SPEC, {"https://other.example/v1": "JUDGE_KEY"}, ())
    assert (spec.listed, spec.key_variable) == (False, "")


def test_the_result_of_a_comparison_is_read_with_what_is_undefined():
    known = {"pairs": 3, "raw": 1.0, "kappa": None, "unparsable": 1, "verdicts": "e" * 64}
    result = agreement_jobs(FakeJobs(known), JobEnvironment(), {}).observe("id").result
    assert result == Agreement(3, 1.0, None, None, 1, 0, 0, "e" * 64)
    zero = {"pairs": 3, "raw": 0.0, "kappa": 0.0, "consistency": 0.0}
    assert agreement_jobs(FakeJobs(zero), JobEnvironment(), {}).observe("id").result == Agreement(
        3, 0.0, 0.0, 0.0
    )


def scoring_job(**fields):
    question = Question("a" * 64, "b" * 64, (Domain("new", "s"),), (), (), task=Generate())
    run = EvaluationRun("projects/p/evaluationRuns/r", NOW, NOW, replace(question, **fields))
    verdicts = {SPEC.identity: ("d" * 64,), "other": ("e" * 64,)}
    return ScoringJob(run, {"new": Parts("c" * 64, "")}, {}, verdicts)


def test_a_run_asks_its_judges_with_their_own_stored_verdicts():
    job = scoring_job(judges=(AppliedJudge(JUDGE.name, SPEC, Agreement()),))
    (judge,) = mapping.scoring_spec(job, LISTED).judges
    assert (judge.name, judge.kind, judge.key_variable) == ("j", "PAIRWISE", "JUDGE_KEY")
    assert list(judge.stored_verdicts) == ["d" * 64]


def test_a_run_without_judges_and_ratings_has_the_spec_of_before():
    spec = mapping.scoring_spec(scoring_job(), LISTED)
    assert not {"judges", "human"} & json_format.MessageToDict(spec).keys()
    human = mapping.scoring_spec(replace(scoring_job(), human=HumanVerdicts()), LISTED)
    assert human.HasField("human")
