"""Domain to protobuf and back; entrypoints and adapters use it, nothing else does."""

from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime

from google.protobuf.message import Message

from ratoon.common.v1 import compute_pb2, generation_pb2, metric_pb2, progress_pb2, shadow_pb2
from ratoon.events.ports import Record
from ratoon.process.errors import InvalidArgument
from ratoon.runtime.timestamps import timestamp
from ratoon.service.compute import compute_of, message_of
from ratoon.service.events import record_of
from ratoon.serving.v1 import (
    deployment_pb2,
    rollout_pb2,
    route_pb2,
    serving_events_pb2,
    serving_plan_pb2,
)
from ratoon.serving.v1 import serving_service_pb2 as pb
from ratoon.tasks.compute import Compute
from ratoon.tasks.votes import Votes
from ratoon_serving.application.commands import (
    CreateDeployment,
    CreateRollout,
    DeleteDeployment,
    InjectFault,
    ReportShadowComparison,
    TrafficReport,
    VoteReport,
    Window,
)
from ratoon_serving.domain.capacity import Demand, ServingPlan
from ratoon_serving.domain.deployment import Deployment
from ratoon_serving.domain.engine import Engine, EngineReady, EngineState, EngineStopped
from ratoon_serving.domain.generation import ENGINE_SLOTS
from ratoon_serving.domain.rollouts.analysis import Bake, Traffic
from ratoon_serving.domain.rollouts.plan import (
    RolloutFailed,
    RolloutRolledBack,
    RolloutShifted,
    RolloutStarted,
    RolloutSucceeded,
)
from ratoon_serving.domain.rollouts.rollout import Phase, Rollout, Shares, Strategy
from ratoon_serving.domain.rollouts.shadow import Comparison, Paired, Shadow, Side
from ratoon_serving.domain.routes import Route, RouteTable, Target

_MAX_CALLERS = 64
"""Callers that one report may name."""
_MAX_VOTERS = 1_000
"""Callers that one report of feedback may name."""
_STATES = {
    Phase.QUEUED: "QUEUED",
    Phase.CLOSING: "PREPARING",
    Phase.STARTING: "PREPARING",
    Phase.ATTESTING: "PREPARING",
    Phase.PROBING: "PREPARING",
    Phase.SHIFTING: "SHIFTING",
    Phase.BAKING: "BAKING",
    Phase.DRAINING: "DRAINING",
    Phase.PROMOTING: "DRAINING",
    Phase.REVERTING: "ROLLING_BACK",
    Phase.DISCARDING: "ROLLING_BACK",
    Phase.RESTORING: "ROLLING_BACK",
    Phase.SUCCEEDED: "SUCCEEDED",
    Phase.ROLLED_BACK: "ROLLED_BACK",
    Phase.FAILED: "FAILED",
    Phase.CANCELLED: "CANCELLED",
}
_PROGRESS = [
    Phase.QUEUED,
    Phase.CLOSING,
    Phase.STARTING,
    Phase.ATTESTING,
    Phase.PROBING,
    Phase.SHIFTING,
    Phase.BAKING,
    Phase.DRAINING,
    Phase.PROMOTING,
    Phase.SUCCEEDED,
]
_ENGINE_STATES = {
    EngineState.STARTING: "STARTING",
    EngineState.READY: "READY",
    EngineState.DRAINING: "DRAINING",
    EngineState.ABSENT: "STOPPED",
    EngineState.GONE: "FAILED",
}
_FAILURES = {
    Phase.FAILED: "ROLLOUT_FAILED",
    Phase.ROLLED_BACK: "ROLLED_BACK",
    Phase.CANCELLED: "ROLLOUT_ABORTED",
}


def deployment(value: Deployment) -> deployment_pb2.Deployment:
    """Return a deployment as callers see it."""
    return deployment_pb2.Deployment(
        name=value.name,
        revision=value.revision,
        create_time=timestamp(value.create_time),
        update_time=timestamp(value.update_time),
        model=value.model,
        version=value.version,
        previous_version=value.previous_version,
        active_rollout=value.active_rollout,
        min_replicas=value.bounds.min_replicas,
        max_replicas=value.bounds.max_replicas,
        replicas=value.replicas,
        pool=value.pool,
        compute=_compute(value.compute),
    )


