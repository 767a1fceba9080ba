"""Model of a version, as far as it decides which strategies can replace it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ModelSpec:
    """Properties of a version's model, or of the model that a warm engine holds."""

    shape: str = ""
    """Versions of one shape differ in their weights alone; empty: not known."""
    base_digest: str = ""
    """Base model of an adapter; empty: a whole model."""
    size_bytes: int = 0
    """Size of what an engine of its own has to load: the model, or the base of an adapter."""
    rank: int = 0
    """Rank of an adapter; of a warm engine, the greatest rank that it takes."""
