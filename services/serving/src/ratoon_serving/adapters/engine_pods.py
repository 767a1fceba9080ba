"""The pods of engines: which there are, what each tells, what is loaded into one. It makes and ends no Deployment."""

import time
from dataclasses import replace

from ratoon.chassis.cluster_api import JSON, Cluster
from ratoon.chassis.cluster_watch import Watched
from ratoon.chassis.errors import FailedPrecondition, Unavailable
from ratoon.engine.contract import ControlPath
from ratoon_serving.adapters import engine_manifest as manifest
from ratoon_serving.adapters.engine_file import served_names
from ratoon_serving.adapters.engine_http import EngineClient, seen_in
from ratoon_serving.adapters.pods import PodSight, living
from ratoon_serving.domain.engine import Engine, EngineState, EngineView, Member

_LOAD_S = 600.0
_MOST_TOLD = 256
"""What so many pods told last is remembered."""


class EnginePods:
    """The pods of this serving's engines."""

    def __init__(self, cluster: Cluster, selector: str, client: EngineClient) -> None:
        self.watch = Watched(cluster.pods(selector))
        self._cluster, self._client = cluster, client
        self._told: dict[tuple[str, str], tuple[float, Member]] = {}

    def members(self, engine: Engine, there: JSON) -> list[Member]:
        """The pods of an engine's Deployment, oldest first, as each tells of the engine."""
        belongs = engine.is_adapter and (manifest.is_target(there, engine) or bool(engine.proofs))
        return [self._member(engine, pod, belongs) for pod in self._of(there)]

    def load_instead(self, engine: Engine, member: Member) -> None:
        """Let a pod, closed and empty, fetch a whole model and load it in place of the one that it holds."""
        asked = {**_named(engine), "served_names": served_names(engine)}
        self._client.control(at(engine, member), ControlPath.RELOAD, asked, _LOAD_S)

    def load_beside(self, engine: Engine, member: Member) -> None:
        """Let a pod fetch and load an adapter; what it checks is the whole signed artifact."""
        asked = {**_named(engine), "name": engine.served_name}
        self._client.control(at(engine, member), ControlPath.LOAD_ADAPTER, asked, _LOAD_S)

    def end_useless(self, engine: Engine, there: JSON) -> None:
        """End pods whose engine says that it is broken, or was silent for long; others are their kubelet's to mend."""
        for pod in self._of(there):
            since, last = self._told.get((pod.uid, engine.name), (time.monotonic(), None))
            broken = last is not None and last.state is EngineState.GONE
            silent_s = time.monotonic() - since
            reached = replace(engine, endpoint=pod.endpoint)
            if not pod.failed and (broken or self._client.is_hung(reached, silent_s)):
                self._cluster.delete_pod(pod.name, pod.uid)
                self.watch.forget(pod.name)

    def _of(self, there: JSON) -> list[PodSight]:
        name = there["metadata"]["name"]
        return living([pod for pod in self.watch.all() if manifest.label(pod, manifest.NAME) == name])

    def _member(self, engine: Engine, pod: PodSight, belongs: bool) -> Member:
        """A pod of the engine; an adapter that belongs into its pod is loaded where it is not there yet."""
        silent = Member(f"{pod.uid}/", pod.endpoint, message=pod.message, unplaced=pod.unplaced)
        if pod.failed:
            return replace(silent, state=EngineState.GONE)
        if not pod.endpoint:
            return silent
        seen = self._ask(engine, pod, silent)
        if len(self._told) > _MOST_TOLD:
            self._told.pop(next(iter(self._told)))
        if seen.state is EngineState.ABSENT and belongs:
            return self._loaded(engine, seen)
        return seen

    def _loaded(self, engine: Engine, member: Member) -> Member:
        try:
            self.load_beside(engine, member)
        except (FailedPrecondition, Unavailable) as error:
            return replace(member, state=EngineState.GONE, message=str(error))
        return replace(member, state=EngineState.STARTING, message="its adapter has just been loaded")

    def _ask(self, engine: Engine, pod: PodSight, silent: Member) -> Member:
        """What it tells; when it is silent for a while, as it is in a long computation, what it told last."""
        told, now, key = self._client.status(at(engine, silent)), time.monotonic(), (pod.uid, engine.name)
        if told is not None:
            seen = _member_of(pod, seen_in(told, engine))
            self._told[key] = (now, seen)
            return seen
        if not pod.started:
            return replace(silent, message=pod.message or "it is loading its weights")
        since, last = self._told.setdefault(key, (now, silent))
        if self._client.refuses(at(engine, silent)):
            return replace(silent, state=EngineState.GONE, message="no process listens at its address")
        if self._client.is_hung(at(engine, silent), now - since):
            told_of = f"it has not answered for {now - since:.0f} s"
            return replace(silent, state=EngineState.GONE, message=told_of)
        return last


def at(engine: Engine, member: Member) -> Engine:
    """The engine as it is reached at one of its pods."""
    return replace(engine, endpoint=member.endpoint)


def _named(engine: Engine) -> dict[str, str]:
    """What a pod is told to fetch."""
    return {
        "version": engine.version,
        "artifact_digest": engine.artifact_digest,
        "signature_digest": engine.signature_digest,
    }


def _member_of(pod: PodSight, seen: EngineView) -> Member:
    return Member(
        f"{pod.uid}/{seen.load_id}",
        pod.endpoint,
        seen.state,
        seen.loaded_digest,
        seen.accepting,
        seen.in_flight,
        seen.message,
    )
