"""Unusual values: large numbers, texts that look like numbers, nulls, long names, and random ones."""

import json
import re
from concurrent.futures import ThreadPoolExecutor

import pytest
import yaml
from hypothesis import HealthCheck, given, settings

from tests.charts import drawn
from tests.charts.manifests import CHART, Refused, Release

NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
LABEL = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?")
LONGEST = {"StatefulSet": 52, "CronJob": 52, "RayCluster": 50, "Service": 63, "Deployment": 63, "Job": 63}
FAULTS = (
    "nil pointer",
    "error calling",
    "wrong type",
    "incompatible types",
    "can't evaluate",
    "YAML parse error",
    "%!",
)
"""Parts of Helm's own messages: a template met a value that it was not written for."""
LARGE = {
    "gc": {"activeDeadlineSeconds": 2592000, "quotaGiB": 1048576},
    "kafka": {"retentionHours": 1000000},
    "ray": {"mode": "kuberay", "autoscaling": True, "idleTimeoutSeconds": 2592000},
    "engines": {"cpu": {"maxModelLen": 1048576, "kvCacheMiB": 2097152, "capacity": 1000000}},
    "gateway": {"settings": {"max_blob_bytes": 17179869184, "drain_s": 1800}},
    "priorityClasses": {"important": {"value": 1000000, "description": "for a test"}},
}
NAMES = {
    "global": {
        "images": {"tag": "20261201", "pullSecrets": ["123456", "1e3", "yes"]},
        "artifacts": {"bucket": "2026", "region": "1e3", "existingSecret": "20261201", "prefix": "0123"},
        "pools": {
            "cpu": {"priorityClassName": "1000", "runtimeClassName": "true", "nodeSelector": {"disk": "null"}}
        },
    },
    "s3": {"enabled": False},
    "kafka": {"storage": {"className": "0123"}},
    "engines": {"cpu": {"weightsClassName": "0123"}},
    "ray": {"jobs": {"storage": {"className": "1e3"}}},
}


@pytest.fixture
def render(helm, tmp_path):
    """Render a release by values of a file, which Helm reads differently from those of a flag."""

    def rendered(values, name="ratoon"):
        path = tmp_path / "values.yaml"
        path.write_text(json.dumps(values))
        return Release("given", helm.render("--values", str(path), name=name))

    return rendered


def refusal(error):
    """The message of a refusal, which must be the chart's own sentence or name the place of the fault."""
    message = str(error)
    assert not any(fault in message for fault in FAULTS), message
    return message


def test_large_numbers_stay_whole(render, conformity):
    release = render(LARGE)
    assert conformity(list(release.native)) == []
    assert release.of("CronJob")[0]["spec"]["jobTemplate"]["spec"]["activeDeadlineSeconds"] == 2592000
    assert release.of("RayCluster")[0]["spec"]["autoscalerOptions"]["idleTimeoutSeconds"] == 2592000
    assert not re.search(r"\d[eE][+-]?\d", json.dumps(release.one("ConfigMap", "ratoon-kafka")["data"]))
    engine = json.dumps(release.engines)
    assert "1048576" in engine and not re.search(r"(?<![\w.])\d+(\.\d+)?e[+-]\d+", engine)


def test_texts_that_look_like_numbers_stay_texts(render, conformity):
    release = render(NAMES)
    assert conformity(list(release.native)) == []
    pod = release.one("Deployment", "ratoon-registry")["spec"]["template"]["spec"]
    assert pod["priorityClassName"] == "1000"
    assert pod["runtimeClassName"] == "true"
    assert [each["name"] for each in pod["imagePullSecrets"]] == ["123456", "1e3", "yes"]


@pytest.mark.parametrize("name", ["123", "1e3", "no"])
def test_a_release_with_a_name_that_looks_like_a_number(render, conformity, name):
    assert conformity(list(render({}, name).manifests)) == []


RELEASES = [
    "r",
    "ratoon",
    "x",
    "x-ratoon",
    "customer-support-ticket-triage-of-the-blue-team",
    "customer-support-ticket-triage-of-the-green-team",
    "abcdefghijklmnopqrstuvwxyz-abcdefghij-ratoon-staging",
    "abcdefghijklmnopqrstuvwxyz-abcdefghij-ratoon-testing",
]


def test_releases_never_share_a_name(helm):
    taken = {}
    for name in RELEASES:
        for each in helm.render(name=name):
            key = (each["kind"], each["metadata"]["name"])
            assert taken.setdefault(key, name) == name, f"{key} is of {taken[key]} and of {name}"
            assert NAME.fullmatch(key[1]) and len(key[1]) <= LONGEST.get(key[0], 253), key
            for label, value in each["metadata"].get("labels", {}).items():
                assert len(value) <= 63 and LABEL.fullmatch(value), (key, label, value)


def nulls():
    """Each key of the chart's values, but the sub-chart without values of its own, which Helm itself refuses."""
    return sorted(path for path in drawn.paths(drawn.defaults()) if path != ("worker",))


def outcome(helm, conformity, path, folder):
    """Set one key to null; return the fault, or None if it renders as valid or is refused by its name."""
    file = folder / ("-".join(path) + ".yaml")
    file.write_text(yaml.safe_dump(drawn.at(path, None)))
    try:
        printed = helm.run("template", "ratoon", str(CHART), "--namespace", "ratoon", "--values", str(file))
    except Refused as error:
        message = str(error)
        if any(fault in message for fault in FAULTS) or not any(name in message for name in path[-2:]):
            return f"{'.'.join(path)}: {message[:400]}"
        return None
    release = Release("given", [each for each in yaml.load_all(printed, yaml.CSafeLoader) if each])
    if "%!" in printed or "<nil>" in printed or "<no value>" in printed:
        return f"{'.'.join(path)}: a null is written out"
    faults = conformity(list(release.native))
    return f"{'.'.join(path)}: {faults}" if faults else None


@pytest.mark.parametrize(
    "share", [pytest.param(n, marks=[] if n == 0 else pytest.mark.thorough) for n in range(6)]
)
def test_every_key_may_be_null_or_is_refused_by_name(helm, conformity, tmp_path, share):
    chosen = nulls()[share::6]
    assert len(chosen) > 20
    with ThreadPoolExecutor(2) as threads:
        outcomes = threads.map(lambda path: outcome(helm, conformity, path, tmp_path), chosen)
    assert [fault for fault in outcomes if fault] == []


def holds_when_drawn(render, conformity, values):
    """Drawn values render as what the API takes, or are refused by a sentence."""
    try:
        release = render(values)
    except Refused as error:
        refusal(error)
        return
    assert conformity(list(release.native)) == []


@given(values=drawn.drawn())
@settings(max_examples=25, suppress_health_check=list(HealthCheck))
def test_drawn_values_render_or_are_refused(render, conformity, values):
    holds_when_drawn(render, conformity, values)


@pytest.mark.thorough
@given(values=drawn.drawn())
@settings(max_examples=200, suppress_health_check=list(HealthCheck))
def test_many_drawn_values_render_or_are_refused(render, conformity, values):
    holds_when_drawn(render, conformity, values)
