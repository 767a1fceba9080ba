"""Route table: the engines of each deployment, and their traffic weights."""

from dataclasses import dataclass, replace
from datetime import datetime

from ratoon_serving.domain.generation import Generation, PromptLimits

TABLE = "routeTable"
HOLD_S = 30.0
"""Seconds that requests may wait at the gateway while no engine accepts any."""
HOLD_IN_PLACE_S = 60.0
"""Seconds that requests may wait during a rollout in place: for open streams, the load, and a rollback."""
HOLD_ASLEEP_S = 300.0
"""Seconds that requests may wait while an engine that was scaled to zero starts."""

TrafficSplit = tuple[tuple[str, int], ...]
"""Share of new requests by engine name; 0 serves only requests that pin the version."""


@dataclass(frozen=True)
class Target:
    """One process of an engine, as gateways reach it."""

    engine: str
    version: str
    endpoint: str
    secret: str
    served_name: str
    weight: int
    generation: Generation = Generation()
    prompt: PromptLimits = PromptLimits()


@dataclass(frozen=True)
class Route:
    """The engines of one deployment."""

    deployment: str
    targets: tuple[Target, ...] = ()
    hold_s: float = HOLD_S
    shadow_share: float = 0.0
    """Share of the answered requests that another version answers too; 0: as gateways are set."""

    @property
    def split(self) -> TrafficSplit:
        """Return the weight of each engine, summed over its processes."""
        summed: dict[str, int] = {}
        for target in self.targets:
            summed[target.engine] = summed.get(target.engine, 0) + target.weight
        return tuple(summed.items())


@dataclass(frozen=True)
class RouteTable:
    """All routes; its revision is the version that gateways see."""

    name: str
    create_time: datetime
    update_time: datetime
    revision: int
    routes: tuple[Route, ...] = ()

    def route(self, deployment: str) -> Route:
        """Return the route of a deployment; one without targets if there is none."""
        return next((route for route in self.routes if route.deployment == deployment), Route(deployment))

    def with_route(self, route: Route) -> "RouteTable":
        """Return the table with the route of this deployment replaced."""
        others = tuple(other for other in self.routes if other.deployment != route.deployment)
        return replace(self, routes=tuple(sorted((*others, route), key=lambda r: r.deployment)))

    def without_route(self, deployment: str) -> "RouteTable":
        """Return the table without the route of a deployment."""
        return replace(self, routes=tuple(route for route in self.routes if route.deployment != deployment))


def divide_weight(weight: int, parts: int) -> list[int]:
    """Return the weights of the processes of an engine; they sum up to the engine's weight."""
    each, left = divmod(weight, parts)
    return [each + (place < left) for place in range(parts)]
