"""Serving with gRPC, database and mock engines over real sockets, and a registry in memory."""

from dataclasses import replace

import pytest

from ratoon.common.v1.compute_pb2 import Compute as Kinds
from ratoon.process.errors import FailedPrecondition, InvalidArgument, NotFound
from ratoon.serving.v1 import deployment_pb2, rollout_pb2, route_pb2
from ratoon.serving.v1 import serving_service_pb2 as pb
from ratoon.tasks.compute import Dtype
from ratoon.testkit.waiting import until
from ratoon_serving.domain.generation import Generation, PromptLimits
from ratoon_serving.domain.rollouts.model_spec import ModelSpec

MODEL = "projects/p/models/mail"
S = rollout_pb2.Rollout


def test_the_first_rollout_serves_and_the_alias_follows(service):
    deployment, version = service.serve("v1.0")
    (target,) = service.route(deployment).targets
    assert (target.version, target.weight, target.served_name) == (
        version,
        100,
        deployment.rsplit("/", 1)[-1],
    )
    assert target.endpoint.startswith("unix://")
    assert service.host.engine_of(version).secret == target.secret
    assert service.models.alias == version
    deployed = service.operator.GetDeployment(pb.GetDeploymentRequest(name=deployment))
    assert (deployed.version, deployed.previous_version) == (version, "")


def test_the_route_carries_how_the_version_answers_and_how_much_it_reads(service):
    deployment, version = service.deployment(), service.version("v1.2")
    greedy, limits = Generation(temperature=0.0, max_tokens=8), PromptLimits(410, 96, 512)
    service.models.versions[version] = replace(
        service.models.version(version), generation=greedy, prompt=limits
    )
    assert service.end(service.begin(deployment, version)).state == S.STATE_SUCCEEDED
    (target,) = service.route(deployment).targets
    stated = {field.name: value for field, value in target.generation_defaults.ListFields()}
    assert stated == {"temperature": 0.0, "max_tokens": 8}
    assert (target.max_prompt_characters, target.max_prompt_tokens, target.context_tokens) == (410, 96, 512)


def test_a_deployment_names_its_rollout_for_as_long_as_it_is_under_way(service):
    deployment, _ = service.serve("v1.5")
    rollout = service.begin(deployment, service.version("v1.6"), seconds=2)
    request = pb.GetDeploymentRequest(name=deployment)
    assert service.operator.GetDeployment(request).active_rollout == rollout.name
    service.end(rollout)
    until(
        lambda: not service.operator.GetDeployment(request).active_rollout,
        20,
        "the deployment still names a rollout that ended",
    )


def test_the_next_version_takes_over_and_the_old_engine_stops(service):
    deployment, old = service.serve("v2.0")
    new = service.version("v2.1")
    ended = service.end(service.begin(deployment, new))
    assert (ended.state, ended.from_version, ended.progress.fraction) == (S.STATE_SUCCEEDED, old, 1.0)
    assert [t.version for t in service.route(deployment).targets] == [new]
    engines = service.operator.ListEngines(pb.ListEnginesRequest(parent=deployment)).engines
    assert [e.state for e in engines] == [
        deployment_pb2.Engine.STATE_STOPPED,
        deployment_pb2.Engine.STATE_READY,
    ]
    assert [s.state for s in ended.steps] == [
        "STARTING",
        "ATTESTING",
        "PROBING",
        "SHIFTING",
        "BAKING",
        "DRAINING",
        "PROMOTING",
        "SUCCEEDED",
    ]


def test_a_version_with_other_weights_never_serves(service):
    deployment, old = service.serve("v3.0")
    service.host.dishonest.add(bad := service.version("v3.1"))
    ended = service.end(service.begin(deployment, bad))
    assert (ended.state, ended.failure.reason) == (S.STATE_FAILED, "ROLLOUT_FAILED")
    assert [t.version for t in service.route(deployment).targets] == [old]


BFLOAT16 = Kinds(accelerator=Kinds.ACCELERATOR_CPU, dtype=Kinds.DTYPE_BFLOAT16)


def roll_out_in(service, deployment, version, compute=None, strategy=S.STRATEGY_UNSPECIFIED):
    rollout = S(to_version=version, strategy=strategy, bake=S.Bake(seconds=0.1), compute=compute)
    return service.operator.CreateRollout(pb.CreateRolloutRequest(parent=deployment, rollout=rollout))


