"""Selection of the strategy for a pair of versions, with the reason. It does not know engines."""

from dataclasses import dataclass

from ratoon_serving.domain.errors import StrategyUnavailable
from ratoon_serving.domain.rollouts.adapter_swap import shares_base_model
from ratoon_serving.domain.rollouts.in_place import are_interchangeable
from ratoon_serving.domain.rollouts.model_spec import ModelSpec
from ratoon_serving.domain.rollouts.rollout import Strategy
from ratoon_serving.domain.rollouts.second_engine import Headroom


@dataclass(frozen=True)
class Choice:
    """Strategy, with the reason of its choice."""

    strategy: Strategy
    reason: str


def choose(
    requested: Strategy | None, old: ModelSpec | None, new: ModelSpec, headroom: Headroom, processes: int = 1
) -> Choice:
    """Return the requested strategy, or else the cheapest one that is safe.

    `old` is the model in the warm engine, `processes` the number of its processes. Raises StrategyUnavailable when
    the requested strategy does not work for this pair of versions.
    """
    match requested:
        case None:
            return _cheapest(old, new, headroom.shortage(new.size_bytes, processes))
        case Strategy.ADAPTER_SWAP if not shares_base_model(old, new):
            raise StrategyUnavailable(
                f"{requested} needs a warm engine that has loaded the adapter's base model and supports its "
                "rank: use SECOND_ENGINE."
            )
        case Strategy.IN_PLACE if not are_interchangeable(old, new):
            raise StrategyUnavailable(
                f"{requested} needs a warm engine whose version differs only in its weights: use SECOND_ENGINE."
            )
    return Choice(requested, "it was requested")


def _cheapest(old: ModelSpec | None, new: ModelSpec, shortage: str) -> Choice:
    if shares_base_model(old, new):
        return Choice(
            Strategy.ADAPTER_SWAP, "both versions are adapters of the base model in the warm engine"
        )
    if shortage and are_interchangeable(old, new):
        return Choice(Strategy.IN_PLACE, f"{shortage}; the versions differ only in their weights")
    if shortage and old is not None:
        return Choice(Strategy.SECOND_ENGINE, f"{shortage}, but no other strategy is safe for these versions")
    return Choice(Strategy.SECOND_ENGINE, "a second engine is safe for any pair of versions")
