"""Serving: rollouts, and the feedback on the version that serves."""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime

import grpc

from ratoon.common.v1 import metric_pb2, shadow_pb2
from ratoon.process.errors import FailedPrecondition, InvalidArgument, NotFound
from ratoon.runtime.timestamps import timestamp
from ratoon.service.compute import message_of
from ratoon.serving.v1 import deployment_pb2, rollout_pb2, route_pb2
from ratoon.serving.v1 import serving_service_pb2 as pb
from ratoon.serving.v1.serving_service_pb2_grpc import ServingServiceStub
from ratoon.tasks.compute import Compute
from ratoon.tasks.kind import Direction
from ratoon_flywheel.adapters.children import child, ensure, ensure_cancelled
from ratoon_flywheel.application.ports import VersionVotes
from ratoon_flywheel.domain.pipelines.actions import RollOut
from ratoon_flywheel.domain.pipelines.runs import Products
from ratoon_flywheel.domain.pipelines.steps import Child
from ratoon_flywheel.domain.signals.shadows import Paired, ShadowComparison, Side, Switch

_LOG = logging.getLogger(__name__)
_REFUSALS = (FailedPrecondition, InvalidArgument, NotFound)
_COMPARED_ROLLOUTS = 3
"""Newest rollouts of a deployment that late feedback is compared for."""
_MAX_CALLERS = 1_000
"""Callers that one report names; one message holds the reports of a few versions."""


class RolloutStage:
    """The stage `rollout`."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._serving = ServingServiceStub(channel)

    def create(self, spec: RollOut, request_id: str) -> str:
        """Let a version serve, in the cheapest way that serving finds safe."""
        project, serving = spec.project, spec.compute
        deployment = deployment_pb2.Deployment(model=project.model)
        deployment_request = pb.CreateDeploymentRequest(
            parent=project.name, deployment_id=project.id, deployment=deployment
        )
        ensure(lambda: self._serving.CreateDeployment(deployment_request))
        rollout = rollout_pb2.Rollout(
            to_version=spec.version,
            bake=rollout_pb2.Rollout.Bake(seconds=project.rollout.bake_seconds),
            compute=None if serving == Compute() else message_of(serving),
            shadow=shadow_pb2.ShadowAnalysis(**vars(project.shadow)),
        )
        request = pb.CreateRolloutRequest(parent=project.deployment, rollout=rollout, request_id=request_id)
        return str(self._serving.CreateRollout(request).name)

    def observe(self, resource: str) -> Child:
        """How far the rollout is."""
        rollout = self._serving.GetRollout(pb.GetRolloutRequest(name=resource))
        state = rollout_pb2.Rollout.State.Name(rollout.state)
        return child(state, Products(rollout=rollout.name), rollout.progress, rollout.failure, rollout.reason)

    def cancel(self, resource: str) -> None:
        """Roll back to the version that served before."""
        self.roll_back(resource, "The pipeline run was cancelled.")

    def roll_back(self, resource: str, reason: str) -> None:
        """Roll back to the version that served before; a rollout that has ended stays as it is."""
        request = pb.AbortRolloutRequest(name=resource, reason=reason, request_id=f"abort:{resource}")
        ensure_cancelled(lambda: self._serving.AbortRollout(request))


class ServingQuality:
    """Reports feedback to serving, so that a bad version is rolled back while it bakes."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._serving = ServingServiceStub(channel)

    def report(self, votes: Sequence[VersionVotes]) -> None:
        """Report; the same span may be reported twice, so a receiver counts each (version, start) once."""
        if not votes:
            return
        try:
            self._send(votes)
        except _REFUSALS:
            for each in votes:
                self._send_alone(each)

    def _send_alone(self, votes: VersionVotes) -> None:
        """One that serving refuses for good does not hold up those of other versions."""
        try:
            self._send([votes])
        except _REFUSALS as error:
            _LOG.error("serving refused the feedback on %s: %s", votes.version, error)

    def _send(self, votes: Sequence[VersionVotes]) -> None:
        self._serving.ReportQuality(pb.ReportQualityRequest(reports=[_report(each) for each in votes]))


