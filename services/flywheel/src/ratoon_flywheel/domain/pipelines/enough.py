"""Are there enough labelled records to train, validate and test on? Checked before anything is split or trained."""

import itertools
from collections.abc import Mapping

ADVISED_PER_LABEL = 200
"""Records of each label from which a model is likely to be useful."""


def too_few(
    counts: Mapping[str, int], ratios: tuple[float, float, float], *, by_time: bool, labels: tuple[str, ...]
) -> str:
    """A sentence with the counts and what is needed, where a part of the split would stay empty; else nothing.

    `ratios` are the shares of training, validation and test. Splits by class give each class its shares; splits by
    time share out all records at once.
    """
    by_label = {label: counts.get(label, 0) for label in (*labels, *sorted(counts.keys() - set(labels)))}
    total = sum(by_label.values())
    if by_time:
        return "" if _parted(total, ratios) else _sentence(by_label, _need_by_time(ratios))
    min_records = _need_by_class(ratios)
    enough = sum(count >= min_records for count in by_label.values()) >= 2
    return (
        "" if enough else _sentence(by_label, f"at least two labels need {min_records} records or more each")
    )


def _need_by_class(ratios: tuple[float, float, float]) -> int:
    """Records of one label from which each part gets one of them, by the split's rounding."""
    shares = [share for share in ratios if share]
    nearly = max(2, int(0.5 / min(shares)))
    return next(
        number for number in itertools.count(nearly) if all(round(number * share) >= 1 for share in shares)
    )


def _need_by_time(ratios: tuple[float, float, float]) -> str:
    min_records = next(count for count in range(2, 10_000) if _parted(count, ratios))
    return f"{min_records} records or more are needed"


def _parted(total: int, ratios: tuple[float, float, float]) -> bool:
    """Whether a split by time leaves no part empty."""
    first, second = round(total * ratios[0]), round(total * (ratios[0] + ratios[1]))
    return 0 < first < second < total


def _sentence(counts: Mapping[str, int], need: str) -> str:
    total = sum(counts.values())
    listed = ", ".join(f"{count} {label}" for label, count in counts.items())
    return (
        f"{total} labelled {'record is' if total == 1 else 'records are'} too few ({listed}): for training, validation "
        f"and test, {need}. Add labelled records; {ADVISED_PER_LABEL} or more of each label are advised."
    )
