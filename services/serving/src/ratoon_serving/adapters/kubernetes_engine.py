"""Engines as pods: one Deployment for each engine's process, created from a pool's template, watched through the API.

Two sources are authoritative: the Deployments in the API, whose annotations name their target, and the status that each
pod's engine reports. An unavailable API does not mark engines as lost. The cluster replaces and restarts pods at any
time; `domain.replicas` counts such a pod only once it passed attestation.
"""

import logging
from collections.abc import Callable, Sequence

from ratoon.engine.contract import ControlPath
from ratoon.kubernetes.cluster_api import JSON, Cluster
from ratoon.kubernetes.cluster_watch import Watched
from ratoon.process.errors import FailedPrecondition, RatoonError, Unavailable
from ratoon.storage.artifacts import ArtifactStore
from ratoon.tasks.compute import Compute
from ratoon_serving.adapters import engine_manifest as manifest
from ratoon_serving.adapters.engine_deployments import EngineDeployments, PodEngines
from ratoon_serving.adapters.engine_http import EngineClient
from ratoon_serving.adapters.engine_pods import EnginePods, at
from ratoon_serving.adapters.kubernetes_event import event
from ratoon_serving.application.ports import EngineTimeouts, RolloutProgress
from ratoon_serving.domain.attestation import Continuation, GoldenPrompt
from ratoon_serving.domain.engine import Check, Engine, EngineState, EngineView, Fence, Replica
from ratoon_serving.domain.rollouts.second_engine import Headroom
from ratoon_serving.domain.scaling import MAX_REPLICAS, Load

_LOG = logging.getLogger(__name__)


