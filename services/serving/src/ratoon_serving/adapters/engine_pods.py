"""Pods of engines: their list, the status of each, loads into one. It creates and deletes no Deployment."""

import time
from dataclasses import replace

from ratoon.engine.contract import ControlPath
from ratoon.kubernetes.cluster_api import JSON, Cluster
from ratoon.kubernetes.cluster_watch import Watched
from ratoon.process.errors import FailedPrecondition, Unavailable
from ratoon_serving.adapters import engine_manifest as manifest
from ratoon_serving.adapters.engine_file import served_names
from ratoon_serving.adapters.engine_http import EngineClient, view_of
from ratoon_serving.adapters.pods import PodStatus, living
from ratoon_serving.domain.engine import Engine, EngineState, EngineView, Replica

_LOAD_S = 600.0
_MAX_REMEMBERED = 256
"""Number of pods whose last status is remembered."""


class EnginePods:
    """Pods of the engines of this serving."""

    def __init__(self, cluster: Cluster, selector: str, client: EngineClient) -> None:
        self.watch = Watched(cluster.pods(selector))
        self._cluster, self._client = cluster, client
        self._last: dict[tuple[str, str], tuple[float, Replica]] = {}

    def replicas(self, engine: Engine, deployment: JSON) -> list[Replica]:
        """Return the pods of an engine's Deployment as replicas, oldest first."""
        belongs = engine.is_adapter and (manifest.is_target(deployment, engine) or bool(engine.attestations))
        return [self._replica(engine, pod, belongs) for pod in self._of(deployment)]

    def reload(self, engine: Engine, replica: Replica) -> None:
        """Let a closed and empty pod fetch a whole model and load it in place of its current one."""
        request = {**_source(engine), "served_names": served_names(engine)}
        self._client.control(at(engine, replica), ControlPath.RELOAD, request, _LOAD_S)

    def load_adapter(self, engine: Engine, replica: Replica) -> None:
        """Let a pod fetch and load an adapter; the pod verifies the whole signed artifact."""
        request = {**_source(engine), "name": engine.served_name}
        self._client.control(at(engine, replica), ControlPath.LOAD_ADAPTER, request, _LOAD_S)

    def delete_broken(self, engine: Engine, deployment: JSON) -> None:
        """Delete pods whose engine reports that it is broken, or hangs; the kubelet restarts others."""
        for pod in self._of(deployment):
            since, last = self._last.get((pod.uid, engine.name), (time.monotonic(), None))
            broken = last is not None and last.state is EngineState.GONE
            silent_s = time.monotonic() - since
            reachable = replace(engine, endpoint=pod.endpoint)
            if not pod.failed and (broken or self._client.is_hung(reachable, silent_s)):
                self._cluster.delete_pod(pod.name, pod.uid)
                self.watch.forget(pod.name)

    def _of(self, deployment: JSON) -> list[PodStatus]:
        name = deployment["metadata"]["name"]
        return living([pod for pod in self.watch.all() if manifest.label(pod, manifest.NAME) == name])

    def _replica(self, engine: Engine, pod: PodStatus, belongs: bool) -> Replica:
        """Return a pod as a replica of the engine; load an adapter that belongs into the pod if it is missing."""
        silent = Replica(f"{pod.uid}/", pod.endpoint, message=pod.message, unplaced=pod.unplaced)
        if pod.failed:
            return replace(silent, state=EngineState.GONE)
        if not pod.endpoint:
            return silent
        replica = self._observe(engine, pod, silent)
        if len(self._last) > _MAX_REMEMBERED:
            self._last.pop(next(iter(self._last)))
        if replica.state is EngineState.ABSENT and belongs:
            return self._after_load(engine, replica)
        return replica

    def _after_load(self, engine: Engine, replica: Replica) -> Replica:
        try:
            self.load_adapter(engine, replica)
        except (FailedPrecondition, Unavailable) as error:
            return replace(replica, state=EngineState.GONE, message=str(error))
        return replace(replica, state=EngineState.STARTING, message="its adapter has just been loaded")

    def _observe(self, engine: Engine, pod: PodStatus, silent: Replica) -> Replica:
        """Return its status; its last one while it is silent, for example during a long computation."""
        status, now, key = self._client.status(at(engine, silent)), time.monotonic(), (pod.uid, engine.name)
        if status is not None:
            replica = _replica_of(pod, view_of(status, engine))
            self._last[key] = (now, replica)
            return replica
        if not pod.started:
            return replace(silent, message=pod.message or "it is loading its weights")
        since, last = self._last.setdefault(key, (now, silent))
        if self._client.refuses(at(engine, silent)):
            return replace(silent, state=EngineState.GONE, message="no process listens at its address")
        if self._client.is_hung(at(engine, silent), now - since):
            message = f"it has not answered for {now - since:.0f} s"
            return replace(silent, state=EngineState.GONE, message=message)
        return last


def at(engine: Engine, replica: Replica) -> Engine:
    """Return the engine with the endpoint of one of its pods."""
    return replace(engine, endpoint=replica.endpoint)


def _source(engine: Engine) -> dict[str, str]:
    """Return what a pod must fetch."""
    return {
        "version": engine.version,
        "artifact_digest": engine.artifact_digest,
        "signature_digest": engine.signature_digest,
    }


def _replica_of(pod: PodStatus, view: EngineView) -> Replica:
    return Replica(
        f"{pod.uid}/{view.load_id}",
        pod.endpoint,
        view.state,
        view.loaded_digest,
        view.accepting,
        view.in_flight,
        view.message,
        dtype=view.dtype,
        runtime=view.runtime,
    )
