"""Kubernetes objects of an engine: the template of its pool, filled in by serving. It makes no call.

The process of an engine is one Deployment. A version that replaces another one in it changes the Secret and two
annotations, never the pods.
"""

import copy
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

import yaml

from ratoon.engine.contract import ENGINE_FILE
from ratoon.kubernetes.cluster_api import JSON
from ratoon.process.errors import FailedPrecondition
from ratoon.tasks.compute import Accelerator
from ratoon_serving.domain.engine import Engine, Fence

CONTAINER = "engine"
VOLUME = "engine"
FILE = ENGINE_FILE
NAME = "ratoon.dev/engine"
"""Label of the Deployment and its pods: the Deployment's name."""
POOL = "ratoon.dev/pool"
OWNER = "ratoon.dev/owner"
CAPACITY = "ratoon.dev/capacity"
ACCELERATOR = "ratoon.dev/accelerator"
"""Annotation of a template: accelerator of the pool, `cpu` (also without one), `cuda` or `neuron`."""
PROCESS = "ratoon.dev/process"
"""Annotation: resource name of the engine that the process was created for."""
TARGET = "ratoon.dev/target"
"""Annotation: resource name of the engine that the process must hold; empty: only the base model."""
VERSION = "ratoon.dev/version"
"""Annotation: version of the target."""
FENCES = "ratoon.dev/fences"
"""Annotation: highest fencing number by operation, of the latest operations."""
_MAX_NAME = 50
_MAX_FENCES = 16


@dataclass(frozen=True)
class Scope:
    """Namespace, pool and owner of an engine."""

    namespace: str
    pool: str
    owner: str
    """Name of serving's own Deployment."""
    owner_uid: str
    """UID of that Deployment; empty: engines have no owner."""


def selector(owner: str) -> str:
    """Return the label selector of all engines of this serving."""
    return f"app.kubernetes.io/component=engine,{OWNER}={owner}"


def object_name(process: str) -> str:
    """Return the Kubernetes name of a process: readable, and unique by a hash."""
    parts = process.split("/")
    readable = re.sub(r"[^a-z0-9]+", "-", f"{parts[-3]}-{parts[-1]}".lower() if len(parts) > 2 else process)
    digest = hashlib.sha256(process.encode()).hexdigest()[:8]
    return f"engine-{readable.strip('-')[: _MAX_NAME - 16].strip('-')}-{digest}"


def template(text: str, pool: str) -> JSON:
    """Return the template of a pool; FailedPrecondition if it is invalid."""
    try:
        manifest = yaml.safe_load(text)
        pod = manifest["spec"]["template"]["spec"]
        names = [container["name"] for container in pod["containers"]]
        volumes = [volume["name"] for volume in pod["volumes"]]
    except (yaml.YAMLError, KeyError, TypeError) as error:
        raise _no_template(pool, f"it is not a Deployment ({error!r})") from None
    if manifest.get("kind") != "Deployment" or CONTAINER not in names or VOLUME not in volumes:
        raise _no_template(pool, f"it needs a container {CONTAINER!r} and a volume {VOLUME!r}")
    return dict(manifest)


def capacity(pool_template: JSON) -> int | None:
    """Return the number of engine pods that the pool can hold; None if it is not stated."""
    stated = pool_template.get("metadata", {}).get("annotations", {}).get(CAPACITY, "")
    return int(stated) if stated else None


def accelerator(pool_template: JSON) -> Accelerator | None:
    """Return the accelerator of a pool; None for an unknown one."""
    stated = pool_template.get("metadata", {}).get("annotations", {}).get(ACCELERATOR) or Accelerator.CPU
    return Accelerator.__members__.get(stated.upper())


