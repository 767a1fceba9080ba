"""Divergences in widths of their noise band: the unit in which drift is judged, by people and by policies."""

MIN_BAND = 1e-4
"""Nats. A narrower band is taken for this wide, so that a ratio is always finite."""


def widths(divergence: float, noise_band: float) -> float:
    """Return a divergence in widths of its null band."""
    return divergence / max(noise_band, MIN_BAND)