class ServingRollouts:
    """Rollouts whose versions are compared on shadow answers."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._serving = ServingServiceStub(channel)

    def newest(self, deployment: str) -> list[Switch]:
        """Return the newest rollouts of a deployment that replace a version, newest first."""
        request = pb.ListRolloutsRequest(
            parent=deployment, page_size=_COMPARED_ROLLOUTS, order_by="create_time desc"
        )
        try:
            rollouts = list(self._serving.ListRollouts(request).rollouts)
        except _REFUSALS:
            return []
        later = [None, *(each.create_time.ToDatetime(UTC) for each in rollouts)]
        return [
            _switch(each, deployment, until)
            for each, until in zip(rollouts, later, strict=False)
            if each.from_version
        ]

    def report(self, comparison: ShadowComparison) -> None:
        """Store the comparison with the rollout; one that is refused for good is logged."""
        request = pb.ReportShadowComparisonRequest(
            name=comparison.rollout, comparison=_comparison(comparison)
        )
        try:
            self._serving.ReportShadowComparison(request)
        except _REFUSALS as error:
            _LOG.error("serving refused the comparison of %s: %s", comparison.rollout, error)


class ServingDeployments:
    """Serving's deployments, as far as they hold a project."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._serving = ServingServiceStub(channel)

    def busy(self, project: str) -> list[str]:
        """Return the deployments of a project that serve or have a rollout under way, by name."""
        deployments = self._of(project)
        return [each.name for each in deployments if (each.version and each.replicas) or each.active_rollout]

    def delete(self, project: str) -> None:
        """Delete the deployments of a project with their rollouts; FailedPrecondition if one of them serves."""
        for each in self._of(project):
            self._serving.DeleteDeployment(pb.DeleteDeploymentRequest(name=each.name, allow_missing=True))

    def _of(self, project: str) -> list[deployment_pb2.Deployment]:
        deployments: list[deployment_pb2.Deployment] = []
        token = ""
        while True:
            page = self._serving.ListDeployments(pb.ListDeploymentsRequest(parent=project, page_token=token))
            deployments += page.deployments
            if not (token := page.next_page_token):
                return deployments


def _switch(rollout: rollout_pb2.Rollout, deployment: str, until: datetime | None) -> Switch:
    return Switch(
        rollout.name,
        deployment,
        rollout.create_time.ToDatetime(UTC),
        rollout.to_version,
        rollout.from_version,
        rollout.shadow.metric,
        rollout.shadow.reference_outcome,
        until,
    )


def _comparison(value: ShadowComparison) -> rollout_pb2.Rollout.ShadowComparison:
    lower = value.metric.direction is Direction.LOWER
    direction = metric_pb2.Metric.DIRECTION_LOWER if lower else metric_pb2.Metric.DIRECTION_HIGHER
    return rollout_pb2.Rollout.ShadowComparison(
        update_time=timestamp(value.time),
        request_count=value.requests,
        agreement=value.agreement,
        metric=metric_pb2.Metric(name=value.metric.name, direction=direction),
        similarity=value.similarity,
        new_version=_side(value.new),
        old_version=_side(value.old),
        by_metric=None if value.by_metric is None else _paired(value.by_metric),
        message=value.message,
    )


def _side(value: Side) -> rollout_pb2.Rollout.Side:
    return rollout_pb2.Rollout.Side(
        latency_p50_seconds=value.p50_s,
        mean_tokens=value.mean_tokens,
        shadow_count=value.shadows,
        error_count=value.errors,
    )


def _paired(value: Paired) -> rollout_pb2.Rollout.PairedResult:
    return rollout_pb2.Rollout.PairedResult(
        pair_count=value.pairs,
        caller_count=value.callers,
        new_answered_count=value.new_answered,
        new_value=value.new,
        old_value=value.old,
        gain=value.gain,
        gain_low=value.interval.low if value.interval else None,
        gain_high=value.interval.high if value.interval else None,
    )


def _report(version_votes: VersionVotes) -> route_pb2.QualityReport:
    votes = version_votes.votes
    callers = sorted(votes.callers, key=lambda each: (-(each[1] + each[2]), each[0]))
    return route_pb2.QualityReport(
        deployment=version_votes.deployment,
        version=version_votes.version,
        positive_count=votes.positive,
        negative_count=votes.negative,
        start_time=timestamp(version_votes.start),
        end_time=timestamp(version_votes.end),
        callers=[
            route_pb2.CallerVotes(caller=caller, positive_count=positive, negative_count=negative)
            for caller, positive, negative in callers[:_MAX_CALLERS]
        ],
    )