def engine(value: Engine) -> deployment_pb2.Engine:
    """Return an engine as callers see it: without its address and secret."""
    return deployment_pb2.Engine(
        name=value.name,
        revision=value.revision,
        create_time=timestamp(value.create_time),
        update_time=timestamp(value.update_time),
        version=value.version,
        state=deployment_pb2.Engine.State.Value(f"STATE_{_ENGINE_STATES[value.state]}"),
        attested=value.attested,
        message=value.message,
        compute=_compute(value.compute),
    )


def rollout(value: Rollout) -> rollout_pb2.Rollout:
    """Return a rollout as callers see it."""
    message = rollout_pb2.Rollout(
        name=value.name,
        revision=value.revision,
        create_time=timestamp(value.create_time),
        update_time=timestamp(value.update_time),
        state=rollout_pb2.Rollout.State.Value(f"STATE_{_STATES[value.phase]}"),
        to_version=value.to_version,
        from_version=value.from_version,
        strategy=rollout_pb2.Rollout.Strategy.Value(f"STRATEGY_{value.strategy}"),
        bake=rollout_pb2.Rollout.Bake(**vars(value.bake)),
        progress=_progress(value),
        paused=value.paused,
        steps=[_step(note.time, note.phase, note.message) for note in value.notes],
        reason=value.reason,
        etag=str(value.revision),
        shares=value.shares,
        step_seconds=value.step_s,
        compute=_compute(value.compute),
        shadow=_shadow(value.shadow),
        shadow_comparison=_comparison(value.comparison),
    )
    if reason := _FAILURES.get(value.phase):
        message.failure.reason, message.failure.message = reason, value.reason
    return message


def route_table(value: RouteTable) -> route_pb2.RouteTable:
    """Return the table as gateways see it."""
    routes = [_route(route) for route in value.routes]
    return route_pb2.RouteTable(
        version=value.revision, update_time=timestamp(value.update_time), routes=routes
    )


def create_deployment(request: pb.CreateDeploymentRequest) -> CreateDeployment:
    """Return the command of a creation."""
    deployment = request.deployment
    return CreateDeployment(
        request.parent,
        request.deployment_id,
        deployment.model,
        request.request_id,
        deployment.pool,
        _requested_compute(deployment),
    )


def delete_deployment(request: pb.DeleteDeploymentRequest) -> DeleteDeployment:
    """Return the command of a deletion."""
    return DeleteDeployment(request.name, request.force, request.allow_missing)


def create_rollout(request: pb.CreateRolloutRequest) -> CreateRollout:
    """Return the command of a rollout; zero limits take their defaults."""
    rollout = request.rollout
    bake = {field.name: value for field, value in rollout.bake.ListFields()}
    return CreateRollout(
        parent=request.parent,
        rollout_id=request.rollout_id,
        to_version=rollout.to_version,
        strategy=_strategy(rollout.strategy),
        bake=Bake(**bake),
        request_id=request.request_id,
        shares=Shares(tuple(rollout.shares), *([rollout.step_seconds] if rollout.step_seconds else [])),
        compute=_requested_compute(rollout),
        shadow=_requested_shadow(rollout.shadow),
    )


def report_shadow_comparison(request: pb.ReportShadowComparisonRequest) -> ReportShadowComparison:
    """Return the command that stores a comparison."""
    c = request.comparison
    return ReportShadowComparison(
        request.name,
        Comparison(
            c.update_time.ToDatetime(UTC),
            c.request_count,
            c.agreement,
            c.metric.name,
            c.metric.direction == metric_pb2.Metric.DIRECTION_LOWER,
            c.similarity if c.HasField("similarity") else None,
            _side(c.new_version),
            _side(c.old_version),
            _paired(c.by_metric) if c.HasField("by_metric") else None,
            c.message,
        ),
    )


