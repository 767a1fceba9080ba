"""Transitions that the phases of a rollout share: entering a phase, starting, draining and retiring engines.

Actions follow from state and observation alone, so that the next step repeats an action that a crash lost.
"""

from dataclasses import replace
from datetime import datetime

from ratoon_serving.domain.engine import EngineState, EngineView
from ratoon_serving.domain.rollouts.plan import (
    Action,
    CloseEngine,
    MoveAlias,
    Observation,
    Plan,
    RecordServing,
    StartEngine,
    StartInOwnProcess,
    StartInSharedProcess,
    StopEngine,
)
from ratoon_serving.domain.rollouts.rollout import Note, Phase, Placement, ProcessUse, Rollout
from ratoon_serving.domain.rollouts.routing import route_actions

LOST = (EngineState.ABSENT, EngineState.GONE)


def start(rollout: Rollout, engine: str) -> Action:
    """Return the action that starts an engine in its place."""
    match rollout.placement:
        case Placement(ProcessUse.SHARED_PROCESS, placed) if placed == engine:
            return StartInSharedProcess(engine, rollout.blue)
        case Placement(ProcessUse.OWN_PROCESS, placed) if placed == engine:
            return StartInOwnProcess(engine)
        case _:
            return StartEngine(engine)


def drain(
    rollout: Rollout, engine: str, view: EngineView, observation: Observation
) -> tuple[Action, ...] | None:
    """Return the next actions until an engine has no request, empty while it must only wait; None when it has none."""
    if actions := route_actions(rollout, observation):
        return actions
    if view.state is EngineState.READY and view.accepting:
        return (CloseEngine(engine),)
    return () if view.state is EngineState.READY and view.in_flight else None


def retire(rollout: Rollout, engine: str, view: EngineView, now: datetime) -> tuple[Action, ...] | None:
    """Return the next actions that close an engine, wait for its streams up to the limit, and stop it; None when done.

    The caller stops the engine once more afterwards, which also records the end of one that exited on its own.
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


def record(rollout: Rollout, version: str, engine: str, observation: Observation, reason: str) -> Plan | None:
    """Return the plan that records what serves, the alias last and once; None when nothing is left to record.

    An alias that changed after the rollout decided to move it was moved by a rollout of another deployment, and stays.
    """
    if observation.serving != version:
        return Plan(rollout, (RecordServing(version, engine),))
    if observation.alias == version or rollout.previous_alias not in (None, observation.alias):
        return None
    moving = replace(rollout, previous_alias=observation.alias)
    return Plan(moving, (MoveAlias(version, f"{rollout.name}: {reason}"),))


def enter(rollout: Rollout, phase: Phase, now: datetime, message: str) -> Rollout:
    """Return the rollout in a new phase, with a note."""
    notes = (*rollout.notes, Note(now, phase, message))
    return replace(rollout, phase=phase, phase_since=now, notes=notes)


def begin_rollback(rollout: Rollout, ending: Phase, reason: str, now: datetime) -> Rollout:
    """Return the rollout at the start of its rollback, which ends in the phase `ending`."""
    turned = replace(rollout, ending=ending, reason=reason, paused=False)
    return enter(turned, Phase.REVERTING, now, reason)


def fail(rollout: Rollout, reason: str, now: datetime) -> Plan:
    """Return the plan that rolls back and ends as FAILED."""
    return Plan(begin_rollback(rollout, Phase.FAILED, reason, now), wake_after=0.0)


def seconds_in_phase(rollout: Rollout, now: datetime) -> float:
    """Return the seconds since the rollout entered its phase."""
    return (now - rollout.phase_since).total_seconds()


def short(version: str) -> str:
    """Return the name of a version in notes."""
    return version.rsplit("/", 1)[-1] or "no version"