def test_an_engine_in_another_number_format_is_attested_in_it_and_undo_restores_the_old_one(service):
    deployment, old = service.serve("v12.0")
    ended = service.end(roll_out_in(service, deployment, service.version("v12.1"), BFLOAT16))
    assert (ended.state, ended.compute) == (S.STATE_SUCCEEDED, BFLOAT16), ended.reason
    engines = service.operator.ListEngines(pb.ListEnginesRequest(parent=deployment)).engines
    assert [engine.HasField("compute") for engine in engines] == [False, True]
    service.host.badly_rounded.add(bad := service.version("v12.2"))
    failed = service.end(roll_out_in(service, deployment, bad, BFLOAT16))
    assert (failed.state, failed.failure.reason) == (S.STATE_FAILED, "ROLLOUT_FAILED")
    assert "by 2.000 nats at most" in failed.reason
    undone = service.end(service.operator.UndoRollout(pb.UndoRolloutRequest(name=ended.name)))
    assert (undone.state, undone.to_version, undone.HasField("compute")) == (S.STATE_SUCCEEDED, old, False)


def test_another_number_format_needs_an_engine_of_its_own(service):
    deployment, _ = service.serve("v13.0")
    with pytest.raises(FailedPrecondition) as warm:
        roll_out_in(service, deployment, service.version("v13.1"), BFLOAT16, S.STRATEGY_IN_PLACE)
    assert warm.value.reason == "STRATEGY_UNAVAILABLE"
    service.end(roll_out_in(service, deployment, service.version("v13.1"), BFLOAT16))
    in_place = roll_out_in(service, deployment, service.version("v13.2"), BFLOAT16, S.STRATEGY_IN_PLACE)
    assert service.end(in_place).state == S.STATE_SUCCEEDED


def test_a_compressed_version_is_served_in_its_own_number_format_and_undone(service):
    deployment, old = service.serve("v7.0")
    new = service.version("v7.1", ModelSpec("compressed", weights="int8", dtype=Dtype.BFLOAT16))
    ended = service.end(service.begin(deployment, new))
    assert (ended.state, ended.compute.dtype) == (S.STATE_SUCCEEDED, Kinds.DTYPE_BFLOAT16)
    undone = service.end(service.operator.UndoRollout(pb.UndoRolloutRequest(name=ended.name)))
    assert undone.state == S.STATE_SUCCEEDED
    assert [each.version for each in service.route(deployment).targets] == [old]


def test_weights_that_the_processor_cannot_compute_are_refused_before_an_engine_starts(service):
    deployment, _ = service.serve("v7.2")
    new = service.version("v7.3", ModelSpec("smaller", weights="int4", dtype=Dtype.BFLOAT16))
    with pytest.raises(FailedPrecondition, match="AVX-512") as refused:
        service.begin(deployment, new)
    assert (refused.value.reason, "int8" in str(refused.value)) == ("WEIGHTS_NOT_SERVABLE", True)
    assert new not in {engine.version for engine in service.host.engines.values()}


def test_engines_are_created_where_the_deployment_says_and_missing_accelerators_are_refused(service):
    def create(name: str, **compute) -> deployment_pb2.Deployment:
        deployment = deployment_pb2.Deployment(model=MODEL, compute=Kinds(**compute))
        request = pb.CreateDeploymentRequest(parent="projects/p", deployment_id=name, deployment=deployment)
        return service.operator.CreateDeployment(request)

    with pytest.raises(FailedPrecondition) as missing:
        create("on-gpu", accelerator=Kinds.ACCELERATOR_CUDA)
    assert missing.value.reason == "ACCELERATOR_UNAVAILABLE"
    with pytest.raises(FailedPrecondition, match=r"deployment\.compute\.devices"):
        create("on-two", devices=2)
    created = create("half", dtype=Kinds.DTYPE_BFLOAT16)
    assert created.compute == BFLOAT16
    ended = service.end(roll_out_in(service, created.name, service.version("v14.0")))
    assert (ended.state, ended.compute) == (S.STATE_SUCCEEDED, BFLOAT16), ended.reason
    with pytest.raises(FailedPrecondition) as refused:
        gpu = Kinds(accelerator=Kinds.ACCELERATOR_CUDA)
        roll_out_in(service, created.name, service.version("v14.1"), gpu)
    assert refused.value.reason == "ACCELERATOR_UNAVAILABLE"


def test_injected_errors_roll_a_version_back_automatically(service):
    deployment, old = service.serve("v4.0")
    bad = service.version("v4.1")
    rollout = service.begin(deployment, bad, seconds=30)
    service.until(rollout, "BAKING")
    fault = pb.InjectFaultRequest(name=deployment, version=bad, error_rate=0.5, seconds=60)
    service.operator.InjectFault(fault)
    ended = service.end(rollout)
    assert ended.state == S.STATE_ROLLED_BACK
    assert "probes failed" in ended.reason
    assert [t.version for t in service.route(deployment).targets] == [old]
    assert service.models.alias == old


