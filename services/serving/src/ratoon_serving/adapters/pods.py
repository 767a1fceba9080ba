"""A pod of an engine, as its status tells. It calls nobody."""

from dataclasses import dataclass
from typing import Any

from ratoon.engine.contract import UNTRUSTED_FILES_STATUS
from ratoon_serving.adapters.engine_log import root_cause
from ratoon_serving.adapters.engine_manifest import CONTAINER

JSON = dict[str, Any]

_PORT = 8000
_HOPELESS = ("CrashLoopBackOff", "RunContainerError", "CreateContainerError", "InvalidImageName")


@dataclass(frozen=True)
class PodSight:
    """One pod."""

    name: str
    uid: str
    created: str
    endpoint: str = ""
    """Where its engine answers, once its container runs."""
    started: bool = False
    """Whether its engine has answered the kubelet."""
    failed: bool = False
    """Whether its engine ended, and nobody can say that it will be better next time."""
    unplaced: bool = False
    """Whether no node takes it."""
    message: str = ""
    """What it waits for, or how it ended."""


def living(pods: list[JSON]) -> list[PodSight]:
    """The pods that are there to stay, oldest first: none that ends or has ended."""
    there = [pod for pod in pods if not pod["metadata"].get("deletionTimestamp") and not _over(pod)]
    return sorted((sight(pod) for pod in there), key=lambda seen: (seen.created, seen.name))


def sight(pod: JSON) -> PodSight:
    """What a pod's status tells."""
    meta, status = pod["metadata"], pod.get("status", {})
    seen = PodSight(meta["name"], meta["uid"], meta.get("creationTimestamp", ""))
    own: JSON = next((c for c in status.get("containerStatuses") or [] if c["name"] == CONTAINER), {})
    if "running" in own.get("state", {}) and status.get("podIP"):
        endpoint = f"http://{_host(status['podIP'])}:{_port(pod)}"
        return PodSight(
            seen.name, seen.uid, seen.created, endpoint, bool(own.get("started")), message=_ended(own)
        )
    failed = _is_hopeless(own) or any(map(_is_untrue, status.get("initContainerStatuses") or []))
    unscheduled = _unscheduled(status)
    message = _ended(own) or unscheduled or _waiting(status)
    return PodSight(
        seen.name, seen.uid, seen.created, failed=failed, unplaced=bool(unscheduled), message=message
    )


def _over(pod: JSON) -> bool:
    return pod.get("status", {}).get("phase") in ("Failed", "Succeeded")


def _is_hopeless(own: JSON) -> bool:
    state = own.get("state", {})
    return "terminated" in state or state.get("waiting", {}).get("reason") in _HOPELESS


def _is_untrue(own: JSON) -> bool:
    ended = own.get("state", {}).get("terminated") or own.get("lastState", {}).get("terminated") or {}
    return ended.get("exitCode") == UNTRUSTED_FILES_STATUS


def _ended(own: JSON) -> str:
    """How the engine's container ended last."""
    ended = own.get("state", {}).get("terminated") or own.get("lastState", {}).get("terminated")
    if not ended:
        return ""
    told = str(ended.get("message") or "")
    lines = [line.strip() for line in told.splitlines() if line.strip()]
    cause = root_cause(told) or (lines[-1] if lines else "")
    said = f": {cause}" if cause else ""
    return f"its container ended ({ended.get('reason', 'Error')}, exit code {ended.get('exitCode')}){said}"


def _unscheduled(status: JSON) -> str:
    for condition in status.get("conditions") or []:
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return f"no node accepts its pod: {condition.get('message') or condition.get('reason', '')}"
    return ""


def _waiting(status: JSON) -> str:
    for own in (status.get("initContainerStatuses") or []) + (status.get("containerStatuses") or []):
        waiting = own.get("state", {}).get("waiting")
        if waiting and waiting.get("reason") not in (None, "PodInitializing", "ContainerCreating"):
            detail = _ended(own) or waiting.get("message", "")
            return f"{own['name']} waits: {waiting['reason']} {detail}".strip()
    return "its pod is starting"


def _port(pod: JSON) -> int:
    own = next(c for c in pod["spec"]["containers"] if c["name"] == CONTAINER)
    return next((int(port["containerPort"]) for port in own.get("ports") or []), _PORT)


def _host(address: str) -> str:
    return f"[{address}]" if ":" in address else address
