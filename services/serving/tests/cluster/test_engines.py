"""Engines as pods on a real Kubernetes API: made, proved, routed, swapped, replaced, restarted, ended."""

import http.client
import json

import pytest

from ratoon.chassis.errors import Aborted, FailedPrecondition
from ratoon.serving.v1 import deployment_pb2, rollout_pb2
from ratoon.serving.v1 import serving_service_pb2 as pb
from ratoon_serving.domain.engine import Engine, Fence
from ratoon_serving.domain.rollouts.model_spec import ModelSpec

S = rollout_pb2.Rollout
MODEL = "projects/p/models/mail"


TOLD = {"RolloutStarting", "RolloutShifting", "RolloutSucceeded"}


def reasons(cluster) -> set[str]:
    """What events tell."""
    return {each["reason"] for each in cluster.items(cluster.core.list_namespaced_event)}


def ask(target) -> tuple[int, str]:
    """One request as a gateway sends it: its status (0: nobody is there), and the version that signed the answer."""
    host, _, port = target.endpoint.removeprefix("http://").partition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=5)
    body = json.dumps({"model": target.served_name, "messages": [{"role": "user", "content": "?"}]})
    try:
        connection.request("POST", "/v1/chat/completions", body, {"x-ratoon-engine-secret": target.secret})
        answer = connection.getresponse()
        answer.read()
    except OSError:
        return 0, ""
    return answer.status, answer.headers.get("x-ratoon-version", "")


def test_a_version_comes_up_in_a_pod_and_the_next_takes_over(cluster):
    with cluster.room(cluster.settings()):
        deployment, old = cluster.serve("v1.0")
        (target,) = cluster.route(deployment).targets
        assert ask(target) == (200, old)
        (engine,) = cluster.engines()
        assert engine["metadata"]["ownerReferences"][0]["name"] == "ratoon-serving"
        new = cluster.version("v1.1")
        ended = cluster.end(cluster.begin(deployment, new))
        assert (ended.state, ended.strategy) == (S.STATE_SUCCEEDED, S.STRATEGY_SECOND_ENGINE)
        (after,) = cluster.route(deployment).targets
        assert ask(after) == (200, new)
        assert after.endpoint != target.endpoint
        cluster.until("the old pod is still there", lambda: len(cluster.pods()) == 1)
        (engine,) = cluster.engines()
        assert engine["metadata"]["annotations"]["ratoon.dev/version"] == new
        names = {each["metadata"]["name"] for each in cluster.items(cluster.core.list_namespaced_secret)}
        assert names == {engine["metadata"]["name"]}
        cluster.until("the rollout's steps are no events", lambda: reasons(cluster) >= TOLD)
    with cluster.room(cluster.settings()):  # after a restart it is taken over as it is
        assert cluster.route(deployment).targets[0].endpoint == after.endpoint
        cluster.looked(2)
        assert cluster.route(deployment).targets[0].endpoint == after.endpoint
    cluster.apps.delete_namespaced_deployment("ratoon-serving", cluster.namespace)
    cluster.until("engines outlive serving's uninstall", lambda: not cluster.engines() and not cluster.pods())


def test_a_container_that_the_kubelet_restarted_answers_nobody_before_it_proved_itself(cluster):
    with cluster.room(cluster.settings()):
        deployment, version = cluster.serve("v1.0")
        (target,) = cluster.route(deployment).targets
        (pod,) = cluster.pods()
        engine = cluster.operator.GetEngine(pb.GetEngineRequest(name=target.engine))
        cluster.kubelet.restart(pod)
        assert ask(target)[0] == 503  # the route still names this very address
        cluster.until("it was not opened again", lambda: ask(target) == (200, version))
        assert cluster.operator.GetEngine(pb.GetEngineRequest(name=engine.name)).attested
        assert cluster.pods() == [pod]


def test_an_engine_that_nobody_listens_for_loses_its_route_at_once_and_keeps_its_pod(cluster):
    with cluster.room(cluster.settings()):
        deployment, version = cluster.serve("v1.0")
        (pod,) = cluster.pods()
        cluster.kubelet.crash(pod)  # as on a node that is lost: its status still says that it runs
        cluster.until("it is still routed", lambda: not cluster.route(deployment).targets)
        cluster.kubelet.paused = False
        cluster.until("it was not routed again", lambda: cluster.route(deployment).targets)
        assert ask(cluster.route(deployment).targets[0]) == (200, version)
        assert cluster.pods() == [pod]


