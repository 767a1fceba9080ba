"""The rollout state machine: `step(rollout, observation, now) → move`, pure, one for all strategies.

    QUEUED → (CLOSING) → STARTING → ATTESTING → PROBING → SHIFTING → BAKING → DRAINING → PROMOTING → SUCCEEDED
       └─────────┴──────────┴──────────┴──────────┴──────────┴─────────┴─────────┘
                              ↓ abort, fault, limit or bad analysis
                         REVERTING → DISCARDING → RESTORING → ROLLED_BACK | FAILED | CANCELLED

*Second engine* and *adapter swap* differ in where green lives, which only the executor knows: both answer at once.
*In place* green displaces blue: before that, blue is closed and ends its streams while requests wait (CLOSING); the
way back does the same in the other direction. Streams that do not end in time make either way one by a second engine.

What the route table ought to say follows from the state; where it says something else it is set again, so a
crash between deciding and doing mends itself. An engine is routed only while it is attested since its last
start. Blue, unless it is displaced, is kept warm until green has baked; when it dies meanwhile it is started again
and must prove itself before it counts. A pause holds the traffic, not the preparation. The alias moves last. Who
executes actions, and how the world is looked at, is not known here.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from ratoon_serving.domain.engine import EngineState
from ratoon_serving.domain.rollouts.analysis import REPORTS_GRACE_S, Outlook, Probes, judge, judge_at_end
from ratoon_serving.domain.rollouts.rollback import discarding, keep_blue, restoring, reverting
from ratoon_serving.domain.rollouts.rollout import (
    IN_PLACE_LIMITS,
    REVERSIBLE,
    Move,
    Observation,
    Phase,
    Rollout,
    RolloutShifted,
    RolloutStarted,
    RolloutSucceeded,
    StopEngine,
    Strategy,
)
from ratoon_serving.domain.rollouts.steering import (
    LOST,
    enter,
    fail,
    go_back,
    put_away,
    record,
    routes,
    seconds_in_phase,
    settle,
    short,
    start,
    tend,
    to_empty,
)

_MOST_RESTARTS = 3
_BEHIND_CLOSED_DOORS = frozenset({Phase.CLOSING, Phase.STARTING, Phase.ATTESTING, Phase.PROBING})
"""Phases of a rollout in place in which requests wait: no pause holds them."""


def step(rollout: Rollout, seen: Observation, now: datetime) -> Move:
    """Decide what follows from what is seen; a rollout that ended stays as it is."""
    if rollout.ended:
        return Move(rollout)
    kept, actions = keep_blue(rollout, seen, now)
    actions = (*tend(rollout, seen), *actions)
    if back := _reason_to_go_back(kept, seen, now):
        ending, reason = back
        return Move(go_back(kept, ending, reason, now), actions, wake_after=0.0)
    move = _STEPS[kept.phase](kept, seen, now)
    return replace(move, actions=(*actions, *move.actions))


def lead_back(rollout: Rollout, reason: str, now: datetime) -> Move:
    """An error that repeating will not mend: go back, unless it is going back or on its last act already."""
    if rollout.phase in REVERSIBLE:
        return fail(rollout, reason, now)
    return Move(rollout)


def abort(rollout: Rollout, reason: str) -> Rollout:
    """Wish it back; the next step sees to it."""
    return replace(rollout, abort_reason=reason or "requested", paused=False)


def resume(rollout: Rollout, now: datetime) -> Rollout:
    """Let it go on; what its phase may still take counts from now, for a pause is nobody's slowness."""
    return replace(rollout, paused=False, phase_since=now) if rollout.paused else rollout


def _reason_to_go_back(rollout: Rollout, seen: Observation, now: datetime) -> tuple[Phase, str] | None:
    if rollout.phase not in REVERSIBLE:
        return None
    if rollout.abort_reason:
        return Phase.CANCELLED, f"aborted: {rollout.abort_reason}"
    waited = seconds_in_phase(rollout, now)
    if _held(rollout):
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


def _queued(rollout: Rollout, seen: Observation, now: datetime) -> Move:
    started = RolloutStarted(rollout.to_version)
    if rollout.strategy is not Strategy.IN_PLACE:
        told = f"starting an engine for {short(rollout.to_version)}: {rollout.reason}"
        begun = enter(rollout, Phase.STARTING, now, told)
        return Move(begun, (start(begun, rollout.green),), (started,))
    if rollout.paused:
        return Move(rollout)
    waiting = replace(rollout, baseline=seen.baseline)
    told = f"new requests wait until open requests have ended: {rollout.reason}"
    return settle(enter(waiting, Phase.CLOSING, now, told), seen, started)


