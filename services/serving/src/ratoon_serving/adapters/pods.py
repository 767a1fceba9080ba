"""Status of a pod of an engine, read from its Kubernetes object. It makes no call."""

from dataclasses import dataclass
from typing import Any

from ratoon.engine.contract import UNTRUSTED_FILES_STATUS
from ratoon_serving.adapters.engine_log import root_cause
from ratoon_serving.adapters.engine_manifest import CONTAINER

JSON = dict[str, Any]

_PORT = 8000
_HOPELESS = ("CrashLoopBackOff", "RunContainerError", "CreateContainerError", "InvalidImageName")


@dataclass(frozen=True)
class PodStatus:
    """Status of one pod."""

    name: str
    uid: str
    created: str
    endpoint: str = ""
    """Address of its engine, once its container runs."""
    started: bool = False
    """True if its engine has answered the startup probe."""
    failed: bool = False
    """True if its engine ended, and a restart is not expected to help."""
    unplaced: bool = False
    """True if no node accepts it."""
    message: str = ""
    """Reason that it waits, or cause of its end."""


def living(pods: list[JSON]) -> list[PodStatus]:
    """Return the pods that are not ended or terminating, oldest first."""
    running = [pod for pod in pods if not pod["metadata"].get("deletionTimestamp") and not _over(pod)]
    return sorted((pod_status(pod) for pod in running), key=lambda pod: (pod.created, pod.name))


def pod_status(pod: JSON) -> PodStatus:
    """Return the status of a pod."""
    meta, status = pod["metadata"], pod.get("status", {})
    identity = meta["name"], meta["uid"], meta.get("creationTimestamp", "")
    own: JSON = next((c for c in status.get("containerStatuses") or [] if c["name"] == CONTAINER), {})
    if "running" in own.get("state", {}) and status.get("podIP"):
        endpoint = f"http://{_host(status['podIP'])}:{_port(pod)}"
        return PodStatus(*identity, endpoint, bool(own.get("started")), message=_ended(own))
    failed = _is_hopeless(own) or any(map(_has_untrusted_files, status.get("initContainerStatuses") or []))
    unscheduled = _unscheduled(status)
    message = _ended(own) or unscheduled or _waiting(status)
    return PodStatus(*identity, failed=failed, unplaced=bool(unscheduled), message=message)


def _over(pod: JSON) -> bool:
    return pod.get("status", {}).get("phase") in ("Failed", "Succeeded")


def _is_hopeless(own: JSON) -> bool:
    state = own.get("state", {})
    return "terminated" in state or state.get("waiting", {}).get("reason") in _HOPELESS


def _has_untrusted_files(own: JSON) -> bool:
    terminated = own.get("state", {}).get("terminated") or own.get("lastState", {}).get("terminated") or {}
    return terminated.get("exitCode") == UNTRUSTED_FILES_STATUS


def _ended(own: JSON) -> str:
    """Return how the engine's container ended last; empty if it did not."""
    terminated = own.get("state", {}).get("terminated") or own.get("lastState", {}).get("terminated")
    if not terminated:
        return ""
    output = str(terminated.get("message") or "")
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    cause = root_cause(output) or (lines[-1] if lines else "")
    detail = f": {cause}" if cause else ""
    return f"its container ended ({terminated.get('reason', 'Error')}, exit code {terminated.get('exitCode')}){detail}"


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
