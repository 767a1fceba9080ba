"""Evaluation: a candidate against the gate."""

from collections.abc import Sequence
from dataclasses import replace

import grpc

from ratoon.evaluation.v1 import evaluation_run_pb2, judge_pb2, suite_pb2
from ratoon.evaluation.v1 import evaluation_service_pb2 as pb
from ratoon.evaluation.v1.evaluation_service_pb2_grpc import EvaluationServiceStub
from ratoon.service.compute import message_of as compute_message
from ratoon.service.tasks import message_of, requested_task
from ratoon.tasks.costs import cost_text
from ratoon.tasks.judges import METRICS, JudgeKind, Requirements
from ratoon.tasks.kinds import kind_of, supported
from ratoon.tasks.titles import metric_title
from ratoon_flywheel.adapters.children import child, ensure_cancelled
from ratoon_flywheel.domain.judges import Judge
from ratoon_flywheel.domain.kinds.table import KINDS
from ratoon_flywheel.domain.pipelines.actions import Domain, Evaluate, RuleKind
from ratoon_flywheel.domain.pipelines.runs import Products
from ratoon_flywheel.domain.pipelines.steps import Child, ChildState
from ratoon_flywheel.domain.project_settings import MetricGate
from ratoon_flywheel.domain.projects import Project, labels_of
from ratoon_flywheel.domain.suites import Suite, SuiteTest

_Rule = tuple[str, float, str]
"""Kind, threshold and metric of a rule."""


class EvaluationStage:
    """The stage `evaluation`; the gate's no is a refusal, not a failure."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._evaluation = EvaluationServiceStub(channel)

    def create(self, spec: Evaluate, request_id: str) -> str:
        """Score a candidate and hold it against the gate."""
        primary, human = spec.metric or kind_of(spec.task).PRIMARY, spec.human_ratings
        run = evaluation_run_pb2.EvaluationRun(
            candidate_digest=spec.candidate_digest,
            reference_digest=spec.reference_digest,
            domains=[evaluation_run_pb2.Domain(name=d.name, split=d.split) for d in spec.domains],
            labels=labels_of(spec.task),
            task=message_of(spec.task),
            metric=spec.metric,
            base_digest=spec.base_digest,
            gate=[
                *(rule for domain in spec.domains for rule in _rules(domain, primary)),
                *_messages("", _bounds(spec.suite_gates)),
            ],
            suites=spec.suites,
            judges=self._judges(spec),
            human_ratings=None if human is None else evaluation_run_pb2.HumanRatings(**vars(human)),
            seed=spec.seed,
            compute=compute_message(spec.compute),
            candidate_note=spec.candidate_note,
        )
        if spec.judge_requirements != Requirements():
            run.judge_requirements.min_pair_count = spec.judge_requirements.min_pairs
            run.judge_requirements.min_kappa = spec.judge_requirements.min_kappa
        request = pb.CreateEvaluationRunRequest(
            parent=spec.project, evaluation_run=run, request_id=request_id
        )
        return str(self._evaluation.CreateEvaluationRun(request).name)

    def observe(self, resource: str) -> Child:
        """How far the evaluation is, and the verdict."""
        run = self._evaluation.GetEvaluationRun(pb.GetEvaluationRunRequest(name=resource))
        verdict = run.verdict.summary
        products = Products(
            evaluation_run=run.name,
            verdict=verdict,
            scores=_scores(run),
            production_scores=_production_scores(run),
            cost_note=_cost_note(run),
        )
        state = evaluation_run_pb2.EvaluationRun.State.Name(run.state)
        if state == "STATE_SUCCEEDED" and not run.verdict.passed:
            return Child(ChildState.REFUSED, products, reason="GATE_REFUSED", message=verdict)
        return child(state, products, run.progress, run.failure, verdict)

    def cancel(self, resource: str) -> None:
        """Cancel the evaluation."""
        ensure_cancelled(
            lambda: self._evaluation.CancelEvaluationRun(pb.CancelEvaluationRunRequest(name=resource))
        )

    def _judges(self, spec: Evaluate) -> tuple[str, ...]:
        """Return the judges of an evaluation: without a reference, those that score single answers."""
        if spec.reference_digest:
            return spec.judges
        known = [_judge(self._evaluation.GetJudge(pb.GetJudgeRequest(name=name))) for name in spec.judges]
        return tuple(judge.name for judge in known if judge.kind is not JudgeKind.PAIRWISE)


class ComparisonStage(EvaluationStage):
    """The stage `comparison`, an evaluation run too: its gate lets the trained model pass if it is better."""

    def observe(self, resource: str) -> Child:
        """How far the comparison is, with a sentence on both values and their difference."""
        observed = super().observe(resource)
        run = self._evaluation.GetEvaluationRun(pb.GetEvaluationRunRequest(name=resource))
        message = _compared(run) or observed.message
        return replace(observed, products=Products(comparison_run=resource), message=message)


class CompressionGateStage(EvaluationStage):
    """The stage `compression_gate`, an evaluation run too: a compressed model against its source."""

    def observe(self, resource: str) -> Child:
        """How far the evaluation is, and the verdict."""
        observed = super().observe(resource)
        gate = observed.products
        products = Products(
            compression_evaluation_run=gate.evaluation_run,
            compression_verdict=gate.verdict,
            compression_scores=gate.scores,
        )
        return replace(observed, products=products)


def _compared(run: evaluation_run_pb2.EvaluationRun) -> str:
    """Return the values of both models and their difference as a sentence; empty if they were not measured."""
    metric = run.metric or kind_of(requested_task(run)).PRIMARY
    result = next(iter(run.results), None)
    if result is None or not result.HasField("difference"):
        return ""
    ours, theirs = (_score(each, metric) for each in (result.candidate, result.reference))
    if ours is None or theirs is None:
        return ""
    gain, records = result.difference, result.candidate.record_count
    return (
        f"{metric_title(metric)} is {ours:.3f} against {theirs:.3f} of the classical model on {records} records, "
        f"difference {gain.value:+.3f} [{gain.lower:+.3f}, {gain.upper:+.3f}]."
    )


class EvaluationJudges:
    """Judges, read from evaluation each time."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._evaluation = EvaluationServiceStub(channel)

    def of_project(self, project: Project) -> tuple[Judge, ...]:
        """Return the judges that a project names; NotFound if one does not exist."""
        return tuple(
            _judge(self._evaluation.GetJudge(pb.GetJudgeRequest(name=name))) for name in project.judges
        )


