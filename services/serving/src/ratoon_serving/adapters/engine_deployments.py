"""Deployments of engines: created from a template, annotated with a target, fenced, deleted. It calls no engine.

Each change names the resource version of the Deployment that it was decided on, so that of two concurrent changes one
is refused.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from ratoon.kubernetes.cluster_api import JSON, Cluster
from ratoon.kubernetes.cluster_watch import Watched
from ratoon.process.errors import Aborted, FailedPrecondition
from ratoon.storage.artifacts import ArtifactStore
from ratoon.tasks.compute import Accelerator
from ratoon_serving.adapters import engine_manifest as manifest
from ratoon_serving.adapters.pod_file import pod_file
from ratoon_serving.application.ports import EngineTimeouts
from ratoon_serving.domain.engine import Engine, Fence

T = TypeVar("T")
_MAX_ATTEMPTS = 5
"""Attempts to change a Deployment that controllers change at the same time."""


@dataclass(frozen=True)
class PodEngines:
    """Common configuration of the engines of a cluster."""

    owner: str
    """Name of serving's own Deployment, which owns them."""
    folder: Path
    """Directory of the templates: one `<pool>.yaml` for each pool."""
    default_pool: str
    """Pool of engines that name none."""
    timeouts: EngineTimeouts

    def pool(self, name: str) -> str:
        """Return this pool, or the default one if the name is empty."""
        return name or self.default_pool

    def pool_of(self, name: str, accelerator: Accelerator) -> str:
        """Return a pool of the accelerator; FailedPrecondition if there is none, or the named one has another."""
        if manifest.accelerator(self.template(name)) is accelerator:
            return name
        others = () if name else sorted(path.stem for path in self.folder.glob("*.yaml"))
        for other in others:
            if manifest.accelerator(self.template(other)) is accelerator:
                return other
        what = f"The pool {name!r} is not one" if name else "There is no pool of engines"
        raise FailedPrecondition(
            f"{what} on {accelerator.lower()}: set another accelerator, or add such a pool to `engines` in the chart's "
            "values.",
            reason="ACCELERATOR_UNAVAILABLE",
        )

    def template(self, name: str) -> JSON:
        """Return the template of a pool; FailedPrecondition if there is no such pool."""
        pool = self.pool(name)
        path = self.folder / f"{Path(pool).name}.yaml"
        try:
            return manifest.template(path.read_text(), pool)
        except FileNotFoundError:
            raise FailedPrecondition(
                f"There is no pool {pool!r}: {path} is missing.", reason="ENGINE_POOL_UNKNOWN"
            ) from None


