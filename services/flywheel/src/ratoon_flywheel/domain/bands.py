"""Divergences in widths of their noise band: the unit of drift for people and for policies."""

MIN_BAND = 1e-4
"""Nats. A narrower band is taken for this wide, so that a ratio is always finite."""


def widths(divergence: float, noise_band: float) -> float:
    """Return a divergence in widths of its noise band."""
    return divergence / max(noise_band, MIN_BAND)
