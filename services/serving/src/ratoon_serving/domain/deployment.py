"""A deployment, and how it is kept: outside of rollouts its engine is brought back when it dies, and scaled."""

from dataclasses import dataclass, field, replace
from datetime import datetime

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

_CALM_S = 2.0
_IDLE_S = 5.0
_HASTY_S = 0.25
_LONGEST_PAUSE_S = 60.0
_HEALTHY_S = 300.0


@dataclass(frozen=True)
class Deployment:
    """A named place where a model is served; callers ask for it by `model`."""

    name: str
    create_time: datetime
    update_time: datetime
    revision: int
    model: str
    version: str = ""
    """The version that serves; empty before the first rollout ends."""
    engine: str = ""
    """The engine that serves it."""
    previous_version: str = ""
    active_rollout: str = ""
    """The rollout that is under way; a moment after its end it is empty again."""
    restarts: int = 0
    """How often its engine was started again, since it last was well for a while."""
    restarted_at: datetime | None = None
    pool: str = ""
    """Where its engines run, as the operator named it; empty: where the installation's do."""
    bounds: Bounds = field(default_factory=Bounds)
    """How few and how many processes its engine may have."""
    replicas: int = 1
    """How many it is to have; 0: none until somebody asks."""
    scaled_at: datetime | None = None
    wanted_at: datetime | None = None
    """When somebody last asked for what was scaled to none."""

    @property
    def wanted(self) -> bool:
        """Whether somebody asked since it was scaled to none."""
        return self.wanted_at is not None and (self.scaled_at is None or self.wanted_at >= self.scaled_at)


@dataclass(frozen=True)
class Sight:
    """What there is to see of a deployment."""

    engine: EngineView
    digest: str = ""
    """Artifact digest that the engine must have loaded."""
    attested: bool = False
    """Whether it has proved itself since its last start."""
    golden: Check | None = None
    weights: TrafficSplit = ()
    rollout_active: bool = False
    load: Load | None = None
    """None: not looked at, for nothing is scaled."""
    rollout_over: bool = False
    """Whether the rollout that it names has ended."""


@dataclass(frozen=True)
class Care:
    """What follows for a deployment."""

    deployment: Deployment
    actions: tuple[Action, ...] = ()
    wake_after: float = _CALM_S


def keep(deployment: Deployment, seen: Sight, now: datetime, rules: Policy = POLICY) -> Care:
    """See to it that what serves goes on serving; while a rollout is under way it is the rollout's to do."""
    if seen.rollout_over:
        deployment = replace(deployment, active_rollout="")
    if not deployment.engine or seen.rollout_active:
        return Care(deployment, wake_after=_IDLE_S)
    if deployment.replicas == 0:
        return _asleep(deployment, seen, now)
    imposter = seen.engine.state is EngineState.READY and seen.engine.loaded_digest != seen.digest
    if imposter:
        return Care(deployment, (*_route(seen, ()), StopEngine(deployment.engine)), _HASTY_S)
    if seen.engine.state in (EngineState.ABSENT, EngineState.GONE):
        return _bring_back(deployment, seen, now)
    if seen.engine.state is EngineState.STARTING and seen.attested:
        return Care(deployment)  # it runs and is only slow to answer
    proved = seen.attested or (seen.golden is not None and seen.golden.passed)
    if seen.engine.state is not EngineState.READY or not proved:
        return Care(deployment, _route(seen, ()), _HASTY_S)
    opened = () if seen.engine.accepting else (OpenEngine(deployment.engine),)
    tended = (ReconcileEngine(deployment.engine),) if seen.engine.changed and seen.weights else ()
    routed = _route(seen, ((deployment.engine, 100),))
    sized = _sized(_calmed(deployment, now), seen, now, rules)
    if not sized.replicas:
        return Care(sized, wake_after=0.0)  # what follows from that is what follows while it sleeps
    told = seen.engine.replicas
    scaled = () if told in (None, sized.replicas) else (ScaleEngine(deployment.engine, sized.replicas),)
    return Care(sized, (*opened, *tended, *scaled, *routed))


def _asleep(deployment: Deployment, seen: Sight, now: datetime) -> Care:
    """Nothing runs, and requests wait: the first one wakes it."""
    if deployment.wanted:
        up = replace(
            deployment, replicas=woken(deployment.bounds), scaled_at=now, restarts=0, restarted_at=None
        )
        return Care(up, wake_after=0.0)
    unrouted = (SetRoutes((), HOLD_ASLEEP_S),) if seen.weights else ()
    ended = (
        () if seen.weights or seen.engine.state is EngineState.ABSENT else (StopEngine(deployment.engine),)
    )
    return Care(deployment, (*unrouted, *ended), _IDLE_S)


def _sized(deployment: Deployment, seen: Sight, now: datetime, rules: Policy) -> Deployment:
    """As many processes as it needs; those that come are routed once they have proved themselves."""
    wish = deployment.bounds.least if deployment.bounds.fixed else deployment.replicas
    if seen.load is not None:
        waited = since(deployment.scaled_at, now)
        wish = scale(seen.load, deployment.bounds, deployment.replicas, waited, rules)
    if wish == deployment.replicas:
        return deployment
    return replace(deployment, replicas=wish, scaled_at=now)


def _bring_back(deployment: Deployment, seen: Sight, now: datetime) -> Care:
    pause = min(2.0**deployment.restarts - 1, _LONGEST_PAUSE_S)
    since = (now - deployment.restarted_at).total_seconds() if deployment.restarted_at else pause
    if since < pause:
        return Care(deployment, _route(seen, ()), max(_HASTY_S, pause - since))
    again = replace(deployment, restarts=deployment.restarts + 1, restarted_at=now)
    return Care(again, (*_route(seen, ()), StartEngine(deployment.engine)), _HASTY_S)


def _calmed(deployment: Deployment, now: datetime) -> Deployment:
    last = deployment.restarted_at
    well = last is not None and (now - last).total_seconds() > _HEALTHY_S
    return replace(deployment, restarts=0, restarted_at=None) if well else deployment


def _route(seen: Sight, wanted: TrafficSplit) -> tuple[Action, ...]:
    return () if seen.weights == wanted else (SetRoutes(wanted),)
