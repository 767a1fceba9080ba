"""Contradictory values are refused with a sentence; others have their effect."""

import pytest

from tests.charts import network
from tests.charts.manifests import CHART, Refused

JOBS = ("ingestion", "labeling", "training", "evaluation", "registry", "flywheel")


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"kafka.enabled": False}, "set global.events.bootstrap to your Kafka"),
        ({"postgresql.enabled": False}, "set global.database.existingSecrets to your PostgreSQL"),
        ({"s3.enabled": False}, "set global.artifacts.bucket to your artifact store"),
        ({"global.events.bootstrap": "broker:9092"}, "use either the bundled Kafka or your own"),
        (
            {"global.database.existingSecrets": "one", "postgresql.enabled": False},
            "each service needs its own Secret",
        ),
        ({"global.tls.mode": "certManager"}, "global.tls.issuer is empty"),
        ({"global.tls.mode": "existing"}, "global.tls.existingSecrets is empty"),
        ({"global.events.security.protocol": "SSL"}, "supports only PLAINTEXT"),
        ({"ray.mode": "none"}, "no group of global.workers runs training"),
        ({"global.workers.worker.services": ["ingestion"]}, "runs the jobs of"),
        ({"global.pools.gpu": {"flavour": "cuda"}}, "nvidia.com/gpu"),
        ({"registry.pool": "gpu"}, 'Pool "gpu" does not exist; global.pools contains: cpu'),
        ({"engines.cpu.devices": 1}, "without accelerators"),
        ({"serving.settings.engine_pool": "gpu"}, "Set serving.settings.engine_pool to one of them"),
        ({"gateway.ingress.enabled": True}, "gateway.ingress.hosts is empty"),
        ({"gateway.terminationGracePeriodSeconds": 60}, "a pod is killed while it still sends answers"),
        ({"training.workers.cuda": {"pool": "cpu", "maxMemory": "4Gi"}}, "to a pool of flavour cuda"),
        ({"training.workers.cpu": {"pool": "cpu"}}, "maxMemory"),
        (
            {"training.workers.tpu": {"pool": "cpu", "maxMemory": "4Gi"}},
            "additional properties 'tpu' not allowed",
        ),
        (
            {
                "training.workers.cpu": {"pool": "cpu", "maxMemory": "4Gi"},
                "ray.mode": "none",
                "global.workers.worker.services": list(JOBS),
            },
            "or set ray.mode to static or kuberay",
        ),
        (
            {
                "global.curation.executor": "ray",
                "ray.mode": "none",
                "global.workers.worker.services": list(JOBS),
            },
            "global.curation.executor is ray, but ray.mode is none",
        ),
        ({"ray.workers.big": {"pool": "cpu", "resources": {}}}, "ray.workers.big.resources has no memory"),
        ({"registry.replicas": 0}, "minimum: got 0, want 1"),
        ({"registry.setings": {}}, "'setings' not allowed"),
    ],
)
def test_a_contradiction_is_refused_with_a_sentence(helm, values, sentence):
    with pytest.raises(Refused, match=sentence.replace("(", r"\(")):
        helm.with_values(values)


def variables(release, kind, name):
    pod = next(pod for pod in release.pods if pod.name == name and pod.kind == kind)
    return {each["name"]: each.get("value") for each in pod.spec["containers"][0]["env"]}


def test_settings_become_variables_with_whole_numbers_whole(helm):
    release = helm.with_values(
        {"gateway.settings.max_blob_bytes": 17179869184, "serving.settings.threads": 4}
    )
    assert (
        variables(release, "Deployment", "ratoon-gateway")["RATOON_GATEWAY_MAX_BLOB_BYTES"] == "17179869184"
    )
    assert variables(release, "Deployment", "ratoon-serving")["RATOON_SERVING_THREADS"] == "4"


def test_a_release_of_another_name_has_names_of_its_own(helm):
    rendered = helm.run("template", "blue", str(CHART), "--namespace", "x")
    assert "name: blue-ratoon-registry" in rendered
    assert "dns:///blue-ratoon-registry:50051" in rendered


