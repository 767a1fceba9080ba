"""Deployment, and its reconciliation between rollouts: restart of a lost engine, routes and scaling."""

from dataclasses import dataclass, field, replace
from datetime import datetime

from ratoon.tasks.compute import Compute
from ratoon_serving.domain.engine import Check, EngineState, EngineView
from ratoon_serving.domain.rollouts.plan import (
    Action,
    OpenEngine,
    ReconcileEngine,
    ScaleEngine,
    SetRoutes,
    StartEngine,
    StopEngine,
)
from ratoon_serving.domain.routes import HOLD_ASLEEP_S, TrafficSplit
from ratoon_serving.domain.scaling import POLICY, Bounds, Load, Policy, scale, since, woken

_RECONCILE_S = 2.0
_IDLE_RECONCILE_S = 5.0
_RETRY_S = 0.25
_MAX_BACKOFF_S = 60.0
_BACKOFF_RESET_S = 300.0


@dataclass(frozen=True)
class Deployment:
    """Deployment of a model; callers name it as `model` in their requests."""

    name: str
    create_time: datetime
    update_time: datetime
    revision: int
    model: str
    version: str = ""
    """Version that serves; empty before the first rollout ends."""
    engine: str = ""
    """Engine that serves it."""
    previous_version: str = ""
    active_rollout: str = ""
    """Active rollout; it is cleared shortly after its end."""
    restarts: int = 0
    """Number of restarts of its engine since it last ran for some minutes."""
    restarted_at: datetime | None = None
    pool: str = ""
    """Pool of its engines; empty: the default pool of the installation."""
    bounds: Bounds = field(default_factory=Bounds)
    """Minimum and maximum number of processes of its engine."""
    replicas: int = 1
    """Desired number of processes; 0: none until a request wakes it."""
    scaled_at: datetime | None = None
    wake_requested_at: datetime | None = None
    """Time of the last request while it was scaled to zero."""
    compute: Compute | None = None
    """Accelerator and number format of its engines, where a rollout sets none; None: those of the pool."""

    @property
    def wake_requested(self) -> bool:
        """Return whether a request came since it was scaled to zero."""
        return self.wake_requested_at is not None and (
            self.scaled_at is None or self.wake_requested_at >= self.scaled_at
        )


@dataclass(frozen=True)
class DeploymentObservation:
    """Observation of a deployment at one moment."""

    engine: EngineView
    digest: str = ""
    """Artifact digest that the engine must have loaded."""
    attested: bool = False
    """True if it passed attestation since its last start."""
    golden: Check | None = None
    split: TrafficSplit = ()
    rollout_active: bool = False
    load: Load | None = None
    """None: not observed, because its number of processes is fixed."""
    rollout_over: bool = False
    """True if the rollout that it names has ended."""


@dataclass(frozen=True)
class DeploymentPlan:
    """Plan that follows from an observation: the next state and its actions."""

    deployment: Deployment
    actions: tuple[Action, ...] = ()
    wake_after: float = _RECONCILE_S
    """Seconds until the next observation."""


def reconcile(
    deployment: Deployment, observation: DeploymentObservation, now: datetime, rules: Policy = POLICY
) -> DeploymentPlan:
    """Return the plan that keeps the deployment serving; during a rollout the rollout does that."""
    if observation.rollout_over:
        deployment = replace(deployment, active_rollout="")
    if not deployment.engine or observation.rollout_active:
        return DeploymentPlan(deployment, wake_after=_IDLE_RECONCILE_S)
    if deployment.replicas == 0:
        return _asleep(deployment, observation, now)
    has_wrong_artifact = (
        observation.engine.state is EngineState.READY
        and observation.engine.loaded_digest != observation.digest
    )
    if has_wrong_artifact:
        return DeploymentPlan(deployment, (*_route(observation, ()), StopEngine(deployment.engine)), _RETRY_S)
    if observation.engine.state in (EngineState.ABSENT, EngineState.GONE):
        return _restart(deployment, observation, now)
    if observation.engine.state is EngineState.STARTING and observation.attested:
        return DeploymentPlan(deployment)  # It runs and is only slow to answer.
    attested = observation.attested or (observation.golden is not None and observation.golden.passed)
    if observation.engine.state is not EngineState.READY or not attested:
        return DeploymentPlan(deployment, _route(observation, ()), _RETRY_S)
    opened = () if observation.engine.accepting else (OpenEngine(deployment.engine),)
    reconciled = (
        (ReconcileEngine(deployment.engine),) if observation.engine.changed and observation.split else ()
    )
    routed = _route(observation, ((deployment.engine, 100),))
    scaled = _scaled(_with_backoff_reset(deployment, now), observation, now, rules)
    if not scaled.replicas:
        return DeploymentPlan(scaled, wake_after=0.0)
    reported = observation.engine.desired_replicas
    scaling = (
        () if reported in (None, scaled.replicas) else (ScaleEngine(deployment.engine, scaled.replicas),)
    )
    return DeploymentPlan(scaled, (*opened, *reconciled, *scaling, *routed))


def _asleep(deployment: Deployment, observation: DeploymentObservation, now: datetime) -> DeploymentPlan:
    """Stop the engine of a deployment that is scaled to zero, or wake it if a request came."""
    if deployment.wake_requested:
        up = replace(
            deployment, replicas=woken(deployment.bounds), scaled_at=now, restarts=0, restarted_at=None
        )
        return DeploymentPlan(up, wake_after=0.0)
    unrouted = (SetRoutes((), HOLD_ASLEEP_S),) if observation.split else ()
    ended = (
        ()
        if observation.split or observation.engine.state is EngineState.ABSENT
        else (StopEngine(deployment.engine),)
    )
    return DeploymentPlan(deployment, (*unrouted, *ended), _IDLE_RECONCILE_S)


def _scaled(
    deployment: Deployment, observation: DeploymentObservation, now: datetime, rules: Policy
) -> Deployment:
    """Return the deployment with the number of processes that its load requires."""
    desired = deployment.bounds.min_replicas if deployment.bounds.fixed else deployment.replicas
    if observation.load is not None:
        waited = since(deployment.scaled_at, now)
        desired = scale(observation.load, deployment.bounds, deployment.replicas, waited, rules)
    if desired == deployment.replicas:
        return deployment
    return replace(deployment, replicas=desired, scaled_at=now)


def _restart(deployment: Deployment, observation: DeploymentObservation, now: datetime) -> DeploymentPlan:
    pause = min(2.0**deployment.restarts - 1, _MAX_BACKOFF_S)
    since = (now - deployment.restarted_at).total_seconds() if deployment.restarted_at else pause
    if since < pause:
        return DeploymentPlan(deployment, _route(observation, ()), max(_RETRY_S, pause - since))
    again = replace(deployment, restarts=deployment.restarts + 1, restarted_at=now)
    return DeploymentPlan(again, (*_route(observation, ()), StartEngine(deployment.engine)), _RETRY_S)


def _with_backoff_reset(deployment: Deployment, now: datetime) -> Deployment:
    last = deployment.restarted_at
    well = last is not None and (now - last).total_seconds() > _BACKOFF_RESET_S
    return replace(deployment, restarts=0, restarted_at=None) if well else deployment


def _route(observation: DeploymentObservation, desired: TrafficSplit) -> tuple[Action, ...]:
    return () if observation.split == desired else (SetRoutes(desired),)
