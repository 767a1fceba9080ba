"""Specs and results of scoring jobs, as this release and the one before write and read them."""

import json
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from pydantic import TypeAdapter

from ratoon.jobs.v1.evaluation_jobs_pb2 import ScoringOutcome, ScoringResult, ScoringSpec
from ratoon.jobs.v1.job_pb2 import JobEnvironment
from ratoon.operations.job_messages import from_json, to_json
from ratoon.operations.jobs import JobState, JobStatus
from ratoon.tasks.classify import Classify
from ratoon_evaluation import mapping
from ratoon_evaluation.adapters.scoring import Effort, scoring_jobs
from ratoon_evaluation.application.ports import Parts, ScoringJob
from ratoon_evaluation.domain.gate import Finding, Outcome, Rule, RuleKind, Verdict
from ratoon_evaluation.domain.kinds.classify import ClassScore, Confusion
from ratoon_evaluation.domain.runs import Domain, EvaluationRun, Question, Scored
from ratoon_evaluation.domain.scores import DomainScores, Interval, Measurements, Scores, SliceScore
from ratoon_evaluation.worker.spec import read_spec, task_of_spec

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
NAME = "projects/p/evaluationRuns/r"
RULE = Rule(RuleKind.BETTER, "new", 0.1)
QUESTION = Question(
    candidate="a" * 64,
    reference="b" * 64,
    domains=(Domain("new", "projects/p/datasets/d/splits/s"),),
    labels=("ham", "spam"),
    rules=(RULE,),
    seed=7,
)
JOB = ScoringJob(
    EvaluationRun(NAME, NOW, NOW, QUESTION),
    {"new": Parts("c" * 64, "d" * 64)},
    {("a" * 64, "c" * 64, ""): "e" * 64},
)
ENVIRONMENT = JobEnvironment(artifacts="file:///a", warm="/w", time_limit_s=60.0, memory_share=0.5)
STORED = [{"model": "a" * 64, "test": "c" * 64, "predictions": "e" * 64}]
SPEC_OF_0_1 = {
    "artifacts": "file:///a",
    "candidate": "a" * 64,
    "reference": "b" * 64,
    "labels": ["ham", "spam"],
    "domains": [{"name": "new", "test": "c" * 64, "train": "d" * 64}],
    "kept": STORED,
    "rules": [{"kind": "BETTER", "domain": "new", "threshold": 0.1}],
    "seed": 7,
    "resamples": 1000,
    "threads": 2,
    "title": NAME,
    "warm": "/w",
    "tenant": "projects/p",
    "time_limit_s": 60.0,
    "memory_share": 0.5,
}
HALF = {"value": 0.5, "low": 0.25, "high": 0.75}
SCORES_OF_0_1 = {
    "records": 4,
    "accuracy": HALF,
    "macro_f1": HALF,
    "precision": 0.5,
    "recall": 0.5,
    "auc": None,
    "perplexity": None,
    "classes": [{"label": "ham", "precision": 0.5, "recall": 0.5, "f1": 0.5, "support": 4}],
    "confusion": {"labels": ["ham"], "counts": [[2, 2]]},
    "slices": [],
    "unfit": 0,
    "predictions": "1" * 64,
}
RESULT_OF_0_1 = {
    "report_json": "2" * 64,
    "report_html": "3" * 64,
    "evaluation": {
        "measured": {
            "domains": [
                {
                    "domain": "new",
                    "test": "c" * 64,
                    "candidate": SCORES_OF_0_1,
                    "reference": None,
                    "baselines": {"majority": SCORES_OF_0_1 | {"predictions": ""}},
                    "difference": None,
                    "best_baseline": "majority",
                    "baseline_difference": {"value": float("nan"), "low": -0.5, "high": 0.5},
                    "wrong": "4" * 64,
                    "wrong_count": 2,
                }
            ]
        },
        "verdict": {
            "passed": False,
            "findings": [
                {
                    "rule": {"kind": "BETTER", "domain": "new", "threshold": 0.1},
                    "passed": False,
                    "sentence": "Not measured.",
                    "measured": None,
                    "bound": None,
                    "note": "",
                }
            ],
        },
    },
}


def interval(value: float) -> Interval:
    return Interval(value, value - 0.1, value + 0.1)