def test_what_is_retained_is_not_removed(helm):
    default, retained = (
        helm.release("as it is"),
        helm.with_values({"global.keep": {"data": True, "secrets": True}}),
    )
    policy = "persistentVolumeClaimRetentionPolicy"
    assert {each["spec"][policy]["whenDeleted"] for each in default.of("StatefulSet")} == {"Delete"}
    assert {each["spec"][policy]["whenDeleted"] for each in retained.of("StatefulSet")} == {"Retain"}
    names = [{each["metadata"]["name"] for each in release.of("Job")} for release in (default, retained)]
    assert names == [{"ratoon-secrets", "ratoon-cleanup"}, {"ratoon-secrets"}]


@pytest.mark.parametrize(
    "values",
    [
        {"enabled": False},
        {"keepDays": 0, "schedule": "0 5 * * *", "pool": "cpu"},
        {"resources": {"limits": {"memory": "2Gi"}}},
    ],
)
def test_the_old_name_of_gc_has_the_same_effect(helm, values):
    old, present = (helm.with_values({name: values}) for name in ("upkeep", "gc"))
    assert old.manifests == present.manifests
    assert old.manifests != helm.release("as it is").manifests


@pytest.mark.parametrize("mode", ["static", "kuberay"])
def test_ray_is_the_same_in_both_modes(helm, mode):
    release = helm.with_values({"ray.mode": mode})
    specs = {pod.part: pod.spec for pod in release.pods if pod.part.startswith("ray-")}
    others = {pod.part: pod.spec for pod in helm.release("as it is").pods if pod.part.startswith("ray-")}
    for part, spec in specs.items():
        assert spec["containers"] == others[part]["containers"]
    assert bool(release.of("RayCluster")) is (mode == "kuberay")


@pytest.mark.parametrize("mode", ["static", "kuberay"])
def test_curation_on_ray_joins_the_cluster_from_the_workers_of_ingestion(helm, mode):
    data = {"pool": "cpu", "replicas": 2, "devices": 0, "services": ["ingestion"], "resources": {}}
    values = {
        "global.workers.worker.services": [name for name in JOBS if name not in ("ingestion", "training")],
        "global.workers.worker-data": data
        | {"storage": {"persistent": False, "size": "1Gi", "className": ""}},
        "ray.mode": mode,
    }
    release = helm.with_values(values | {"global.curation.executor": "ray"})
    assert variables(release, "Deployment", "ratoon-ingestion")["RATOON_INGESTION_EXECUTOR"] == "ray"
    address = variables(release, "StatefulSet", "ratoon-worker-data")["RATOON_RAY_ADDRESS"]
    assert address == "ratoon-ray-head:6379"
    assert "RATOON_RAY_ADDRESS" not in variables(release, "StatefulSet", "ratoon-worker")
    ways = {(source, target) for source, target, _ in network.ways(release)}
    for other in ("ray-head", "ray-worker"):
        assert {("worker-data", other), (other, "worker-data")} <= ways
        assert not {("worker", other), (other, "worker")} & ways
    assert "RATOON_RAY_ADDRESS" not in variables(
        helm.with_values(values), "StatefulSet", "ratoon-worker-data"
    )


def test_accelerators_are_requested_if_a_pool_has_them(helm):
    release = helm.release("eks-trainium")
    worker = next(pod for pod in release.pods if pod.kind == "run")
    engine = next(pod for pod in release.pods if pod.kind == "engine")
    assert worker.spec["containers"][0]["resources"]["limits"]["aws.amazon.com/neuroncore"] == "1"
    assert engine.spec["containers"][0]["resources"]["requests"]["aws.amazon.com/neuroncore"] == "2"
    assert "aws.amazon.com/neuroncore" not in engine.spec["initContainers"][0]["resources"]["limits"]
    for pod in (worker, engine):
        assert pod.spec["nodeSelector"] == {"ratoon.dev/pool": "trn"}
        assert pod.spec["tolerations"][0]["key"] == "aws.amazon.com/neuron"
        assert pod.spec["containers"][0]["image"].endswith("-neuron")


