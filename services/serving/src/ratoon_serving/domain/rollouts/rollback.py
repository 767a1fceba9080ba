"""Rollback: REVERTING → DISCARDING → RESTORING, and blue kept warm for it.

Blue that was lost must pass attestation again before it is routed. Blue that was displaced is loaded again, once green
has no request. If blue cannot be restored, green goes on serving, provided that it served before.
"""

from dataclasses import replace
from datetime import datetime

from ratoon_serving.domain.engine import EngineState
from ratoon_serving.domain.rollouts import in_place
from ratoon_serving.domain.rollouts.plan import (
    Action,
    Event,
    Observation,
    Plan,
    RolloutFailed,
    RolloutRolledBack,
    StopEngine,
)
from ratoon_serving.domain.rollouts.rollout import REVERSIBLE, Phase, Rollout, Strategy
from ratoon_serving.domain.rollouts.routing import route_actions
from ratoon_serving.domain.rollouts.transitions import (
    LOST,
    enter,
    record,
    retire,
    seconds_in_phase,
    short,
    start,
)

_WARM_BLUE = frozenset(
    {Phase.STARTING, Phase.ATTESTING, Phase.PROBING, Phase.SHIFTING, Phase.BAKING, Phase.REVERTING}
)
"""Phases in which blue must run, unless green displaces it."""


def keep_blue_warm(
    rollout: Rollout, observation: Observation, now: datetime
) -> tuple[Rollout, tuple[Action, ...]]:
    """Start blue again if it was lost while it is needed; route it only once it passed attestation."""
    displaced = rollout.strategy is Strategy.IN_PLACE
    if not rollout.blue or rollout.phase not in _WARM_BLUE or (displaced and rollout.phase in REVERSIBLE):
        return rollout, ()
    if observation.blue.state in LOST:
        just_lost = rollout.blue_attested and rollout.phase is Phase.REVERTING
        since = now if just_lost else rollout.phase_since
        lost = replace(rollout, blue_attested=False, phase_since=since)
        # Unrouted first: a crash in between leaves no route to an engine that starts without attestation.
        return lost, (*route_actions(lost, observation), *(() if displaced else (start(lost, rollout.blue),)))
    if rollout.blue_attested or observation.blue_golden is None:
        return rollout, ()
    if observation.blue_golden.passed and observation.blue.loaded_digest == observation.blue_digest:
        return replace(rollout, blue_attested=True), ()
    return rollout, (*route_actions(rollout, observation), StopEngine(rollout.blue))


def reverting(rollout: Rollout, observation: Observation, now: datetime) -> Plan:
    """Move traffic back to blue, once blue is attested."""
    if not rollout.blue or rollout.blue_attested:
        if actions := route_actions(rollout, observation):
            return Plan(rollout, actions, wake_after=0.0)
        message = f"traffic is on {short(rollout.from_version)}" if rollout.blue else "no traffic is routed"
        return Plan(enter(rollout, Phase.DISCARDING, now, message), wake_after=0.0)
    if seconds_in_phase(rollout, now) > rollout.limits.revert_s:
        return _give_up_blue(rollout, observation, now)
    if rollout.strategy is Strategy.IN_PLACE and observation.blue.state in LOST:
        return in_place.reload_blue(rollout, observation, now)
    return Plan(rollout, route_actions(rollout, observation))


def _give_up_blue(rollout: Rollout, observation: Observation, now: datetime) -> Plan:
    """Give up the old version: the new one goes on serving if it served and still runs."""
    serves = rollout.shifted_at is not None and observation.green.state is EngineState.READY
    reason = (
        f"{rollout.reason}; {short(rollout.from_version)} could not be restored ({observation.blue.message})"
    )
    lost = replace(rollout, ending=Phase.FAILED, reason=reason, old_engine_unrecoverable=serves)
    return Plan(enter(lost, Phase.RESTORING if serves else Phase.DISCARDING, now, reason), wake_after=0.0)


def discarding(rollout: Rollout, observation: Observation, now: datetime) -> Plan:
    """Retire green once its streams have ended."""
    if actions := route_actions(rollout, observation):
        return Plan(rollout, actions, wake_after=0.0)
    if (retiring := retire(rollout, rollout.green, observation.green, now)) is not None:
        return Plan(rollout, retiring)
    retired = enter(rollout, Phase.RESTORING, now, "the new engine is gone")
    return Plan(retired, (StopEngine(rollout.green),), wake_after=0.0)


def restoring(rollout: Rollout, observation: Observation, now: datetime) -> Plan:
    """Record what serves: the last step of a rollback."""
    if rollout.old_engine_unrecoverable and observation.blue.state is not EngineState.ABSENT:
        return Plan(rollout, (*route_actions(rollout, observation), StopEngine(rollout.blue)))
    version, engine = (
        (rollout.to_version, rollout.green)
        if rollout.old_engine_unrecoverable
        else (rollout.from_version, rollout.blue)
    )
    if version and (plan := record(rollout, version, engine, observation, rollout.reason)):
        return replace(plan, actions=(*route_actions(rollout, observation), *plan.actions))
    message = f"{short(version)} serves" if version else "no version serves"
    ended = enter(rollout, rollout.ending, now, message)
    return Plan(ended, events=(_final_event(ended),))


def _final_event(rollout: Rollout) -> Event:
    if rollout.ending is Phase.ROLLED_BACK:
        return RolloutRolledBack(rollout.from_version, rollout.reason)
    return RolloutFailed(rollout.reason)
