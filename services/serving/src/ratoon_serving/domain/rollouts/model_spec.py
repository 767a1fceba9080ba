"""Model of a version, as far as it decides which strategies can replace it."""

from dataclasses import dataclass

from ratoon.tasks.compute import Dtype


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
    weights: str = ""
    """`int8` or `int4` for weights of integers; empty for others."""
    dtype: Dtype | None = None
    """Number format for which its weights were compressed; None: the deployment's."""
