"""Serving as a room: gRPC, database and mock engines over real sockets, a registry in memory."""

from dataclasses import replace

import pytest

from ratoon.chassis.errors import FailedPrecondition, InvalidArgument, NotFound
from ratoon.serving.v1 import deployment_pb2, rollout_pb2, route_pb2
from ratoon.serving.v1 import serving_service_pb2 as pb
from ratoon.testkit.waiting import until
from ratoon_serving.domain.generation import Generation, PromptLimits
from ratoon_serving.domain.rollouts.model_spec import ModelSpec

MODEL = "projects/p/models/mail"
S = rollout_pb2.Rollout


def test_the_first_rollout_serves_and_the_alias_follows(room):
    deployment, version = room.serve("v1.0")
    (target,) = room.route(deployment).targets
    assert (target.version, target.weight, target.served_name) == (
        version,
        100,
        deployment.rsplit("/", 1)[-1],
    )
    assert target.endpoint.startswith("unix://")
    assert room.host.engine_of(version).secret == target.secret
    assert room.models.alias == version
    seen = room.operator.GetDeployment(pb.GetDeploymentRequest(name=deployment))
    assert (seen.version, seen.previous_version) == (version, "")


def test_the_route_carries_how_the_version_answers_and_how_much_it_reads(room):
    deployment, version = room.deployment(), room.version("v1.2")
    greedy, limits = Generation(temperature=0.0, max_tokens=8), PromptLimits(410, 96, 512)
    room.models.versions[version] = replace(room.models.version(version), generation=greedy, prompt=limits)
    assert room.end(room.begin(deployment, version)).state == S.STATE_SUCCEEDED
    (target,) = room.route(deployment).targets
    stated = {field.name: value for field, value in target.generation_defaults.ListFields()}
    assert stated == {"temperature": 0.0, "max_tokens": 8}
    assert (target.max_prompt_characters, target.max_prompt_tokens, target.context_tokens) == (410, 96, 512)


def test_a_deployment_names_its_rollout_for_as_long_as_it_is_under_way(room):
    deployment, _ = room.serve("v1.5")
    rollout = room.begin(deployment, room.version("v1.6"))
    asked = pb.GetDeploymentRequest(name=deployment)
    assert room.operator.GetDeployment(asked).active_rollout == rollout.name
    room.end(rollout)
    until(
        lambda: not room.operator.GetDeployment(asked).active_rollout,
        20,
        "the deployment still names a rollout that ended",
    )


def test_the_next_version_takes_over_and_the_old_engine_goes(room):
    deployment, old = room.serve("v2.0")
    new = room.version("v2.1")
    ended = room.end(room.begin(deployment, new))
    assert (ended.state, ended.from_version, ended.progress.fraction) == (S.STATE_SUCCEEDED, old, 1.0)
    assert [t.version for t in room.route(deployment).targets] == [new]
    engines = room.operator.ListEngines(pb.ListEnginesRequest(parent=deployment)).engines
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


def test_a_version_that_lies_about_its_weights_never_serves(room):
    deployment, old = room.serve("v3.0")
    room.host.dishonest.add(bad := room.version("v3.1"))
    ended = room.end(room.begin(deployment, bad))
    assert (ended.state, ended.failure.reason) == (S.STATE_FAILED, "ROLLOUT_FAILED")
    assert [t.version for t in room.route(deployment).targets] == [old]


def test_injected_errors_roll_a_version_back_by_themselves(room):
    deployment, old = room.serve("v4.0")
    bad = room.version("v4.1")
    rollout = room.begin(deployment, bad, seconds=30)
    room.until(rollout, "BAKING")
    fault = pb.InjectFaultRequest(name=deployment, version=bad, error_rate=0.5, seconds=60)
    room.operator.InjectFault(fault)
    ended = room.end(rollout)
    assert ended.state == S.STATE_ROLLED_BACK
    assert "probes failed" in ended.reason
    assert [t.version for t in room.route(deployment).targets] == [old]
    assert room.models.alias == old