def test_errors_that_gateways_report_roll_it_back(service):
    deployment, _ = service.serve("v5.0")
    bad = service.version("v5.1")
    rollout = service.begin(deployment, bad, seconds=30)
    service.until(rollout, "BAKING")
    engine = next(t.engine for t in service.route(deployment).targets if t.version == bad)
    report = route_pb2.TrafficReport(engine=engine, version=bad, request_count=20, error_count=9)
    report.start_time.GetCurrentTime()
    report.end_time.FromSeconds(report.start_time.seconds + 1)
    service.gateway.ReportTraffic(pb.ReportTrafficRequest(gateway="g", reports=[report, report]))
    ended = service.end(rollout)
    assert (ended.state, ended.reason) == (S.STATE_ROLLED_BACK, "9 of 20 requests failed, more than 5%")


def test_pause_abort_and_undo(service):
    deployment, old = service.serve("v6.0")
    new = service.version("v6.1")
    rollout = service.begin(deployment, new)
    assert service.operator.PauseRollout(pb.PauseRolloutRequest(name=rollout.name)).paused
    service.until(rollout, "PROBING")
    with pytest.raises(FailedPrecondition) as busy:
        service.begin(deployment, service.version("v6.2"))
    assert busy.value.reason == "ROLLOUT_ACTIVE"
    assert [t.version for t in service.route(deployment).targets] == [old]
    service.operator.AbortRollout(pb.AbortRolloutRequest(name=rollout.name, reason="not today"))
    assert service.end(rollout).state == S.STATE_CANCELLED
    with pytest.raises(FailedPrecondition, match=r"ended as CANCELLED, and v6\.0 serves"):
        service.operator.AbortRollout(pb.AbortRolloutRequest(name=rollout.name))
    done = service.end(service.begin(deployment, new))
    undo = service.operator.UndoRollout(pb.UndoRolloutRequest(name=done.name))
    assert (undo.to_version, undo.from_version) == (old, new)
    assert service.end(undo).state == S.STATE_SUCCEEDED
    with pytest.raises(FailedPrecondition) as spent:
        service.operator.UndoRollout(pb.UndoRolloutRequest(name=done.name))
    assert spent.value.reason == "NOTHING_TO_UNDO"


def test_an_engine_that_dies_between_rollouts_is_restarted_and_attested(service):
    deployment, version = service.serve("v7.0")
    (target,) = service.route(deployment).targets
    dead = service.host.engines[target.engine]
    service.host.die(target.engine)
    until(
        lambda: service.host.engines[target.engine] is not dead and service.route(deployment).targets,
        30,
        "the engine was not brought back",
    )
    assert service.route(deployment).targets[0].version == version
    assert service.operator.GetEngine(pb.GetEngineRequest(name=target.engine)).attested


def test_invalid_rollouts_are_refused(service):
    deployment, version = service.serve("v8.0")
    with pytest.raises(FailedPrecondition) as same:
        service.begin(deployment, version)
    assert same.value.reason == "ALREADY_SERVING"
    with pytest.raises(FailedPrecondition) as raw:
        service.begin(deployment, service.models.add(f"{MODEL}/versions/v8.1", ready=False))
    assert raw.value.reason == "VERSION_NOT_READY"
    with pytest.raises(InvalidArgument):
        service.begin(deployment, service.version("v8.2"), max_error_rate=7)
    other = service.version("v8.3", ModelSpec(shape="another"))
    for strategy in (S.STRATEGY_IN_PLACE, S.STRATEGY_ADAPTER_SWAP):
        with pytest.raises(FailedPrecondition) as refused:
            service.begin(deployment, other, strategy)
        assert refused.value.reason == "STRATEGY_UNAVAILABLE"


def test_the_same_request_id_gives_the_same_rollout(service):
    deployment, version = service.deployment(), service.version("v9.0")
    request = pb.CreateRolloutRequest(parent=deployment, rollout=S(to_version=version), request_id="once")
    first = service.operator.CreateRollout(request)
    assert service.end(first).state == S.STATE_SUCCEEDED
    assert service.operator.CreateRollout(request).name == first.name


