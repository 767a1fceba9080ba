"""How big a model is, by the two measures that operators use."""

from enum import StrEnum

SMALL_PARAMETERS = 100_000_000
SMALL_BYTES = 100_000_000
LARGE_PARAMETERS = 10_000_000_000


class SizeClass(StrEnum):
    """Small: under 100 million parameters and under 100 MB on disk, one device; large: 10 billion parameters up."""

    SMALL = "SMALL"
    MEDIUM = "MEDIUM"
    LARGE = "LARGE"


def size_class(parameters: int, size_bytes: int) -> SizeClass:
    """The class by both measures: 100 million parameters in FP32 are 400 MB, so that is not small."""
    if parameters >= LARGE_PARAMETERS:
        return SizeClass.LARGE
    if parameters < SMALL_PARAMETERS and size_bytes < SMALL_BYTES:
        return SizeClass.SMALL
    return SizeClass.MEDIUM
