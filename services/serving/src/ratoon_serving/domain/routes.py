"""The route table: which engines answer for which deployment, and with what weight."""

from dataclasses import dataclass, replace
from datetime import datetime

TABLE = "routeTable"
HOLD_S = 30.0
"""How long requests may wait at the gateway while nothing is open, in seconds."""

Weights = tuple[tuple[str, int], ...]
"""Share of new requests by engine name; 0 serves only requests that pin the version."""


@dataclass(frozen=True)
class Target:
    """One engine as a gateway needs to know it."""

    engine: str
    version: str
    endpoint: str
    secret: str
    served_name: str
    weight: int


@dataclass(frozen=True)
class Route:
    """The engines of one deployment."""

    deployment: str
    targets: tuple[Target, ...] = ()
    hold_s: float = HOLD_S

    @property
    def weights(self) -> Weights:
        """The weights by engine."""
        return tuple((target.engine, target.weight) for target in self.targets)


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