def inject_fault(request: pb.InjectFaultRequest) -> InjectFault:
    """Return the command of a fault."""
    return InjectFault(request.name, request.version, request.error_rate, request.seconds)


def traffic_reports(request: pb.ReportTrafficRequest) -> list[TrafficReport]:
    """Return the reports of a gateway."""
    return [TrafficReport(r.engine, _window(r), _traffic(r)) for r in request.reports]


def vote_reports(reports: Iterable[route_pb2.QualityReport]) -> list[VoteReport]:
    """Return the reports of votes."""
    return [VoteReport(r.version, _window(r), _votes(r)) for r in reports]


def event(value: object, name: str, revision: int) -> Record:
    """Return a domain event as a record of its topic."""
    return record_of("serving", _envelope(value, name, revision))


def _envelope(value: object, name: str, revision: int) -> Message:
    events = serving_events_pb2
    match value:
        case RolloutStarted(version):
            return events.RolloutEvent(
                name=name, revision=revision, started=events.RolloutStarted(to_version=version)
            )
        case RolloutShifted(version):
            return events.RolloutEvent(
                name=name, revision=revision, shifted=events.RolloutShifted(to_version=version)
            )
        case RolloutSucceeded(version):
            succeeded = events.RolloutSucceeded(to_version=version)
            return events.RolloutEvent(name=name, revision=revision, succeeded=succeeded)
        case RolloutRolledBack(version, reason):
            rolled_back = events.RolloutRolledBack(reason=reason, to_version=version)
            return events.RolloutEvent(name=name, revision=revision, rolled_back=rolled_back)
        case RolloutFailed(reason):
            return events.RolloutEvent(
                name=name, revision=revision, failed=events.RolloutFailed(reason=reason)
            )
        case EngineReady(version):
            return events.EngineEvent(name=name, revision=revision, ready=events.EngineReady(version=version))
        case EngineStopped(version):
            return events.EngineEvent(
                name=name, revision=revision, stopped=events.EngineStopped(version=version)
            )
    raise TypeError(f"{value!r} is not an event of serving")


def _compute(value: Compute | None) -> compute_pb2.Compute | None:
    return None if value is None else message_of(value)


def _shadow(value: Shadow) -> shadow_pb2.ShadowAnalysis | None:
    if value == Shadow():
        return None
    settings = dict(vars(value))
    return shadow_pb2.ShadowAnalysis(max_wait_seconds=settings.pop("max_wait_s"), **settings)


def _requested_shadow(spec: shadow_pb2.ShadowAnalysis) -> Shadow:
    settings = {field.name: value for field, value in spec.ListFields()}
    if "max_wait_seconds" in settings:
        settings["max_wait_s"] = settings.pop("max_wait_seconds")
    return Shadow(**settings)


def _comparison(value: Comparison | None) -> rollout_pb2.Rollout.ShadowComparison | None:
    if value is None:
        return None
    kind, paired, direction = rollout_pb2.Rollout, value.by_metric, metric_pb2.Metric
    return kind.ShadowComparison(
        update_time=timestamp(value.time),
        request_count=value.requests,
        agreement=value.agreement,
        metric=direction(
            name=value.metric,
            direction=direction.DIRECTION_LOWER if value.lower_is_better else direction.DIRECTION_HIGHER,
        ),
        similarity=value.similarity,
        new_version=_side_message(value.new),
        old_version=_side_message(value.old),
        by_metric=None
        if paired is None
        else kind.PairedResult(
            pair_count=paired.pairs,
            caller_count=paired.callers,
            new_answered_count=paired.new_answered,
            new_value=paired.new,
            old_value=paired.old,
            gain=paired.gain,
            gain_low=paired.low,
            gain_high=paired.high,
        ),
        message=value.message,
    )


def _side_message(value: Side) -> rollout_pb2.Rollout.Side:
    return rollout_pb2.Rollout.Side(
        latency_p50_seconds=value.p50_s,
        mean_tokens=value.mean_tokens,
        shadow_count=value.shadows,
        error_count=value.errors,
    )


