"""Checks of the chart without Helm: its values, its table of callers, its alerts and its dashboard."""

import importlib.util
import json
import re
from pathlib import Path

import jsonschema
import pytest
import yaml

from ratoon.runtime.services import service_names

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts/ratoon"
RUNBOOKS = ROOT / "docs/operations/runbooks"
SCHEMA = json.loads((CHART / "values.schema.json").read_text())
EXAMPLES = sorted((CHART / "examples").glob("*.yaml"))
ALERTS = [
    rule
    for group in yaml.safe_load((CHART / "files/alerts.yaml").read_text())["groups"]
    for rule in group["rules"]
]
DASHBOARD = json.loads((CHART / "files/dashboard.json").read_text())
SUFFIXES = re.compile(r"_(bucket|count|sum|created)$")


def script(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / f"scripts/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def joined(values, others):
    """Values as Helm joins them: maps key by key, null takes a key out."""
    whole = dict(values)
    for key, value in others.items():
        if value is None:
            whole.pop(key, None)
        elif isinstance(value, dict) and isinstance(whole.get(key), dict):
            whole[key] = joined(whole[key], value)
        else:
            whole[key] = value
    return whole


def values_of(example=None):
    whole = yaml.safe_load((CHART / "values.yaml").read_text())
    for path in CHART.glob("charts/*/values.yaml"):
        own = yaml.safe_load(path.read_text()) or {}
        whole[path.parent.name] = joined(own, whole.get(path.parent.name) or {})
    return joined(whole, yaml.safe_load(example.read_text())) if example else whole


def metrics_in(query):
    return {SUFFIXES.sub("", name) for name in re.findall(r"\bratoon_\w+", query)}


def test_the_schema_and_the_reference_are_fresh():
    schema, reference = script("chart_schema"), script("chart_values")
    assert schema.SCHEMA.read_text() == schema.compact(schema.schema()) + "\n"
    assert reference.PAGE.read_text() == reference.page()


def test_the_reference_says_what_each_value_means():
    rows = [
        line.split(" | ") for line in script("chart_values").page().splitlines() if line.startswith("| `")
    ]
    assert [row[0] for row in rows if not row[2].strip(" |")] == []
    assert len(rows) > 100


@pytest.mark.parametrize("example", [None, *EXAMPLES], ids=lambda path: path.stem if path else "as they are")
def test_the_values_are_what_the_schema_allows(example):
    jsonschema.Draft202012Validator(SCHEMA).validate(values_of(example))


def test_the_old_name_of_gc_is_allowed_and_deprecated():
    values = joined(values_of(), {"upkeep": {"keepDays": 3}})
    jsonschema.Draft202012Validator(SCHEMA).validate(values)
    assert SCHEMA["properties"]["upkeep"]["deprecated"]
    assert "use gc" in SCHEMA["properties"]["upkeep"]["description"]


def test_an_old_name_of_a_setting_is_allowed_and_deprecated():
    values = joined(values_of(), {"serving": {"settings": {"engine_room_s": 5}}})
    jsonschema.Draft202012Validator(SCHEMA).validate(values)
    settings = SCHEMA["properties"]["serving"]["properties"]["settings"]["properties"]
    assert settings["engine_room_s"]["deprecated"]
    assert "use placement_timeout_s" in settings["engine_room_s"]["description"]


@pytest.mark.parametrize(
    "nonsense",
    [
        {"registry": {"replica": 2}},
        {"registry": {"replicas": 0}},
        {"registry": {"settings": {"golden_cout": 4}}},
        {"registry": {"settings": {"database_url": "sqlite://"}}},
        {"global": {"tls": {"mode": "maybe"}}},
        {"global": {"pools": {"gpu": {"flavour": "rocm"}}}},
        {"global": {"events": {"bootstrap": "kafka://broker:9092"}}},
        {"global": {"workers": {"worker": {"services": ["serving"]}}}},
        {"engines": {"cpu": {"resources": {"limits": {"memory": "4 GB"}}}}},
        {"ray": {"mode": "yarn"}},
    ],
)
def test_nonsense_is_refused(nonsense):
    assert not jsonschema.Draft202012Validator(SCHEMA).is_valid(joined(values_of(), nonsense))


def test_the_table_of_services_names_those_whom_each_service_calls():
    text = (CHART / "charts/common/templates/_services.tpl").read_text()
    table = (
        text[text.index('{{- define "common.services" -}}') :].partition("-}}\n")[2].partition("{{- end")[0]
    )
    entries = yaml.safe_load(table)
    assert set(entries) == set(service_names())
    for service, entry in entries.items():
        code = "\n".join(path.read_text() for path in (ROOT / f"services/{service}/src").rglob("*.py"))
        called = set(re.findall(r'\.peer\("(\w+)"\)', code))
        if service == "gateway":
            called = set(service_names()) - {"gateway"}  # it proxies every service's public API
        assert set(entry["calls"]) == called, service
        assert entry["jobs"] == bool(re.search(r"\b(base|runtime)\.jobs\(\)", code)), service


def test_sub_charts_have_the_version_of_the_whole():
    whole = yaml.safe_load((CHART / "Chart.yaml").read_text())
    parts = {path.parent.name: yaml.safe_load(path.read_text()) for path in CHART.glob("charts/*/Chart.yaml")}
    assert {each["name"] for each in whole["dependencies"]} == set(parts)
    assert {each["version"] for each in parts.values()} == {whole["version"]}
    assert {each["appVersion"] for each in parts.values() if "appVersion" in each} == {whole["appVersion"]}


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_an_alert_uses_existing_metrics_and_has_a_runbook(rule, known_metrics):
    assert metrics_in(rule["expr"])
    assert metrics_in(rule["expr"]) <= known_metrics
    runbook = ROOT / rule["annotations"]["runbook"]
    assert runbook.read_text().startswith(f"# {rule['alert']}\n")


def test_each_runbook_is_of_an_alert():
    named = {ROOT / rule["annotations"]["runbook"] for rule in ALERTS}
    assert set(RUNBOOKS.glob("*.md")) == named


def test_the_dashboard_uses_existing_metrics(known_metrics):
    queries = [target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", [])]
    used = set().union(*map(metrics_in, queries))
    assert used <= known_metrics
    assert len(queries) > 20
    identities = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(identities) == len(set(identities))


def test_scaling_by_prometheus_uses_existing_metrics(known_metrics):
    scaled = yaml.safe_load((CHART / "examples/extra/keda.yaml").read_text())
    queries = [each["metadata"]["query"] for each in scaled["spec"]["triggers"]]
    assert all(metrics_in(query) and metrics_in(query) <= known_metrics for query in queries)
    assert scaled["spec"]["minReplicaCount"] >= 1
