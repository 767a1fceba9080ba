"""What the phases of a rollout have in common: routes, engines that are emptied and put away, turning back.

What is to be done follows from state and observation alone, so that what a crash lost is done by the next look.
"""

from dataclasses import replace
from datetime import datetime

from ratoon_serving.domain.engine import EngineState, EngineView
from ratoon_serving.domain.rollouts.rollout import (
    Action,
    CloseEngine,
    Event,
    Move,
    MoveAlias,
    Note,
    Observation,
    OpenEngine,
    Phase,
    RecordServing,
    Rollout,
    SetRoutes,
    StartApart,
    StartEngine,
    StartInside,
    StopEngine,
    Strategy,
    TendEngine,
)
from ratoon_serving.domain.routes import HOLD_IN_PLACE_S, HOLD_S, Weights

LOST = (EngineState.ABSENT, EngineState.GONE)


def desired_weights(rollout: Rollout, green: EngineView) -> Weights:
    """What the route table ought to say in this state; an engine that is unproven or gone is not in it."""
    blue = rollout.blue if rollout.blue and rollout.blue_attested else ""
    green_name = rollout.green if green.state is EngineState.READY else ""
    shares: Weights
    in_place = rollout.strategy is Strategy.IN_PLACE
    match rollout.phase:
        case Phase.CLOSING:
            shares = ()
        case Phase.SHIFTING:
            share = rollout.weights[rollout.step] if blue else 100
            shares = ((rollout.green, share), (blue, 100 - share))
        case Phase.BAKING:
            shares = ((rollout.green, 100), (blue, 0))
        case Phase.DRAINING | Phase.PROMOTING | Phase.SUCCEEDED:
            shares = ((rollout.green, 100),)
        case Phase.REVERTING if (
            not blue and rollout.blue and rollout.shifted_at and green_name and not in_place
        ):
            shares = ((green_name, 100),)
        case Phase.RESTORING if rollout.forsaken:
            shares = ((green_name, 100),)
        case _:
            shares = ((blue, 100),)
    return tuple((name, weight) for name, weight in shares if name)


def routes(rollout: Rollout, seen: Observation) -> tuple[Action, ...]:
    """Open what is to be routed, then route it; empty when all of that holds."""
    wanted = desired_weights(rollout, seen.green)
    views = ((rollout.green, seen.green), (rollout.blue, seen.blue))
    opened = tuple(
        OpenEngine(name)
        for name, view in views
        if name in dict(wanted) and view.state is EngineState.READY and not view.accepting
    )
    hold = HOLD_IN_PLACE_S if rollout.strategy is Strategy.IN_PLACE else HOLD_S
    routed = () if sorted(wanted) == sorted(seen.weights) else (SetRoutes(wanted, hold),)
    return (*opened, *routed)


def tend(rollout: Rollout, seen: Observation) -> tuple[Action, ...]:
    """See to the processes that came to, or went from, engines that are routed."""
    views = ((rollout.green, seen.green), (rollout.blue, seen.blue))
    return tuple(TendEngine(name) for name, view in views if view.changed and name in dict(seen.weights))


def settle(rollout: Rollout, seen: Observation, *events: Event) -> Move:
    """Enter a phase and set the routes that it wants, in one go."""
    return Move(rollout, routes(rollout, seen), events, wake_after=0.0)


def start(rollout: Rollout, engine: str) -> Action:
    """Start an engine where it lives, apart, or inside the other one's process."""
    if rollout.inside and engine == rollout.green:
        return StartInside(engine, rollout.blue)
    return StartApart(engine) if engine == rollout.apart else StartEngine(engine)


def to_empty(rollout: Rollout, name: str, view: EngineView, seen: Observation) -> tuple[Action, ...] | None:
    """What is left to do until this engine has no request, perhaps only to wait; None when it has none."""
    if actions := routes(rollout, seen):
        return actions
    if view.state is EngineState.READY and view.accepting:
        return (CloseEngine(name),)
    return () if view.state is EngineState.READY and view.in_flight else None


def put_away(rollout: Rollout, engine: str, view: EngineView, now: datetime) -> tuple[Action, ...] | None:
    """Close an engine, let its streams end up to the limit, stop it; None when it is gone.

    Whoever goes on from there stops it once more: that also writes down the end of one that went by itself.
    """
    if view.state is EngineState.ABSENT:
        return None
    if view.state is EngineState.READY and view.accepting:
        return (CloseEngine(engine),)
    over = seconds_in_phase(rollout, now) > rollout.limits.drain_s
    never_served = engine == rollout.green and rollout.shifted_at is None
    silent = view.state is EngineState.STARTING and not never_served
    if not over and (silent or (view.state is EngineState.READY and view.in_flight)):
        return ()
    return (StopEngine(engine),)


def record(rollout: Rollout, version: str, engine: str, seen: Observation, reason: str) -> Move | None:
    """Write down what is left, the alias last of all and once; None when nothing is left.

    An alias that says something new since it was to be moved was moved again, by a rollout of another deployment.
    """
    if seen.serving != version:
        return Move(rollout, (RecordServing(version, engine),))
    if seen.alias == version or rollout.superseded not in (None, seen.alias):
        return None
    moving = replace(rollout, superseded=seen.alias)
    return Move(moving, (MoveAlias(version, f"{rollout.name}: {reason}"),))


def enter(rollout: Rollout, phase: Phase, now: datetime, message: str) -> Rollout:
    """Come to a phase, and note why."""
    notes = (*rollout.notes, Note(now, phase, message))
    return replace(rollout, phase=phase, phase_since=now, notes=notes)


def go_back(rollout: Rollout, ending: Phase, reason: str, now: datetime) -> Rollout:
    """Turn back, to end in this way."""
    turned = replace(rollout, ending=ending, reason=reason, paused=False)
    return enter(turned, Phase.REVERTING, now, reason)


def fail(rollout: Rollout, reason: str, now: datetime) -> Move:
    """Turn back, for the new version is of no use."""
    return Move(go_back(rollout, Phase.FAILED, reason, now), wake_after=0.0)


def seconds_in_phase(rollout: Rollout, now: datetime) -> float:
    """Seconds since it came to this phase."""
    return (now - rollout.phase_since).total_seconds()


def short(version: str) -> str:
    """A version as notes name it."""
    return version.rsplit("/", 1)[-1] or "no version"