def test_errors_that_gateways_report_roll_it_back(room):
    deployment, _ = room.serve("v5.0")
    bad = room.version("v5.1")
    rollout = room.begin(deployment, bad, seconds=30)
    room.until(rollout, "BAKING")
    engine = next(t.engine for t in room.route(deployment).targets if t.version == bad)
    report = route_pb2.TrafficReport(engine=engine, version=bad, request_count=20, error_count=9)
    report.start_time.GetCurrentTime()
    report.end_time.FromSeconds(report.start_time.seconds + 1)
    room.gateway.ReportTraffic(pb.ReportTrafficRequest(gateway="g", reports=[report, report]))
    ended = room.end(rollout)
    assert (ended.state, ended.reason) == (S.STATE_ROLLED_BACK, "9 of 20 requests failed, more than 5%")


def test_pause_abort_and_undo(room):
    deployment, old = room.serve("v6.0")
    new = room.version("v6.1")
    rollout = room.begin(deployment, new)
    assert room.operator.PauseRollout(pb.PauseRolloutRequest(name=rollout.name)).paused
    room.until(rollout, "PROBING")
    with pytest.raises(FailedPrecondition) as busy:
        room.begin(deployment, room.version("v6.2"))
    assert busy.value.reason == "ROLLOUT_ACTIVE"
    assert [t.version for t in room.route(deployment).targets] == [old]
    room.operator.AbortRollout(pb.AbortRolloutRequest(name=rollout.name, reason="not today"))
    assert room.end(rollout).state == S.STATE_CANCELLED
    with pytest.raises(FailedPrecondition, match=r"ended as CANCELLED, and v6\.0 serves"):
        room.operator.AbortRollout(pb.AbortRolloutRequest(name=rollout.name))
    done = room.end(room.begin(deployment, new))
    back = room.operator.UndoRollout(pb.UndoRolloutRequest(name=done.name))
    assert (back.to_version, back.from_version) == (old, new)
    assert room.end(back).state == S.STATE_SUCCEEDED
    with pytest.raises(FailedPrecondition) as spent:
        room.operator.UndoRollout(pb.UndoRolloutRequest(name=done.name))
    assert spent.value.reason == "NOTHING_TO_UNDO"


def test_an_engine_that_dies_between_rollouts_is_brought_back_and_proves_itself(room):
    deployment, version = room.serve("v7.0")
    (target,) = room.route(deployment).targets
    dead = room.host.engines[target.engine]
    room.host.die(target.engine)
    until(
        lambda: room.host.engines[target.engine] is not dead and room.route(deployment).targets,
        30,
        "the engine was not brought back",
    )
    assert room.route(deployment).targets[0].version == version
    assert room.operator.GetEngine(pb.GetEngineRequest(name=target.engine)).attested


def test_what_makes_no_sense_is_refused(room):
    deployment, version = room.serve("v8.0")
    with pytest.raises(FailedPrecondition) as same:
        room.begin(deployment, version)
    assert same.value.reason == "ALREADY_SERVING"
    with pytest.raises(FailedPrecondition) as raw:
        room.begin(deployment, room.models.add(f"{MODEL}/versions/v8.1", ready=False))
    assert raw.value.reason == "VERSION_NOT_READY"
    with pytest.raises(InvalidArgument):
        room.begin(deployment, room.version("v8.2"), max_error_rate=7)
    other = room.version("v8.3", ModelSpec(shape="another"))
    for strategy in (S.STRATEGY_IN_PLACE, S.STRATEGY_ADAPTER_SWAP):
        with pytest.raises(FailedPrecondition) as refused:
            room.begin(deployment, other, strategy)
        assert refused.value.reason == "STRATEGY_UNAVAILABLE"


def test_the_same_request_id_gives_the_same_rollout(room):
    deployment, version = room.deployment(), room.version("v9.0")
    asked = pb.CreateRolloutRequest(parent=deployment, rollout=S(to_version=version), request_id="once")
    first = room.operator.CreateRollout(asked)
    assert room.end(first).state == S.STATE_SUCCEEDED
    assert room.operator.CreateRollout(asked).name == first.name