def _closing(rollout: Rollout, seen: Observation, now: datetime) -> Move:
    """In place: nothing is routed, then blue is closed, then it is empty."""
    if (emptying := to_empty(rollout, rollout.blue, seen.blue, seen)) is None:
        empty = replace(rollout, blue_attested=False)
        loading = enter(empty, Phase.STARTING, now, f"loading {short(rollout.to_version)} in place")
        return Move(loading, (start(loading, rollout.green),), wake_after=0.0)
    if emptying or seconds_in_phase(rollout, now) <= rollout.limits.quiet_s:
        return Move(rollout, emptying, wake_after=0.05)
    why = (
        f"{seen.blue.in_flight} answers took longer than {rollout.limits.quiet_s:.0f} s: starting a "
        "second engine instead"
    )
    apart = replace(rollout, strategy=Strategy.SECOND_ENGINE, apart=rollout.green, reason=why)
    moved = enter(apart, Phase.STARTING, now, why)
    return Move(moved, (*routes(moved, seen), start(moved, rollout.green)), wake_after=0.0)


def _starting(rollout: Rollout, seen: Observation, now: datetime) -> Move:
    if rollout.inside and not seen.together:
        return Move(rollout, (start(rollout, rollout.green),))
    match seen.green.state:
        case EngineState.ABSENT:
            return Move(rollout, (*routes(rollout, seen), start(rollout, rollout.green)))
        case EngineState.GONE:
            return _lost(rollout, seen, now, "ended while it started")
        case EngineState.READY:
            return Move(enter(rollout, Phase.ATTESTING, now, "the new engine is ready"), wake_after=0.0)
    if seen.green.unplaced and _may_go_inside(rollout, now):
        why = f"{seen.green.message}; {short(rollout.to_version)} is loaded in place instead"
        limits = replace(IN_PLACE_LIMITS, start_s=rollout.limits.start_s)
        inside = replace(rollout, strategy=Strategy.IN_PLACE, inside=True, limits=limits, reason=why)
        return settle(enter(inside, Phase.CLOSING, now, why), seen)
    return Move(rollout, routes(rollout, seen))


def _lost(rollout: Rollout, seen: Observation, now: datetime, what: str) -> Move:
    """Green is gone before traffic came to it: one that something killed is started again, a few times."""
    told = f"the new engine {what}: {seen.green.message}"
    if not seen.green.killed or rollout.restarts >= _MOST_RESTARTS:
        return fail(rollout, told, now)
    again = replace(rollout, restarts=rollout.restarts + 1, probes=Probes())
    starting = enter(again, Phase.STARTING, now, f"{told}; it is started again")
    return Move(starting, (*routes(starting, seen), start(starting, rollout.green)))


def _may_go_inside(rollout: Rollout, now: datetime) -> bool:
    """Whether it waited long enough for a second engine's place, and blue's is as good."""
    waited = seconds_in_phase(rollout, now) > rollout.limits.room_s
    free = rollout.strategy is Strategy.SECOND_ENGINE and not rollout.apart and not rollout.paused
    return waited and free and rollout.interchangeable and rollout.blue_attested and len(rollout.weights) == 1


def _attesting(rollout: Rollout, seen: Observation, now: datetime) -> Move:
    if seen.green.state in LOST:
        return _lost(rollout, seen, now, "ended")
    if seen.green.loaded_digest and seen.green.loaded_digest != seen.green_digest:
        return fail(rollout, f"it loaded {seen.green.loaded_digest}, not the registered artifact", now)
    golden = seen.green_golden
    if golden is None or not seen.green.loaded_digest:
        return Move(rollout, routes(rollout, seen))
    if not golden.passed:
        return fail(rollout, golden.message, now)
    return Move(enter(rollout, Phase.PROBING, now, f"attested: {golden.message}"), wake_after=0.0)


def _probing(rollout: Rollout, seen: Observation, now: datetime) -> Move:
    if seen.green.state in LOST:
        return _lost(rollout, seen, now, "ended")
    if seen.probe is None:
        return Move(rollout, routes(rollout, seen))
    probed = replace(rollout, probes=rollout.probes.and_then(seen.probe.passed))
    if judge(rollout.bake, seen.traffic, seen.baseline, seen.votes, probed.probes).outlook is Outlook.BAD:
        return fail(probed, f"canary prompts failed: {seen.probe.message}", now)
    if probed.probes.good < rollout.limits.warm_probes:
        return Move(probed, wake_after=0.05)
    if _held(rollout):
        return Move(probed, wake_after=rollout.limits.probe_every_s)
    baseline = rollout.baseline if rollout.strategy is Strategy.IN_PLACE else seen.baseline
    ready = replace(probed, probes=Probes(), baseline=baseline, shifted_at=now, step=0)
    return settle(
        enter(ready, Phase.SHIFTING, now, f"{ready.limits.warm_probes} canary prompts answered"), seen
    )