class KubernetesEngineHost:
    """Host of engines in pods."""

    def __init__(
        self,
        cluster: Cluster,
        config: PodEngines,
        artifacts: ArtifactStore,
        client: EngineClient,
    ) -> None:
        self._cluster, self._config, self._client = cluster, config, client
        self._deployments = EngineDeployments(cluster, config, artifacts)
        self._pods = EnginePods(cluster, manifest.selector(config.owner), client)

    @property
    def watches(self) -> tuple[Watched, Watched]:
        """Return the watches that must run before the first call."""
        return self._deployments.watch, self._pods.watch

    @property
    def timeouts(self) -> EngineTimeouts:
        """Return the configured timeouts; they include pulling images and fetching weights."""
        return self._config.timeouts

    @property
    def max_replicas(self) -> int:
        """Return the maximum of any bounds."""
        return MAX_REPLICAS

    @property
    def max_shared_adapters(self) -> int:
        """Return one: the number of pods is that of one deployment."""
        return 1

    def prepare(self, pool: str) -> None:
        """Check the template of the pool: a pod needs no other preparation."""
        self._config.template(pool)

    def pool(self, name: str, compute: Compute | None) -> str:
        """Return the pool of the accelerator: the named or the default one, else the first by name."""
        return name if compute is None else self._config.pool_of(name, compute.accelerator)

    def cpu_flags(self, pool: str) -> frozenset[str] | None:
        """Return None: nodes of a pool may differ. An engine checks its own processor when it starts."""
        return None

    def endpoint(self, engine: Engine) -> str:
        """Return nothing: each pod has an endpoint of its own."""
        return ""

    def headroom(self, pool: str) -> Headroom:
        """Return the free processes of the pool, if its template states a capacity."""
        free = self._deployments.free_processes(pool)
        return Headroom(unbounded=True) if free is None else Headroom(free_processes=free)

    def start(self, engine: Engine, fence: Fence) -> None:
        """Create its Deployment, or load it into the warm one; a later call continues what is not possible yet."""
        deployment = self._deployments.of(engine)
        if deployment is None:
            self._deployments.create(engine, fence)
            return
        deployment = self._deployments.admit(deployment, fence)
        replicas = self._pods.replicas(engine, deployment)
        states = {replica.state for replica in replicas}
        if EngineState.GONE in states:
            self._pods.delete_broken(engine, deployment)
        elif (
            states == {EngineState.READY}
            and not engine.is_adapter
            and not manifest.is_target(deployment, engine)
        ):
            self._deployments.set_target(engine, deployment, fence)
        elif EngineState.ABSENT in states:
            absent = [replica for replica in replicas if replica.state is EngineState.ABSENT]
            self._load(engine, deployment, absent, fence)

    def view(self, engine: Engine) -> EngineView:
        """Return the current observation of the engine; load its adapter where it is missing."""
        deployment = self._deployments.of(engine)
        if deployment is None or deployment["metadata"].get("deletionTimestamp"):
            return EngineView(EngineState.ABSENT)
        if not engine.is_adapter and not manifest.is_target(deployment, engine):
            return EngineView()
        replicas = self._pods.replicas(engine, deployment)
        refusal = manifest.refusal(deployment)
        message = refusal or "its pod is being created"
        if not replicas:
            return EngineView(EngineState.STARTING, message=message, unplaced=bool(refusal))
        desired = int(deployment["spec"].get("replicas", 1))
        if not engine.attestations and len(replicas) < desired:
            replicas.append(Replica("", message=message, unplaced=bool(refusal)))
        return EngineView(EngineState.STARTING, replicas=tuple(replicas), desired_replicas=desired)

    def close(self, engine: Engine) -> None:
        """Refuse new requests in all of its pods."""
        for replica in self._reachable(engine):
            self._client.close(at(engine, replica))

    def open(self, engine: Engine) -> None:
        """Accept requests again in the pods whose load of the weights is attested."""
        attested = {attestation.load_id for attestation in engine.attestations}
        for replica in self._reachable(engine):
            if replica.load_id in attested:
                self._client.open(at(engine, replica), replica.load_id.partition("/")[2])

    def unload(self, engine: Engine) -> None:
        """Unload an adapter from its pods, and clear their target."""
        deployment = self._deployments.of(engine)
        if deployment is not None and manifest.is_target(deployment, engine):
            self._deployments.annotate(deployment, {manifest.TARGET: "", manifest.VERSION: ""})
        for replica in self._reachable(engine):
            self._client.control(
                at(engine, replica), ControlPath.UNLOAD_ADAPTER, {"name": engine.served_name}
            )

    def scale(self, engine: Engine, fence: Fence) -> None:
        """Change the number of its pods."""
        deployment = self._deployments.of(engine)
        if deployment is None or deployment["spec"].get("replicas") == engine.replicas:
            return
        self._deployments.scale(self._deployments.admit(deployment, fence), engine.replicas)

    def load(self, engine: Engine) -> Load:
        """Return the sum of waiting requests of its pods, and the mean of their used caches."""
        loads = [self._client.load(at(engine, replica)) for replica in self._reachable(engine)]
        known = [each for each in loads if each is not None]
        if not known:
            return Load()
        return Load(waiting=sum(w for w, _ in known), cache_used=sum(used for _, used in known) / len(known))

    def claim(self, engine: Engine, fence: Fence) -> None:
        """Record this fence at its Deployment, so that older ones are refused."""
        deployment = self._deployments.of(engine)
        if deployment is not None:
            self._deployments.admit(deployment, fence)

    def stop(self, engine: Engine, fence: Fence) -> None:
        """Delete its Deployment, unless another engine uses it by now; its pods drain first."""
        deployment = self._deployments.of(engine)
        if deployment is None or (not engine.is_adapter and not manifest.is_target(deployment, engine)):
            return
        self._deployments.end(self._deployments.admit(deployment, fence))

    def continue_prompts(self, engine: Engine, prompts: Sequence[GoldenPrompt]) -> Sequence[Continuation]:
        """Return the greedy continuations of the pod at the engine's endpoint."""
        return self._client.continue_prompts(engine, prompts)

    def score_prompts(self, engine: Engine, prompts: Sequence[GoldenPrompt]) -> Sequence[Continuation]:
        """Return the scores of the recorded tokens, by the pod at the engine's endpoint."""
        return self._client.score_prompts(engine, prompts)

    def probe(self, engine: Engine) -> Check:
        """Send one synthetic request."""
        return self._client.probe(engine)

    def inject(self, engine: Engine, error_rate: float, seconds: float) -> None:
        """Let this share of its answers fail for `seconds`."""
        name = engine.served_name if engine.is_adapter else ""
        request = {"name": name, "error_rate": error_rate, "seconds": seconds}
        for replica in self._reachable(engine):
            self._client.control(at(engine, replica), ControlPath.INJECT_FAULT, request)

    def report(self, engine: Engine, progress: RolloutProgress) -> None:
        """Create a Kubernetes event of its Deployment."""
        deployment = self._deployments.of(engine)
        try:
            self._cluster.create_event(event(engine, deployment, self._cluster.namespace, progress))
        except RatoonError as error:
            _LOG.warning("an event could not be recorded: %s", error)

    def stop_unknown(self, is_known: Callable[[str], bool]) -> None:
        """Delete our Deployments whose process is not known; if the API is unavailable, the next start does it."""
        try:
            for deployment in self._deployments.watch.all():
                if not is_known(manifest.annotations(deployment).get(manifest.PROCESS, "")):
                    self._deployments.end(deployment)
        except RatoonError as error:
            _LOG.warning("unknown engines could not be listed: %s", error)

    def _load(self, engine: Engine, deployment: JSON, replicas: Sequence[Replica], fence: Fence) -> None:
        """Write the target, then load it: a pod that restarts in between starts with the target."""
        if engine.is_adapter:
            for replica in replicas:
                self._pods.load_adapter(engine, replica)
            return
        previous = manifest.annotations(deployment)
        self._deployments.set_target(engine, deployment, fence)
        try:
            for replica in replicas:
                self._pods.reload(engine, replica)
        except (FailedPrecondition, Unavailable):
            self._deployments.restore_target(previous, deployment)
            raise

    def _reachable(self, engine: Engine) -> list[Replica]:
        deployment = self._deployments.of(engine)
        replicas = self._pods.replicas(engine, deployment) if deployment is not None else []
        return [replica for replica in replicas if replica.state is EngineState.READY]
