"""Engines as pods: one Deployment for each engine's process, made from a pool's template, watched through the API.

Two things are the truth: what the API holds (which Deployments there are; their annotations say what each is to hold)
and what each pod's engine tells itself. A silent API says nothing of engines that answer. The cluster replaces and
restarts pods by itself; `domain.members` sees to it that such a one counts only after its own proof.
"""

import logging
from collections.abc import Callable, Sequence

from ratoon.chassis.artifacts import ArtifactStore
from ratoon.chassis.cluster_api import JSON, Cluster
from ratoon.chassis.cluster_watch import Watched
from ratoon.chassis.errors import FailedPrecondition, RatoonError, Unavailable
from ratoon.engine.contract import ControlPath
from ratoon_serving.adapters import engine_manifest as manifest
from ratoon_serving.adapters.engine_deployments import EngineDeployments, PodEngines
from ratoon_serving.adapters.engine_http import EngineClient
from ratoon_serving.adapters.engine_pods import EnginePods, at
from ratoon_serving.adapters.kubernetes_event import event
from ratoon_serving.application.ports import Happened, Patience
from ratoon_serving.domain.attestation import Continuation, GoldenPrompt
from ratoon_serving.domain.engine import Check, Engine, EngineState, EngineView, Fence, Member
from ratoon_serving.domain.rollouts.second_engine import Headroom
from ratoon_serving.domain.scaling import MOST, Load

_LOG = logging.getLogger(__name__)


