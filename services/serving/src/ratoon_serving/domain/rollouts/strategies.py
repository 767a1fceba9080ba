"""Which of the three ways to switch suits a pair of versions, and why. It knows neither engines nor memory's source."""

from dataclasses import dataclass

from ratoon_serving.domain.errors import StrategyUnavailable
from ratoon_serving.domain.rollouts.rollout import Strategy

_MIB = 1 << 20


@dataclass(frozen=True)
class Weights:
    """What of a version's weights decides how it can take another's place."""

    shape: str = ""
    """Versions of one shape differ in their weights alone; empty: not known."""
    base_digest: str = ""
    """The base model that an adapter goes with; empty: a whole model."""
    size_bytes: int = 0
    """What an engine of its own has to load: the model, or the base of an adapter."""
    rank: int = 0
    """An adapter's rank; of a warm engine, the greatest that it takes."""


@dataclass(frozen=True)
class Room:
    """What there is for another engine where engines run: memory in bytes, or places."""

    available: int = 0
    overhead: int = 0
    """What an engine takes beside its weights."""
    places: int | None = None
    """How many more processes of engines there may be, where places are counted and memory is not."""
    endless: bool = False
    """Whether nobody knows a bound beforehand."""

    def lacks(self, size: int, processes: int = 1) -> str:
        """What is missing for another engine with weights of this size; empty: nothing that is known of."""
        needed = size + self.overhead
        if self.places is not None:
            told = (
                f"the pool of engines has {self.places or 'no'} place left, but a second engine needs "
                f"{processes}"
            )
            return "" if self.places >= processes else told
        if self.endless or self.available >= needed:
            return ""
        return f"{self.available // _MIB} MiB of memory are free, but a second engine needs {needed // _MIB}"


@dataclass(frozen=True)
class Choice:
    """A strategy, and the sentence that says why."""

    strategy: Strategy
    reason: str


def choose(
    asked: Strategy | None, old: Weights | None, new: Weights, room: Room, processes: int = 1
) -> Choice:
    """The strategy that was asked for, or the cheapest one that is safe; `old` is what the warm engine holds, and
    `processes` what it consists of.

    Raises StrategyUnavailable when the one asked for cannot serve this pair of versions.
    """
    match asked:
        case None:
            return _cheapest(old, new, room.lacks(new.size_bytes, processes))
        case Strategy.ADAPTER_SWAP if not _same_base(old, new):
            raise StrategyUnavailable(
                f"{asked} needs a warm engine that has loaded the adapter's base model and supports its "
                "rank: use SECOND_ENGINE."
            )
        case Strategy.IN_PLACE if not are_interchangeable(old, new):
            raise StrategyUnavailable(
                f"{asked} needs a warm engine whose version differs only in its weights: use SECOND_ENGINE."
            )
    return Choice(asked, "it was requested")


def _cheapest(old: Weights | None, new: Weights, lacking: str) -> Choice:
    if _same_base(old, new):
        return Choice(
            Strategy.ADAPTER_SWAP, "both versions are adapters of the base model in the warm engine"
        )
    if lacking and are_interchangeable(old, new):
        return Choice(Strategy.IN_PLACE, f"{lacking}; the versions differ only in their weights")
    if lacking and old is not None:
        return Choice(Strategy.SECOND_ENGINE, f"{lacking}, but no other strategy is safe for these versions")
    return Choice(Strategy.SECOND_ENGINE, "a second engine is safe for any pair of versions")


def _same_base(old: Weights | None, new: Weights) -> bool:
    same = old is not None and bool(new.base_digest) and old.base_digest == new.base_digest
    return same and old is not None and new.rank <= old.rank and old.shape == new.shape


def are_interchangeable(old: Weights | None, new: Weights) -> bool:
    """Whether one can take the other's place in a warm engine: whole models that differ in their weights alone."""
    whole = old is not None and not old.base_digest and not new.base_digest
    return whole and bool(new.shape) and old is not None and old.shape == new.shape


def rank_room(rank: int) -> int:
    """The greatest rank that an engine is started for, when its first adapter has this one: the next power of two."""
    return max(8, 1 << (rank - 1).bit_length()) if rank else 0
