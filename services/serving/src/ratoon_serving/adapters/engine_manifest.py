"""The Kubernetes objects of an engine: what a pool's template says, and what serving fills in. It makes no call.

An engine's process is one Deployment; a version that takes another's place in it changes the Secret and two
annotations, never the pods.
"""

import copy
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

import yaml

from ratoon.chassis.cluster_api import JSON
from ratoon.chassis.errors import FailedPrecondition
from ratoon.engine.contract import ENGINE_FILE
from ratoon_serving.domain.engine import Engine, Fence

CONTAINER = "engine"
VOLUME = "engine"
FILE = ENGINE_FILE
NAME = "ratoon.dev/engine"
"""Label of the Deployment and its pods: the Deployment's name."""
POOL = "ratoon.dev/pool"
OWNER = "ratoon.dev/owner"
CAPACITY = "ratoon.dev/capacity"
PROCESS = "ratoon.dev/process"
"""Annotation: resource name of the engine that the process was made for,"""
TARGET = "ratoon.dev/target"
"""of the one that it is to hold; empty: none of its own,"""
VERSION = "ratoon.dev/version"
"""and that one's version."""
FENCES = "ratoon.dev/fences"
"""Annotation: the highest fencing number by operation, of the last ones that acted."""
_LONGEST = 50
_MOST_FENCES = 16


@dataclass(frozen=True)
class Place:
    """Where engines are, and whose they are."""

    namespace: str
    pool: str
    owner: str
    """Name of serving's own Deployment."""
    owner_uid: str
    """… and its UID; empty: engines are owned by nobody."""


def selector(owner: str) -> str:
    """The labels of all engines of this serving."""
    return f"app.kubernetes.io/component=engine,{OWNER}={owner}"


def object_name(process: str) -> str:
    """A process's name as Kubernetes takes it: readable, and told apart by a hash."""
    parts = process.split("/")
    readable = re.sub(r"[^a-z0-9]+", "-", f"{parts[-3]}-{parts[-1]}".lower() if len(parts) > 2 else process)
    mark = hashlib.sha256(process.encode()).hexdigest()[:8]
    return f"engine-{readable.strip('-')[: _LONGEST - 16].strip('-')}-{mark}"


def template(text: str, pool: str) -> JSON:
    """A pool's template; FailedPrecondition when it is none."""
    try:
        told = yaml.safe_load(text)
        pod = told["spec"]["template"]["spec"]
        names = [container["name"] for container in pod["containers"]]
        volumes = [volume["name"] for volume in pod["volumes"]]
    except (yaml.YAMLError, KeyError, TypeError) as error:
        raise _no_template(pool, f"it is not a Deployment ({error!r})") from None
    if told.get("kind") != "Deployment" or CONTAINER not in names or VOLUME not in volumes:
        raise _no_template(pool, f"it needs a container {CONTAINER!r} and a volume {VOLUME!r}")
    return dict(told)


def capacity(pool_template: JSON) -> int | None:
    """How many pods of engines the pool holds; None: that is not said."""
    said = pool_template.get("metadata", {}).get("annotations", {}).get(CAPACITY, "")
    return int(said) if said else None


def deployment(pool_template: JSON, engine: Engine, place: Place, fence: Fence) -> JSON:
    """The Deployment of an engine's process, of as many pods as the engine is to have."""
    name, body = object_name(engine.process), copy.deepcopy(pool_template)
    given = body.get("metadata", {})
    labels = {**given.get("labels", {}), **_labels(name, place)}
    noted = {**given.get("annotations", {}), PROCESS: engine.process, **target(engine), **fenced({}, fence)}
    body["apiVersion"], body["kind"] = "apps/v1", "Deployment"
    body["metadata"] = _metadata(name, place, labels, noted)
    body["spec"] |= {
        "replicas": engine.replicas,
        "strategy": {"type": "Recreate"},
        "selector": {"matchLabels": {NAME: name}},
    }
    pod = body["spec"]["template"]
    described = pod.setdefault("metadata", {})
    described["labels"] = {**described.get("labels", {}), **_labels(name, place)}
    for volume in pod["spec"]["volumes"]:
        if volume["name"] == VOLUME:
            volume["secret"] = {**volume.get("secret", {}), "secretName": name}
    return body


def secret(engine: Engine, content: str, place: Place) -> JSON:
    """The Secret that tells an engine's process what it is to hold."""
    name = object_name(engine.process)
    metadata = _metadata(name, place, _labels(name, place), {})
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {FILE: content}}


def target(engine: Engine) -> dict[str, str]:
    """The annotations that say what the process is to hold."""
    return {TARGET: engine.name, VERSION: engine.version}


def fenced(annotations: Mapping[str, str], fence: Fence) -> dict[str, str]:
    """The annotation with this right in it: the highest number of each of the last operations that acted."""
    known = fences(annotations)
    known.pop(fence.operation, None)
    kept = [*known.items(), (fence.operation, fence.number)][-_MOST_FENCES:]
    return {FENCES: json.dumps(dict(kept))}


def fences(annotations: Mapping[str, str]) -> dict[str, int]:
    """The highest fencing numbers that acted, by operation."""
    return {str(name): int(number) for name, number in json.loads(annotations.get(FENCES) or "{}").items()}


def annotations(told: JSON) -> dict[str, str]:
    """An object's annotations."""
    return dict(told["metadata"].get("annotations") or {})


def mark(told: JSON) -> tuple[str, dict[str, str]]:
    """What tells a Deployment from another of its name, and what executors wrote at it; controllers leave it alone."""
    noted = annotations(told)
    return told["metadata"]["uid"], {key: noted[key] for key in (TARGET, VERSION, FENCES) if key in noted}


def is_target(told: JSON, engine: Engine) -> bool:
    """Whether a Deployment's process is to hold this engine, and not a version that took its place."""
    return annotations(told).get(TARGET) == engine.name


def label(told: JSON, name: str) -> str:
    """An object's label; empty when it has none of this name."""
    return str((told["metadata"].get("labels") or {}).get(name, ""))


def refusal(told: JSON) -> str:
    """Why a Deployment may not have another pod, a quota for example; empty: it may."""
    for condition in told.get("status", {}).get("conditions") or []:
        if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
            return str(condition.get("message", "")) or "the cluster refuses to create a pod"
    return ""


def _labels(name: str, place: Place) -> dict[str, str]:
    return {
        "app.kubernetes.io/component": "engine",
        "app.kubernetes.io/managed-by": "ratoon-serving",
        NAME: name,
        POOL: place.pool,
        OWNER: place.owner,
    }


def _metadata(name: str, place: Place, labels: Mapping[str, str], noted: Mapping[str, str]) -> JSON:
    owner = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "name": place.owner,
        "uid": place.owner_uid,
        "controller": False,
        "blockOwnerDeletion": False,
    }
    return {
        "name": name,
        "namespace": place.namespace,
        "labels": dict(labels),
        "annotations": dict(noted),
        "ownerReferences": [owner] if place.owner_uid else [],
    }


def _no_template(pool: str, why: str) -> FailedPrecondition:
    return FailedPrecondition(
        f"The template of the pool {pool!r} cannot be used: {why}. Check its values in the chart.",
        reason="ENGINE_TEMPLATE_INVALID",
    )
