"""In place: green's weights replace blue's in its process, while requests wait at the gateway.

Blue is closed and ends its streams first (CLOSING); a rollback does the same in the other direction. Streams that do
not end in time make the rollout, or its rollback, continue with a second engine.
"""

from dataclasses import replace
from datetime import datetime

from ratoon_serving.domain.rollouts import second_engine
from ratoon_serving.domain.rollouts.model_spec import ModelSpec
from ratoon_serving.domain.rollouts.plan import Event, Observation, Plan
from ratoon_serving.domain.rollouts.rollout import Limits, Phase, Placement, ProcessUse, Rollout, Strategy
from ratoon_serving.domain.rollouts.routing import settle
from ratoon_serving.domain.rollouts.transitions import drain, enter, seconds_in_phase, short, start

IN_PLACE_LIMITS = Limits(attest_s=20.0, probe_s=10.0)
"""Limits of a rollout in place: shorter than others, because requests wait meanwhile."""
REQUESTS_WAIT = frozenset({Phase.CLOSING, Phase.STARTING, Phase.ATTESTING, Phase.PROBING})
"""Phases of a rollout in place in which requests wait: a pause does not hold them."""


def are_interchangeable(old: ModelSpec | None, new: ModelSpec) -> bool:
    """Return whether one can replace the other in a warm engine: whole models that differ only in their weights."""
    whole = old is not None and not old.base_digest and not new.base_digest
    return whole and bool(new.shape) and old is not None and old.shape == new.shape


def begin(rollout: Rollout, observation: Observation, now: datetime, *events: Event) -> Plan:
    """Stop routing requests, so that blue ends its streams."""
    waiting = replace(rollout, baseline=observation.baseline)
    message = f"new requests wait until open requests have ended: {rollout.reason}"
    return settle(enter(waiting, Phase.CLOSING, now, message), observation, *events)


def closing(rollout: Rollout, observation: Observation, now: datetime) -> Plan:
    """Close blue and load green once blue has no request; otherwise continue with a second engine."""
    if (draining := drain(rollout, rollout.blue, observation.blue, observation)) is None:
        empty = replace(rollout, blue_attested=False)
        loading = enter(empty, Phase.STARTING, now, f"loading {short(rollout.to_version)} in place")
        return Plan(loading, (start(loading, rollout.green),), wake_after=0.0)
    if draining or seconds_in_phase(rollout, now) <= rollout.limits.quiet_s:
        return Plan(rollout, draining, wake_after=0.05)
    reason = (
        f"{observation.blue.in_flight} answers took longer than {rollout.limits.quiet_s:.0f} s: starting a "
        "second engine instead"
    )
    explained = replace(rollout, reason=reason)
    return second_engine.move_out(explained, rollout.green, Phase.STARTING, reason, observation, now)


def is_possible(rollout: Rollout, now: datetime) -> bool:
    """Return whether a second engine waited long enough for capacity, and green can replace blue instead."""
    waited = seconds_in_phase(rollout, now) > rollout.limits.placement_timeout_s
    free = rollout.strategy is Strategy.SECOND_ENGINE and rollout.placement is None and not rollout.paused
    return waited and free and rollout.interchangeable and rollout.blue_attested and len(rollout.weights) == 1


def move_in(rollout: Rollout, observation: Observation, now: datetime) -> Plan:
    """Continue a rollout by second engine in place, because there is no capacity for a second engine."""
    reason = f"{observation.green.message}; {short(rollout.to_version)} is loaded in place instead"
    limits = replace(IN_PLACE_LIMITS, start_s=rollout.limits.start_s)
    placement = Placement(ProcessUse.SHARED_PROCESS, rollout.green)
    moved = replace(rollout, strategy=Strategy.IN_PLACE, placement=placement, limits=limits, reason=reason)
    return settle(enter(moved, Phase.CLOSING, now, reason), observation)


def reload_blue(rollout: Rollout, observation: Observation, now: datetime) -> Plan:
    """Load blue again once green has no request; otherwise continue the rollback with a second engine."""
    if (draining := drain(rollout, rollout.green, observation.green, observation)) is None:
        return Plan(rollout, (start(rollout, rollout.blue),), wake_after=0.05)
    if draining or seconds_in_phase(rollout, now) <= rollout.limits.quiet_s:
        return Plan(rollout, draining, wake_after=0.05)
    message = f"{short(rollout.from_version)} takes a second engine"
    return second_engine.move_out(rollout, rollout.blue, Phase.REVERTING, message, observation, now)