def deployment(pool_template: JSON, engine: Engine, scope: Scope, fence: Fence) -> JSON:
    """Return the Deployment of an engine's process, with the desired number of pods."""
    name, body = object_name(engine.process), copy.deepcopy(pool_template)
    metadata = body.get("metadata", {})
    labels = {**metadata.get("labels", {}), **_labels(name, scope)}
    written = {
        **metadata.get("annotations", {}),
        PROCESS: engine.process,
        **target(engine),
        **fenced({}, fence),
    }
    body["apiVersion"], body["kind"] = "apps/v1", "Deployment"
    body["metadata"] = _metadata(name, scope, labels, written)
    body["spec"] |= {
        "replicas": engine.replicas,
        "strategy": {"type": "Recreate"},
        "selector": {"matchLabels": {NAME: name}},
    }
    pod = body["spec"]["template"]
    pod_metadata = pod.setdefault("metadata", {})
    pod_metadata["labels"] = {**pod_metadata.get("labels", {}), **_labels(name, scope)}
    for volume in pod["spec"]["volumes"]:
        if volume["name"] == VOLUME:
            volume["secret"] = {**volume.get("secret", {}), "secretName": name}
    return body


def secret(engine: Engine, content: str, scope: Scope) -> JSON:
    """Return the Secret with the settings of an engine's process."""
    name = object_name(engine.process)
    metadata = _metadata(name, scope, _labels(name, scope), {})
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {FILE: content}}


def target(engine: Engine) -> dict[str, str]:
    """Return the annotations of the target of a process."""
    return {TARGET: engine.name, VERSION: engine.version}


def fenced(annotations: Mapping[str, str], fence: Fence) -> dict[str, str]:
    """Return the annotation of fences with this one added; the oldest ones are dropped."""
    recorded = fences(annotations)
    recorded.pop(fence.operation, None)
    retained = [*recorded.items(), (fence.operation, fence.number)][-_MAX_FENCES:]
    return {FENCES: json.dumps(dict(retained))}


def fences(annotations: Mapping[str, str]) -> dict[str, int]:
    """Return the highest recorded fencing numbers by operation."""
    return {str(name): int(number) for name, number in json.loads(annotations.get(FENCES) or "{}").items()}


def annotations(resource: JSON) -> dict[str, str]:
    """Return the annotations of a resource."""
    return dict(resource["metadata"].get("annotations") or {})


def executor_state(resource: JSON) -> tuple[str, dict[str, str]]:
    """Return the UID of a Deployment and the annotations of executors, which controllers do not change."""
    written = annotations(resource)
    return resource["metadata"]["uid"], {
        key: written[key] for key in (TARGET, VERSION, FENCES) if key in written
    }


def is_target(resource: JSON, engine: Engine) -> bool:
    """Return whether this engine is the target of a Deployment."""
    return annotations(resource).get(TARGET) == engine.name


def label(resource: JSON, name: str) -> str:
    """Return a label of a resource; empty if it has none of this name."""
    return str((resource["metadata"].get("labels") or {}).get(name, ""))


def refusal(resource: JSON) -> str:
    """Return why the cluster refuses another pod of a Deployment, for example a quota; empty if it does not."""
    for condition in resource.get("status", {}).get("conditions") or []:
        if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
            return str(condition.get("message", "")) or "the cluster refuses to create a pod"
    return ""


def _labels(name: str, scope: Scope) -> dict[str, str]:
    return {
        "app.kubernetes.io/component": "engine",
        "app.kubernetes.io/managed-by": "ratoon-serving",
        NAME: name,
        POOL: scope.pool,
        OWNER: scope.owner,
    }


def _metadata(name: str, scope: Scope, labels: Mapping[str, str], written: Mapping[str, str]) -> JSON:
    owner = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "name": scope.owner,
        "uid": scope.owner_uid,
        "controller": False,
        "blockOwnerDeletion": False,
    }
    return {
        "name": name,
        "namespace": scope.namespace,
        "labels": dict(labels),
        "annotations": dict(written),
        "ownerReferences": [owner] if scope.owner_uid else [],
    }


def _no_template(pool: str, reason: str) -> FailedPrecondition:
    return FailedPrecondition(
        f"The template of the pool {pool!r} cannot be used: {reason}. Check its values in the chart.",
        reason="ENGINE_TEMPLATE_INVALID",
    )