def _side(message: rollout_pb2.Rollout.Side) -> Side:
    return Side(message.latency_p50_seconds, message.mean_tokens, message.shadow_count, message.error_count)


def _paired(message: rollout_pb2.Rollout.PairedResult) -> Paired:
    return Paired(
        message.pair_count,
        message.caller_count,
        message.new_answered_count,
        message.new_value,
        message.old_value,
        message.gain,
        message.gain_low if message.HasField("gain_low") else None,
        message.gain_high if message.HasField("gain_high") else None,
    )


def _requested_compute(request: deployment_pb2.Deployment | rollout_pb2.Rollout) -> Compute | None:
    return compute_of(request.compute) if request.HasField("compute") else None


def _progress(value: Rollout) -> progress_pb2.Progress:
    place = _PROGRESS.index(value.phase) if value.phase in _PROGRESS else len(_PROGRESS) - 1
    message = value.notes[-1].message if value.notes else "it waits in the queue"
    return progress_pb2.Progress(fraction=place / (len(_PROGRESS) - 1), message=message)


def _step(time: datetime, phase: Phase, message: str) -> rollout_pb2.Rollout.Step:
    return rollout_pb2.Rollout.Step(time=timestamp(time), state=phase.value, message=message)


def _route(route: Route) -> route_pb2.Route:
    return route_pb2.Route(
        deployment=route.deployment,
        targets=[_target(t) for t in route.targets],
        hold_seconds=route.hold_s,
        shadow_share=route.shadow_share,
    )


def _target(target: Target) -> route_pb2.Target:
    return route_pb2.Target(
        engine=target.engine,
        version=target.version,
        endpoint=target.endpoint,
        secret=target.secret,
        weight=target.weight,
        served_name=target.served_name,
        generation_defaults=generation_pb2.GenerationDefaults(**vars(target.generation)),
        max_prompt_characters=target.prompt.max_characters,
        max_prompt_tokens=target.prompt.max_tokens,
        context_tokens=target.prompt.context_tokens,
        slots=ENGINE_SLOTS,
    )


def _strategy(value: rollout_pb2.Rollout.Strategy.ValueType) -> Strategy | None:
    name = rollout_pb2.Rollout.Strategy.Name(value).removeprefix("STRATEGY_")
    return None if name == "UNSPECIFIED" else Strategy(name)


def _traffic(report: route_pb2.TrafficReport) -> Traffic:
    counts = (report.request_count, report.error_count, report.cut_count, report.latency_p50_seconds)
    return Traffic(*counts, callers=tuple(map(_caller, report.callers[:_MAX_CALLERS])))


def _caller(report: route_pb2.CallerTraffic) -> tuple[str, Traffic]:
    counts = (report.request_count, report.error_count, report.cut_count, report.latency_p50_seconds)
    return report.caller, Traffic(*counts)


def _votes(report: route_pb2.QualityReport) -> Votes:
    callers = ((c.caller, c.positive_count, c.negative_count) for c in report.callers[:_MAX_VOTERS])
    return Votes(report.positive_count, report.negative_count, tuple(callers))


def _window(report: route_pb2.TrafficReport | route_pb2.QualityReport) -> Window:
    if not report.HasField("end_time"):
        raise InvalidArgument(
            "A report needs start_time and end_time.", reason="BAD_WINDOW", field="reports.end_time"
        )
    return Window(report.start_time.ToDatetime(UTC), report.end_time.ToDatetime(UTC))


def demand(request: pb.PlanDeploymentRequest) -> Demand:
    """Return the rate to plan for."""
    usual = Demand(request.requests_per_second)
    return Demand(
        request.requests_per_second,
        request.engine_requests_per_second,
        request.gateway_requests_per_second,
        request.utilization,
        request.spare if request.HasField("spare") else usual.spare,
    )


def serving_plan(value: ServingPlan) -> serving_plan_pb2.ServingPlan:
    """Return a serving plan as callers see it."""
    return serving_plan_pb2.ServingPlan(**asdict(value))