def test_a_pod_that_is_gone_is_replaced_and_routed_at_its_new_address(cluster):
    with cluster.room(cluster.settings()):
        deployment, version = cluster.serve("v1.0")
        (before,) = cluster.route(deployment).targets
        cluster.end_pod(cluster.pods()[0])

        def routed_elsewhere() -> bool:
            targets = cluster.route(deployment).targets
            return bool(targets) and targets[0].endpoint != before.endpoint

        cluster.until("the new pod got no route", routed_elsewhere)
        assert ask(cluster.route(deployment).targets[0]) == (200, version)


def test_with_room_for_one_engine_the_next_version_is_loaded_in_place_and_says_so(cluster):
    cluster.template(capacity=1)
    with cluster.room(cluster.settings()):
        deployment, _ = cluster.serve("v1.0")
        (pod,) = cluster.pods()
        new = cluster.version("v1.1")
        ended = cluster.end(cluster.begin(deployment, new))
        assert (ended.state, ended.strategy) == (S.STATE_SUCCEEDED, S.STRATEGY_IN_PLACE)
        assert "the pool of engines has no place left, but a second engine needs 1" in ended.steps[0].message
        assert cluster.pods() == [pod]
        assert ask(cluster.route(deployment).targets[0]) == (200, new)
        cluster.end_pod(pod)  # what comes instead loads the target, not what was first
        cluster.until(
            "the new pod does not answer for the target",
            lambda: (
                cluster.pods() != [pod]
                and bool(targets := cluster.route(deployment).targets)
                and ask(targets[0]) == (200, new)
            ),
        )


def test_a_pod_that_no_node_takes_is_told_and_leads_back(cluster):
    cluster.kubelet.most_pods = 1
    cluster.kubelet.beat()
    with cluster.room(cluster.settings(engine_start_s=8.0)):
        deployment, old = cluster.serve("v1.0")
        new = cluster.models.add(f"{MODEL}/versions/v1.1", weights=ModelSpec(shape="another"))
        ended = cluster.end(cluster.begin(deployment, new))
        assert ended.state == S.STATE_FAILED
        assert "no node accepts its pod" in ended.reason
        assert ask(cluster.route(deployment).targets[0]) == (200, old)
        cluster.until("the pod that waited is still wanted", lambda: len(cluster.engines()) == 1)


def test_a_pod_that_no_node_takes_is_given_up_for_the_way_in_place_where_that_is_safe(cluster):
    cluster.kubelet.most_pods = 1
    cluster.kubelet.beat()
    with cluster.room(cluster.settings(engine_start_s=900.0, engine_room_s=3.0)):
        deployment, _ = cluster.serve("v1.0")
        (pod,) = cluster.pods()
        ended = cluster.end(cluster.begin(deployment, new := cluster.version("v1.1")))
        assert (ended.state, ended.strategy) == (S.STATE_SUCCEEDED, S.STRATEGY_IN_PLACE)
        assert any("is loaded in place instead" in step.message for step in ended.steps)
        assert cluster.pods() == [pod]
        assert ask(cluster.route(deployment).targets[0]) == (200, new)


def test_a_version_whose_engine_ends_leads_back_and_says_how_it_ended(cluster):
    with cluster.room(cluster.settings()):
        deployment, old = cluster.serve("v1.0")
        cluster.kubelet.broken.add(bad := cluster.version("v1.1"))
        ended = cluster.end(cluster.begin(deployment, bad))
        assert ended.state == S.STATE_FAILED
        assert "no such model" in ended.reason
        assert ask(cluster.route(deployment).targets[0]) == (200, old)


def test_an_api_that_is_away_stops_nothing_that_serves_and_a_rollout_goes_on_after_it(cluster):
    with cluster.room(cluster.settings()):
        deployment, old = cluster.serve("v1.0")
        (before,) = cluster.route(deployment).targets
        cluster.api.stop()
        try:
            rollout = cluster.begin(deployment, cluster.version("v1.1"))
            cluster.looked(3)
            assert list(cluster.route(deployment).targets) == [before]
            assert ask(before) == (200, old)
        finally:
            cluster.api.start()
        assert cluster.end(rollout).state == S.STATE_SUCCEEDED