def test_two_versions_share_the_traffic_for_as_long_as_is_asked(room):
    deployment, old = room.serve("v20.0")
    new = room.version("v20.1")
    split = S(to_version=new, shares=[30], step_seconds=3600, bake=S.Bake(seconds=1))
    rollout = room.operator.CreateRollout(pb.CreateRolloutRequest(parent=deployment, rollout=split))
    assert (list(rollout.shares), rollout.step_seconds) == ([30], 3600)
    room.until(rollout, "SHIFTING")
    room.routed(deployment, {new: 30, old: 70})
    room.operator.AbortRollout(
        pb.AbortRolloutRequest(name=rollout.name, reason="the other one is liked better")
    )
    assert room.end(rollout).state == S.STATE_CANCELLED
    assert {t.version: t.weight for t in room.route(deployment).targets} == {old: 100}
    for shares in ([50, 50], [0], [100], [30, 20]):
        with pytest.raises(InvalidArgument):
            bad = S(to_version=new, shares=shares)
            room.operator.CreateRollout(pb.CreateRolloutRequest(parent=deployment, rollout=bad))
    alone = S(to_version=new, shares=[30], strategy=S.STRATEGY_IN_PLACE)
    with pytest.raises(FailedPrecondition) as refused:
        room.operator.CreateRollout(pb.CreateRolloutRequest(parent=deployment, rollout=alone))
    assert refused.value.reason == "STRATEGY_UNAVAILABLE"


def test_bounds_of_scaling_are_kept_and_refused_where_engines_do_not_scale(room):
    deployment, version = room.serve("v21.0")
    asked = pb.ScaleDeploymentRequest(name=deployment, min_replicas=2, max_replicas=2)
    with pytest.raises(FailedPrecondition) as refused:
        room.operator.ScaleDeployment(asked)
    assert refused.value.reason == "SCALING_UNAVAILABLE"
    room.host.most_replicas = 4
    try:
        scaled = room.operator.ScaleDeployment(asked)
        assert (scaled.min_replicas, scaled.max_replicas) == (2, 2)
        engine = room.route(deployment).targets[0].engine
        until(lambda: room.host.replicas.get(engine) == 2, 20, "the engine was not scaled")
        with pytest.raises(InvalidArgument):
            room.operator.ScaleDeployment(
                pb.ScaleDeploymentRequest(name=deployment, min_replicas=3, max_replicas=2)
            )
    finally:
        room.host.most_replicas = 1
    awake = room.gateway.WakeDeployment(pb.WakeDeploymentRequest(name=deployment))
    assert (awake.replicas, awake.version) == (2, version)


def delete(room, deployment, **options):
    room.operator.DeleteDeployment(pb.DeleteDeploymentRequest(name=deployment, **options))


def test_a_deployment_that_serves_is_deleted_by_force_alone(room):
    deployment, version = room.serve("v8.0")
    other, _ = room.serve("v8.1")
    with pytest.raises(FailedPrecondition, match=f"{deployment} serves {version} by") as refused:
        delete(room, deployment)
    assert refused.value.reason == "IN_USE"
    delete(room, deployment, force=True)
    table = room.gateway.GetRouteTable(pb.GetRouteTableRequest())
    assert {other} <= {route.deployment for route in table.routes} and deployment not in str(table)
    assert not [name for name in room.host.engines if name.startswith(f"{deployment}/")]
    assert [name for name in room.host.engines if name.startswith(f"{other}/")]
    for method, request in (
        ("ListEngines", pb.ListEnginesRequest(parent=deployment)),
        ("ListRollouts", pb.ListRolloutsRequest(parent=deployment)),
    ):
        assert not getattr(room.operator, method)(request).ListFields()
    with pytest.raises(NotFound):
        delete(room, deployment)
    delete(room, deployment, allow_missing=True)


def test_a_deployment_is_not_deleted_during_a_rollout_and_can_be_created_again(room):
    deployment = room.deployment()
    rollout = room.begin(deployment, room.version("v8.2"), seconds=30)
    with pytest.raises(FailedPrecondition, match=f"{rollout.name} is under way"):
        delete(room, deployment, force=True)
    room.operator.AbortRollout(pb.AbortRolloutRequest(name=rollout.name))
    room.end(rollout)
    until(lambda: deleted(room, deployment), 20, "the deployment could not be deleted after its rollout")
    asked = deployment_pb2.Deployment(model=MODEL)
    request = pb.CreateDeploymentRequest(
        parent="projects/p", deployment_id=deployment.rpartition("/")[2], deployment=asked
    )
    assert room.operator.CreateDeployment(request).name == deployment


def deleted(room, deployment):
    """Delete a deployment, unless its engines are still being stopped."""
    try:
        delete(room, deployment)
    except FailedPrecondition:
        return False
    return True
