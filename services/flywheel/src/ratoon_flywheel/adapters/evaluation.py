"""Evaluation: a candidate against the gate."""

import grpc

from ratoon.evaluation.v1 import evaluation_run_pb2
from ratoon.evaluation.v1 import evaluation_service_pb2 as pb
from ratoon.evaluation.v1.evaluation_service_pb2_grpc import EvaluationServiceStub
from ratoon.service.compute import message_of as compute_message
from ratoon.service.tasks import message_of, requested_task
from ratoon.tasks.kinds import kind_of, supported
from ratoon_flywheel.adapters.children import child, ensure_cancelled
from ratoon_flywheel.domain.kinds.table import KINDS
from ratoon_flywheel.domain.pipelines.actions import Domain, Evaluate, RuleKind
from ratoon_flywheel.domain.pipelines.runs import Products
from ratoon_flywheel.domain.pipelines.steps import Child, ChildState
from ratoon_flywheel.domain.projects import labels_of


class EvaluationStage:
    """The stage `evaluation`; the gate's no is a refusal, not a failure."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._evaluation = EvaluationServiceStub(channel)

    def create(self, spec: Evaluate, request_id: str) -> str:
        """Score a candidate and hold it against the gate."""
        primary = spec.metric or kind_of(spec.task).PRIMARY
        run = evaluation_run_pb2.EvaluationRun(
            candidate_digest=spec.candidate_digest,
            reference_digest=spec.reference_digest,
            domains=[evaluation_run_pb2.Domain(name=d.name, split=d.split) for d in spec.domains],
            labels=labels_of(spec.task),
            task=message_of(spec.task),
            metric=spec.metric,
            base_digest=spec.base_digest,
            gate=[rule for domain in spec.domains for rule in _rules(domain, primary)],
            seed=spec.seed,
            compute=compute_message(spec.compute),
        )
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


def _rules(domain: Domain, primary: str) -> list[evaluation_run_pb2.GateRule]:
    """The gate's rules on a domain: its own, the comparison with the best baseline, and the bounds of metrics."""
    rules: list[tuple[str, float, str]] = []
    if domain.rule is not RuleKind.MEASURED:
        rules.append((domain.rule, domain.threshold, ""))
    elif domain.baseline_margin is None:
        rules.append(("MIN_VALUE", domain.threshold, primary))
    if domain.baseline_margin is not None:
        rules.append((RuleKind.NEAR_BASELINE, -domain.baseline_margin, ""))
    for gate in domain.metric_gates:
        bounds = {"MIN_VALUE": gate.min_value, "MAX_VALUE": gate.max_value}
        if domain.is_compared and gate.max_loss is not None:
            bounds["NOT_WORSE"] = -gate.max_loss
        rules += [(kind, bound, gate.metric) for kind, bound in bounds.items() if bound is not None]
    rule = evaluation_run_pb2.GateRule
    return [
        rule(kind=rule.Kind.Value(f"KIND_{kind}"), domain=domain.name, threshold=threshold, metric=metric)
        for kind, threshold, metric in rules
    ]


def _scores(run: evaluation_run_pb2.EvaluationRun) -> dict[str, float]:
    """The candidate's scores by name, as a version keeps them."""
    task = requested_task(run)
    kind = supported(KINDS, task, "A pipeline run")
    return {
        f"{result.domain}.{metric}": value
        for result in run.results
        for metric in kind.reported_metrics(task)
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
