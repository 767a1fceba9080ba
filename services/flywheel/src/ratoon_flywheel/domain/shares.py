"""Sizes of the parts of a split: how many records fill each of them."""

import itertools

Ratios = tuple[float, float, float]
"""Shares of training, validation and test."""


def records_per_class(ratios: Ratios) -> int:
    """Return the number of records of one class from which each part gets one of them, by the split's rounding."""
    shares = [share for share in ratios if share]
    nearly = max(2, int(0.5 / min(shares)))
    return next(
        number for number in itertools.count(nearly) if all(round(number * share) >= 1 for share in shares)
    )


def records_in_all(ratios: Ratios) -> int:
    """Return the number of records from which a split that divides all of them at once leaves no part empty."""
    nearly = int(0.5 / min(share for share in ratios if share))
    counts = itertools.chain(range(2, 10_000), itertools.count(max(10_000, nearly)))
    return next(count for count in counts if fills_parts(count, ratios))


def fills_parts(total: int, ratios: Ratios) -> bool:
    """Return whether a split that divides all records at once leaves no part empty."""
    first, second = round(total * ratios[0]), round(total * (ratios[0] + ratios[1]))
    return 0 < first < second < total
