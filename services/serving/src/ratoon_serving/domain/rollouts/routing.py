"""Traffic of a rollout: the split that each phase requires, and the actions that reconcile the route table with it.

The split follows from the state alone, so that the next step repeats an action that a crash lost.
"""

from ratoon_serving.domain.engine import EngineState, EngineView
from ratoon_serving.domain.rollouts.plan import (
    Action,
    Event,
    Observation,
    OpenEngine,
    Plan,
    ReconcileEngine,
    SetRoutes,
)
from ratoon_serving.domain.rollouts.rollout import Phase, Rollout, Strategy
from ratoon_serving.domain.routes import HOLD_IN_PLACE_S, HOLD_S, TrafficSplit


def desired_split(rollout: Rollout, green: EngineView) -> TrafficSplit:
    """Return the traffic split that this state requires, without engines that are not attested or gone."""
    blue = rollout.blue if rollout.blue and rollout.blue_attested else ""
    green_name = rollout.green if green.state is EngineState.READY else ""
    split: TrafficSplit
    in_place = rollout.strategy is Strategy.IN_PLACE
    match rollout.phase:
        case Phase.CLOSING:
            split = ()
        case Phase.SHIFTING:
            share = rollout.weights[rollout.step] if blue else 100
            split = ((rollout.green, share), (blue, 100 - share))
        case Phase.BAKING:
            split = ((rollout.green, 100), (blue, 0))
        case Phase.DRAINING | Phase.PROMOTING | Phase.SUCCEEDED:
            split = ((rollout.green, 100),)
        case Phase.REVERTING if (
            not blue and rollout.blue and rollout.shifted_at and green_name and not in_place
        ):
            split = ((green_name, 100),)
        case Phase.RESTORING if rollout.old_engine_unrecoverable:
            split = ((green_name, 100),)
        case _:
            split = ((blue, 100),)
    return tuple((engine, weight) for engine, weight in split if engine)


def route_actions(rollout: Rollout, observation: Observation) -> tuple[Action, ...]:
    """Return the actions that open the routed engines, then route them; empty when the route table is right."""
    desired = desired_split(rollout, observation.green)
    opened = tuple(
        OpenEngine(name)
        for name, view in _views(rollout, observation)
        if name in dict(desired) and view.state is EngineState.READY and not view.accepting
    )
    hold = HOLD_IN_PLACE_S if rollout.strategy is Strategy.IN_PLACE else HOLD_S
    routed = (
        ()
        if sorted(desired) == sorted(observation.split)
        else (SetRoutes(desired, hold, _shadow_share(rollout)),)
    )
    return (*opened, *routed)


def _shadow_share(rollout: Rollout) -> float:
    """Return the share of requests that the other version answers too, while both serve."""
    return rollout.shadow.share if rollout.phase in (Phase.SHIFTING, Phase.BAKING) and rollout.blue else 0.0


def reconcile(rollout: Rollout, observation: Observation) -> tuple[Action, ...]:
    """Return the actions for routed engines of which a process came or went."""
    return tuple(
        ReconcileEngine(name)
        for name, view in _views(rollout, observation)
        if view.changed and name in dict(observation.split)
    )


def settle(rollout: Rollout, observation: Observation, *events: Event) -> Plan:
    """Return the plan that enters a phase and sets its routes in one step."""
    return Plan(rollout, route_actions(rollout, observation), events, wake_after=0.0)


def _views(rollout: Rollout, observation: Observation) -> tuple[tuple[str, EngineView], ...]:
    return (rollout.green, observation.green), (rollout.blue, observation.blue)
