"""Adapter swap: green is an adapter in blue's process, and both serve at the same time."""

from ratoon_serving.domain.rollouts.model_spec import ModelSpec


def shares_base_model(old: ModelSpec | None, new: ModelSpec) -> bool:
    """Return whether the warm engine can load the new adapter next to the old one."""
    same = old is not None and bool(new.base_digest) and old.base_digest == new.base_digest
    return same and old is not None and new.rank <= old.rank and old.shape == new.shape


def max_rank_for(rank: int) -> int:
    """Return the greatest rank of an engine whose first adapter has this one: the next power of two, at least 8."""
    return max(8, 1 << (rank - 1).bit_length()) if rank else 0
