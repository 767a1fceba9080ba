"""Number of engines and gateways for a rate of requests: a pure function of rates that were measured."""

import math
from dataclasses import dataclass

from ratoon_serving.domain.errors import DemandInvalid, NoMeasuredRate

GATEWAY_RATE = 1_596.0
"""Requests a second that one gateway process relayed on two loaded cores of the reference machine, all limits and
content filters on (docs/performance.md, 2026-11-25)."""
USUAL_UTILIZATION = 0.7
"""Share of a measured rate beyond which queues grow fast."""
MAX_RATE = 10_000_000.0
MAX_SPARE = 64


@dataclass(frozen=True)
class Demand:
    """Rate to plan for, in requests a second, and the rates to plan with; 0 where they are not stated."""

    requests_per_second: float
    engine_requests_per_second: float = 0.0
    gateway_requests_per_second: float = 0.0
    utilization: float = 0.0
    spare: int = 1

    def checked(self) -> "Demand":
        """Return the demand if it is in range; DemandInvalid names the field otherwise."""
        limits = [
            (
                "requests_per_second",
                0 < self.requests_per_second <= MAX_RATE,
                f"above 0, at most {MAX_RATE:,.0f}",
            ),
            ("engine_requests_per_second", 0 <= self.engine_requests_per_second <= MAX_RATE, "0 or more"),
            ("gateway_requests_per_second", 0 <= self.gateway_requests_per_second <= MAX_RATE, "0 or more"),
            ("utilization", 0 <= self.utilization <= 1, "above 0 and at most 1"),
            ("spare", 0 <= self.spare <= MAX_SPARE, f"0 to {MAX_SPARE}"),
        ]
        for name, holds, range_text in limits:
            if not holds:
                raise DemandInvalid(f"{name} must be {range_text}.", name)
        return self


@dataclass(frozen=True)
class ServingPlan:
    """Processes for a rate of requests, with the rates that they follow from."""

    requests_per_second: float
    engines: int
    gateways: int
    engine_requests_per_second: float
    gateway_requests_per_second: float
    engine_basis: str
    gateway_basis: str
    utilization: float
    spare: int
    expected_utilization: float
    notes: tuple[str, ...]


def plan_capacity(demand: Demand, measured_rate: float, max_replicas: int) -> ServingPlan:
    """Return the plan; `measured_rate` is the highest that a process of an engine answered lately, 0: none.

    NoMeasuredRate without any rate of an engine.
    """
    demand.checked()
    engine_rate = demand.engine_requests_per_second or measured_rate
    if not engine_rate:
        raise NoMeasuredRate(
            "No engine of the deployment answered requests in the last half hour, so that its rate is not known: send "
            "requests, or state engine_requests_per_second."
        )
    gateway_rate = demand.gateway_requests_per_second or GATEWAY_RATE
    utilization = demand.utilization or USUAL_UTILIZATION
    engines = _processes(demand, engine_rate, utilization)
    gateways = _processes(demand, gateway_rate, utilization)
    return ServingPlan(
        requests_per_second=demand.requests_per_second,
        engines=engines,
        gateways=gateways,
        engine_requests_per_second=engine_rate,
        gateway_requests_per_second=gateway_rate,
        engine_basis="Stated in the request."
        if demand.engine_requests_per_second
        else "Highest rate that a process of the engine answered within ten seconds of the last half hour. It may "
        "answer more: the plan then has too many engines.",
        gateway_basis="Stated in the request."
        if demand.gateway_requests_per_second
        else "Measured on two loaded cores of the reference machine, with all limits and filters on.",
        utilization=utilization,
        spare=demand.spare,
        expected_utilization=demand.requests_per_second / (engines * engine_rate),
        notes=tuple(_notes(engines, max_replicas)),
    )


def _processes(demand: Demand, rate: float, utilization: float) -> int:
    return math.ceil(demand.requests_per_second / (utilization * rate)) + demand.spare


def _notes(engines: int, max_replicas: int) -> list[str]:
    notes = ["Rates hold for requests like those that were measured: longer answers take more engines."]
    if engines > max_replicas:
        notes.append(
            f"One deployment here has at most {max_replicas} processes of its engine: divide the traffic among several "
            "deployments, or take faster devices."
        )
    return notes
