"""Writes `charts/ratoon/values.schema.json`: `python -m scripts.chart_schema [check]`.

Owns what values a release may be given. A service's settings come from its own `Settings`, so that a name which there
is not is refused before anything is installed.
"""

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from ratoon.runtime.services import load, module_of, service_names
from ratoon.runtime.settings import old_names

ROOT = Path(__file__).resolve().parent.parent
CHART = ROOT / "charts/ratoon"
SCHEMA = CHART / "values.schema.json"
WIDTH = 110

Schema = dict[str, Any]
DEPENDENCIES = [each["name"] for each in yaml.safe_load((CHART / "Chart.yaml").read_text())["dependencies"]]
SERVICES = tuple(name for name in DEPENDENCIES if name in service_names())
JOBS = tuple(name for name in SERVICES if module_of("ratoon.workers", name))
IMAGES = ("services", "worker-cpu", "worker-cuda", "worker-neuron", "kafka", "postgresql", "s3")
# Settings that the chart itself gives, by what else stands in the values.
CHART_MANAGED = {
    "service",
    "state",
    "listen",
    "metrics",
    "keys",
    "tls",
    "peers",
    "database_url",
    "events",
    "artifacts_url",
    "jobs",
    "otlp",
    "trace_ratio",
}
CHART_MANAGED_BY_SERVICE = {
    "console": {"gateway", "host", "port"},
    "gateway": {"host", "port", "grpc"},
    "ingestion": {"record_secret"},
    "serving": {"engines", "engine_templates", "kubeconfig", "namespace", "owner"},
    "training": {"workers", "namespace", "owner", "kubeconfig"},
}
DRAFT = "https://json-schema.org/draft/2020-12/schema"
EMPTY: tuple[object, ...] = ("", None, [], {})
"""Defaults that read the same as no value at all."""
TEXT: Schema = {"type": "string"}
SWITCH: Schema = {"type": "boolean"}
ANYTHING: Schema = {"type": "object"}
LARGEST = 2**53
"""Helm reads numbers as 64-bit floats: larger whole numbers would be rounded."""
SHORT_NAME: Schema = {"pattern": "^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$"}


def main() -> int:
    """Write the schemas, or with `check` say which are stale; the exit status."""
    fresh = {path: compact(each) + "\n" for path, each in schemas().items()}
    if "check" not in sys.argv[1:]:
        for path, text in fresh.items():
            path.write_text(text)
        return 0
    stale = [path for path, text in fresh.items() if not path.exists() or path.read_text() != text]
    for path in stale:
        print(f"{path.relative_to(ROOT)} is stale: make chart")
    return 1 if stale else 0


def schemas() -> dict[Path, Schema]:
    """The schema of the chart, and of each sub-chart the rule which of its values cannot be null."""
    whole = schema()
    defaults = {path.parent: yaml.safe_load(path.read_text()) for path in CHART.glob("charts/*/values.yaml")}
    rules = {
        folder / SCHEMA.name: needed(values or {}, whole["properties"][folder.name])
        for folder, values in sorted(defaults.items())
    }
    return {SCHEMA: whole} | {path: {"$schema": DRAFT, **rule} for path, rule in rules.items() if rule}


def settings_of(service: str) -> list[str]:
    """The names of a service's settings that are for an operator to choose."""
    fields = load("ratoon.settings", service).model_fields
    managed = CHART_MANAGED | CHART_MANAGED_BY_SERVICE.get(service, set())
    return sorted(name for name in fields if name not in managed and not name.startswith("kafka_"))


def old_settings(service: str) -> dict[str, Schema]:
    """Return the schemas of a service's renamed settings by their old names."""
    names = old_names(load("ratoon.settings", service))
    return {old: ref("setting") | deprecated(new) for old, new in names.items()}


