"""Every variable of a pod is one that its process knows, and its process starts with its variables."""

import re
from dataclasses import fields

import pytest

from ratoon.engine.settings import EngineSettings
from ratoon.kubernetes.secrets import plan_of
from ratoon.runtime.services import service_names
from ratoon.runtime.settings import settings_class as settings_of_service
from ratoon.runtime.settings import settings_of
from ratoon.service.job_worker import Settings as WorkerSettings
from ratoon.storage.gc import GcSettings
from ratoon.storage.gc_items import Limits
from ratoon_console.settings import Settings as ConsoleSettings

OURS = re.compile(r"RATOON_([A-Z]+)_(\w+)")
# What is read where a driver joins a Ray cluster, and by the job that `helm test` and the hooks run.
ELSEWHERE = {"RATOON_RAY_ADDRESS", "RATOON_RAY_NODE_ADDRESS", "RATOON_SECRETS_PLAN", "RATOON_URL"}
WAITING = "set by a Secret"


def settings_class(name):
    beside = {"WORKER": WorkerSettings, "CONSOLE": ConsoleSettings, "GC": GcSettings}
    return beside.get(name) or settings_of_service(name.lower())


def known(process):
    """Return the settings that a process reads, in lower case and without its prefix."""
    if process == "ENGINE":
        return {"settings", *(field.name for field in fields(EngineSettings))}
    return set(settings_class(process).model_fields)


def environment_of(container):
    """Return the container's environment; values from Secrets are placeholders."""
    environment = {}
    for each in container.get("env", []):
        value = each.get("value", WAITING)
        environment[each["name"]] = re.sub(r"\$\((\w+)\)", lambda match: environment[match[1]], value)
    return environment


def test_every_variable_is_one_that_a_process_reads(release):
    for pod in release.pods:
        for container in pod.containers:
            for variable in environment_of(container):
                if variable in ELSEWHERE or not (match := OURS.fullmatch(variable)):
                    continue
                assert match[2].lower() in known(match[1]), (pod.name, variable)


def test_no_variable_is_set_twice(release):
    for pod in release.pods:
        for container in pod.containers:
            names = [each["name"] for each in container.get("env", [])]
            assert len(names) == len(set(names)), pod.name


@pytest.mark.parametrize("service", service_names())
def test_a_service_takes_its_environment(release, service, monkeypatch):
    pod = next(pod for pod in release.pods if pod.part == service)
    environment = environment_of(pod.spec["containers"][0])
    if service == "ingestion":
        environment["RATOON_INGESTION_RECORD_SECRET"] = "0" * 64
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    settings = settings_class(service.upper())()
    assert str(settings.keys) == "/etc/ratoon/keys"
    assert str(settings.tls) == "/etc/ratoon/tls"
    assert settings.artifacts_url.startswith("s3://")
    assert settings.events.startswith("kafka://")
    assert all(settings.peer(peer).startswith("dns:///ratoon-") for peer in settings.peers)


def test_serving_takes_a_setting_by_its_old_name(helm, monkeypatch):
    release = helm.with_values({"serving": {"settings": {"engine_room_s": 5}}})
    (pod,) = (pod for pod in release.pods if pod.part == "serving")
    for name, value in environment_of(pod.spec["containers"][0]).items():
        monkeypatch.setenv(name, value)
    assert settings_class("SERVING")().placement_timeout_s == 5.0


def test_a_job_worker_takes_its_environment(release, monkeypatch):
    pod = next(pod for pod in release.pods if pod.part == "worker")
    for name, value in environment_of(pod.spec["containers"][0]).items():
        monkeypatch.setenv(name, value)
    settings = WorkerSettings()
    assert (settings.listen, str(settings.tls)) == ("0.0.0.0:50051", "/etc/ratoon/tls")


def test_gc_gets_every_database_and_the_one_store(release, monkeypatch):
    (pod,) = (pod for pod in release.pods if pod.part == "gc")
    environment = environment_of(pod.spec["containers"][0])
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    for service in service_names():
        own = next(pod for pod in release.pods if pod.part == service)
        for name in ("DATABASE_URL", "ARTIFACTS_URL"):
            variable = f"RATOON_{service.upper()}_{name}"
            assert environment[variable] == environment_of(own.spec["containers"][0])[variable]
        assert settings_of(service).artifacts_url.startswith("s3://")
    assert GcSettings().limits() == Limits()


def test_gc_gets_the_retention_settings_of_services(helm):
    release = helm.with_values({"serving": {"settings": {"rollout_days": 7, "idle_s": 60}}})
    (pod,) = (pod for pod in release.pods if pod.part == "gc")
    environment = environment_of(pod.spec["containers"][0])
    assert environment["RATOON_SERVING_ROLLOUT_DAYS"] == "7"
    assert "RATOON_SERVING_IDLE_S" not in environment


def test_the_plan_of_secrets_is_one(release):
    (container,) = release.one("Job", "ratoon-secrets")["spec"]["template"]["spec"]["containers"]
    plan = plan_of(environment_of(container)["RATOON_SECRETS_PLAN"])
    assert plan.services == sorted(service_names())


def certified(release):
    """Return every name in a certificate of the release."""
    generated = [name for names in release.plan["certificates"].values() for name in names]
    return {*generated, *(name for each in release.of("Certificate") for name in each["spec"]["dnsNames"])}


def called(environment):
    """The hosts that a service calls by TLS: its peers and its job workers."""
    addresses = [value for name, value in environment.items() if name.endswith(("_PEERS", "_JOBS"))]
    return set(re.findall(r"[a-z][a-z0-9.-]+(?=:50051)", " ".join(addresses)))


def test_whom_a_service_calls_shows_a_certificate_of_that_name(release):
    names = certified(release)
    for pod in release.pods:
        if pod.part not in service_names() or not names:  # given certificates are not ours to look into
            continue
        for host in called(environment_of(pod.spec["containers"][0])):
            assert host in names or f"*.{host.partition('.')[2]}" in names, (pod.name, host)


def test_calls_are_detected(helm):
    pods = {pod.part: pod for pod in helm.release("as it is").pods}
    calls = called(environment_of(pods["labeling"].spec["containers"][0]))
    services = {f"ratoon-{each}" for each in ("ingestion", "evaluation", "registry", "flywheel", "serving")}
    assert calls == {*services, "ratoon-worker-0.ratoon-worker.ratoon.svc"}
