"""Drift of embeddings: the squared maximum mean discrepancy (MMD²) of texts, from sketches that hold no text.

The kernel is Gaussian, k(x, y) = exp(-|x - y|² / 2b²); its bandwidth b is the median distance of the training texts. A
sketch is the mean of random Fourier features of that kernel, so that MMD² is the squared distance of two sketches.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ratoon_flywheel.domain.signals.drift import Feature, Measure, Reference, noise_band

EDITION = 1
"""Edition of the sketches; those of different editions are not compared."""


@dataclass(frozen=True)
class Kernel:
    """Gaussian kernel of the embeddings of one model."""

    bandwidth: float
    model_digest: str


@dataclass(frozen=True)
class Sketch:
    """Mean of the random Fourier features of texts."""

    kernel: Kernel
    mean: tuple[float, ...]
    texts: int
    noise_bands: tuple[float, ...] = ()
    """For each of SAMPLE_SIZES; empty if the sketch is no reference."""


def squared_mmd(sample: Sequence[float], reference: Sequence[float]) -> float:
    """Return MMD² of two sketches of the same kernel: 0 to 2."""
    return sum((one - other) ** 2 for one, other in zip(sample, reference, strict=True))


def measure(window: Sketch, base: Sketch, reference: Reference) -> Measure | None:
    """Hold the texts of a window against a reference; None if the sketches cannot be compared."""
    if window.kernel != base.kernel or not base.noise_bands:
        return None
    far = squared_mmd(window.mean, base.mean)
    return Measure(Feature.EMBEDDINGS, far, noise_band(base.noise_bands, window.texts), reference=reference)