def test_two_versions_share_the_traffic_for_the_requested_time(service):
    deployment, old = service.serve("v20.0")
    new = service.version("v20.1")
    split = S(to_version=new, shares=[30], step_seconds=3600, bake=S.Bake(seconds=0.1))
    rollout = service.operator.CreateRollout(pb.CreateRolloutRequest(parent=deployment, rollout=split))
    assert (list(rollout.shares), rollout.step_seconds) == ([30], 3600)
    service.until(rollout, "SHIFTING")
    service.routed(deployment, {new: 30, old: 70})
    service.operator.AbortRollout(
        pb.AbortRolloutRequest(name=rollout.name, reason="the other one is liked better")
    )
    assert service.end(rollout).state == S.STATE_CANCELLED
    assert {t.version: t.weight for t in service.route(deployment).targets} == {old: 100}
    for shares in ([50, 50], [0], [100], [30, 20]):
        with pytest.raises(InvalidArgument):
            bad = S(to_version=new, shares=shares)
            service.operator.CreateRollout(pb.CreateRolloutRequest(parent=deployment, rollout=bad))
    alone = S(to_version=new, shares=[30], strategy=S.STRATEGY_IN_PLACE)
    with pytest.raises(FailedPrecondition) as refused:
        service.operator.CreateRollout(pb.CreateRolloutRequest(parent=deployment, rollout=alone))
    assert refused.value.reason == "STRATEGY_UNAVAILABLE"


def test_bounds_of_scaling_are_stored_and_refused_where_engines_do_not_scale(service):
    deployment, version = service.serve("v21.0")
    request = pb.ScaleDeploymentRequest(name=deployment, min_replicas=2, max_replicas=2)
    with pytest.raises(FailedPrecondition) as refused:
        service.operator.ScaleDeployment(request)
    assert refused.value.reason == "SCALING_UNAVAILABLE"
    service.host.max_replicas = 4
    try:
        scaled = service.operator.ScaleDeployment(request)
        assert (scaled.min_replicas, scaled.max_replicas) == (2, 2)
        engine = service.route(deployment).targets[0].engine
        until(lambda: service.host.replicas.get(engine) == 2, 20, "the engine was not scaled")
        with pytest.raises(InvalidArgument):
            service.operator.ScaleDeployment(
                pb.ScaleDeploymentRequest(name=deployment, min_replicas=3, max_replicas=2)
            )
    finally:
        service.host.max_replicas = 1
    with pytest.raises(FailedPrecondition) as unmeasured:
        service.operator.PlanDeployment(pb.PlanDeploymentRequest(name=deployment, requests_per_second=10_000))
    assert unmeasured.value.reason == "NO_MEASURED_RATE"
    for name in (deployment, f"{deployment}-to-come"):
        planned = service.operator.PlanDeployment(
            pb.PlanDeploymentRequest(name=name, requests_per_second=10_000, engine_requests_per_second=100)
        )
        assert (planned.engines, planned.spare) == (144, 1)
    awake = service.gateway.WakeDeployment(pb.WakeDeploymentRequest(name=deployment))
    assert (awake.replicas, awake.version) == (2, version)


def delete(service, deployment, **options):
    service.operator.DeleteDeployment(pb.DeleteDeploymentRequest(name=deployment, **options))


def test_a_deployment_that_serves_is_deleted_by_force_alone(service):
    deployment, version = service.serve("v8.0")
    other, _ = service.serve("v8.1")
    with pytest.raises(FailedPrecondition, match=f"{deployment} serves {version} by") as refused:
        delete(service, deployment)
    assert refused.value.reason == "IN_USE"
    delete(service, deployment, force=True)
    table = service.gateway.GetRouteTable(pb.GetRouteTableRequest())
    assert {other} <= {route.deployment for route in table.routes} and deployment not in str(table)
    assert not [name for name in service.host.engines if name.startswith(f"{deployment}/")]
    assert [name for name in service.host.engines if name.startswith(f"{other}/")]
    for method, request in (
        ("ListEngines", pb.ListEnginesRequest(parent=deployment)),
        ("ListRollouts", pb.ListRolloutsRequest(parent=deployment)),
    ):
        assert not getattr(service.operator, method)(request).ListFields()
    with pytest.raises(NotFound):
        delete(service, deployment)
    delete(service, deployment, allow_missing=True)


def test_a_deployment_is_not_deleted_during_a_rollout_and_can_be_created_again(service):
    deployment = service.deployment()
    rollout = service.begin(deployment, service.version("v8.2"), seconds=30)
    with pytest.raises(FailedPrecondition, match=f"{rollout.name} is under way"):
        delete(service, deployment, force=True)
    service.operator.AbortRollout(pb.AbortRolloutRequest(name=rollout.name))
    service.end(rollout)
    until(lambda: deleted(service, deployment), 20, "the deployment could not be deleted after its rollout")
    request = deployment_pb2.Deployment(model=MODEL)
    request = pb.CreateDeploymentRequest(
        parent="projects/p", deployment_id=deployment.rpartition("/")[2], deployment=request
    )
    assert service.operator.CreateDeployment(request).name == deployment


def deleted(service, deployment):
    """Delete a deployment, unless its engines are still being stopped."""
    try:
        delete(service, deployment)
    except FailedPrecondition:
        return False
    return True