SCORES = Scores(
    records=5,
    accuracy=interval(0.5),
    macro_f1=interval(0.6),
    precision=0.7,
    recall=0.8,
    auc=interval(0.9),
    perplexity=12.5,
    classes=(ClassScore("ham", 0.1, 0.2, 0.3, 3), ClassScore("spam", 0.4, 0.5, 0.6, 0)),
    confusion=Confusion(("ham", "spam"), ((1, 2, 0), (0, 1, 1))),
    slices=(SliceScore("language=en", 3, interval(0.1), interval(0.2)),),
    unfit=1,
    predictions="1" * 64,
)
SCORED = Scored(
    Outcome(
        Measurements(
            (
                DomainScores(
                    domain="new",
                    test="c" * 64,
                    candidate=SCORES,
                    reference=replace(SCORES, perplexity=None),
                    baselines={"majority": SCORES, "tfidf": SCORES},
                    difference=interval(0.3),
                    best_baseline="tfidf",
                    baseline_difference=interval(-0.1),
                    wrong="4" * 64,
                    wrong_count=2,
                ),
            )
        ),
        Verdict(True, (Finding(RULE, True, "Better.", interval(0.3), 0.1, "A note."),)),
    ),
    "2" * 64,
    "3" * 64,
)


@dataclass
class FakeJobs:
    """The jobs of a worker, all of which have ended with one result."""

    result: dict[str, Any]
    spec: dict[str, Any] | None = None

    def start(self, job_id: str, module: str, spec: dict[str, Any]) -> None:
        self.spec = spec

    def observe(self, job_id: str) -> JobStatus:
        return JobStatus(JobState.SUCCEEDED, result=self.result)


def written(scored: Scored) -> dict[str, Any]:
    result = ScoringResult(
        report_json=scored.report_json,
        report_html=scored.report_html,
        evaluation=from_json(ScoringOutcome, asdict(scored.outcome)),
    )
    return json.loads(json.dumps(to_json(result)))


def result_of(jobs: FakeJobs) -> Scored:
    scored = scoring_jobs(jobs, ENVIRONMENT, Effort(2, 1000)).observe("id").result
    assert scored is not None
    return scored


def test_a_worker_of_the_release_before_reads_the_spec():
    jobs = FakeJobs({})
    scoring_jobs(jobs, ENVIRONMENT, Effort(2, 1000)).start("id", JOB)
    assert jobs.spec is not None
    changed = {name: jobs.spec[name] for name in ("rules", "domains")}
    assert {name: jobs.spec[name] for name in SPEC_OF_0_1} == SPEC_OF_0_1 | changed
    assert jobs.spec["domains"] == [SPEC_OF_0_1["domains"][0] | {"group_attribute": ""}]
    (rule,) = jobs.spec["rules"]
    assert rule == SPEC_OF_0_1["rules"][0] | {"metric": "", "baseline": ""}
    assert jobs.spec["task_spec"]["classify"]["labels"] == ["ham", "spam"]


def test_a_worker_reads_a_spec_of_either_release():
    expected = mapping.scoring_spec(JOB)
    expected.threads, expected.resamples = 2, 1000
    of_0_1 = read_spec(SPEC_OF_0_1)
    assert task_of_spec(of_0_1) == task_of_spec(expected) == Classify(("ham", "spam"))
    of_0_1.task_spec.CopyFrom(expected.task_spec)
    assert of_0_1 == expected
    jobs = FakeJobs({})
    scoring_jobs(jobs, ENVIRONMENT, Effort(2, 1000)).start("id", JOB)
    assert read_spec(jobs.spec or {}) == expected


def test_the_fields_of_a_spec_are_not_those_of_its_environment():
    assert set(ScoringSpec.DESCRIPTOR.fields_by_name).isdisjoint(JobEnvironment.DESCRIPTOR.fields_by_name)


def test_a_result_of_the_release_before_is_read():
    (domain,) = result_of(FakeJobs(RESULT_OF_0_1)).outcome.measured.domains
    assert domain.candidate.confusion == Confusion(("ham",), ((2, 2),))
    assert (domain.reference, domain.candidate.auc, domain.wrong_count) == (None, None, 2)
    assert str(domain.baseline_difference) == "Interval(value=nan, low=-0.5, high=0.5)"


def test_a_result_survives_its_message_in_the_shape_of_the_release_before():
    assert result_of(FakeJobs(written(SCORED))) == SCORED
    outcome = TypeAdapter(Outcome).validate_python(written(SCORED)["evaluation"])
    assert outcome == SCORED.outcome
    assert written(SCORED)["evaluation"] == json.loads(json.dumps(asdict(SCORED.outcome)))
