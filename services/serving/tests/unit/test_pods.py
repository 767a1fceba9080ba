"""Status of pods of engines, and the template of a pool as serving fills it in."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from ratoon.process.errors import FailedPrecondition
from ratoon.tasks.compute import Accelerator
from ratoon_serving.adapters import engine_manifest as manifest
from ratoon_serving.adapters.engine_deployments import PodEngines
from ratoon_serving.adapters.pod_file import pod_file
from ratoon_serving.adapters.pods import living, pod_status
from ratoon_serving.application.ports import EngineTimeouts
from ratoon_serving.domain.engine import Engine, Fence

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NAME = "projects/p/deployments/mail/engines/v1.0-0a1b2c3d"
ENGINE = Engine(NAME, NOW, NOW, 1, "projects/p/models/mail/versions/v1.0", "d" * 64, "5" * 64, "g", "mail")
SCOPE = manifest.Scope("ns", "cpu", "r-serving", "uid-1")
TEMPLATE = """
kind: Deployment
metadata: {labels: {app.kubernetes.io/component: serving, team: ml}, annotations: {ratoon.dev/capacity: "2"}}
spec:
  template:
    metadata: {labels: {app.kubernetes.io/instance: r}}
    spec:
      containers: [{name: engine, image: i, ports: [{containerPort: 8000}]}]
      volumes: [{name: engine, secret: {secretName: "", defaultMode: 288}}, {name: tmp, emptyDir: {}}]
