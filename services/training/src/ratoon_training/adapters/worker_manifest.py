"""The Deployment of a run's dedicated pods: a template with the values of the run. It makes no call."""

import copy
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ratoon_training.adapters.worker_folder import container
from ratoon_training.domain.plan import MEBI
from ratoon_training.domain.pods import pod_bytes
from ratoon_training.domain.recipes import Accelerator
from ratoon_training.domain.runs import TrainingRun

JSON = dict[str, Any]

COMPONENT = "run-worker"
PODS = "ratoon.dev/run-pods"
"""Label of the Deployment and its pods: the Deployment's name."""
OWNER = "ratoon.dev/owner"
RUN = "ratoon.dev/training-run"
"""Annotation: resource name of the run."""
_RESOURCES = "--resources="
_NEURON_CORES, _DEVICE = "neuron_cores", "/neuroncore"
"""Name of NeuronCores in Ray, and end of their name in Kubernetes."""
_LONGEST = 50
_STARTING = ("ContainerCreating", "PodInitializing")


@dataclass(frozen=True)
class Owner:
    """Owner of the pods: training's own Deployment, with which they are uninstalled."""

    namespace: str
    name: str
    uid: str
    """Empty: the pods have no owner."""


def selector(owner: str) -> str:
    """The labels of all pods of runs of this training."""
    return f"app.kubernetes.io/component={COMPONENT},{OWNER}={owner}"


def object_name(run: str) -> str:
    """Return a run's name as Kubernetes and Ray accept it: readable, and unique by a hash."""
    readable = re.sub(r"[^a-z0-9]+", "-", run.rpartition("/")[2].lower()).strip("-")
    mark = hashlib.sha256(run.encode()).hexdigest()[:12]
    return f"run-{readable[: _LONGEST - 18].strip('-')}-{mark}"


def deployment(template: JSON, run: TrainingRun, owner: Owner) -> JSON:
    """Return a Deployment with a pod for each process of the run, each with the memory of its part of the plan."""
    name, body = object_name(run.name), copy.deepcopy(template)
    labels = {
        "app.kubernetes.io/component": COMPONENT,
        "app.kubernetes.io/managed-by": "ratoon-training",
        PODS: name,
        OWNER: owner.name,
    }
    metadata = body.get("metadata", {})
    body["metadata"] = {
        "name": name,
        "namespace": owner.namespace,
        "labels": {**metadata.get("labels", {}), **labels},
        "annotations": {**metadata.get("annotations", {}), RUN: run.name},
        "ownerReferences": [_reference(owner)] if owner.uid else [],
    }
    body["spec"] |= {
        "replicas": run.resources.processes,
        "strategy": {"type": "Recreate"},
        "selector": {"matchLabels": {PODS: name}},
    }
    pod = body["spec"]["template"].setdefault("metadata", {})
    pod["labels"] = {**pod.get("labels", {}), **labels}
    pod["annotations"] = {**pod.get("annotations", {}), RUN: run.name}
    worker = container(body)
    devices = run.resources.devices
    cores = {_NEURON_CORES: devices} if run.resources.accelerator is Accelerator.NEURON else {}
    worker["args"] = _counting(worker.get("args", []), {**cores, name: 1})
    for amounts in (worker["resources"].setdefault("requests", {}), worker["resources"]["limits"]):
        if cores:
            amounts |= {unit: str(devices) for unit in amounts if unit.endswith(_DEVICE)}
        amounts["memory"] = f"{pod_bytes(run.plan, run.resources.processes) // MEBI}Mi"
    return body


def cpus(template: JSON) -> int:
    """Return the whole CPUs that a template requests for each pod; 0: none are requested."""
    value = str(container(template)["resources"].get("requests", {}).get("cpu", "0"))
    return 0 if value.endswith("m") else int(float(value))


def run_of(deployment: JSON) -> str:
    """Return the name of the run that a Deployment belongs to."""
    return str((deployment["metadata"].get("annotations") or {}).get(RUN, ""))


def complaint(deployment: JSON | None, pods: Sequence[JSON]) -> str:
    """Return why pods of a Deployment do not run, in the cluster's words; empty: unknown."""
    if refused := _condition(deployment or {}, "ReplicaFailure", "True"):
        return f"The cluster refuses pods for the workers: {refused}"
    unplaced = [message for pod in pods if (message := _condition(pod, "PodScheduled", "False"))]
    if unplaced:
        return f"Waiting for nodes for {len(unplaced)} of {len(pods)} pods: {unplaced[0]}"
    stuck = [message for pod in pods if (message := _stuck(pod))]
    return f"Waiting for {len(stuck)} of {len(pods)} pods to start: {stuck[0]}" if stuck else ""


def _counting(arguments: Iterable[str], more: Mapping[str, int]) -> list[str]:
    """Return Ray's arguments with these resources of a pod, in addition to the template's resources."""
    known_arguments = [each for each in arguments if each.startswith(_RESOURCES)]
    known = json.loads(known_arguments[0].removeprefix(_RESOURCES)) if known_arguments else {}
    others = [each for each in arguments if each not in known_arguments]
    return [*others, _RESOURCES + json.dumps({**known, **more})]


def _reference(owner: Owner) -> JSON:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "name": owner.name,
        "uid": owner.uid,
        "controller": False,
        "blockOwnerDeletion": False,
    }


def _condition(body: JSON, kind: str, status: str) -> str:
    """Return the message of a condition of an object; empty: it does not hold."""
    for each in body.get("status", {}).get("conditions") or []:
        if each["type"] == kind and each["status"] == status:
            return str(each.get("message") or each.get("reason") or kind)
    return ""


def _stuck(pod: JSON) -> str:
    """Return why a container of a placed pod waits: an image that is not pulled, a start that failed."""
    for own in pod.get("status", {}).get("containerStatuses") or []:
        waiting = own.get("state", {}).get("waiting") or {}
        if waiting.get("reason", _STARTING[0]) not in _STARTING:
            return f"{waiting['reason']} {waiting.get('message', '')}".strip()
    return ""