class KubernetesEngineHost:
    """Starts, looks at and ends engines in pods."""

    def __init__(
        self,
        cluster: Cluster,
        given: PodEngines,
        artifacts: ArtifactStore,
        client: EngineClient,
    ) -> None:
        self._cluster, self._given, self._client = cluster, given, client
        self._deployments = EngineDeployments(cluster, given, artifacts)
        self._pods = EnginePods(cluster, manifest.selector(given.owner), client)

    @property
    def watches(self) -> tuple[Watched, Watched]:
        """What has to run before anything is asked."""
        return self._deployments.watch, self._pods.watch

    @property
    def patience(self) -> Patience:
        """What the operator allows: images are pulled and weights fetched in it."""
        return self._given.patience

    @property
    def most_replicas(self) -> int:
        """As many as bounds may say."""
        return MOST

    def prepare(self, pool: str) -> None:
        """See to it that the pool's template can be used: a pod needs nothing else beforehand."""
        self._given.template(pool)

    def endpoint(self, engine: Engine) -> str:
        """Each pod has its own."""
        return ""

    def headroom(self, pool: str) -> Headroom:
        """Places that the pool has left, where its template says how many it has."""
        places = self._deployments.places_left(pool)
        return Headroom(unbounded=True) if places is None else Headroom(free_processes=places)

    def start(self, engine: Engine, fence: Fence) -> None:
        """Make its Deployment, or load it into the warm one that runs; what cannot be done yet, a later call does."""
        there = self._deployments.of(engine)
        if there is None:
            self._deployments.create(engine, fence)
            return
        there = self._deployments.admit(there, fence)
        members = self._pods.members(engine, there)
        states = {member.state for member in members}
        if EngineState.GONE in states:
            self._pods.end_useless(engine, there)
        elif (
            states == {EngineState.READY} and not engine.is_adapter and not manifest.is_target(there, engine)
        ):
            self._deployments.aim(engine, there, fence)
        elif EngineState.ABSENT in states:
            absent = [member for member in members if member.state is EngineState.ABSENT]
            self._load(engine, there, absent, fence)

    def view(self, engine: Engine) -> EngineView:
        """The engine as it is now; what is wanted and not there yet, an adapter, is seen to."""
        there = self._deployments.of(engine)
        if there is None or there["metadata"].get("deletionTimestamp"):
            return EngineView(EngineState.ABSENT)
        if not engine.is_adapter and not manifest.is_target(there, engine):
            return EngineView()
        members = self._pods.members(engine, there)
        refused = manifest.refusal(there)
        waits = refused or "its pod is being created"
        if not members:
            return EngineView(EngineState.STARTING, message=waits, unplaced=bool(refused))
        replicas = int(there["spec"].get("replicas", 1))
        if not engine.proofs and len(members) < replicas:
            members.append(Member("", message=waits, unplaced=bool(refused)))
        return EngineView(EngineState.STARTING, members=tuple(members), replicas=replicas)

    def close(self, engine: Engine) -> None:
        """Let none of its pods take new requests."""
        for member in self._reachable(engine):
            self._client.close(at(engine, member))

    def open(self, engine: Engine) -> None:
        """Let its pods take requests again: those whose load of the weights proved itself."""
        proved = {proof.load_id for proof in engine.proofs}
        for member in self._reachable(engine):
            if member.load_id in proved:
                self._client.open(at(engine, member), member.load_id.partition("/")[2])

    def unload(self, engine: Engine) -> None:
        """Take an adapter out of its pods, which from now on were started for none."""
        there = self._deployments.of(engine)
        if there is not None and manifest.is_target(there, engine):
            self._deployments.note(there, {manifest.TARGET: "", manifest.VERSION: ""})
        for member in self._reachable(engine):
            self._client.control(at(engine, member), ControlPath.UNLOAD_ADAPTER, {"name": engine.served_name})

    def scale(self, engine: Engine, fence: Fence) -> None:
        """Change the number of its pods."""
        there = self._deployments.of(engine)
        if there is None or there["spec"].get("replicas") == engine.replicas:
            return
        self._deployments.scale(self._deployments.admit(there, fence), engine.replicas)

    def load(self, engine: Engine) -> Load:
        """The sum of what waits in its pods, and the mean of how full their caches are."""
        told = [self._client.load(at(engine, member)) for member in self._reachable(engine)]
        heard = [each for each in told if each is not None]
        if not heard:
            return Load()
        return Load(waiting=sum(w for w, _ in heard), cache_used=sum(used for _, used in heard) / len(heard))

    def claim(self, engine: Engine, fence: Fence) -> None:
        """Write this right down at its Deployment, so that older ones are refused."""
        there = self._deployments.of(engine)
        if there is not None:
            self._deployments.admit(there, fence)

    def stop(self, engine: Engine, fence: Fence) -> None:
        """End its Deployment, unless that is another engine's by now; the pods have their time to drain."""
        there = self._deployments.of(engine)
        if there is None or (not engine.is_adapter and not manifest.is_target(there, engine)):
            return
        self._deployments.end(self._deployments.admit(there, fence))

    def continue_prompts(self, engine: Engine, prompts: Sequence[GoldenPrompt]) -> Sequence[Continuation]:
        """The greedy continuations of the pod at the engine's endpoint."""
        return self._client.continue_prompts(engine, prompts)

    def probe(self, engine: Engine) -> Check:
        """One synthetic request."""
        return self._client.probe(engine)

    def inject(self, engine: Engine, error_rate: float, seconds: float) -> None:
        """Let this share of its answers fail for so long."""
        name = engine.served_name if engine.is_adapter else ""
        asked = {"name": name, "error_rate": error_rate, "seconds": seconds}
        for member in self._reachable(engine):
            self._client.control(at(engine, member), ControlPath.INJECT_FAULT, asked)

    def tell(self, engine: Engine, happened: Happened) -> None:
        """An event of its Deployment."""
        there = self._deployments.of(engine)
        try:
            self._cluster.create_event(event(engine, there, self._cluster.namespace, happened))
        except RatoonError as error:
            _LOG.warning("an event could not be recorded: %s", error)

    def sweep(self, is_known: Callable[[str], bool]) -> None:
        """End every Deployment of ours whose process is not known; while the API is away, the next start does it."""
        try:
            for there in self._deployments.watch.all():
                if not is_known(manifest.annotations(there).get(manifest.PROCESS, "")):
                    self._deployments.end(there)
        except RatoonError as error:
            _LOG.warning("unknown engines could not be listed: %s", error)

    def _load(self, engine: Engine, there: JSON, members: Sequence[Member], fence: Fence) -> None:
        """Write the target, then load it: a pod that starts anew in between starts with the target."""
        if engine.is_adapter:
            for member in members:
                self._pods.load_beside(engine, member)
            return
        before = manifest.annotations(there)
        self._deployments.aim(engine, there, fence)
        try:
            for member in members:
                self._pods.load_instead(engine, member)
        except (FailedPrecondition, Unavailable):
            self._deployments.aim_back(before, there)
            raise

    def _reachable(self, engine: Engine) -> list[Member]:
        there = self._deployments.of(engine)
        members = self._pods.members(engine, there) if there is not None else []
        return [member for member in members if member.state is EngineState.READY]