def test_replicas_are_routed_one_by_one_as_they_prove_themselves(cluster):
    with cluster.room(cluster.settings()):
        deployment, version = cluster.serve("v1.0")
        scaled = pb.ScaleDeploymentRequest(name=deployment, min_replicas=2, max_replicas=2)
        assert cluster.operator.ScaleDeployment(scaled).max_replicas == 2
        cluster.until("the second pod got no route", lambda: len(cluster.route(deployment).targets) == 2)
        both = cluster.route(deployment).targets
        assert sorted(target.weight for target in both) == [50, 50]
        assert [ask(target) for target in both] == [(200, version)] * 2
        gone = next(
            name for name, address in cluster.kubelet.addresses.items() if address in both[0].endpoint
        )
        cluster.end_pod(gone)
        endpoints = {target.endpoint for target in both}

        def replaced() -> bool:
            routed = {target.endpoint for target in cluster.route(deployment).targets}
            return len(routed) == 2 and routed != endpoints

        cluster.until("the pod that went was not replaced", replaced)
        ended = cluster.end(cluster.begin(deployment, new := cluster.version("v1.1")))
        assert ended.state == S.STATE_SUCCEEDED
        routed = cluster.route(deployment).targets
        assert [target.version for target in routed] == [new, new], (routed, cluster.engines())


def test_an_engine_that_nobody_asks_is_scaled_to_none_and_woken_by_who_does(cluster):
    with cluster.room(cluster.settings(idle_s=2.0)):
        deployment, version = cluster.serve("v1.0")
        cluster.operator.ScaleDeployment(
            pb.ScaleDeploymentRequest(name=deployment, min_replicas=0, max_replicas=1)
        )
        cluster.until("it does not go to sleep", lambda: not cluster.engines())
        asleep = cluster.route(deployment)
        assert (list(asleep.targets), asleep.hold_seconds) == ([], 300.0)  # gateways hold who asks
        cluster.operator.ScaleDeployment(
            pb.ScaleDeploymentRequest(name=deployment, min_replicas=0, max_replicas=2)
        )
        assert not cluster.engines()
        cluster.gateway.WakeDeployment(pb.WakeDeploymentRequest(name=deployment))
        cluster.until("it does not wake", lambda: cluster.route(deployment).targets)
        assert ask(cluster.route(deployment).targets[0]) == (200, version)


def test_a_rollout_wakes_what_sleeps_and_nothing_is_scaled_meanwhile(cluster):
    with cluster.room(cluster.settings(idle_s=2.0)):
        deployment, _ = cluster.serve("v1.0")
        cluster.operator.ScaleDeployment(
            pb.ScaleDeploymentRequest(name=deployment, min_replicas=0, max_replicas=1)
        )
        cluster.until("it does not go to sleep", lambda: not cluster.engines())
        rollout = cluster.begin(deployment, new := cluster.version("v1.1"))
        assert cluster.end(rollout).state == S.STATE_SUCCEEDED
        assert [target.version for target in cluster.route(deployment).targets] == [new]


def test_a_deployment_may_name_the_pool_that_its_engines_run_in(cluster):
    cluster.template(pool="big")
    with cluster.room(cluster.settings()):
        deployment = cluster.deployment(pool="big")
        assert cluster.end(cluster.begin(deployment, cluster.version("v1.0"))).state == S.STATE_SUCCEEDED
        (engine,) = cluster.engines()
        assert engine["metadata"]["labels"]["ratoon.dev/pool"] == "big"
        with pytest.raises(FailedPrecondition) as unknown:
            cluster.deployment(pool="huge")
        assert unknown.value.reason == "ENGINE_POOL_UNKNOWN"


def test_an_older_right_is_refused_by_the_deployment_itself(cluster):
    with cluster.room(cluster.settings()):
        deployment, _ = cluster.serve("v1.0")
        (target,) = cluster.route(deployment).targets
        seen = cluster.operator.GetEngine(pb.GetEngineRequest(name=target.engine))
        assert seen.state == deployment_pb2.Engine.STATE_READY
        now = seen.create_time.ToDatetime()
        engine = Engine(seen.name, now, now, 1, seen.version, "d", "s", "g", "d1")
        cluster.host.claim(engine, Fence("rollout", 8))
        for refused in (cluster.host.stop, cluster.host.start):
            with pytest.raises(Aborted):
                refused(engine, Fence("rollout", 7))
        assert len(cluster.engines()) == 1
