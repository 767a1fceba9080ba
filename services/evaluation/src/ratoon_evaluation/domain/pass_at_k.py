"""pass@k: the chance that one of k answers to a problem passes its tests."""

from math import comb


def pass_at_k(samples: int, passed: int, k: int) -> float:
    """Return the unbiased estimate from this number of answers, of which so many passed (Chen et al., 2021)."""
    return 1.0 - comb(samples - passed, k) / comb(samples, k)