def schema() -> Schema:
    """The whole."""
    whole = record(
        engines=named(engine(), SHORT_NAME) | {"minProperties": 1},
        priorityClasses=named(priority_class()),
        monitoring=monitoring(),
        gc=gc(),
        upkeep=gc() | deprecated("gc"),
        hooks=record(pool=ref("poolName"), resources=ref("resources")),
        kafka=trial_server(retentionHours=count(1)),
        postgresql=trial_server(),
        s3=trial_server(),
        ray=ray(),
        console=console(),
        **{name: service(name) for name in SERVICES},
        **dict.fromkeys(("worker", "common"), ANYTHING),
        **{"global": shared()},
    )
    head = {"$schema": DRAFT, "title": "Values of the chart ratoon"}
    own = yaml.safe_load((CHART / "values.yaml").read_text())
    parts = {path.parent.name for path in CHART.glob("charts/*/values.yaml")}
    required = needed({name: value for name, value in own.items() if name not in parts}, whole)
    return head | whole | {"allOf": [required]} | {"$defs": definitions()}


def needed(defaults: Mapping[str, Any], fields: Schema) -> Schema:
    """Return the rule that each key with a default other than an empty one is there, at every depth.

    Helm removes a key that is null from the values, so a null that the templates cannot take reads as a missing key.
    """
    if "$ref" in fields:
        fields = definitions()[fields["$ref"].rpartition("/")[2]]
    known = fields.get("properties", {})
    named_values = {name: value for name, value in defaults.items() if name in known and value not in EMPTY}
    tables = {name: value for name, value in named_values.items() if isinstance(value, Mapping)}
    inner = {name: needed(value, known[name]) for name, value in tables.items()}
    inner = {name: rule for name, rule in inner.items() if rule}
    required: Schema = {"required": sorted(named_values)} if named_values else {}
    return required | ({"properties": inner} if inner else {})


def shared() -> Schema:
    """Return the settings of every part."""
    peers = many(ANYTHING)
    port: Schema = {"type": "integer", "minimum": 1, "maximum": 65_535}
    opening = record(
        required=("peers", "ports"),
        peers=peers | {"minItems": 1},
        ports=many(port) | {"minItems": 1},
    )
    openings = many(opening)
    return record(
        images=record(
            registry=TEXT,
            tag=TEXT,
            pinned=named(TEXT, one_of(*IMAGES)),
            pullPolicy=one_of("Always", "IfNotPresent", "Never"),
            pullSecrets=many(TEXT),
        ),
        clusterDomain=TEXT,
        pools=named(pool(), SHORT_NAME) | {"minProperties": 1},
        tls=record(
            mode=one_of("generated", "certManager", "existing", "off"),
            issuer=record(name=TEXT, kind=one_of("Issuer", "ClusterIssuer"), group=TEXT),
            existingSecrets=TEXT,
        ),
        events=record(bootstrap=like("^$|^[^,:/ ]+:[0-9]+(,[^,:/ ]+:[0-9]+)*$"), security=kafka_security()),
        database=record(existingSecrets=TEXT, port=count(1, 65535)),
        artifacts=record(
            bucket=like("^$|^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$"),
            prefix=like("^([^/]+(/[^/]+)*)?$"),
            endpoint=like("^$|^https?://[^/]+/?$"),
            region=TEXT,
            existingSecret=TEXT,
            serviceAccountAnnotations=named(TEXT),
        ),
        workers=named(worker(), like("^worker(-[a-z0-9-]{0,20}[a-z0-9])?$")) | {"minProperties": 1},
        curation=record(executor=one_of("pool", "ray")),
        observability=record(
            otlp=like("^$|^https?://"), traceRatio={"type": "number", "minimum": 0, "maximum": 1}
        ),
        networkPolicies=record(
            enabled=SWITCH,
            dns=peers,
            apiServer=peers,
            monitoring=peers,
            callers=peers,
            outside=record(
                events=peers,
                database=peers,
                artifacts=peers,
                traces=peers,
                connections=openings,
                crawls=openings,
                judges=openings,
            ),
        ),
        keep=record(data=SWITCH, secrets=SWITCH),
    )


def kafka_security() -> Schema:
    """Return the security settings of the Kafka connection."""
    return record(
        protocol=one_of("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"),
        caSecret=TEXT,
        mechanism=one_of("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"),
        credentialsSecret=TEXT,
    )


