"""The Deployments of engines: made from a template, aimed at a version, fenced, ended. It asks no engine.

Every change names the version of the Deployment that it was decided on, so that two who act at once cannot both win.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from ratoon.chassis.artifacts import ArtifactStore
from ratoon.chassis.cluster_api import JSON, Cluster
from ratoon.chassis.cluster_watch import Watched
from ratoon.chassis.errors import Aborted, FailedPrecondition
from ratoon_serving.adapters import engine_manifest as manifest
from ratoon_serving.adapters.pod_file import pod_file
from ratoon_serving.application.ports import Patience
from ratoon_serving.domain.engine import Engine, Fence

T = TypeVar("T")
_TRIES = 5
"""How often a Deployment that its controllers change is changed."""


@dataclass(frozen=True)
class PodEngines:
    """What the engines of a cluster have in common."""

    owner: str
    """Name of serving's own Deployment, which owns them."""
    folder: Path
    """Where templates are: one `<pool>.yaml` for each pool."""
    usual: str
    """The pool that is taken where none is named."""
    patience: Patience
    """How long a pod is waited for."""

    def pool(self, named: str) -> str:
        """The pool that is meant."""
        return named or self.usual

    def template(self, named: str) -> JSON:
        """The template of a pool; FailedPrecondition when there is none of this name."""
        pool = self.pool(named)
        path = self.folder / f"{Path(pool).name}.yaml"
        try:
            return manifest.template(path.read_text(), pool)
        except FileNotFoundError:
            raise FailedPrecondition(
                f"There is no pool {pool!r}: {path} is missing.", reason="ENGINE_POOL_UNKNOWN"
            ) from None


class EngineDeployments:
    """The Deployments of this serving's engines, each with the Secret that its pods read."""

    def __init__(self, cluster: Cluster, given: PodEngines, artifacts: ArtifactStore) -> None:
        self._cluster, self._given, self._artifacts = cluster, given, artifacts
        self.watch = Watched(cluster.deployments(manifest.selector(given.owner)))

    def of(self, engine: Engine) -> JSON | None:
        """The Deployment of an engine's process, or None."""
        return self.watch.get(manifest.object_name(engine.process))

    def places_left(self, named: str) -> int | None:
        """How many pods a pool still holds; None: its template does not say."""
        pool, capacity = self._given.pool(named), manifest.capacity(self._given.template(named))
        if capacity is None:
            return None
        own = [d for d in self.watch.all() if manifest.label(d, manifest.POOL) == pool]
        return max(0, capacity - sum(int(each["spec"].get("replicas", 1)) for each in own))

    def create(self, engine: Engine, fence: Fence) -> None:
        """Make it, and the Secret before, which its pods wait for."""
        pool, template = self._given.pool(engine.pool), self._given.template(engine.pool)
        body = manifest.deployment(template, engine, self._place(pool), fence)
        self._write_target(engine, pool)
        made = self._cluster.create_deployment(body) or self._cluster.deployment(body["metadata"]["name"])
        if made is not None:
            self.watch.put(made)

    def aim(self, engine: Engine, there: JSON, fence: Fence) -> None:
        """From now on its pods are to hold this engine; one that starts anew does."""
        self._write_target(engine, manifest.label(there, manifest.POOL))
        noted = {**manifest.target(engine), **manifest.fenced(manifest.annotations(there), fence)}
        self.note(there, noted)

    def aim_back(self, before: dict[str, str], there: JSON) -> None:
        """A load that was refused leaves what was there; the Secret follows with the next start of that engine."""
        kept = {key: before.get(key, "") for key in (manifest.TARGET, manifest.VERSION)}
        self.note(self.watch.get(there["metadata"]["name"]) or there, kept)

    def scale(self, there: JSON, replicas: int) -> None:
        """Change the number of its pods."""
        self._change(there, {"spec": {"replicas": replicas}})

    def note(self, there: JSON, noted: dict[str, str]) -> JSON:
        """Write annotations."""
        return self._change(there, {"metadata": {"annotations": noted}})

    def admit(self, there: JSON, fence: Fence) -> JSON:
        """Write the right down by which this is done; Aborted when a later one of its operation has acted."""
        noted = manifest.annotations(there)
        known = manifest.fences(noted).get(fence.operation, 0)
        if known > fence.number:
            raise Aborted(
                f"{there['metadata']['name']} was taken over by a later executor of {fence.operation}.",
                reason="FENCED",
            )
        return there if known == fence.number else self.note(there, manifest.fenced(noted, fence))

    def end(self, there: JSON) -> None:
        """End it, unless another executor changed it meanwhile (Aborted), and its Secret."""
        name = there["metadata"]["name"]

        def end(seen: JSON) -> None:
            self._cluster.delete_deployment(
                name, seen["metadata"]["uid"], seen["metadata"]["resourceVersion"]
            )

        self._insist(there, end)
        self._cluster.delete_secret(name)
        self.watch.forget(name)

    def _write_target(self, engine: Engine, pool: str) -> None:
        """Write the Secret that a pod of the process reads when it starts."""
        own = (
            [file.path for file in self._artifacts.tree(engine.artifact_digest)] if engine.is_adapter else []
        )
        self._cluster.put_secret(manifest.secret(engine, pod_file(engine, own), self._place(pool)))

    def _place(self, pool: str) -> manifest.Place:
        """Where an engine of this pool is, and whose it is: when serving is uninstalled, its engines go with it."""
        owner = self._cluster.deployment(self._given.owner)
        uid = str(owner["metadata"]["uid"]) if owner is not None else ""
        return manifest.Place(self._cluster.namespace, pool, self._given.owner, uid)

    def _change(self, there: JSON, change: JSON) -> JSON:
        """Change a Deployment, unless another executor did meanwhile (Aborted)."""
        name = there["metadata"]["name"]

        def patch(seen: JSON) -> JSON | None:
            version = {"resourceVersion": seen["metadata"]["resourceVersion"]}
            body = {**change, "metadata": {**change.get("metadata", {}), **version}}
            return self._cluster.patch_deployment(name, body)

        told = self._insist(there, patch)
        if told is None:
            raise Aborted(f"{name} was deleted in the meantime.", reason="FENCED")
        self.watch.put(told)
        return told

    def _insist(self, there: JSON, call: Callable[[JSON], T]) -> T:
        """Do it to the Deployment as it is; again where only a controller changed it, which is no objection."""
        for _ in range(_TRIES):
            try:
                return call(there)
            except Aborted:
                now = self._cluster.deployment(there["metadata"]["name"])
                if now is None:
                    raise
                self.watch.put(now)  # the watch may be behind
                if manifest.mark(now) != manifest.mark(there):
                    raise
                there = now
        raise Aborted(
            f"{there['metadata']['name']} was changed by another writer at each attempt.", reason="FENCED"
        )
