"""The Deployment of a run's own pods: what a template says, and what training fills in. It makes no call."""

import copy
import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ratoon_training.adapters.worker_folder import container
from ratoon_training.domain.plan import MEBI
from ratoon_training.domain.pods import pod_bytes
from ratoon_training.domain.runs import TrainingRun

JSON = dict[str, Any]

COMPONENT = "run-worker"
PODS = "ratoon.dev/run-pods"
"""Label of the Deployment and its pods: the Deployment's name."""
OWNER = "ratoon.dev/owner"
RUN = "ratoon.dev/training-run"
"""Annotation: resource name of the run."""
_RESOURCES = "--resources="
_LONGEST = 50
_STARTING = ("ContainerCreating", "PodInitializing")


@dataclass(frozen=True)
class Owner:
    """Whose the pods are: training's own Deployment, with which they are uninstalled."""

    namespace: str
    name: str
    uid: str
    """Empty: they are nobody's."""


def selector(owner: str) -> str:
    """The labels of all pods of runs of this training."""
    return f"app.kubernetes.io/component={COMPONENT},{OWNER}={owner}"


def object_name(run: str) -> str:
    """A run's name as Kubernetes and Ray take it: readable, and told apart by a hash."""
    readable = re.sub(r"[^a-z0-9]+", "-", run.rpartition("/")[2].lower()).strip("-")
    mark = hashlib.sha256(run.encode()).hexdigest()[:12]
    return f"run-{readable[: _LONGEST - 18].strip('-')}-{mark}"


def deployment(template: JSON, run: TrainingRun, owner: Owner) -> JSON:
    """A pod for each of the run's workers, each with the memory of its part of the plan."""
    name, body = object_name(run.name), copy.deepcopy(template)
    labels = {
        "app.kubernetes.io/component": COMPONENT,
        "app.kubernetes.io/managed-by": "ratoon-training",
        PODS: name,
        OWNER: owner.name,
    }
    given = body.get("metadata", {})
    body["metadata"] = {
        "name": name,
        "namespace": owner.namespace,
        "labels": {**given.get("labels", {}), **labels},
        "annotations": {**given.get("annotations", {}), RUN: run.name},
        "ownerReferences": [_reference(owner)] if owner.uid else [],
    }
    body["spec"] |= {
        "replicas": run.resources.workers,
        "strategy": {"type": "Recreate"},
        "selector": {"matchLabels": {PODS: name}},
    }
    pod = body["spec"]["template"].setdefault("metadata", {})
    pod["labels"] = {**pod.get("labels", {}), **labels}
    pod["annotations"] = {**pod.get("annotations", {}), RUN: run.name}
    worker = container(body)
    worker["args"] = _counting(worker.get("args", []), name)
    for amounts in (worker["resources"].setdefault("requests", {}), worker["resources"]["limits"]):
        amounts["memory"] = f"{pod_bytes(run.plan, run.resources.workers) // MEBI}Mi"
    return body


def cpus(template: JSON) -> int:
    """Whole processors that a template gives each pod; 0: it does not say."""
    said = str(container(template)["resources"].get("requests", {}).get("cpu", "0"))
    return 0 if said.endswith("m") else int(float(said))


def run_of(told: JSON) -> str:
    """Name of the run that a Deployment's pods were made for."""
    return str((told["metadata"].get("annotations") or {}).get(RUN, ""))


def complaint(told: JSON | None, pods: Sequence[JSON]) -> str:
    """What keeps pods of a Deployment from running, in the cluster's words; empty: nothing that is known."""
    if refused := _condition(told or {}, "ReplicaFailure", "True"):
        return f"The cluster refuses pods for the workers: {refused}"
    homeless = [said for pod in pods if (said := _condition(pod, "PodScheduled", "False"))]
    if homeless:
        return f"Waiting for nodes for {len(homeless)} of {len(pods)} pods: {homeless[0]}"
    stuck = [said for pod in pods if (said := _stuck(pod))]
    return f"Waiting for {len(stuck)} of {len(pods)} pods to start: {stuck[0]}" if stuck else ""


def _counting(arguments: Iterable[str], name: str) -> list[str]:
    """Ray's arguments, by which it counts one of this resource in the pod beside what the template says."""
    said = [each for each in arguments if each.startswith(_RESOURCES)]
    known = json.loads(said[0].removeprefix(_RESOURCES)) if said else {}
    kept = [each for each in arguments if each not in said]
    return [*kept, _RESOURCES + json.dumps({**known, name: 1})]


def _reference(owner: Owner) -> JSON:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "name": owner.name,
        "uid": owner.uid,
        "controller": False,
        "blockOwnerDeletion": False,
    }


def _condition(told: JSON, kind: str, status: str) -> str:
    """What a condition of an object says, where it holds."""
    for each in told.get("status", {}).get("conditions") or []:
        if each["type"] == kind and each["status"] == status:
            return str(each.get("message") or each.get("reason") or kind)
    return ""


def _stuck(pod: JSON) -> str:
    """Why a pod's container waits that has a node: an image that is not pulled, a start that failed."""
    for own in pod.get("status", {}).get("containerStatuses") or []:
        waiting = own.get("state", {}).get("waiting") or {}
        if waiting.get("reason", _STARTING[0]) not in _STARTING:
            return f"{waiting['reason']} {waiting.get('message', '')}".strip()
    return ""
