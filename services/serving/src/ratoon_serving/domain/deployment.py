"""A deployment, and how it is kept: outside of rollouts its engine is brought back when it dies."""

from dataclasses import dataclass, replace
from datetime import datetime

from ratoon_serving.domain.engine import Check, EngineState, EngineView
from ratoon_serving.domain.rollout import Action, SetRoutes, StartEngine, StopEngine
from ratoon_serving.domain.routes import Weights

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
    restarts: int = 0
    """How often its engine was started again, since it last was well for a while."""
    restarted_at: datetime | None = None


@dataclass(frozen=True)
class Sight:
    """What there is to see of a deployment."""

    engine: EngineView
    digest: str = ""
    """Artifact digest that the engine must have loaded."""
    attested: bool = False
    """Whether it has proved itself since its last start."""
    golden: Check | None = None
    weights: Weights = ()
    rollout_active: bool = False


@dataclass(frozen=True)
class Care:
    """What follows for a deployment."""

    deployment: Deployment
    actions: tuple[Action, ...] = ()
    wake_after: float = _CALM_S


def keep(deployment: Deployment, seen: Sight, now: datetime) -> Care:
    """See to it that what serves goes on serving; while a rollout is under way it is the rollout's to do."""
    if not deployment.engine or seen.rollout_active:
        return Care(deployment, wake_after=_IDLE_S)
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
    return Care(_calmed(deployment, now), _route(seen, ((deployment.engine, 100),)))


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


def _route(seen: Sight, wanted: Weights) -> tuple[Action, ...]:
    return () if seen.weights == wanted else (SetRoutes(wanted),)