class EvaluationSuites:
    """Suites, read from evaluation each time."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._evaluation = EvaluationServiceStub(channel)

    def of_project(self, project: Project) -> tuple[Suite, ...]:
        """Return the suites that a project names; NotFound if one does not exist."""
        return tuple(
            _suite(self._evaluation.GetSuite(pb.GetSuiteRequest(name=name))) for name in project.suites
        )


def _cost_note(run: evaluation_run_pb2.EvaluationRun) -> str:
    """Return what a million answers of the candidate cost on the first domain, and what its report notes there."""
    result = next(iter(run.results), None)
    if result is None or not result.candidate.HasField("cost"):
        return ""
    cost = result.candidate.cost
    price = cost.price_per_million if cost.HasField("price_per_million") else None
    text = cost_text(cost.core_seconds_per_million, cost.device_seconds_per_million, price, cost.currency)
    return " ".join((f"A million answers cost {text}. {cost.assumption}", *result.notes)).strip()


def _judge(message: judge_pb2.Judge) -> Judge:
    agreement = message.agreement
    return Judge(
        message.name,
        JudgeKind(judge_pb2.Judge.Kind.Name(message.kind).removeprefix("KIND_")),
        judge_pb2.Judge.State.Name(message.state).removeprefix("STATE_"),
        agreement.pair_count,
        agreement.kappa if agreement.HasField("kappa") else None,
    )


def _suite(message: suite_pb2.Suite) -> Suite:
    return Suite(
        message.name,
        tuple(
            SuiteTest(
                test.name, test.metric, test.WhichOneof("content") == "records", test.records.multi_turn
            )
            for test in message.tests
        ),
    )


def _rules(domain: Domain, primary: str) -> list[evaluation_run_pb2.GateRule]:
    """The gate's rules on a domain: its own, the comparison with the best baseline, and the bounds of metrics."""
    rules: list[_Rule] = []
    if domain.rule is not RuleKind.MEASURED:
        rules.append((domain.rule, domain.threshold, ""))
    elif domain.baseline_margin is None:
        rules.append(("MIN_VALUE", domain.threshold, primary))
    if domain.baseline_margin is not None:
        rules.append((RuleKind.NEAR_BASELINE, -domain.baseline_margin, ""))
    return _messages(domain.name, [*rules, *_bounds(domain.metric_gates, domain.is_compared)])


def _bounds(gates: Sequence[MetricGate], is_compared: bool = False) -> list[_Rule]:
    """Return the rules of the bounds of metrics; a loss has a rule if there is a reference."""
    rules: list[_Rule] = []
    for gate in gates:
        bounds = {"MIN_VALUE": gate.min_value, "MAX_VALUE": gate.max_value}
        if is_compared and gate.max_loss is not None:
            bounds["NOT_WORSE"] = -gate.max_loss
        rules += [(kind, bound, gate.metric) for kind, bound in bounds.items() if bound is not None]
    return rules


def _messages(domain: str, rules: Sequence[_Rule]) -> list[evaluation_run_pb2.GateRule]:
    rule = evaluation_run_pb2.GateRule
    return [
        rule(kind=rule.Kind.Value(f"KIND_{kind}"), domain=domain, threshold=threshold, metric=metric)
        for kind, threshold, metric in rules
    ]


def _scores(run: evaluation_run_pb2.EvaluationRun) -> dict[str, float]:
    """The candidate's scores by name, as a version keeps them; of suites the means of the metrics that sum tests up."""
    task = requested_task(run)
    kind = supported(KINDS, task, "A pipeline run")
    of_suites = {
        f"suite:{result.suite.rpartition('/')[2]}.{metric}": result.metrics[metric].value
        for result in run.suite_results
        for metric in sorted({test.metric for test in result.tests} & set(result.metrics))
    }
    return of_suites | {
        f"{result.domain}.{metric}": value
        for result in run.results
        for metric in (*kind.reported_metrics(task), *METRICS)
        if (value := _score(result.candidate, metric)) is not None
    }


def _production_scores(run: evaluation_run_pb2.EvaluationRun) -> dict[str, float]:
    """The scores of the version in production on the new domain, the first one, by metric."""
    if not run.results or not run.results[0].HasField("reference"):
        return {}
    return {name: estimate.value for name, estimate in run.results[0].reference.metrics.items()}


def _score(scores: evaluation_run_pb2.Scores, metric: str) -> float | None:
    """Return the value of a metric; None if it was not measured. Three metrics have fields of their own."""
    match metric:
        case "macro_f1":
            return scores.macro_f1.value
        case "accuracy":
            return scores.accuracy.value
        case "perplexity" if metric not in scores.metrics:
            return scores.perplexity
        case _:
            return scores.metrics[metric].value if metric in scores.metrics else None