def pool() -> Schema:
    """A node pool."""
    return record(
        ["flavour"],
        flavour=one_of("cpu", "cuda", "neuron"),
        deviceResource=like("^$|^[a-z0-9.-]+/[a-z0-9.-]+$"),
        nodeSelector=named(TEXT),
        tolerations=many(ANYTHING),
        affinity=ANYTHING,
        spreadOver=many(TEXT),
        priorityClassName=TEXT,
        runtimeClassName=TEXT,
    )


def worker() -> Schema:
    """A group of job workers."""
    fields: Schema = {
        "pool": ref("poolName"),
        "replicas": count(1),
        "devices": count(),
        "services": many(one_of(*JOBS)) | {"uniqueItems": True},
        "resources": ref("resources"),
        "storage": ref("storage"),
    }
    return record(list(fields), **fields)


def engine() -> Schema:
    """A kind of engine."""
    return record(
        ["pool", "resources"],
        pool=ref("poolName"),
        capacity=count(),
        devices=count(),
        kvCacheMiB=count(),
        maxModelLen=count(16),
        dtype=one_of("float32", "bfloat16", "float16"),
        arguments=many(TEXT),
        drainSeconds=count(1, 86400),
        weightsSizeLimit=ref("quantity"),
        weightsClassName=TEXT,
        sharedMemory=ref("quantity"),
        env=ref("env"),
        resources=ref("resources"),
    )


def ray() -> Schema:
    """The Ray cluster."""
    group = record(
        ["pool", "resources"],
        pool=ref("poolName"),
        replicas=count(),
        minReplicas=count(),
        maxReplicas=count(),
        cpus=count(1),
        devices=count(),
        sharedMemory=ref("quantity"),
        scratchSizeLimit=ref("quantity"),
        resources=ref("resources"),
    )
    return part(
        mode=one_of("static", "kuberay", "none"),
        autoscaling=SWITCH,
        idleTimeoutSeconds=count(1),
        head=record(pool=ref("poolName"), dashboard=SWITCH, resources=ref("resources")),
        jobs=record(resources=ref("resources"), storage=ref("storage")),
        workers=named(group, SHORT_NAME),
    )


def service(name: str) -> Schema:
    """One of the eight."""
    beside: Schema = {}
    if name == "gateway":
        port: Schema = {"anyOf": [{"type": "null"}, count(1, 65535)]}
        kinds = one_of("", "ClusterIP", "NodePort", "LoadBalancer")
        beside = {
            "service": record(type=kinds, annotations=named(TEXT), nodePort=port),
            "ingress": ref("ingress"),
            "httpRoute": record(enabled=SWITCH, parentRefs=many(ANYTHING), hostnames=many(TEXT)),
        }
    if name == "training":
        beside = {"workers": named(run_worker(), one_of("cpu", "cuda", "neuron"))}
    return workload(
        name,
        replicas=count(1),
        stateSizeLimit=ref("quantity"),
        drainDelaySeconds=count(1, 600),
        terminationGracePeriodSeconds=count(10, 86400),
        **beside,
    )


def run_worker() -> Schema:
    """Pods of a run's own."""
    return record(
        ["pool", "maxMemory"],
        pool=ref("poolName"),
        cpus={"type": "number", "exclusiveMinimum": 0},
        maxMemory=ref("quantity"),
        sharedMemory=ref("quantity"),
        scratchSizeLimit=ref("quantity"),
        env=ref("env"),
    )


def console() -> Schema:
    """The web page."""
    return workload("console", enabled=SWITCH, ingress=ref("ingress"))


def workload(name: str, **fields: Schema) -> Schema:
    """Return the values that services and the console share."""
    return part(
        pool=ref("poolName"),
        resources=ref("resources"),
        settings=record(**dict.fromkeys(settings_of(name), ref("setting")), **old_settings(name)),
        env=ref("env"),
        podAnnotations=named(TEXT),
        serviceAccount=record(annotations=named(TEXT)),
        **fields,
    )


def trial_server(**fields: Schema) -> Schema:
    """A server that a release brings along."""
    return part(
        enabled=SWITCH, pool=ref("poolName"), storage=ref("storage"), resources=ref("resources"), **fields
    )


def priority_class() -> Schema:
    """A PriorityClass."""
    return record(
        ["value"],
        value=count(-(2**31), 10**9),
        description=TEXT,
        preemptionPolicy=one_of("PreemptLowerPriority", "Never"),
    )


