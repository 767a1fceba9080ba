"""Time and price of answers. It does not know how time was measured."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ratoon.tasks.compute import Accelerator
from ratoon.tasks.costs import cost_text

_HOUR_S = 3600
_MILLION = 1_000_000


@dataclass(frozen=True)
class AnswerCost:
    """Time of a million answers in seconds, and their price by the rates of the operator."""

    core_seconds_per_million: float
    """Processor time of one core."""
    device_seconds_per_million: float = 0.0
    """Time of the accelerator; 0: answered without one."""
    price_per_million: float | None = None
    """None: the operator gave no rate of the device."""
    currency: str = ""
    assumption: str = ""
    """How the price follows from the time, in one sentence."""


@dataclass(frozen=True)
class Rates:
    """What a device costs an hour, as the operator states it. A device `CPU` is a machine without accelerators."""

    hourly_costs: Mapping[Accelerator, float] = field(default_factory=dict)
    currency: str = ""


def cost_of(core_seconds: float, device_seconds: float, answers: int) -> AnswerCost:
    """Return the time of a million answers by that of some, without a price."""
    return AnswerCost(_MILLION * core_seconds / answers, _MILLION * device_seconds / answers)


def priced(cost: AnswerCost, accelerator: Accelerator, cores: int, rates: Rates) -> AnswerCost:
    """Return a cost with its price; `cores` are those of the machine that answered.

    An answer on a CPU costs its share of the cores of a machine, one on an accelerator the time of that.
    """
    used = accelerator if cost.device_seconds_per_million else Accelerator.CPU
    rate = rates.hourly_costs.get(used)
    measured = "Time of the accelerator" if used is not Accelerator.CPU else "Processor time"
    if rate is None:
        assumption = (
            f"{measured} of the answers of the evaluation; no rate of {used.lower()} is set "
            "(RATOON_EVALUATION_HOURLY_COSTS)."
        )
        return AnswerCost(
            cost.core_seconds_per_million, cost.device_seconds_per_million, None, "", assumption
        )
    rated = f"{rate:g} {rates.currency}".strip()
    if used is Accelerator.CPU:
        price = cost.core_seconds_per_million / cores / _HOUR_S * rate
        basis = f"a machine of {cores} cores costs {rated} an hour, and all of them answer"
    else:
        price = cost.device_seconds_per_million / _HOUR_S * rate
        basis = f"{used.lower()} costs {rated} an hour, and answers as in the evaluation all the time"
    return AnswerCost(
        cost.core_seconds_per_million,
        cost.device_seconds_per_million,
        price,
        rates.currency,
        f"{measured} of the answers of the evaluation; {basis}.",
    )


def described(cost: AnswerCost) -> str:
    """Return what a million answers cost, for people."""
    return cost_text(
        cost.core_seconds_per_million, cost.device_seconds_per_million, cost.price_per_million, cost.currency
    )
