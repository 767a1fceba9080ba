"""A rollout that waits for a comparison of both versions on the same requests, with mock engines over real sockets."""

from datetime import UTC, datetime

import pytest

from ratoon.common.v1.metric_pb2 import Metric
from ratoon.common.v1.shadow_pb2 import ShadowAnalysis
from ratoon.process.errors import FailedPrecondition, InvalidArgument, NotFound, PermissionDenied
from ratoon.serving.v1 import rollout_pb2
from ratoon.serving.v1 import serving_service_pb2 as pb

S = rollout_pb2.Rollout


def begin(service, number, **settings):
    deployment, old = service.serve(f"v{number}.0")
    new = service.version(f"v{number}.1")
    rollout = S(to_version=new, bake=S.Bake(seconds=0.1), shadow=ShadowAnalysis(**settings))
    created = service.operator.CreateRollout(pb.CreateRolloutRequest(parent=deployment, rollout=rollout))
    return deployment, old, new, created


def report(rollout, low, high, pairs=50, requests=80, callers=25):
    comparison = S.ShadowComparison(
        request_count=requests,
        agreement=0.75,
        metric=Metric(name="rouge_l", direction=Metric.DIRECTION_HIGHER),
        similarity=0.5,
        new_version=S.Side(latency_p50_seconds=0.2, mean_tokens=7.5, shadow_count=requests, error_count=2),
        old_version=S.Side(latency_p50_seconds=0.1, mean_tokens=8, shadow_count=0, error_count=0),
        by_metric=S.PairedResult(
            pair_count=pairs,
            caller_count=callers,
            new_value=0.4,
            old_value=0.3,
            gain=0.1,
            gain_low=low,
            gain_high=high,
        ),
        message="50 pairs",
    )
    comparison.update_time.FromDatetime(datetime.now(UTC))
    return pb.ReportShadowComparisonRequest(name=rollout.name, comparison=comparison)


@pytest.mark.parametrize(
    ("number", "low", "high", "ending"), [(60, -0.1, 0.3, "SUCCEEDED"), (61, -0.3, -0.1, "ROLLED_BACK")]
)
def test_the_comparison_decides_before_callers_get_an_answer_of_the_new_version(
    service, number, low, high, ending
):
    deployment, old, new, rollout = begin(service, number, share=0.5, min_pairs=50, max_wait_seconds=600)
    assert rollout.shadow == ShadowAnalysis(share=0.5, min_pairs=50, max_wait_seconds=600)
    assert not rollout.shares and not rollout.HasField("shadow_comparison")
    service.until(rollout, "SHIFTING")
    service.routed(deployment, {old: 100, new: 0})
    assert service.route(deployment).shadow_share == 0.5
    sent = report(rollout, low, high)
    service.gateway.ReportShadowComparison(sent)
    ended = service.end(rollout)
    assert ended.state == S.State.Value(f"STATE_{ending}"), ended.reason
    assert ended.shadow_comparison == sent.comparison
    assert service.route(deployment).shadow_share == 0
    assert any("rouge_l on 50 pairs of 25 callers: 0.4 against 0.3" in step.message for step in ended.steps)


def test_feedback_after_the_rollout_is_stored_and_an_older_report_changes_nothing(service):
    _, _, _, rollout = begin(service, 62, share=0.1)
    assert service.end(rollout).state == S.STATE_SUCCEEDED
    older, newer = report(rollout, 0.1, 0.2), report(rollout, None, None, pairs=1, callers=1)
    for sent in (newer, older):
        service.gateway.ReportShadowComparison(sent)
    stored = service.operator.GetRollout(pb.GetRolloutRequest(name=rollout.name)).shadow_comparison
    assert stored == newer.comparison
    assert not stored.by_metric.HasField("gain_low")


def test_the_wait_ends_with_too_few_pairs(service):
    *_, rollout = begin(service, 63, share=0.5, min_pairs=50, max_wait_seconds=0.5, require_pairs=True)
    ended = service.end(rollout)
    assert ended.state == S.STATE_ROLLED_BACK
    assert ended.reason.endswith("needed are 50, from 20 callers; the rollout requires them")


def test_what_cannot_be_is_refused(service):
    deployment, _ = service.serve("v64.0")
    new = service.version("v64.1")

    def create(**fields):
        rollout = S(to_version=new, **fields)
        return service.operator.CreateRollout(pb.CreateRolloutRequest(parent=deployment, rollout=rollout))

    with pytest.raises(InvalidArgument) as refused:
        create(shadow=ShadowAnalysis(min_pairs=5))
    assert refused.value.reason == "ROLLOUT_POLICY_INVALID"
    with pytest.raises(FailedPrecondition) as refused:
        create(shadow=ShadowAnalysis(share=0.1), strategy=S.STRATEGY_IN_PLACE)
    assert refused.value.reason == "STRATEGY_UNAVAILABLE"
    missing = S(name=f"{deployment}/rollouts/none")
    with pytest.raises(NotFound):
        service.gateway.ReportShadowComparison(report(missing, 0.1, 0.2))
    with pytest.raises(PermissionDenied):
        service.operator.ReportShadowComparison(report(missing, 0.1, 0.2))
