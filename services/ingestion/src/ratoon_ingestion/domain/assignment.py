"""The parts of a split, their shares, and the pure rules by which records are assigned to them."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from ratoon_ingestion.domain.errors import BadSplit


class Part(StrEnum):
    """A part of a split."""

    TRAIN = "TRAIN"
    VALIDATION = "VALIDATION"
    TEST = "TEST"


class SplitMode(StrEnum):
    """How parts are chosen."""

    STRATIFIED = "STRATIFIED"
    TIME = "TIME"
    GROUPED = "GROUPED"
    QUANTILES = "QUANTILES"
    RANDOM = "RANDOM"


class Withheld(StrEnum):
    """Why a record is in no part."""

    NO_LABEL = "NO_LABEL"
    NO_TIME = "NO_TIME"
    NO_NUMBER = "NO_NUMBER"
    EARLIER_TEST = "EARLIER_TEST"
    """Its cluster or content stands in an earlier test part, and time puts it before this test part."""
    CLUSTER_STRADDLES = "CLUSTER_STRADDLES"
    """A near duplicate of it stands in a later part."""
    REPEATED = "REPEATED"
    """It repeats a record that is not trained on."""
    TRAINING_ONLY = "TRAINING_ONLY"
    """It may only be trained on, and time puts it after the start of the test part."""


@dataclass(frozen=True)
class Ratios:
    """Shares of the three parts; they sum to 1, and there must be something to train on."""

    train: float = 0.8
    validation: float = 0.1
    test: float = 0.1

    def __post_init__(self) -> None:
        shares = (self.train, self.validation, self.test)
        if any(share < 0 for share in shares) or abs(sum(shares) - 1) > 1e-6:
            raise BadSplit(f"The shares {shares} must be 0 or more and sum to 1, like 0.8, 0.1, 0.1.")


MIN_FOLDS, MAX_FOLDS = 2, 20


@dataclass(frozen=True)
class Folds:
    """Number of folds of what is not tested, and the one that validates; a count of 0: there are none."""

    count: int = 0
    fold: int = 0

    def __post_init__(self) -> None:
        if (self.count or self.fold) and not MIN_FOLDS <= self.count <= MAX_FOLDS:
            raise BadSplit(f"folds.count is {self.count}; choose {MIN_FOLDS} to {MAX_FOLDS}.")
        if self.count and not 0 <= self.fold < self.count:
            raise BadSplit(f"folds.fold is {self.fold}; choose 0 to {self.count - 1}.")


def order_key(seed: int, identity: str) -> bytes:
    """A pseudo-random order that depends on the seed and the identity alone."""
    return hashlib.sha256(f"{seed}:{identity}".encode()).digest()


def merged_classes(counts: Mapping[str, int], ratios: Ratios) -> dict[str, str]:
    """Return the class in whose shares each class counts, by the number of records of each.

    That is itself, or its rarest label if it has several and too few records.
    """
    labels = {name: _labels_of(name) for name in counts}
    by_label: Counter[str] = Counter()
    for name, count in counts.items():
        by_label.update(dict.fromkeys(labels[name], count))
    return {
        name: name
        if len(labels[name]) < 2 or _fills(count, ratios)
        else min(labels[name], key=lambda label: (by_label[label], label))
        for name, count in counts.items()
    }


def _labels_of(name: str) -> tuple[str, ...]:
    """Return the labels of a class: one a line, or those of a JSON list."""
    lines = tuple(name.split("\n"))
    if not name.startswith("["):
        return lines
    try:
        listed = json.loads(name)
    except (ValueError, RecursionError):
        return lines
    return tuple(map(str, listed)) or lines


def _fills(count: int, ratios: Ratios) -> bool:
    """Return whether each part gets one of this many records or more."""
    return all(round(count * share) for share in (ratios.train, ratios.validation, ratios.test) if share)
