"""The rollout state machine: `step(rollout, observation, now) → plan`, pure, one for all strategies.

    QUEUED → (CLOSING) → STARTING → ATTESTING → PROBING → SHIFTING → BAKING → DRAINING → PROMOTING → SUCCEEDED
       └─────────┴──────────┴──────────┴──────────┴──────────┴─────────┴─────────┘
                              ↓ abort, fault, limit or bad analysis
                         REVERTING → DISCARDING → RESTORING → ROLLED_BACK | FAILED | CANCELLED

*Second engine* and *adapter swap* differ in the process of green, which only the executor knows: both versions serve at
once. *In place*, green displaces blue (see `in_place`).

The traffic split follows from the state; a route table that differs is set again, so a crash between a decision and
its actions heals. An engine is routed only while it is attested since its last start. Blue, unless it is displaced, is
kept warm until green has baked; if it is lost meanwhile, it is started and attested again. A pause holds the traffic,
not the preparation. The alias moves last. This package knows neither the executor of actions nor the source of
observations.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from ratoon_serving.domain.engine import EngineState
from ratoon_serving.domain.rollouts import in_place
from ratoon_serving.domain.rollouts.analysis import (
    REPORTS_GRACE_S,
    AnalysisResult,
    AnalysisStatus,
    Probes,
    analyze,
    analyze_at_end,
)
from ratoon_serving.domain.rollouts.plan import (
    Observation,
    Plan,
    RolloutShifted,
    RolloutStarted,
    RolloutSucceeded,
    StopEngine,
)
from ratoon_serving.domain.rollouts.rollback import discarding, keep_blue_warm, restoring, reverting
from ratoon_serving.domain.rollouts.rollout import (
    REVERSIBLE,
    Note,
    Phase,
    Placement,
    ProcessUse,
    Rollout,
    Strategy,
)
from ratoon_serving.domain.rollouts.routing import reconcile, route_actions, settle
from ratoon_serving.domain.rollouts.shadow import Verdict, judge
from ratoon_serving.domain.rollouts.transitions import (
    LOST,
    begin_rollback,
    enter,
    fail,
    record,
    retire,
    seconds_in_phase,
    short,
    start,
)

_MAX_RESTARTS = 3
_BAKE_INTERVAL_S = 0.5


def step(rollout: Rollout, observation: Observation, now: datetime) -> Plan:
    """Return the plan that follows from the observation; a rollout that ended stays as it is."""
    if rollout.ended:
        return Plan(rollout)
    updated, actions = keep_blue_warm(rollout, observation, now)
    actions = (*reconcile(rollout, observation), *actions)
    if decided := _rollback_reason(updated, observation, now):
        ending, reason = decided
        return Plan(begin_rollback(updated, ending, reason, now), actions, wake_after=0.0)
    plan = _STEPS[updated.phase](updated, observation, now)
    return replace(plan, actions=(*actions, *plan.actions))


def roll_back(rollout: Rollout, reason: str, now: datetime) -> Plan:
    """Roll back because of a permanent error, unless the rollout is irreversible or rolls back already."""
    if rollout.phase in REVERSIBLE:
        return fail(rollout, reason, now)
    return Plan(rollout)


def abort(rollout: Rollout, reason: str) -> Rollout:
    """Request a rollback, which the next step begins."""
    return replace(rollout, abort_reason=reason or "requested", paused=False)


def pause(rollout: Rollout, reason: str, now: datetime) -> Rollout:
    """Pause; traffic stays as it is, and the rollout still rolls back when it has to."""
    return rollout if rollout.paused else _noted(replace(rollout, paused=True), "paused", reason, now)


def resume(rollout: Rollout, reason: str, now: datetime) -> Rollout:
    """Resume; paused time does not count against the timeout of the phase."""
    if not rollout.paused:
        return rollout
    return _noted(replace(rollout, paused=False, phase_since=now), "resumed", reason, now)


def _noted(rollout: Rollout, change: str, reason: str, now: datetime) -> Rollout:
    message = f"{change}: {reason}" if reason else f"{change} on request"
    return replace(rollout, notes=(*rollout.notes, Note(now, rollout.phase, message)))


def _rollback_reason(rollout: Rollout, observation: Observation, now: datetime) -> tuple[Phase, str] | None:
    if rollout.phase not in REVERSIBLE:
        return None
    if rollout.abort_reason:
        return Phase.CANCELLED, f"aborted: {rollout.abort_reason}"
    waited = seconds_in_phase(rollout, now)
    if _is_held(rollout):
        limit = rollout.limits.pause_s
        return (Phase.CANCELLED, f"it was paused for more than {limit:.0f} s") if waited > limit else None
    limit = _limit(rollout)
    if limit and waited > limit:
        detail = f" ({observation.green.message})" if observation.green.message else ""
        return Phase.FAILED, f"{rollout.phase.lower()} took longer than {limit:.0f} s{detail}"
    return None


def _limit(rollout: Rollout) -> float:
    limits = rollout.limits
    return {
        Phase.STARTING: limits.start_s,
        Phase.ATTESTING: limits.attest_s,
        Phase.PROBING: limits.probe_s,
    }.get(rollout.phase, 0.0)


def _queued(rollout: Rollout, observation: Observation, now: datetime) -> Plan:
    started = RolloutStarted(rollout.to_version)
    if rollout.strategy is Strategy.IN_PLACE:
        return Plan(rollout) if rollout.paused else in_place.begin(rollout, observation, now, started)
    message = f"starting an engine for {short(rollout.to_version)}: {rollout.reason}"
    begun = enter(rollout, Phase.STARTING, now, message)
    return Plan(begun, (start(begun, rollout.green),), (started,))


def _starting(rollout: Rollout, observation: Observation, now: datetime) -> Plan:
    shared = Placement(ProcessUse.SHARED_PROCESS, rollout.green)
    if rollout.placement == shared and not observation.shares_process:
        return Plan(rollout, (start(rollout, rollout.green),))
    match observation.green.state:
        case EngineState.ABSENT:
            return Plan(rollout, (*route_actions(rollout, observation), start(rollout, rollout.green)))
        case EngineState.GONE:
            return _lost(rollout, observation, now, "ended while it started")
        case EngineState.READY:
            return Plan(enter(rollout, Phase.ATTESTING, now, "the new engine is ready"), wake_after=0.0)
    if observation.green.unplaced and in_place.is_possible(rollout, now):
        return in_place.move_in(rollout, observation, now)
    return Plan(rollout, route_actions(rollout, observation))


def _lost(rollout: Rollout, observation: Observation, now: datetime, what: str) -> Plan:
    """Handle the loss of green before it got traffic: a killed engine is started again, up to a bound."""
    message = f"the new engine {what}: {observation.green.message}"
    if not observation.green.killed or rollout.restarts >= _MAX_RESTARTS:
        return fail(rollout, message, now)
    again = replace(rollout, restarts=rollout.restarts + 1, probes=Probes())
    starting = enter(again, Phase.STARTING, now, f"{message}; it is started again")
    return Plan(starting, (*route_actions(starting, observation), start(starting, rollout.green)))


def _attesting(rollout: Rollout, observation: Observation, now: datetime) -> Plan:
    if observation.green.state in LOST:
        return _lost(rollout, observation, now, "ended")
    if observation.green.loaded_digest and observation.green.loaded_digest != observation.green_digest:
        return fail(rollout, f"it loaded {observation.green.loaded_digest}, not the registered artifact", now)
    golden = observation.green_golden
    if golden is None or not observation.green.loaded_digest:
        return Plan(rollout, route_actions(rollout, observation))
    if not golden.passed:
        return fail(rollout, golden.message, now)
    return Plan(enter(rollout, Phase.PROBING, now, f"attested: {golden.message}"), wake_after=0.0)


def _probing(rollout: Rollout, observation: Observation, now: datetime) -> Plan:
    if observation.green.state in LOST:
        return _lost(rollout, observation, now, "ended")
    if observation.probe is None:
        return Plan(rollout, route_actions(rollout, observation))
    probed = _probed(rollout, observation)
    if _analysis(replace(probed, baseline=observation.baseline), observation).status is AnalysisStatus.FAILED:
        return fail(probed, f"canary prompts failed: {observation.probe.message}", now)
    if probed.probes.good < rollout.limits.warm_probes:
        return Plan(probed, wake_after=0.05)
    if _is_held(rollout):
        return Plan(probed, wake_after=rollout.limits.probe_every_s)
    baseline = rollout.baseline if rollout.strategy is Strategy.IN_PLACE else observation.baseline
    ready = replace(probed, probes=Probes(), baseline=baseline, shifted_at=now, step=0)
    shifting = enter(ready, Phase.SHIFTING, now, f"{ready.limits.warm_probes} canary prompts answered")
    return settle(_copying(shifting, now) if shifting.waits_for_pairs else shifting, observation)


def _copying(rollout: Rollout, now: datetime) -> Rollout:
    message = (
        f"{short(rollout.to_version)} answers copies of {rollout.shadow.share:.0%} of the requests, and callers get "
        f"the answers of {short(rollout.from_version)}, until {rollout.shadow.min_pairs} pairs are compared, for at "
        f"most {rollout.shadow.max_wait_s:.0f} s"
    )
    return replace(rollout, notes=(*rollout.notes, Note(now, rollout.phase, message)))


def _shifting(rollout: Rollout, observation: Observation, now: datetime) -> Plan:
    if fault := _fault_after_shift(rollout, observation):
        return _begin_rollback(rollout, fault, now)
    if actions := route_actions(rollout, observation):
        return Plan(rollout, actions, wake_after=0.0)
    if rollout.waits_for_pairs:
        return _waiting(rollout, observation, now)
    last = rollout.step == len(rollout.weights) - 1 or not rollout.blue
    if last and not rollout.paused:
        baking = enter(rollout, Phase.BAKING, now, f"all traffic is on {short(rollout.to_version)}")
        return settle(baking, observation, RolloutShifted(rollout.to_version))
    if rollout.paused or seconds_in_phase(rollout, now) < rollout.step_s:
        return Plan(_probed(rollout, observation), wake_after=0.5)
    return settle(
        enter(replace(rollout, step=rollout.step + 1), Phase.SHIFTING, now, "the next share"), observation
    )


def _waiting(rollout: Rollout, observation: Observation, now: datetime) -> Plan:
    """Wait for the shadow analysis; only then callers get answers of green."""
    rollout = _probed(rollout, observation)
    verdict, message = judge(rollout.shadow, rollout.comparison, seconds_in_phase(rollout, now))
    if verdict is Verdict.ROLL_BACK:
        return _begin_rollback(rollout, message, now)
    if verdict is Verdict.WAIT or rollout.paused:
        return Plan(rollout, wake_after=0.5)
    shifted = replace(rollout, step=rollout.step + 1, shifted_at=now)
    return settle(enter(shifted, Phase.SHIFTING, now, message), observation)


def _baking(rollout: Rollout, observation: Observation, now: datetime) -> Plan:
    rollout = _probed(rollout, observation)
    if fault := _fault_after_shift(rollout, observation):
        return _begin_rollback(rollout, fault, now)
    # Without an old version there is no rollback, so the bake ends at once.
    left = rollout.bake.seconds - seconds_in_phase(rollout, now)
    if rollout.paused or (left > 0 and rollout.blue):
        wake_after = _BAKE_INTERVAL_S if rollout.paused else min(_BAKE_INTERVAL_S, left)
        return Plan(rollout, route_actions(rollout, observation), wake_after=wake_after)
    if not rollout.blue:
        return settle(
            enter(rollout, Phase.DRAINING, now, "the first version: nothing to compare with"), observation
        )
    verdict = analyze_at_end(
        rollout.bake, observation.traffic, rollout.baseline, observation.votes, rollout.probes
    )
    if verdict.status is AnalysisStatus.INCONCLUSIVE and not _report_grace_is_over(rollout, now):
        return Plan(
            replace(rollout, reports_missing_since=rollout.reports_missing_since or now), wake_after=0.5
        )
    if verdict.status is not AnalysisStatus.PASSING:
        return _begin_rollback(rollout, verdict.message, now)
    return settle(
        enter(replace(rollout, reason=verdict.message), Phase.DRAINING, now, verdict.message), observation
    )


def _draining(rollout: Rollout, observation: Observation, now: datetime) -> Plan:
    if observation.green.state in LOST and rollout.blue and observation.blue.state is EngineState.READY:
        return _begin_rollback(rollout, f"the new engine ended: {observation.green.message}", now)
    if actions := route_actions(rollout, observation):
        return Plan(rollout, actions, wake_after=0.0)
    if rollout.blue and (retiring := retire(rollout, rollout.blue, observation.blue, now)) is not None:
        return Plan(rollout, retiring)
    promoting = enter(rollout, Phase.PROMOTING, now, "the old engine is gone")
    return Plan(promoting, (StopEngine(rollout.blue),) if rollout.blue else (), wake_after=0.0)


def _promoting(rollout: Rollout, observation: Observation, now: datetime) -> Plan:
    if plan := record(rollout, rollout.to_version, rollout.green, observation, "the rollout succeeded"):
        return plan
    reason = rollout.reason or "every check passed"
    ended = replace(
        enter(rollout, Phase.SUCCEEDED, now, f"{short(rollout.to_version)} serves"), reason=reason
    )
    return Plan(ended, events=(RolloutSucceeded(rollout.to_version),))


def _report_grace_is_over(rollout: Rollout, now: datetime) -> bool:
    """Return whether late reports had their time, counted from when their absence was noticed."""
    since = rollout.reports_missing_since
    return since is not None and (now - since).total_seconds() > REPORTS_GRACE_S


def _fault_after_shift(rollout: Rollout, observation: Observation) -> str:
    if observation.green.state in LOST:
        return f"the new engine ended after traffic was routed to it: {observation.green.message}"
    verdict = _analysis(rollout, observation)
    return verdict.message if verdict.status is AnalysisStatus.FAILED else ""


def _analysis(rollout: Rollout, observation: Observation) -> AnalysisResult:
    return analyze(rollout.bake, observation.traffic, rollout.baseline, observation.votes, rollout.probes)


def _probed(rollout: Rollout, observation: Observation) -> Rollout:
    if observation.probe is None:
        return rollout
    return replace(rollout, probes=rollout.probes.and_then(observation.probe.passed))


def _is_held(rollout: Rollout) -> bool:
    """Return whether a pause holds the rollout in this phase."""
    requests_wait = rollout.strategy is Strategy.IN_PLACE and rollout.phase in in_place.REQUESTS_WAIT
    return rollout.paused and not requests_wait


def _begin_rollback(rollout: Rollout, reason: str, now: datetime) -> Plan:
    ending = Phase.ROLLED_BACK if rollout.blue else Phase.FAILED
    return Plan(begin_rollback(rollout, ending, reason, now), wake_after=0.0)


_STEPS: dict[Phase, Callable[[Rollout, Observation, datetime], Plan]] = {
    Phase.QUEUED: _queued,
    Phase.CLOSING: in_place.closing,
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
