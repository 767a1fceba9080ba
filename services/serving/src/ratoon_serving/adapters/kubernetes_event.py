"""A step of a rollout as a Kubernetes event: what `kubectl describe` shows of an engine's Deployment."""

import hashlib

from ratoon.chassis.cluster_api import JSON
from ratoon_serving.adapters import engine_manifest as manifest
from ratoon_serving.application.ports import Happened
from ratoon_serving.domain.engine import Engine
from ratoon_serving.domain.rollouts.rollout import Phase

_LONGEST_MESSAGE = 1024
_WARNINGS = frozenset(
    {Phase.REVERTING, Phase.DISCARDING, Phase.RESTORING, Phase.ROLLED_BACK, Phase.FAILED, Phase.CANCELLED}
)


def event(engine: Engine, there: JSON | None, namespace: str, happened: Happened) -> JSON:
    """The event; its name follows from the step, so that a second one of it is refused as known."""
    name = manifest.object_name(engine.process)
    mark = hashlib.sha256(happened.key.encode()).hexdigest()[:16]
    when = happened.time.strftime("%Y-%m-%dT%H:%M:%SZ")
    seen = {"apiVersion": "apps/v1", "kind": "Deployment", "namespace": namespace, "name": name}
    known = {"uid": there["metadata"]["uid"]} if there is not None else {}
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{name}.{mark}", "namespace": namespace},
        "involvedObject": {**seen, **known},
        "type": "Warning" if happened.phase in _WARNINGS else "Normal",
        "reason": f"Rollout{happened.phase.title().replace('_', '')}",
        "message": happened.message[:_LONGEST_MESSAGE],
        "source": {"component": "ratoon-serving"},
        "firstTimestamp": when,
        "lastTimestamp": when,
        "count": 1,
    }
