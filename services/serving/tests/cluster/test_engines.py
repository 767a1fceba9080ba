"""Engines as pods on a real Kubernetes API: created, attested, routed, swapped, replaced, restarted, stopped."""

import http.client
import json

import pytest

from ratoon.process.errors import Aborted, FailedPrecondition
from ratoon.serving.v1 import deployment_pb2, rollout_pb2
from ratoon.serving.v1 import serving_service_pb2 as pb
from ratoon_serving.domain.engine import Engine, Fence
from ratoon_serving.domain.rollouts.model_spec import ModelSpec

S = rollout_pb2.Rollout
MODEL = "projects/p/models/mail"


REPORTED = {"RolloutStarting", "RolloutShifting", "RolloutSucceeded"}


def reasons(cluster) -> set[str]:
    """Return the reasons of all events."""
    return {each["reason"] for each in cluster.items(cluster.core.list_namespaced_event)}


def ask(target) -> tuple[int, str]:
    """Send a request as a gateway does; return its status (0: no connection), and the signing version."""
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
    with cluster.service(cluster.settings()):
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
        cluster.until("the rollout's steps are no events", lambda: reasons(cluster) >= REPORTED)
    with cluster.service(cluster.settings()):  # After a restart the engine is taken over.
        assert cluster.route(deployment).targets[0].endpoint == after.endpoint
        cluster.observed(2)
        assert cluster.route(deployment).targets[0].endpoint == after.endpoint
    cluster.apps.delete_namespaced_deployment("ratoon-serving", cluster.namespace)
    cluster.until("engines outlive serving's uninstall", lambda: not cluster.engines() and not cluster.pods())


def test_a_restarted_container_refuses_requests_until_attestation(cluster):
    with cluster.service(cluster.settings()):
        deployment, version = cluster.serve("v1.0")
        (target,) = cluster.route(deployment).targets
        (pod,) = cluster.pods()
        engine = cluster.operator.GetEngine(pb.GetEngineRequest(name=target.engine))
        cluster.kubelet.restart(pod)
        assert ask(target)[0] == 503  # the route still names this very address
        cluster.until("it was not opened again", lambda: ask(target) == (200, version))
        assert cluster.operator.GetEngine(pb.GetEngineRequest(name=engine.name)).attested
        assert cluster.pods() == [pod]


def test_an_engine_without_a_listener_loses_its_route_at_once_and_keeps_its_pod(cluster):
    with cluster.service(cluster.settings()):
        deployment, version = cluster.serve("v1.0")
        (pod,) = cluster.pods()
        cluster.kubelet.crash(pod)  # As on a lost node: its status still reports that it runs.
        cluster.until("it is still routed", lambda: not cluster.route(deployment).targets)
        cluster.kubelet.paused = False
        cluster.until("it was not routed again", lambda: cluster.route(deployment).targets)
        assert ask(cluster.route(deployment).targets[0]) == (200, version)
        assert cluster.pods() == [pod]


def test_a_pod_that_is_gone_is_replaced_and_routed_at_its_new_address(cluster):
    with cluster.service(cluster.settings()):
        deployment, version = cluster.serve("v1.0")
        (before,) = cluster.route(deployment).targets
        cluster.end_pod(cluster.pods()[0])

        def routed_elsewhere() -> bool:
            targets = cluster.route(deployment).targets
            return bool(targets) and targets[0].endpoint != before.endpoint

        cluster.until("the new pod got no route", routed_elsewhere)
        assert ask(cluster.route(deployment).targets[0]) == (200, version)


def test_with_capacity_for_one_engine_the_next_version_is_loaded_in_place(cluster):
    cluster.template(capacity=1)
    with cluster.service(cluster.settings()):
        deployment, _ = cluster.serve("v1.0")
        (pod,) = cluster.pods()
        new = cluster.version("v1.1")
        ended = cluster.end(cluster.begin(deployment, new))
        assert (ended.state, ended.strategy) == (S.STATE_SUCCEEDED, S.STRATEGY_IN_PLACE)
        assert "the pool of engines has no place left, but a second engine needs 1" in ended.steps[0].message
        assert cluster.pods() == [pod]
        assert ask(cluster.route(deployment).targets[0]) == (200, new)
        cluster.end_pod(pod)  # The new pod loads the target, not the first version.
        cluster.until(
            "the new pod does not answer for the target",
            lambda: (
                cluster.pods() != [pod]
                and bool(targets := cluster.route(deployment).targets)
                and ask(targets[0]) == (200, new)
            ),
        )


