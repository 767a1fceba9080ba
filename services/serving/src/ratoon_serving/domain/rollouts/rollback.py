"""The way back of a rollout: REVERTING → DISCARDING → RESTORING, and blue kept warm for it.

Blue that was lost must prove itself before it counts. One that was displaced is loaded again, once green is empty; one
that cannot be brought back leaves green to serve, if green served before.
"""

from dataclasses import replace
from datetime import datetime

from ratoon_serving.domain.engine import EngineState
from ratoon_serving.domain.rollouts.rollout import (
    REVERSIBLE,
    Action,
    Event,
    Move,
    Observation,
    Phase,
    Rollout,
    RolloutFailed,
    RolloutRolledBack,
    StopEngine,
    Strategy,
)
from ratoon_serving.domain.rollouts.steering import (
    LOST,
    enter,
    put_away,
    record,
    routes,
    seconds_in_phase,
    short,
    start,
    to_empty,
)

_WARM_BLUE = frozenset(
    {Phase.STARTING, Phase.ATTESTING, Phase.PROBING, Phase.SHIFTING, Phase.BAKING, Phase.REVERTING}
)
"""Phases in which blue must be there, unless green displaces it."""


def keep_blue(rollout: Rollout, seen: Observation, now: datetime) -> tuple[Rollout, tuple[Action, ...]]:
    """Start blue again when it was lost while it is needed; count it only once it has proved itself."""
    in_place = rollout.strategy is Strategy.IN_PLACE
    if not rollout.blue or rollout.phase not in _WARM_BLUE or (in_place and rollout.phase in REVERSIBLE):
        return rollout, ()
    if seen.blue.state in LOST:
        just_lost = rollout.blue_attested and rollout.phase is Phase.REVERTING
        since = now if just_lost else rollout.phase_since
        lost = replace(rollout, blue_attested=False, phase_since=since)
        # Unrouted first: whoever crashes in between leaves no route to an engine that comes up unproven.
        return lost, (*routes(lost, seen), *(() if in_place else (start(lost, rollout.blue),)))
    if rollout.blue_attested or seen.blue_golden is None:
        return rollout, ()
    if seen.blue_golden.passed and seen.blue.loaded_digest == seen.blue_digest:
        return replace(rollout, blue_attested=True), ()
    return rollout, (*routes(rollout, seen), StopEngine(rollout.blue))


def reverting(rollout: Rollout, seen: Observation, now: datetime) -> Move:
    """Traffic moves back to blue, once that has proved itself."""
    if not rollout.blue or rollout.blue_attested:
        if actions := routes(rollout, seen):
            return Move(rollout, actions, wake_after=0.0)
        told = f"traffic is on {short(rollout.from_version)}" if rollout.blue else "no traffic is routed"
        return Move(enter(rollout, Phase.DISCARDING, now, told), wake_after=0.0)
    if seconds_in_phase(rollout, now) > rollout.limits.revert_s:
        return _give_up_blue(rollout, seen, now)
    if rollout.strategy is Strategy.IN_PLACE and seen.blue.state in LOST:
        return _load_back(rollout, seen, now)
    return Move(rollout, routes(rollout, seen))


def _load_back(rollout: Rollout, seen: Observation, now: datetime) -> Move:
    """In place: green ends its streams and is displaced by blue, or blue takes a second engine."""
    if (emptying := to_empty(rollout, rollout.green, seen.green, seen)) is None:
        return Move(rollout, (start(rollout, rollout.blue),), wake_after=0.05)
    if emptying or seconds_in_phase(rollout, now) <= rollout.limits.quiet_s:
        return Move(rollout, emptying, wake_after=0.05)
    apart = replace(rollout, strategy=Strategy.SECOND_ENGINE, apart=rollout.blue)
    moved = enter(apart, Phase.REVERTING, now, f"{short(rollout.from_version)} takes a second engine")
    return Move(moved, (*routes(moved, seen), start(moved, rollout.blue)), wake_after=0.0)


def _give_up_blue(rollout: Rollout, seen: Observation, now: datetime) -> Move:
    """The old version cannot be brought back: the new one goes on serving if it served and still runs."""
    serves = rollout.shifted_at is not None and seen.green.state is EngineState.READY
    why = f"{rollout.reason}; {short(rollout.from_version)} could not be restored ({seen.blue.message})"
    lost = replace(rollout, ending=Phase.FAILED, reason=why, forsaken=serves)
    return Move(enter(lost, Phase.RESTORING if serves else Phase.DISCARDING, now, why), wake_after=0.0)


def discarding(rollout: Rollout, seen: Observation, now: datetime) -> Move:
    """Green ends its streams and goes."""
    if actions := routes(rollout, seen):
        return Move(rollout, actions, wake_after=0.0)
    if (putting := put_away(rollout, rollout.green, seen.green, now)) is not None:
        return Move(rollout, putting)
    restoring = enter(rollout, Phase.RESTORING, now, "the new engine is gone")
    return Move(restoring, (StopEngine(rollout.green),), wake_after=0.0)


def restoring(rollout: Rollout, seen: Observation, now: datetime) -> Move:
    """The last act of going back: what serves is written down."""
    if rollout.forsaken and seen.blue.state is not EngineState.ABSENT:
        return Move(rollout, (*routes(rollout, seen), StopEngine(rollout.blue)))
    version, engine = (
        (rollout.to_version, rollout.green) if rollout.forsaken else (rollout.from_version, rollout.blue)
    )
    if version and (move := record(rollout, version, engine, seen, rollout.reason)):
        return replace(move, actions=(*routes(rollout, seen), *move.actions))
    told = f"{short(version)} serves" if version else "no version serves"
    ended = enter(rollout, rollout.ending, now, told)
    return Move(ended, events=(_event_of_going_back(ended),))


def _event_of_going_back(rollout: Rollout) -> Event:
    if rollout.ending is Phase.ROLLED_BACK:
        return RolloutRolledBack(rollout.from_version, rollout.reason)
    return RolloutFailed(rollout.reason)
