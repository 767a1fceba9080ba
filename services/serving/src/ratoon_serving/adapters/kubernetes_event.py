"""Step of a rollout as a Kubernetes event, which `kubectl describe` shows for an engine's Deployment."""

import hashlib

from ratoon.kubernetes.cluster_api import JSON
from ratoon_serving.adapters import engine_manifest as manifest
from ratoon_serving.application.ports import RolloutProgress
from ratoon_serving.domain.engine import Engine
from ratoon_serving.domain.rollouts.rollout import Phase

_MAX_MESSAGE = 1024
_WARNINGS = frozenset(
    {Phase.REVERTING, Phase.DISCARDING, Phase.RESTORING, Phase.ROLLED_BACK, Phase.FAILED, Phase.CANCELLED}
)


def event(engine: Engine, deployment: JSON | None, namespace: str, progress: RolloutProgress) -> JSON:
    """Return the event; its name follows from the step, so that the API refuses a second one of the same step."""
    name = manifest.object_name(engine.process)
    digest = hashlib.sha256(progress.key.encode()).hexdigest()[:16]
    time = progress.time.strftime("%Y-%m-%dT%H:%M:%SZ")
    involved = {"apiVersion": "apps/v1", "kind": "Deployment", "namespace": namespace, "name": name}
    uid = {"uid": deployment["metadata"]["uid"]} if deployment is not None else {}
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{name}.{digest}", "namespace": namespace},
        "involvedObject": {**involved, **uid},
        "type": "Warning" if progress.phase in _WARNINGS else "Normal",
        "reason": f"Rollout{progress.phase.title().replace('_', '')}",
        "message": progress.message[:_MAX_MESSAGE],
        "source": {"component": "ratoon-serving"},
        "firstTimestamp": time,
        "lastTimestamp": time,
        "count": 1,
    }