class EngineDeployments:
    """Deployments of the engines of this serving, each with the Secret that its pods read."""

    def __init__(self, cluster: Cluster, config: PodEngines, artifacts: ArtifactStore) -> None:
        self._cluster, self._config, self._artifacts = cluster, config, artifacts
        self.watch = Watched(cluster.deployments(manifest.selector(config.owner)))

    def of(self, engine: Engine) -> JSON | None:
        """Return the Deployment of an engine's process, or None."""
        return self.watch.get(manifest.object_name(engine.process))

    def free_processes(self, name: str) -> int | None:
        """Return the number of pods that a pool can still hold; None if its template does not state a capacity."""
        pool, capacity = self._config.pool(name), manifest.capacity(self._config.template(name))
        if capacity is None:
            return None
        own = [d for d in self.watch.all() if manifest.label(d, manifest.POOL) == pool]
        return max(0, capacity - sum(int(each["spec"].get("replicas", 1)) for each in own))

    def create(self, engine: Engine, fence: Fence) -> None:
        """Create the Secret that its pods wait for, then the Deployment."""
        pool, template = self._config.pool(engine.pool), self._config.template(engine.pool)
        body = manifest.deployment(template, engine, self._scope(pool), fence)
        self._write_target(engine, pool)
        created = self._cluster.create_deployment(body) or self._cluster.deployment(body["metadata"]["name"])
        if created is not None:
            self.watch.put(created)

    def set_target(self, engine: Engine, deployment: JSON, fence: Fence) -> None:
        """Make this engine the target of its pods: a pod that restarts loads it."""
        self._write_target(engine, manifest.label(deployment, manifest.POOL))
        annotations = {**manifest.target(engine), **manifest.fenced(manifest.annotations(deployment), fence)}
        self.annotate(deployment, annotations)

    def restore_target(self, previous: dict[str, str], deployment: JSON) -> None:
        """Restore the target after a refused load; the next start of the previous engine writes its Secret."""
        annotations = {key: previous.get(key, "") for key in (manifest.TARGET, manifest.VERSION)}
        self.annotate(self.watch.get(deployment["metadata"]["name"]) or deployment, annotations)

    def scale(self, deployment: JSON, replicas: int) -> None:
        """Change the number of its pods."""
        self._change(deployment, {"spec": {"replicas": replicas}})

    def annotate(self, deployment: JSON, annotations: dict[str, str]) -> JSON:
        """Write annotations."""
        return self._change(deployment, {"metadata": {"annotations": annotations}})

    def admit(self, deployment: JSON, fence: Fence) -> JSON:
        """Record a fence; Aborted if a newer one of its operation is recorded."""
        annotations = manifest.annotations(deployment)
        known = manifest.fences(annotations).get(fence.operation, 0)
        if known > fence.number:
            raise Aborted(
                f"{deployment['metadata']['name']} was taken over by a later executor of {fence.operation}.",
                reason="FENCED",
            )
        return (
            deployment
            if known == fence.number
            else self.annotate(deployment, manifest.fenced(annotations, fence))
        )

    def end(self, deployment: JSON) -> None:
        """Delete it, unless another executor changed it in the meantime (Aborted), and its Secret."""
        name = deployment["metadata"]["name"]

        def end(current: JSON) -> None:
            self._cluster.delete_deployment(
                name, current["metadata"]["uid"], current["metadata"]["resourceVersion"]
            )

        self._retry_conflicts(deployment, end)
        self._cluster.delete_secret(name)
        self.watch.forget(name)

    def _write_target(self, engine: Engine, pool: str) -> None:
        """Write the Secret that a pod of the process reads when it starts."""
        own = (
            [file.path for file in self._artifacts.tree(engine.artifact_digest)] if engine.is_adapter else []
        )
        self._cluster.put_secret(manifest.secret(engine, pod_file(engine, own), self._scope(pool)))

    def _scope(self, pool: str) -> manifest.Scope:
        """Return namespace, pool and owner of an engine; Kubernetes deletes engines together with their owner."""
        owner = self._cluster.deployment(self._config.owner)
        uid = str(owner["metadata"]["uid"]) if owner is not None else ""
        return manifest.Scope(self._cluster.namespace, pool, self._config.owner, uid)

    def _change(self, deployment: JSON, change: JSON) -> JSON:
        """Change a Deployment, unless another executor did in the meantime (Aborted)."""
        name = deployment["metadata"]["name"]

        def patch(current: JSON) -> JSON | None:
            version = {"resourceVersion": current["metadata"]["resourceVersion"]}
            body = {**change, "metadata": {**change.get("metadata", {}), **version}}
            return self._cluster.patch_deployment(name, body)

        changed = self._retry_conflicts(deployment, patch)
        if changed is None:
            raise Aborted(f"{name} was deleted in the meantime.", reason="FENCED")
        self.watch.put(changed)
        return changed

    def _retry_conflicts(self, deployment: JSON, call: Callable[[JSON], T]) -> T:
        """Call with the current Deployment, again if only a controller changed it; Aborted if an executor did."""
        for _ in range(_MAX_ATTEMPTS):
            try:
                return call(deployment)
            except Aborted:
                current = self._cluster.deployment(deployment["metadata"]["name"])
                if current is None:
                    raise
                self.watch.put(current)  # The watch may be behind.
                if manifest.executor_state(current) != manifest.executor_state(deployment):
                    raise
                deployment = current
        raise Aborted(
            f"{deployment['metadata']['name']} was changed by another writer at each attempt.",
            reason="FENCED",
        )
