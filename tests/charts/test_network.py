"""Table of allowed connections: computed from the policies, stored as `golden/network-<example>.txt`."""

import pytest

from ratoon.runtime.services import service_names
from tests.charts import golden, network
from tests.charts.manifests import Refused
from tests.charts.network import passes


@pytest.mark.parametrize("example", ["as it is", "eks-gpu"])
def test_the_table_is_the_one_that_was_looked_at(helm, example):
    release = helm.release(example)
    table = "\n".join(f"{source:14} → {target:14} {port}" for source, target, port in network.ways(release))
    golden.check(f"network-{example.replace(' ', '-')}.txt", table + "\n")


def test_nobody_but_the_gateway_and_serving_reaches_an_engine(release):
    assert {source for source, target, _ in network.ways(release) if target == "engine"} == {
        "gateway",
        "serving",
    }


def test_databases_and_logs_are_reached_by_services_alone(release):
    """The garbage collection reads the databases."""
    for source, target, _ in network.ways(release):
        if target in ("kafka", "postgresql") and (source, target) != ("gc", "postgresql"):
            assert source in service_names(), (source, target)


def test_from_outside_only_the_edge_is_reached(release):
    labels = {pod.part: pod.labels for pod in release.pods}
    open_to_all = {
        (part, port)
        for part in labels
        for port in network.listening(release, part)
        if passes(release, labels[part], "ingress", "from", None, port) and port != 9090
    }
    assert open_to_all <= {("gateway", 8080), ("gateway", 8081), ("console", 8090)}


NO_EXTERNAL_ADDRESSES = {
    "global.networkPolicies.outside": {key: [] for key in ("events", "database", "artifacts", "traces")},
    "global.networkPolicies.monitoring": [],
    "global.observability.otlp": "http://collector:4318",
}


def test_only_who_has_rights_reaches_the_api_server(helm):
    release = helm.with_values(NO_EXTERNAL_ADDRESSES)
    labels = {pod.part: pod.labels for pod in release.pods}
    outward = {part for part in labels if passes(release, labels[part], "egress", "to", None, 6443)}
    assert outward == {"serving", "secrets", "cleanup"}
    own = {"training.workers": {"cpu": {"pool": "cpu", "maxMemory": "4Gi"}}}
    release = helm.with_values(NO_EXTERNAL_ADDRESSES | own)
    assert passes(release, labels["training"], "egress", "to", None, 6443)


def test_an_empty_list_is_nobody_but_for_callers(helm):
    release = helm.with_values(NO_EXTERNAL_ADDRESSES)
    for pod in release.pods:
        assert not passes(release, pod.labels, "egress", "to", None, 4318), pod.name
        assert not passes(release, pod.labels, "ingress", "from", None, 9090), pod.name
    gateway = next(pod for pod in release.pods if pod.part == "gateway")
    assert passes(release, gateway.labels, "ingress", "from", None, 8080)


OPENINGS = {
    f"global.networkPolicies.outside.{kind}": [{"peers": [{"ipBlock": {"cidr": cidr}}], "ports": [port]}]
    for kind, cidr, port in (
        ("connections", "10.1.0.7/32", 15432),
        ("crawls", "0.0.0.0/0", 10443),
        ("judges", "10.1.0.9/32", 18000),
    )
}
SPLIT_WORKERS = {"global.workers.worker.services": ["ingestion", "registry", "flywheel"]} | {
    f"global.workers.worker-{service}": {
        "pool": "cpu",
        "replicas": 1,
        "devices": 0,
        "services": [service],
        "resources": {},
        "storage": {"persistent": False, "size": "1Gi", "className": ""},
    }
    for service in ("evaluation", "labeling")
}


def test_workers_reach_what_their_services_read_and_no_other_part_does(helm):
    closed = helm.with_values(NO_EXTERNAL_ADDRESSES)
    release = helm.with_values(NO_EXTERNAL_ADDRESSES | OPENINGS | SPLIT_WORKERS)
    reached = {port: outward(release, port) for port in (15432, 10443, 18000)}
    judging = {"worker-evaluation", "worker-labeling"}
    assert reached == {15432: {"worker"}, 10443: {"worker"}, 18000: judging}
    assert not any(outward(closed, port) for port in reached)


def outward(release, port: int) -> set[str]:
    """Return the parts that reach the outside at a port."""
    return {pod.part for pod in release.pods if passes(release, pod.labels, "egress", "to", None, port)}


@pytest.mark.parametrize(
    "opening",
    [{"peers": [{}]}, {"ports": [443]}, {"peers": [{}], "ports": []}, {"peers": [], "ports": [443]}],
)
def test_an_opening_without_peers_or_ports_is_refused(helm, opening):
    with pytest.raises(Refused):
        helm.with_values({"global.networkPolicies.outside.crawls": [opening]})


def test_a_pod_of_somebody_else_is_let_alone(release):
    for policy in release.of("NetworkPolicy"):
        assert policy["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/instance"] == "ratoon"