"""


def pod(state=None, ip="10.0.0.7", *, phase="Running", last=None, init=None, conditions=(), deleted=False):
    status = {"phase": phase, "podIP": ip, "conditions": list(conditions)}
    if state is not None:
        status["containerStatuses"] = [
            {"name": "engine", "state": state, "lastState": last or {}, "started": True}
        ]
    if init is not None:
        status["initContainerStatuses"] = [{"name": "fetch", "state": {}, "lastState": init}]
    meta = {"name": "p", "uid": "u", "creationTimestamp": "2026-01-01T00:00:00Z"}
    spec = {"containers": [{"name": "engine", "ports": [{"containerPort": 8123}]}]}
    return {
        "metadata": {**meta, **({"deletionTimestamp": "x"} if deleted else {})},
        "spec": spec,
        "status": status,
    }


def test_a_pod_whose_engine_runs_is_reached_at_its_own_address():
    assert pod_status(pod({"running": {}})).endpoint == "http://10.0.0.7:8123"
    assert pod_status(pod({"running": {}}, "fd00::7")).endpoint == "http://[fd00::7]:8123"
    assert pod_status(pod({"running": {}}, "")).endpoint == ""


def test_a_pod_that_no_node_takes_says_so_in_the_schedulers_words():
    condition = {
        "type": "PodScheduled",
        "status": "False",
        "message": "0/3 nodes are available: 3 Insufficient memory.",
    }
    status = pod_status(pod(ip="", phase="Pending", conditions=[condition]))
    assert (status.failed, status.message) == (False, f"no node accepts its pod: {condition['message']}")


def test_an_engine_that_ended_says_how():
    ended = {"terminated": {"reason": "Error", "exitCode": 1, "message": "one\nValueError: no such model\n"}}
    for state, last in ((ended, None), ({"waiting": {"reason": "CrashLoopBackOff"}}, ended)):
        status = pod_status(pod(state, last=last))
        message = "its container ended (Error, exit code 1): no such model"
        assert (status.failed, status.message) == (True, message)


def test_unavailable_weights_are_waited_for_and_untrusted_ones_are_not():
    waiting = {"waiting": {"reason": "PodInitializing"}}
    away, untrue = ({"terminated": {"reason": "Error", "exitCode": code}} for code in (1, 3))
    assert not pod_status(pod(waiting, init=away)).failed
    assert pod_status(pod(waiting, init=untrue)).failed


def test_pods_that_end_or_have_ended_do_not_count():
    assert living([pod({"running": {}}, deleted=True), pod(phase="Failed")]) == []


def test_serving_fills_in_the_engine_and_leaves_the_rest_to_the_template():
    two = replace(ENGINE, replicas=2)
    deployment = manifest.deployment(manifest.template(TEMPLATE, "cpu"), two, SCOPE, Fence("rollout", 7))
    assert deployment["spec"]["replicas"] == 2
    name = deployment["metadata"]["name"]
    assert name.startswith("engine-mail-v1-0-0a1b2c3d-")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert labels["app.kubernetes.io/component"] == "engine"
    assert labels["app.kubernetes.io/instance"] == "r"
    assert (
        deployment["spec"]["selector"]["matchLabels"]
        == {manifest.NAME: name}
        == {manifest.NAME: labels[manifest.NAME]}
    )
    assert deployment["metadata"]["labels"]["team"] == "ml"
    (owner,) = deployment["metadata"]["ownerReferences"]
    assert (owner["name"], owner["uid"]) == ("r-serving", "uid-1")
    annotations = deployment["metadata"]["annotations"]
    assert (annotations[manifest.TARGET], annotations[manifest.CAPACITY], manifest.fences(annotations)) == (
        NAME,
        "2",
        {"rollout": 7},
    )
    volume = deployment["spec"]["template"]["spec"]["volumes"][0]["secret"]
    assert volume == {"secretName": name, "defaultMode": 288}


def test_names_are_short_readable_and_unique():
    long = f"projects/p/deployments/{'x' * 60}/engines/{'Y.' * 30}"
    names = {manifest.object_name(each) for each in (NAME, long, f"{long}z", NAME.replace("/p/", "/q/"))}
    assert len(names) == 4
    assert all(len(name) <= 63 and name.replace("-", "").isalnum() and name.islower() for name in names)


@pytest.mark.parametrize(
    "text", ["a: [", "kind: Pod", TEMPLATE.replace("name: engine, image", "name: other, image")]
)
def test_an_invalid_template_is_refused_with_its_pool(text):
    with pytest.raises(FailedPrecondition, match="'gpu'"):
        manifest.template(text, "gpu")


def test_the_accelerator_selects_the_pool(tmp_path):
    def pool(name: str, accelerator: str = "") -> None:
        named = f"annotations: {{{manifest.ACCELERATOR}: {accelerator}, " if accelerator else "annotations: {"
        (tmp_path / f"{name}.yaml").write_text(TEMPLATE.replace("annotations: {", named))

    pool("cpu")
    pool("large", "cuda")
    pool("small", "cuda")
    engines = PodEngines("r-serving", tmp_path, "cpu", EngineTimeouts())
    assert engines.pool_of("", Accelerator.CPU) == ""
    assert engines.pool_of("", Accelerator.CUDA) == "large"
    assert engines.pool_of("small", Accelerator.CUDA) == "small"
    assert replace(engines, default_pool="small").pool_of("", Accelerator.CUDA) == ""
    for name, accelerator in (("", Accelerator.NEURON), ("small", Accelerator.CPU)):
        with pytest.raises(FailedPrecondition, match=f"on {accelerator.lower()}") as refused:
            engines.pool_of(name, accelerator)
        assert refused.value.reason == "ACCELERATOR_UNAVAILABLE"


def test_the_fences_of_the_latest_operations_are_retained():
    annotations: dict[str, str] = {}
    for number in range(40):
        annotations = manifest.fenced(annotations, Fence(f"operation {number}", number))
    annotations = manifest.fenced(annotations, Fence("operation 30", 99))
    known = manifest.fences(annotations)
    assert (len(known), known["operation 30"], known["operation 39"]) == (16, 99, 39)


def test_the_settings_of_a_pod_name_what_it_fetches_and_for_an_adapter_its_base_too():
    settings = json.loads(pod_file(ENGINE, ()))
    assert (settings["model"], settings["trees"], settings["starts_closed"]) == (
        "d" * 64,
        {"d" * 64: "5" * 64},
        True,
    )
    adapter = replace(ENGINE, base_digest="b" * 64, base_signature_digest="6" * 64)
    settings = json.loads(pod_file(adapter, ("adapter_config.json", "chat_template.jinja")))
    assert (settings["model"], settings["version"], settings["lora"]) == ("b" * 64, "", True)
    assert settings["trees"] == {"b" * 64: "6" * 64, "d" * 64: "5" * 64}
    assert settings["chat_template"] == f"{'d' * 64}/chat_template.jinja"
