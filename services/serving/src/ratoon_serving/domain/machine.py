"""The rollout state machine: `step(rollout, observation, now) → move`, pure, for *second engine*.

    QUEUED → STARTING → ATTESTING → PROBING → SHIFTING → BAKING → DRAINING → PROMOTING → SUCCEEDED
       └────────┴──────────┴──────────┴──────────┴─────────┴─────────┘
                              ↓ abort, fault, limit or bad analysis
                         REVERTING → DISCARDING → RESTORING → ROLLED_BACK | FAILED | CANCELLED

What the route table ought to say follows from the state; where it says something else it is set again, so a
crash between deciding and doing mends itself. An engine is routed only while it is attested since its last
start. Blue is kept warm until green has baked; when it dies meanwhile it is started again and must prove
itself before it counts. A pause holds the traffic, not the preparation. The alias moves last. Who executes
actions, and how the world is looked at, is not known here.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from ratoon_serving.domain.analysis import Outlook, Probes, judge, judge_at_end
from ratoon_serving.domain.engine import EngineState, EngineView
from ratoon_serving.domain.rollout import (
    REVERSIBLE,
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
    RolloutFailed,
    RolloutRolledBack,
    RolloutShifted,
    RolloutStarted,
    RolloutSucceeded,
    SetRoutes,
    StartEngine,
    StopEngine,
)
from ratoon_serving.domain.routes import Weights

_LOST = (EngineState.ABSENT, EngineState.GONE)
_WARM_BLUE = frozenset(
    {Phase.STARTING, Phase.ATTESTING, Phase.PROBING, Phase.SHIFTING, Phase.BAKING, Phase.REVERTING}
)
"""Phases in which blue must be there."""


def step(rollout: Rollout, seen: Observation, now: datetime) -> Move:
    """Decide what follows from what is seen; a rollout that ended stays as it is."""
    if rollout.ended:
        return Move(rollout)
    kept, actions = _keep_blue(rollout, seen, now)
    if back := _reason_to_go_back(kept, seen, now):
        ending, reason = back
        return Move(_go_back(kept, ending, reason, now), actions, wake_after=0.0)
    move = _STEPS[kept.phase](kept, seen, now)
    return replace(move, actions=(*actions, *move.actions))


def desired_weights(rollout: Rollout, green: EngineView) -> Weights:
    """What the route table ought to say in this state; an engine that is unproven or gone is not in it."""
    blue = rollout.blue if rollout.blue and rollout.blue_attested else ""
    green_name = rollout.green if green.state is EngineState.READY else ""
    shares: Weights
    match rollout.phase:
        case Phase.SHIFTING:
            share = rollout.weights[rollout.step] if blue else 100
            shares = ((rollout.green, share), (blue, 100 - share))
        case Phase.BAKING:
            shares = ((rollout.green, 100), (blue, 0))
        case Phase.DRAINING | Phase.PROMOTING | Phase.SUCCEEDED:
            shares = ((rollout.green, 100),)
        case Phase.REVERTING if not blue and rollout.blue and rollout.shifted_at and green_name:
            shares = ((green_name, 100),)
        case Phase.RESTORING if rollout.from_version and not rollout.blue and green_name:
            shares = ((green_name, 100),)
        case _:
            shares = ((blue, 100),)
    return tuple((name, weight) for name, weight in shares if name)


def lead_back(rollout: Rollout, reason: str, now: datetime) -> Move:
    """An error that repeating will not mend: go back, unless it is going back or on its last act already."""
    if rollout.phase in REVERSIBLE:
        return _fail(rollout, reason, now)
    return Move(rollout)


def abort(rollout: Rollout, reason: str) -> Rollout:
    """Wish it back; the next step sees to it."""
    return replace(rollout, abort_reason=reason or "asked for", paused=False)


def _keep_blue(rollout: Rollout, seen: Observation, now: datetime) -> tuple[Rollout, tuple[Action, ...]]:
    """Start blue again when it was lost while it is needed; count it only once it has proved itself."""
    if not rollout.blue or rollout.phase not in _WARM_BLUE:
        return rollout, ()
    if seen.blue.state in _LOST:
        just_lost = rollout.blue_attested and rollout.phase is Phase.REVERTING
        since = now if just_lost else rollout.phase_since
        return replace(rollout, blue_attested=False, phase_since=since), (StartEngine(rollout.blue),)
    proved = (
        seen.blue_golden is not None
        and seen.blue_golden.passed
        and seen.blue.loaded_digest == seen.blue_digest
    )
    if not rollout.blue_attested and seen.blue.state is EngineState.READY and proved:
        return replace(rollout, blue_attested=True), ()
    return rollout, ()


def _reason_to_go_back(rollout: Rollout, seen: Observation, now: datetime) -> tuple[Phase, str] | None:
    if rollout.phase not in REVERSIBLE:
        return None
    if rollout.abort_reason:
        return Phase.CANCELLED, f"aborted: {rollout.abort_reason}"
    waited = (now - rollout.phase_since).total_seconds()
    if rollout.paused:
        limit = rollout.limits.pause_s
        return (Phase.CANCELLED, f"it was paused for more than {limit:.0f} s") if waited > limit else None
    limit = _limit(rollout)
    if limit and waited > limit:
        detail = f" ({seen.green.message})" if seen.green.message else ""
        return Phase.FAILED, f"{rollout.phase.lower()} took longer than {limit:.0f} s{detail}"
    return None


def _limit(rollout: Rollout) -> float:
    limits = rollout.limits
    return {
        Phase.STARTING: limits.start_s,
        Phase.ATTESTING: limits.attest_s,
        Phase.PROBING: limits.probe_s,
    }.get(rollout.phase, 0.0)


def _queued(rollout: Rollout, _seen: Observation, now: datetime) -> Move:
    begun = _enter(rollout, Phase.STARTING, now, f"starting an engine for {_short(rollout.to_version)}")
    return Move(begun, (StartEngine(rollout.green),), (RolloutStarted(rollout.to_version),))


def _starting(rollout: Rollout, seen: Observation, now: datetime) -> Move:
    match seen.green.state:
        case EngineState.ABSENT:
            return Move(rollout, (StartEngine(rollout.green),))
        case EngineState.GONE:
            return _fail(rollout, f"the new engine ended while it started: {seen.green.message}", now)
        case EngineState.READY:
            return Move(_enter(rollout, Phase.ATTESTING, now, "the new engine is ready"), wake_after=0.0)
    return Move(rollout, _routes(rollout, seen))


def _attesting(rollout: Rollout, seen: Observation, now: datetime) -> Move:
    if seen.green.state in _LOST:
        return _fail(rollout, f"the new engine ended: {seen.green.message}", now)
    if seen.green.loaded_digest and seen.green.loaded_digest != seen.green_digest:
        return _fail(rollout, f"it loaded {seen.green.loaded_digest}, not the registered artifact", now)
    golden = seen.green_golden
    if golden is None or not seen.green.loaded_digest:
        return Move(rollout, _routes(rollout, seen))
    if not golden.passed:
        return _fail(rollout, golden.message, now)
    return Move(_enter(rollout, Phase.PROBING, now, f"attested: {golden.message}"), wake_after=0.0)


def _probing(rollout: Rollout, seen: Observation, now: datetime) -> Move:
    if seen.green.state in _LOST:
        return _fail(rollout, f"the new engine ended: {seen.green.message}", now)
    if seen.probe is None:
        return Move(rollout, _routes(rollout, seen))
    probed = replace(rollout, probes=rollout.probes.and_then(seen.probe.passed))
    if judge(rollout.bake, seen.traffic, seen.baseline, seen.votes, probed.probes).outlook is Outlook.BAD:
        return _fail(probed, f"canary prompts failed: {seen.probe.message}", now)
    if probed.probes.good < rollout.limits.warm_probes:
        return Move(probed, wake_after=0.05)
    if rollout.paused:
        return Move(probed, wake_after=rollout.limits.probe_every_s)
    ready = replace(probed, probes=Probes(), baseline=seen.baseline, shifted_at=now, step=0)
    return _settle(
        _enter(ready, Phase.SHIFTING, now, f"{ready.limits.warm_probes} canary prompts answered"), seen
    )


def _shifting(rollout: Rollout, seen: Observation, now: datetime) -> Move:
    if bad := _bad_after_shift(rollout, seen):
        return _roll_back(rollout, bad, now)
    if actions := _routes(rollout, seen):
        return Move(rollout, actions, wake_after=0.0)
    last = rollout.step == len(rollout.weights) - 1 or not rollout.blue
    if last and not rollout.paused:
        baking = _enter(rollout, Phase.BAKING, now, f"all traffic is on {_short(rollout.to_version)}")
        return _settle(baking, seen, RolloutShifted(rollout.to_version))
    waited = (now - rollout.phase_since).total_seconds()
    if rollout.paused or waited < rollout.step_s:
        return Move(_probed(rollout, seen), wake_after=0.5)
    return _settle(
        _enter(replace(rollout, step=rollout.step + 1), Phase.SHIFTING, now, "the next share"), seen
    )


def _baking(rollout: Rollout, seen: Observation, now: datetime) -> Move:
    rollout = _probed(rollout, seen)
    if bad := _bad_after_shift(rollout, seen):
        return _roll_back(rollout, bad, now)
    waited = (now - rollout.phase_since).total_seconds()
    # Without an old version there is nothing to go back to, so nothing is gained by waiting.
    if rollout.paused or (waited < rollout.bake.seconds and rollout.blue):
        return Move(rollout, _routes(rollout, seen), wake_after=0.5)
    if not rollout.blue:
        return _settle(
            _enter(rollout, Phase.DRAINING, now, "the first version: nothing to compare with"), seen
        )
    verdict = judge_at_end(rollout.bake, seen.traffic, rollout.baseline, seen.votes, rollout.probes)
    if verdict.outlook is Outlook.BAD:
        return _roll_back(rollout, verdict.message, now)
    return _settle(
        _enter(replace(rollout, reason=verdict.message), Phase.DRAINING, now, verdict.message), seen
    )


def _draining(rollout: Rollout, seen: Observation, now: datetime) -> Move:
    if seen.green.state in _LOST and rollout.blue and seen.blue.state is EngineState.READY:
        return _roll_back(rollout, f"the new engine ended: {seen.green.message}", now)
    if actions := _routes(rollout, seen):
        return Move(rollout, actions, wake_after=0.0)
    if rollout.blue and (putting := _put_away(rollout, rollout.blue, seen.blue, now)) is not None:
        return Move(rollout, putting)
    return Move(_enter(rollout, Phase.PROMOTING, now, "the old engine is gone"), wake_after=0.0)


def _promoting(rollout: Rollout, seen: Observation, now: datetime) -> Move:
    if actions := _record(rollout, rollout.to_version, rollout.green, seen, "the rollout succeeded"):
        return Move(rollout, actions)
    reason = rollout.reason or "every check passed"
    ended = replace(
        _enter(rollout, Phase.SUCCEEDED, now, f"{_short(rollout.to_version)} serves"), reason=reason
    )
    return Move(ended, events=(RolloutSucceeded(rollout.to_version),))


def _reverting(rollout: Rollout, seen: Observation, now: datetime) -> Move:
    if not rollout.blue or rollout.blue_attested:
        if seen.blue.state is EngineState.READY and not seen.blue.accepting:
            return Move(rollout, (OpenEngine(rollout.blue),), wake_after=0.0)
        if actions := _routes(rollout, seen):
            return Move(rollout, actions, wake_after=0.0)
        told = f"traffic is on {_short(rollout.from_version)}" if rollout.blue else "nothing is routed"
        return Move(_enter(rollout, Phase.DISCARDING, now, told), wake_after=0.0)
    waited = (now - rollout.phase_since).total_seconds()
    if waited <= rollout.limits.revert_s:
        return Move(rollout, _routes(rollout, seen))
    return _give_up_blue(rollout, seen, now)


def _give_up_blue(rollout: Rollout, seen: Observation, now: datetime) -> Move:
    """The old version cannot be brought back: the new one goes on serving if it served and still runs."""
    serves = rollout.shifted_at is not None and seen.green.state is EngineState.READY
    why = f"{rollout.reason}; {_short(rollout.from_version)} could not be brought back ({seen.blue.message})"
    lost = replace(rollout, ending=Phase.FAILED, reason=why, blue="" if serves else rollout.blue)
    return Move(_enter(lost, Phase.RESTORING if serves else Phase.DISCARDING, now, why), wake_after=0.0)


def _discarding(rollout: Rollout, seen: Observation, now: datetime) -> Move:
    if actions := _routes(rollout, seen):
        return Move(rollout, actions, wake_after=0.0)
    if (putting := _put_away(rollout, rollout.green, seen.green, now)) is not None:
        return Move(rollout, putting)
    return Move(_enter(rollout, Phase.RESTORING, now, "the new engine is gone"), wake_after=0.0)


def _restoring(rollout: Rollout, seen: Observation, now: datetime) -> Move:
    kept_green = bool(rollout.from_version) and not rollout.blue
    version, engine = (
        (rollout.to_version, rollout.green) if kept_green else (rollout.from_version, rollout.blue)
    )
    if version and (actions := _record(rollout, version, engine, seen, rollout.reason)):
        return Move(rollout, (*_routes(rollout, seen), *actions))
    ended = _enter(rollout, rollout.ending, now, rollout.reason)
    return Move(ended, events=(_event_of_going_back(ended),))


def _record(
    rollout: Rollout, version: str, engine: str, seen: Observation, reason: str
) -> tuple[Action, ...]:
    """What is left to write down; the alias comes last of all."""
    if seen.serving != version:
        return (RecordServing(version, engine),)
    if seen.alias != version:
        return (MoveAlias(version, f"{rollout.name}: {reason}"),)
    return ()


def _put_away(rollout: Rollout, engine: str, view: EngineView, now: datetime) -> tuple[Action, ...] | None:
    """Close an engine, let its streams end up to the limit, stop it; None when it is gone."""
    if view.state is EngineState.ABSENT:
        return None
    if view.state is EngineState.READY and view.accepting:
        return (CloseEngine(engine),)
    over = (now - rollout.phase_since).total_seconds() > rollout.limits.drain_s
    silent = view.state is EngineState.STARTING
    if not over and (silent or (view.state is EngineState.READY and view.in_flight)):
        return ()
    return (StopEngine(engine),)


def _bad_after_shift(rollout: Rollout, seen: Observation) -> str:
    if seen.green.state in _LOST:
        return f"the new engine ended after traffic came to it: {seen.green.message}"
    verdict = judge(rollout.bake, seen.traffic, rollout.baseline, seen.votes, rollout.probes)
    return verdict.message if verdict.outlook is Outlook.BAD else ""


def _probed(rollout: Rollout, seen: Observation) -> Rollout:
    return (
        rollout if seen.probe is None else replace(rollout, probes=rollout.probes.and_then(seen.probe.passed))
    )


def _settle(rollout: Rollout, seen: Observation, *events: Event) -> Move:
    """Enter a phase and set the routes that it wants, in one go."""
    return Move(rollout, _routes(rollout, seen), events, wake_after=0.0)


def _routes(rollout: Rollout, seen: Observation) -> tuple[Action, ...]:
    wanted = desired_weights(rollout, seen.green)
    return () if sorted(wanted) == sorted(seen.weights) else (SetRoutes(wanted),)


def _fail(rollout: Rollout, reason: str, now: datetime) -> Move:
    return Move(_go_back(rollout, Phase.FAILED, reason, now), wake_after=0.0)


def _roll_back(rollout: Rollout, reason: str, now: datetime) -> Move:
    ending = Phase.ROLLED_BACK if rollout.blue else Phase.FAILED
    return Move(_go_back(rollout, ending, reason, now), wake_after=0.0)


def _go_back(rollout: Rollout, ending: Phase, reason: str, now: datetime) -> Rollout:
    turned = replace(rollout, ending=ending, reason=reason, paused=False)
    return _enter(turned, Phase.REVERTING, now, reason)


def _enter(rollout: Rollout, phase: Phase, now: datetime, message: str) -> Rollout:
    notes = (*rollout.notes, Note(now, phase, message))
    return replace(rollout, phase=phase, phase_since=now, notes=notes)


def _event_of_going_back(rollout: Rollout) -> Event:
    if rollout.ending is Phase.ROLLED_BACK:
        return RolloutRolledBack(rollout.from_version, rollout.reason)
    return RolloutFailed(rollout.reason)


def _short(version: str) -> str:
    return version.rsplit("/", 1)[-1] or "no version"


_STEPS: dict[Phase, Callable[[Rollout, Observation, datetime], Move]] = {
    Phase.QUEUED: _queued,
    Phase.STARTING: _starting,
    Phase.ATTESTING: _attesting,
    Phase.PROBING: _probing,
    Phase.SHIFTING: _shifting,
    Phase.BAKING: _baking,
    Phase.DRAINING: _draining,
    Phase.PROMOTING: _promoting,
    Phase.REVERTING: _reverting,
    Phase.DISCARDING: _discarding,
    Phase.RESTORING: _restoring,
}