def test_a_pod_that_no_node_accepts_is_reported_and_rolls_back(cluster):
    cluster.kubelet.max_pods = 1
    cluster.kubelet.beat()
    with cluster.service(cluster.settings(engine_start_s=8.0)):
        deployment, old = cluster.serve("v1.0")
        new = cluster.models.add(f"{MODEL}/versions/v1.1", model=ModelSpec(shape="another"))
        ended = cluster.end(cluster.begin(deployment, new))
        assert ended.state == S.STATE_FAILED
        assert "no node accepts its pod" in ended.reason
        assert ask(cluster.route(deployment).targets[0]) == (200, old)
        cluster.until("the pod that waited is still wanted", lambda: len(cluster.engines()) == 1)


def test_a_pod_that_no_node_accepts_is_replaced_by_a_load_in_place_where_that_is_safe(cluster):
    cluster.kubelet.max_pods = 1
    cluster.kubelet.beat()
    with cluster.service(cluster.settings(engine_start_s=900.0, placement_timeout_s=3.0)):
        deployment, _ = cluster.serve("v1.0")
        (pod,) = cluster.pods()
        ended = cluster.end(cluster.begin(deployment, new := cluster.version("v1.1")))
        assert (ended.state, ended.strategy) == (S.STATE_SUCCEEDED, S.STRATEGY_IN_PLACE)
        assert any("is loaded in place instead" in step.message for step in ended.steps)
        assert cluster.pods() == [pod]
        assert ask(cluster.route(deployment).targets[0]) == (200, new)


def test_a_version_whose_engine_ends_rolls_back_with_the_cause(cluster):
    with cluster.service(cluster.settings()):
        deployment, old = cluster.serve("v1.0")
        cluster.kubelet.broken.add(bad := cluster.version("v1.1"))
        ended = cluster.end(cluster.begin(deployment, bad))
        assert ended.state == S.STATE_FAILED
        assert "no such model" in ended.reason
        assert ask(cluster.route(deployment).targets[0]) == (200, old)


def test_an_unavailable_api_stops_no_engine_and_the_rollout_continues_after_it(cluster):
    with cluster.service(cluster.settings()):
        deployment, old = cluster.serve("v1.0")
        (before,) = cluster.route(deployment).targets
        cluster.api.stop()
        try:
            rollout = cluster.begin(deployment, cluster.version("v1.1"))
            cluster.observed(3)
            assert list(cluster.route(deployment).targets) == [before]
            assert ask(before) == (200, old)
        finally:
            cluster.api.start()
        assert cluster.end(rollout).state == S.STATE_SUCCEEDED


def test_replicas_are_routed_one_by_one_after_attestation(cluster):
    with cluster.service(cluster.settings()):
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


def test_an_idle_engine_is_scaled_to_zero_and_woken_by_a_request(cluster):
    with cluster.service(cluster.settings(idle_s=2.0)):
        deployment, version = cluster.serve("v1.0")
        cluster.operator.ScaleDeployment(
            pb.ScaleDeploymentRequest(name=deployment, min_replicas=0, max_replicas=1)
        )
        cluster.until("it does not go to sleep", lambda: not cluster.engines())
        asleep = cluster.route(deployment)
        assert (list(asleep.targets), asleep.hold_seconds) == ([], 300.0)  # Gateways hold requests.
        cluster.operator.ScaleDeployment(
            pb.ScaleDeploymentRequest(name=deployment, min_replicas=0, max_replicas=2)
        )
        assert not cluster.engines()
        cluster.gateway.WakeDeployment(pb.WakeDeploymentRequest(name=deployment))
        cluster.until("it does not wake", lambda: cluster.route(deployment).targets)
        assert ask(cluster.route(deployment).targets[0]) == (200, version)


def test_a_rollout_wakes_an_engine_that_was_scaled_to_zero(cluster):
    with cluster.service(cluster.settings(idle_s=2.0)):
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
    with cluster.service(cluster.settings()):
        deployment = cluster.deployment(pool="big")
        assert cluster.end(cluster.begin(deployment, cluster.version("v1.0"))).state == S.STATE_SUCCEEDED
        (engine,) = cluster.engines()
        assert engine["metadata"]["labels"]["ratoon.dev/pool"] == "big"
        with pytest.raises(FailedPrecondition) as unknown:
            cluster.deployment(pool="huge")
        assert unknown.value.reason == "ENGINE_POOL_UNKNOWN"


def test_an_older_fence_is_refused(cluster):
    with cluster.service(cluster.settings()):
        deployment, _ = cluster.serve("v1.0")
        (target,) = cluster.route(deployment).targets
        stored = cluster.operator.GetEngine(pb.GetEngineRequest(name=target.engine))
        assert stored.state == deployment_pb2.Engine.STATE_READY
        now = stored.create_time.ToDatetime()
        engine = Engine(stored.name, now, now, 1, stored.version, "d", "s", "g", "d1")
        cluster.host.claim(engine, Fence("rollout", 8))
        for refused in (cluster.host.stop, cluster.host.start):
            with pytest.raises(Aborted):
                refused(engine, Fence("rollout", 7))
        assert len(cluster.engines()) == 1
