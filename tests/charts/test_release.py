"""Rules of every release: by the chart's own values, and by each example's."""

import re

import pytest

from tests.charts.manifests import CHART, EXAMPLES, NAMESPACE

CLUSTER_WIDE = {"PriorityClass"}
TALKS_TO_THE_API = {"ratoon-serving", "ratoon-secrets", "ratoon-cleanup"}
SET_BY_OPERATOR = re.compile(
    r"ratoon-kafka|kafka-ca|ratoon-artifacts|registry|ratoon-[a-z-]+-(rds|db|certificate)"
)


def allowed_to_talk(release):
    autoscales = any(each["spec"]["enableInTreeAutoscaling"] for each in release.of("RayCluster"))
    beside = {"head": autoscales, "ratoon-training": bool(release.run_workers)}
    return TALKS_TO_THE_API | {name for name, talks in beside.items() if talks}


def secrets_named(value):
    """Each (Secret, key or None) that a manifest refers to."""
    if isinstance(value, dict):
        if "secretKeyRef" in value:
            yield value["secretKeyRef"]["name"], value["secretKeyRef"]["key"]
        if "secretName" in value:
            yield value["secretName"], None
        if isinstance(value.get("secret"), dict) and "name" in value["secret"]:
            items = value["secret"].get("items")
            yield from ((value["secret"]["name"], item["key"]) for item in items or [{"key": None}])
        for each in value.values():
            yield from secrets_named(each)
    elif isinstance(value, list):
        for each in value:
            yield from secrets_named(each)


def created_secrets(release):
    """Return the keys of each Secret that the Job before an install creates."""
    plan, name = release.plan, release.plan["name"]
    keys_by_secret = {
        f"{name}-public-keys": {"public.json", "model-signing.pub"},
        f"{name}-operator": {"operator.key"},
    }
    beside = {
        "registry": {"model-signing.pem"},
        "gateway": {"answers.secret"},
        "flywheel": {"answers.secret"},
        "ingestion": {"record.secret"},
    }
    for service in plan["services"]:
        keys_by_secret[f"{name}-{service}-keys"] = {f"{service}.key", *beside.get(service, ())}
    keys_by_secret |= {
        f"{name}-{part}-tls": {"tls.crt", "tls.key", "ca.crt"} for part in plan["certificates"]
    }
    return keys_by_secret | {secret: set(keys) for secret, keys in plan["passwords"].items()}


@pytest.mark.parametrize("example", [None, *EXAMPLES])
def test_helm_finds_nothing_to_say(helm, example):
    values = ["--values", str(CHART / f"examples/{example}.yaml")] if example else []
    assert "0 chart(s) failed" in helm.run("lint", "--strict", str(CHART), *values)


def test_names_are_unique_and_everything_lies_in_the_namespace(release):
    names = [(each["kind"], each["metadata"]["name"]) for each in release.manifests]
    assert len(names) == len(set(names))
    places = {
        each["metadata"].get("namespace") for each in release.manifests if each["kind"] not in CLUSTER_WIDE
    }
    assert places == {NAMESPACE}


def test_every_secret_that_is_named_is_created_or_the_operators(release):
    existing = created_secrets(release)
    existing |= {
        each["spec"]["secretName"]: {"tls.crt", "tls.key", "ca.crt"} for each in release.of("Certificate")
    }
    for name, key in secrets_named([pod.spec for pod in release.pods]):
        if name in existing:
            assert key is None or key in existing[name], (name, key)
        else:
            assert name == "" or SET_BY_OPERATOR.fullmatch(name), name  # an engine's own is serving's to make


def test_no_manifest_holds_a_secret(release):
    assert release.of("Secret") == []


def test_what_pods_refer_to_exists(release):
    accounts = {each["metadata"]["name"] for each in release.of("ServiceAccount")}
    maps = {each["metadata"]["name"] for each in release.of("ConfigMap")}
    for pod in release.pods:
        if pod.part != "test":
            assert pod.spec["serviceAccountName"] in accounts, pod.name
        for volume in pod.spec["volumes"]:
            assert volume.get("configMap", {}).get("name") in (None, *maps)
        claimed = {volume["name"] for volume in pod.spec["volumes"]} | {"data"}
        mounted = {mount["name"] for each in pod.containers for mount in each["volumeMounts"]}
        assert mounted <= claimed, pod.name


