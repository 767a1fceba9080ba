"""The route table: which engines answer for which deployment, and with what weight."""

from dataclasses import dataclass, replace
from datetime import datetime

from ratoon_serving.domain.generation import Generation, PromptLimits

TABLE = "routeTable"
HOLD_S = 30.0
"""How long requests may wait at the gateway while nothing is open, in seconds."""
HOLD_IN_PLACE_S = 60.0
"""… while weights are loaded in place: for the streams before them, the way there and the way back."""
HOLD_ASLEEP_S = 300.0
"""… while an engine comes up again that was scaled to none."""

TrafficSplit = tuple[tuple[str, int], ...]
"""Share of new requests by engine name; 0 serves only requests that pin the version."""


@dataclass(frozen=True)
class Target:
    """One process of an engine as a gateway needs to know it."""

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

    @property
    def weights(self) -> TrafficSplit:
        """The weights by engine, however many processes it has."""
        summed: dict[str, int] = {}
        for target in self.targets:
            summed[target.engine] = summed.get(target.engine, 0) + target.weight
        return tuple(summed.items())


@dataclass(frozen=True)
class RouteTable:
    """Every route; its revision is the version that gateways see."""

    name: str
    create_time: datetime
    update_time: datetime
    revision: int
    routes: tuple[Route, ...] = ()

    def route(self, deployment: str) -> Route:
        """The deployment's route; one without targets when there is none."""
        return next((route for route in self.routes if route.deployment == deployment), Route(deployment))

    def with_route(self, route: Route) -> "RouteTable":
        """The table with this deployment's route replaced."""
        others = tuple(other for other in self.routes if other.deployment != route.deployment)
        return replace(self, routes=tuple(sorted((*others, route), key=lambda r: r.deployment)))

    def without_route(self, deployment: str) -> "RouteTable":
        """Return the table without the route of a deployment."""
        return replace(self, routes=tuple(route for route in self.routes if route.deployment != deployment))


def split(share: int, parts: int) -> list[int]:
    """A share of new requests, spread over processes so that their shares sum up to it."""
    each, left = divmod(share, parts)
    return [each + (place < left) for place in range(parts)]