OWN = {"pool": "cpu", "cpus": 3, "maxMemory": "6Gi", "env": [{"name": "A", "value": "b"}]}


@pytest.mark.parametrize("mode", ["static", "kuberay"])
def test_dedicated_pods_differ_from_other_workers_only_in_size(helm, mode):
    release = helm.with_values({"training.workers.cpu": OWN, "ray.mode": mode})
    (own,) = [pod for pod in release.pods if pod.kind == "run"]
    (shared,) = [pod for pod in release.pods if pod.part == "ray-worker" and pod.kind != "run"]
    assert own.labels.items() <= shared.labels.items()
    (container,), (other,) = own.spec["containers"], shared.spec["containers"]
    assert [each for each in container["args"] if each not in other["args"]] == ["--num-cpus=0"]
    amounts = {"cpu": "3", "memory": "6Gi", "ephemeral-storage": "16Gi"}
    assert container["resources"] == {"requests": amounts, "limits": amounts}
    assert container["env"] == [*other["env"], *OWN["env"]]
    alike = set(container) - {"args", "resources", "env"}
    assert {key: container[key] for key in alike} == {key: other[key] for key in alike}


def test_training_has_settings_of_pods_only_if_it_creates_some(helm):
    settings = [
        variables(helm.with_values(values), "Deployment", "ratoon-training")
        for values in ({}, {"training.workers.cpu": OWN})
    ]
    assert {each["RATOON_TRAINING_WORKERS"] for each in settings} == {"/etc/ratoon/workers"}
    assert "RATOON_TRAINING_OWNER" not in settings[0]
    assert settings[1]["RATOON_TRAINING_OWNER"] == "ratoon-training"
    assert settings[1]["RATOON_TRAINING_NAMESPACE"] == "ratoon"


def test_training_knows_the_capacity_of_shared_pods(helm):
    assert helm.release("as it is").run_groups == [
        {"accelerator": "CPU", "pods": 1, "places": 2, "memory": "4Gi"}
    ]
    assert helm.release("eks-gpu").run_groups == [
        {"accelerator": "CPU", "pods": 4, "places": 8, "memory": "16Gi"}
    ]
    alone = helm.with_values({"ray.mode": "none", "global.workers.worker.services": list(JOBS)})
    assert alone.run_groups == [{"accelerator": "CPU", "pods": 1, "places": 64, "memory": "4Gi"}]
    gpu = {"flavour": "cuda", "deviceResource": "nvidia.com/gpu"}
    large = {"pool": "gpu", "devices": 2, "replicas": 3, "resources": {"limits": {"memory": "64Gi"}}}
    shared = helm.with_values({"global.pools.gpu": gpu, "ray.workers.gpu": large}).run_groups
    assert {"accelerator": "CUDA", "pods": 3, "places": 2, "memory": "64Gi"} in shared


def test_an_engine_may_end_its_longest_stream(release):
    for engine in release.engines.values():
        spec = engine["spec"]["template"]["spec"]
        environment = {each["name"]: each.get("value") for each in spec["containers"][0]["env"]}
        assert spec["terminationGracePeriodSeconds"] > int(environment["RATOON_ENGINE_DRAIN_S"])


UNITS = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30}


def size(quantity):
    return int(quantity[:-2]) * UNITS[quantity[-2:]]


def test_a_pod_may_write_as_much_as_its_volumes_hold(release):
    """Otherwise it is evicted although a volume's own limit allows it."""
    for pod in release.pods:
        if pod.kind in ("Job", "Pod"):
            continue
        limits = sum(
            size(each["resources"]["limits"]["ephemeral-storage"]) for each in pod.spec["containers"]
        )
        folders = [each["emptyDir"] for each in pod.spec["volumes"] if "emptyDir" in each]
        largest = max((size(each["sizeLimit"]) for each in folders if "medium" not in each), default=0)
        assert largest <= limits, pod.name