def gc() -> Schema:
    """Return the schema of the garbage-collection CronJob."""
    return record(
        enabled=SWITCH,
        schedule=TEXT,
        keepDays=count(),
        graceHours=count(1),
        quotaGiB=count(),
        activeDeadlineSeconds=count(1),
        pool=ref("poolName"),
        resources=ref("resources"),
    )


def monitoring() -> Schema:
    """Return the values of Prometheus and Grafana."""
    return record(
        serviceMonitor=SWITCH,
        interval=like("^[0-9]+(ms|s|m)$"),
        rules=SWITCH,
        labels=named(TEXT),
        dashboard=SWITCH,
        dashboardLabels=named(TEXT),
    )


def definitions() -> Schema:
    """Return the definitions that are referred to by name."""
    amounts = named(ref("quantity"))
    variable = like("^[A-Za-z_][A-Za-z0-9_]*$")
    return {
        "quantity": {
            "description": "A Kubernetes quantity, such as 500m or 4Gi.",
            "anyOf": [
                like("^[0-9]+(\\.[0-9]+)?(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$"),
                {"type": "number", "minimum": 0},
            ],
        },
        "resources": record(requests=amounts, limits=amounts),
        "poolName": {"description": "The name of one of global.pools.", "type": "string", "minLength": 1},
        "storage": record(size=ref("quantity"), className=TEXT, persistent=SWITCH),
        "ingress": record(
            enabled=SWITCH, className=TEXT, annotations=named(TEXT), hosts=many(TEXT), tlsSecret=TEXT
        ),
        "setting": {"type": ["string", "number", "boolean"]},
        "env": many({"type": "object", "required": ["name"], "properties": {"name": variable}}),
    }


def record(required: Iterable[str] = (), **fields: Schema) -> Schema:
    """An object with these fields and no others."""
    needed: Schema = {"required": list(required)} if required else {}
    return {"type": "object", "additionalProperties": False, **needed, "properties": fields}


def part(**fields: Schema) -> Schema:
    """The values of a sub-chart, into which Helm puts what is global."""
    return record(**fields, **{"global": ANYTHING})


def named(value: Schema, names: Schema | None = None) -> Schema:
    """An object whose names the operator chooses.

    The names stand as patterns of properties: Helm reports a fault of `propertyNames` at the place of another value.
    """
    if names is None:
        return {"type": "object", "additionalProperties": value}
    pattern = names.get("pattern") or f"^({'|'.join(names['enum'])})$"
    return {"type": "object", "additionalProperties": False, "patternProperties": {pattern: value}}


def many(value: Schema) -> Schema:
    """A list."""
    return {"type": "array", "items": value}


def one_of(*values: str) -> Schema:
    """One of these words."""
    return {"enum": list(values)}


def like(pattern: str) -> Schema:
    """A text of this form."""
    return {"type": "string", "pattern": pattern}


def deprecated(successor: str) -> Schema:
    """Return the annotations of a value under its old name."""
    return {"deprecated": True, "description": f"Deprecated, removed in the next release: use {successor}."}


def count(minimum: int = 0, maximum: int | None = None) -> Schema:
    """A whole number within bounds."""
    return {"type": "integer", "minimum": minimum, "maximum": LARGEST if maximum is None else maximum}


def ref(name: str) -> Schema:
    """Return a reference to the definition of this name."""
    return {"$ref": f"#/$defs/{name}"}


def compact(value: object, indent: int = 0) -> str:
    """JSON with what is short on one line."""
    line = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, Mapping | list) or len(line) + indent <= WIDTH:
        return line
    inner = " " * (indent + 2)
    if isinstance(value, list):
        return (
            "[\n"
            + ",\n".join(f"{inner}{compact(each, indent + 2)}" for each in value)
            + "\n"
            + " " * indent
            + "]"
        )
    fields = [f"{inner}{json.dumps(key)}: {compact(each, indent + 2)}" for key, each in value.items()]
    return "{\n" + ",\n".join(fields) + "\n" + " " * indent + "}"


if __name__ == "__main__":
    sys.exit(main())