def test_services_and_budgets_select_pods_that_have_the_ports(release):
    for each in [*release.of("Service"), *release.of("PodDisruptionBudget")]:
        selector = each["spec"]["selector"]
        labels = (selector.get("matchLabels") or selector).items()
        chosen = [pod for pod in release.pods if labels <= pod.labels.items()]
        assert chosen, each["metadata"]["name"]
        ports = {port["name"] for pod in chosen for one in pod.containers for port in one.get("ports", [])}
        assert {port["targetPort"] for port in each["spec"].get("ports", [])} <= ports, each["metadata"][
            "name"
        ]


def test_whatever_stays_has_a_budget_and_a_policy(release):
    budgets = [each["spec"]["selector"]["matchLabels"] for each in release.of("PodDisruptionBudget")]
    policies = [each["spec"]["podSelector"]["matchLabels"] for each in release.of("NetworkPolicy")]
    for pod in release.pods:
        named = [each for each in policies if len(each) > 1 and each.items() <= pod.labels.items()]
        assert len(named) == 1, pod.name
        if pod.kind in ("Deployment", "StatefulSet", "RayCluster", "engine", "run") and pod.part != "console":
            assert any(each.items() <= pod.labels.items() for each in budgets), pod.name


def test_selectors_choose_their_own_pods_alone(release):
    for each in [*release.of("Deployment"), *release.of("StatefulSet")]:
        selector = each["spec"]["selector"]["matchLabels"].items()
        chosen = {pod.name for pod in release.pods if selector <= pod.labels.items()}
        assert chosen == {each["metadata"]["name"]}


def test_pods_are_restricted(release):
    """Pod Security *restricted*, and more: read-only root, no unused token, requests for all resources."""
    for pod in release.pods:
        security = pod.spec["securityContext"]
        assert security["runAsNonRoot"] and security["runAsUser"] == 10001, pod.name
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}, pod.name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod.spec), pod.name
        may_talk = pod.spec.get("automountServiceAccountToken")
        assert may_talk is (pod.name in allowed_to_talk(release)), pod.name
        for volume in pod.spec["volumes"]:
            assert set(volume) - {"name"} <= {
                "emptyDir",
                "ephemeral",
                "secret",
                "configMap",
                "projected",
                "persistentVolumeClaim",
            }
        for each in pod.containers:
            assert each["securityContext"]["allowPrivilegeEscalation"] is False
            assert each["securityContext"]["readOnlyRootFilesystem"] is True
            assert each["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert {"cpu", "memory", "ephemeral-storage"} <= set(each["resources"]["requests"]), pod.name
            assert {"memory", "ephemeral-storage"} <= set(each["resources"]["limits"]), pod.name
            assert all("hostPort" not in port for port in each.get("ports", []))


def test_what_serves_says_when_it_is_ready(release):
    for pod in release.pods:
        for each in pod.spec["containers"]:
            names = {port["name"] for port in each.get("ports", [])}
            if pod.kind in ("Job", "Pod"):
                continue
            for probe in ("startupProbe", "readinessProbe"):
                action = each[probe].get("httpGet") or each[probe]["tcpSocket"]
                assert action["port"] in names, (pod.name, probe)
            assert ("livenessProbe" in each) is (pod.kind != "engine"), pod.name  # a slow engine is not dead


def test_only_who_makes_pods_and_the_hooks_have_rights_and_few(release):
    rights = {each["metadata"]["name"]: each["rules"] for each in release.of("Role")}
    assert set(rights) <= {*TALKS_TO_THE_API, "ratoon-ray-head", "ratoon-training"}
    assert ("ratoon-training" in rights) is bool(release.run_workers)
    assert release.of("ClusterRole") == []
    assert not any("*" in rule["verbs"] + rule["resources"] for rules in rights.values() for rule in rules)
    secrets = [rule for rule in rights["ratoon-serving"] if "secrets" in rule["resources"]]
    assert [sorted(rule["verbs"]) for rule in secrets] == [["create", "delete", "patch"]]  # made, never read