def _shifting(rollout: Rollout, seen: Observation, now: datetime) -> Move:
    if bad := _bad_after_shift(rollout, seen):
        return _roll_back(rollout, bad, now)
    if actions := routes(rollout, seen):
        return Move(rollout, actions, wake_after=0.0)
    last = rollout.step == len(rollout.weights) - 1 or not rollout.blue
    if last and not rollout.paused:
        baking = enter(rollout, Phase.BAKING, now, f"all traffic is on {short(rollout.to_version)}")
        return settle(baking, seen, RolloutShifted(rollout.to_version))
    if rollout.paused or seconds_in_phase(rollout, now) < rollout.step_s:
        return Move(_probed(rollout, seen), wake_after=0.5)
    return settle(enter(replace(rollout, step=rollout.step + 1), Phase.SHIFTING, now, "the next share"), seen)


def _baking(rollout: Rollout, seen: Observation, now: datetime) -> Move:
    rollout = _probed(rollout, seen)
    if bad := _bad_after_shift(rollout, seen):
        return _roll_back(rollout, bad, now)
    # Without an old version there is nothing to go back to, so nothing is gained by waiting.
    if rollout.paused or (seconds_in_phase(rollout, now) < rollout.bake.seconds and rollout.blue):
        return Move(rollout, routes(rollout, seen), wake_after=0.5)
    if not rollout.blue:
        return settle(enter(rollout, Phase.DRAINING, now, "the first version: nothing to compare with"), seen)
    verdict = judge_at_end(rollout.bake, seen.traffic, rollout.baseline, seen.votes, rollout.probes)
    if verdict.outlook is Outlook.UNHEARD and not _waited_for_reports(rollout, now):
        return Move(replace(rollout, unheard_since=rollout.unheard_since or now), wake_after=0.5)
    if verdict.outlook is not Outlook.FINE_SO_FAR:
        return _roll_back(rollout, verdict.message, now)
    return settle(enter(replace(rollout, reason=verdict.message), Phase.DRAINING, now, verdict.message), seen)


def _draining(rollout: Rollout, seen: Observation, now: datetime) -> Move:
    if seen.green.state in LOST and rollout.blue and seen.blue.state is EngineState.READY:
        return _roll_back(rollout, f"the new engine ended: {seen.green.message}", now)
    if actions := routes(rollout, seen):
        return Move(rollout, actions, wake_after=0.0)
    if rollout.blue and (putting := put_away(rollout, rollout.blue, seen.blue, now)) is not None:
        return Move(rollout, putting)
    promoting = enter(rollout, Phase.PROMOTING, now, "the old engine is gone")
    return Move(promoting, (StopEngine(rollout.blue),) if rollout.blue else (), wake_after=0.0)


def _promoting(rollout: Rollout, seen: Observation, now: datetime) -> Move:
    if move := record(rollout, rollout.to_version, rollout.green, seen, "the rollout succeeded"):
        return move
    reason = rollout.reason or "every check passed"
    ended = replace(
        enter(rollout, Phase.SUCCEEDED, now, f"{short(rollout.to_version)} serves"), reason=reason
    )
    return Move(ended, events=(RolloutSucceeded(rollout.to_version),))


def _waited_for_reports(rollout: Rollout, now: datetime) -> bool:
    """Counted from when the silence was noticed, which after a restart is later than when the bake was over."""
    since = rollout.unheard_since
    return since is not None and (now - since).total_seconds() > REPORTS_GRACE_S


def _bad_after_shift(rollout: Rollout, seen: Observation) -> str:
    if seen.green.state in LOST:
        return f"the new engine ended after traffic was routed to it: {seen.green.message}"
    verdict = judge(rollout.bake, seen.traffic, rollout.baseline, seen.votes, rollout.probes)
    return verdict.message if verdict.outlook is Outlook.BAD else ""


def _probed(rollout: Rollout, seen: Observation) -> Rollout:
    return (
        rollout if seen.probe is None else replace(rollout, probes=rollout.probes.and_then(seen.probe.passed))
    )


def _held(rollout: Rollout) -> bool:
    """Whether a pause holds it here."""
    in_place = rollout.strategy is Strategy.IN_PLACE
    return rollout.paused and not (in_place and rollout.phase in _BEHIND_CLOSED_DOORS)


def _roll_back(rollout: Rollout, reason: str, now: datetime) -> Move:
    ending = Phase.ROLLED_BACK if rollout.blue else Phase.FAILED
    return Move(go_back(rollout, ending, reason, now), wake_after=0.0)


_STEPS: dict[Phase, Callable[[Rollout, Observation, datetime], Move]] = {
    Phase.QUEUED: _queued,
    Phase.CLOSING: _closing,
    Phase.STARTING: _starting,
    Phase.ATTESTING: _attesting,
    Phase.PROBING: _probing,
    Phase.SHIFTING: _shifting,
    Phase.BAKING: _baking,
    Phase.DRAINING: _draining,
    Phase.PROMOTING: _promoting,
    Phase.REVERTING: reverting,
    Phase.DISCARDING: discarding,
    Phase.RESTORING: restoring,
}
